//! Both ways of reading a request, held against each other: by hand, and by the generated code.

#![allow(clippy::unwrap_used)]

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::rpc::pb;

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{0,8}", "\\PC{0,40}"]
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..300_u64, any::<u64>()]
}

fn id() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..20)
}

fn ttl() -> impl Strategy<Value = Option<Duration>> {
    option::of(
        (any::<i64>(), any::<i32>()).prop_map(|(seconds, nanos)| Duration { seconds, nanos }),
    )
}

fn subject() -> impl Strategy<Value = Option<pb::Subject>> {
    option::of((text(), text(), text(), text(), text()).prop_map(
        |(organization, environment, user, product, model)| pb::Subject {
            organization,
            environment,
            user,
            product,
            model,
        },
    ))
}

fn cost() -> impl Strategy<Value = Option<pb::Cost>> {
    let usage = (text(), number()).prop_map(|(operation, quantity)| {
        pb::cost::Amount::Usage(pb::Usage {
            operation,
            quantity,
        })
    });
    let amount = option::of(prop_oneof![
        number().prop_map(pb::cost::Amount::Credits),
        usage
    ]);
    option::of((amount, text()).prop_map(|(amount, operation)| pb::Cost { amount, operation }))
}

prop_compose! {
    fn reserve()(subject in subject(), cost in cost(), min_amount in option::of(number()), ttl in ttl(), reservation_id in id())
        -> pb::ReserveRequest {
        pb::ReserveRequest { subject, cost, min_amount, ttl, reservation_id }
    }
}

prop_compose! {
    fn commit()(reservation_id in id(), amount in option::of(number()), is_amount in any::<bool>(), excess in any::<i32>())
        -> pb::CommitRequest {
        let actual = amount.map(|it| if is_amount { Actual::Amount(it) } else { Actual::Quantity(it) });
        pb::CommitRequest { reservation_id, actual, excess }
    }
}

prop_compose! {
    fn extend()(reservation_id in id(), additional in number(), ttl in ttl(), request_id in id()) -> pb::ExtendRequest {
        pb::ExtendRequest { reservation_id, additional, ttl, request_id }
    }
}

prop_compose! {
    fn charge()(subject in subject(), cost in cost(), request_id in id()) -> pb::ChargeRequest {
        pb::ChargeRequest { subject, cost, request_id }
    }
}

prop_compose! {
    fn check()(subject in subject(), cost in cost(), min_amount in option::of(number())) -> pb::CheckRequest {
        pb::CheckRequest { subject, cost, min_amount }
    }
}

fn batch() -> impl Strategy<Value = pb::BatchRequest> {
    use pb::operation::Request;
    let request = prop_oneof![
        reserve().prop_map(Request::Reserve),
        commit().prop_map(Request::Commit),
        id().prop_map(|reservation_id| Request::Release(pb::ReleaseRequest { reservation_id })),
        extend().prop_map(Request::Extend),
        charge().prop_map(Request::Charge),
        check().prop_map(Request::Check),
    ];
    let operation = option::of(request).prop_map(|request| pb::Operation { request });
    vec(operation, 0..5).prop_map(|operations| pb::BatchRequest { operations })
}

fn streamed() -> impl Strategy<Value = pb::StreamRequest> {
    let request = |(tag, pb::BatchRequest { operations })| pb::StreamRequest { tag, operations };
    (number(), batch()).prop_map(request)
}

/// How bytes are spoiled: a bit turned over, some left out, or put there twice.
#[derive(Clone, Debug)]
enum Spoiled {
    Flipped(usize, u8),
    Without(usize, usize),
    Twice(usize, usize),
}

fn spoiled() -> impl Strategy<Value = Spoiled> {
    prop_oneof![
        (any::<usize>(), 0..8_u8).prop_map(|(at, bit)| Spoiled::Flipped(at, bit)),
        (any::<usize>(), 1..9_usize).prop_map(|(at, length)| Spoiled::Without(at, length)),
        (any::<usize>(), 1..9_usize).prop_map(|(at, length)| Spoiled::Twice(at, length)),
    ]
}

fn spoil(bytes: &mut Vec<u8>, how: &Spoiled) {
    let size = bytes.len();
    if size == 0 {
        return;
    }
    match *how {
        Spoiled::Flipped(at, bit) => bytes[at % size] ^= 1 << bit,
        Spoiled::Without(at, length) => {
            let at = at % size;
            bytes.drain(at..size.min(at + length));
        }
        Spoiled::Twice(at, length) => {
            let at = at % size;
            let part = bytes[at..size.min(at + length)].to_vec();
            bytes.splice(at..at, part);
        }
    }
}

/// What we read is what prost reads; what we do not read, prost does not read either, unless it is a group.
macro_rules! both_ways {
    ($name:ident, $strategy:expr, $message:ty, $view:ty) => {
        proptest! {
            #[test]
            fn $name(one in $strategy, other in $strategy, how in vec(spoiled(), 0..3)) {
                let whole = one.encode_to_vec();
                prop_assert_eq!(<$view>::read(&whole).unwrap(), <$view>::from(&one));
                // One behind the other is merged.
                let mut bytes = [whole, other.encode_to_vec()].concat();
                let merged = <$message>::decode(&bytes[..]).unwrap();
                prop_assert_eq!(<$view>::read(&bytes).unwrap(), <$view>::from(&merged));
                for how in &how {
                    spoil(&mut bytes, how);
                }
                let message = <$message>::decode(&bytes[..]);
                if let Ok(seen) = <$view>::read(&bytes) {
                    prop_assert!(message.is_ok(), "prost refuses it: {message:?}");
                    let whole = message.as_ref().unwrap();
                    prop_assert_eq!(seen, <$view>::from(whole));
                }
            }
        }
    };
}

both_ways!(
    a_reserve_is_read_alike,
    reserve(),
    pb::ReserveRequest,
    Reserve<'_>
);
both_ways!(
    a_commit_is_read_alike,
    commit(),
    pb::CommitRequest,
    Commit<'_>
);
both_ways!(
    an_extend_is_read_alike,
    extend(),
    pb::ExtendRequest,
    Extend<'_>
);
both_ways!(
    a_charge_is_read_alike,
    charge(),
    pb::ChargeRequest,
    Charge<'_>
);
both_ways!(a_check_is_read_alike, check(), pb::CheckRequest, Check<'_>);
both_ways!(a_batch_is_read_alike, batch(), pb::BatchRequest, Batch<'_>);
both_ways!(
    a_message_of_a_stream_is_read_alike,
    streamed(),
    pb::StreamRequest,
    Streamed<'_>
);

#[test]
fn unknown_fields_are_passed_over_and_groups_left_to_prost() {
    let release = pb::ReleaseRequest {
        reservation_id: vec![7; 16],
    };
    let known = release.encode_to_vec();
    for (unknown, is_read) in [
        (&[0x78, 0x05][..], true),               // 15: a number
        (&[0x7a, 0x02, 1, 2], true),             // 15: bytes
        (&[0x7d, 1, 2, 3, 4], true),             // 15: four bytes
        (&[0x79, 1, 2, 3, 4, 5, 6, 7, 8], true), // 15: eight bytes
        (&[0x7b, 0x7c], false),                  // 15: a group
        (&[0x79, 1, 2, 3], false),               // cut off
        (&[0x00, 0x05], false),                  // field 0
        (&[0x08, 0x05], false),                  // the id as a number
    ] {
        let bytes = [&known, unknown].concat();
        assert_eq!(Release::read(&bytes).is_ok(), is_read, "{unknown:?}");
        if is_read {
            let message = pb::ReleaseRequest::decode(&bytes[..]).unwrap();
            assert_eq!(Release::read(&bytes).unwrap(), Release::from(&message));
        }
    }
}
