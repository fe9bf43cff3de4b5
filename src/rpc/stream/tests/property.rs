//! Whatever is said, cut wherever, and whatever happens meanwhile: the two ways answer the same bytes after each step.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use pb::operation::Request;

/// A few ids, so that requests meet reservations; the empty one lets the engine choose.
fn id() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        1 => Just(Vec::new()),
        6 => (1..6_u8).prop_map(|it| vec![it; 16]),
        1 => Just(vec![7; 3]),
    ]
}

fn user() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "ana", "bob", "a\u{1}"])
}

fn amount() -> impl Strategy<Value = Option<pb::Cost>> {
    prop_oneof![0..50_u64, 0..2_000_u64].prop_map(cost)
}

fn any_operation() -> impl Strategy<Value = pb::Operation> {
    let reserve = (user(), amount(), id(), option::of(0..50_u64)).prop_map(
        |(user, cost, reservation_id, min_amount)| {
            Request::Reserve(pb::ReserveRequest {
                subject: subject(user),
                cost,
                min_amount,
                ttl: None,
                reservation_id,
            })
        },
    );
    let commit = (id(), option::of(0..100_u64)).prop_map(|(reservation_id, actual)| {
        Request::Commit(pb::CommitRequest {
            reservation_id,
            actual: actual.map(pb::commit_request::Actual::Amount),
            excess: 0,
        })
    });
    let release =
        id().prop_map(|reservation_id| Request::Release(pb::ReleaseRequest { reservation_id }));
    let extend = (id(), 0..50_u64).prop_map(|(reservation_id, additional)| {
        Request::Extend(pb::ExtendRequest {
            reservation_id,
            additional,
            ..Default::default()
        })
    });
    let charge = (user(), amount(), id()).prop_map(|(user, cost, request_id)| {
        Request::Charge(pb::ChargeRequest {
            subject: subject(user),
            cost,
            request_id,
        })
    });
    let check = (user(), amount()).prop_map(|(user, cost)| {
        Request::Check(pb::CheckRequest {
            subject: subject(user),
            cost,
            min_amount: None,
        })
    });
    let request = prop_oneof![
        4 => reserve.boxed(),
        3 => commit.boxed(),
        1 => release.boxed(),
        1 => extend.boxed(),
        3 => charge.boxed(),
        1 => check.boxed(),
    ];
    option::weighted(0.95, request).prop_map(|request| pb::Operation { request })
}

/// A message, as a rule a good one.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let small = (0..3_u64, vec(any_operation(), 0..4)).prop_map(|(tag, it)| framed(tag, it));
    let large =
        (any_operation(), 300..1_002_usize).prop_map(|(it, count)| framed(9, vec![it; count]));
    // Field 15 as a group: read by the generated code alone.
    let group = any_operation().prop_map(|it| {
        let mut bytes = framed(1, vec![it]);
        bytes.extend_from_slice(&[0x7b, 0x7c]);
        let length = u32::try_from(bytes.len() - 5).unwrap();
        bytes[1..5].copy_from_slice(&length.to_be_bytes());
        bytes
    });
    let spoiled = (
        vec(any_operation(), 1..3),
        any::<prop::sample::Index>(),
        any::<u8>(),
    )
        .prop_map(|(operations, at, byte)| {
            let mut bytes = framed(4, operations);
            let at = at.index(bytes.len());
            // The higher bytes of a length would only make it wait for what never comes.
            let at = if (1..4).contains(&at) { 0 } else { at };
            bytes[at] = byte;
            bytes
        });
    prop_oneof![40 => small, 2 => large, 1 => group, 2 => spoiled]
}

/// How the bytes of all messages are cut into frames: the lengths of these, over and over.
fn cuts() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![
        vec(0..12_usize, 1..8),
        vec(0..400_usize, 1..8),
        Just(vec![usize::MAX]),
    ]
}

fn frames(messages: &[Vec<u8>], cuts: &[usize]) -> Vec<Step> {
    let bytes = messages.concat();
    let (mut rest, mut frames) = (&bytes[..], Vec::new());
    let mut cuts = cuts.iter().cycle();
    // Where all lengths were 0 nothing would ever arrive.
    let mut at_least = 0;
    while !rest.is_empty() {
        let length = (*cuts.next().unwrap()).max(at_least).min(rest.len());
        at_least = usize::from(length == 0) * 60;
        frames.push(Step::Frame(rest[..length].to_vec()));
        rest = &rest[length..];
    }
    frames
}

fn event() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => (0..4_u64).prop_map(Step::Safe),
        4 => (100..2_000_u64).prop_map(Step::Safe),
        4 => (1..20_u64).prop_map(Step::Pass),
        1 => Just(Step::Fail),
        1 => Just(Step::Drain),
    ]
}

fn end() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => Just(Step::End),
        1 => Just(Step::Trailers),
        1 => Just(Step::Break),
        1 => Just(Step::Drain),
    ]
}

/// The steps, with events in between.
fn mixed(frames: Vec<Step>, events: Vec<(prop::sample::Index, Step)>, end: Step) -> Vec<Step> {
    let mut steps = frames;
    for (at, event) in events {
        steps.insert(at.index(steps.len() + 1), event);
    }
    steps.push(end);
    // What waits leaves.
    steps.push(Step::Safe(100_000));
    steps
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn both_ways_answer_the_same_bytes_at_the_same_time(
        messages in vec(message(), 0..30),
        cuts in cuts(),
        events in vec((any::<prop::sample::Index>(), event()), 0..20),
        end in end(),
        waits in any::<bool>(),
        timeout in option::weighted(0.3, Just("50m")),
    ) {
        let mut direct = Side::direct(waits, timeout);
        let mut generated = Side::generated(waits, timeout);
        for step in mixed(frames(&messages, &cuts), events, end) {
            direct.step(&step);
            generated.step(&step);
            prop_assert_eq!(&direct.bytes, &generated.bytes, "after {:?}", step);
            prop_assert_eq!(&direct.trailers, &generated.trailers, "after {:?}", step);
        }
        prop_assert!(direct.trailers.is_some(), "the stream has ended");
        prop_assert_eq!(direct.counted(), generated.counted());
        prop_assert_eq!(direct.parts.vitals.phase(), generated.parts.vitals.phase());
        prop_assert!(direct.frames <= generated.frames);
        prop_assert_eq!(direct.parts.vitals.panics(), 0);
    }
}
