//! What is laid out by hand, read by the generated code.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::domain::charge::Reason;
use crate::domain::credits::Credits;
use crate::domain::standing::State;
use crate::engine::answer::{Account, Decision, Denial};
use crate::engine::recorder::Receipt;
use crate::rpc::convert::{
    answered_charge, answered_commit, answered_outcome, answered_release, answered_reserve,
};
use crate::rpc::pb;

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 0..300_u64, any::<u64>()]
}

fn instant() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        any::<i64>().prop_map(Timestamp::from_nanos),
        any::<i32>().prop_map(|seconds| Timestamp::from_nanos(i64::from(seconds) * 1_000_000_000)),
    ]
}

fn state() -> impl Strategy<Value = State> {
    prop::sample::select(vec![
        State::Ok,
        State::Warning,
        State::Exhausted,
        State::Overage,
        State::Blocked,
    ])
}

prop_compose! {
    fn standing()(state in state(), used in number(), held in number(), limit in number(), available in number(), cycle_end in instant())
        -> Standing {
        Standing { state, used, held, limit, available, cycle_end }
    }
}

prop_compose! {
    fn committed_any()(numbers in (number(), number(), number()), late in any::<bool>(), standing in standing()) -> Committed {
        let (committed, returned, overrun) = numbers;
        let [committed, returned, overrun] = [committed, returned, overrun].map(Credits::saturating);
        Committed { committed, returned, overrun, late, standing, receipt: Receipt(1) }
    }
}

prop_compose! {
    fn reserved_any()(id in any::<[u8; 16]>(), granted in number(), expires in instant(), standing in standing()) -> Reserved {
        Reserved { id, granted: Credits::saturating(granted), expires, standing, receipt: Receipt(1) }
    }
}

fn laid(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut bytes);
    bytes
}

proptest! {
    #[test]
    fn every_answer_is_laid_out_as_prost_would(reserve in reserved_any(), commit in committed_any()) {
        prop_assert_eq!(laid(|out| reserved(&reserve, out)), answered_reserve(&reserve).encode_to_vec());
        prop_assert_eq!(laid(|out| committed(&commit, out)), answered_commit(&commit).encode_to_vec());
        prop_assert_eq!(laid(|out| charged(&commit, out)), answered_charge(&commit).encode_to_vec());
        let release = Released { returned: commit.returned, standing: commit.standing, receipt: Receipt(1) };
        prop_assert_eq!(laid(|out| released(&release, out)), answered_release(&release).encode_to_vec());
        let check = Checked { decision: Decision::Granted(commit.returned), standing: commit.standing };
        let denial = Denial {
            reason: Reason::QuotaExceeded,
            account: Account::User("Zoë".repeat(20).into()),
            requested: commit.committed.get(),
            limit: 120_000,
            used: 120_000,
            held: 0,
            available: 0,
            reset: reserve.expires,
            days_until_reset: 21,
            scale: 1,
            state: State::Blocked,
        };
        let failure = pb::Failure { code: 3, message: "x".repeat(300), field: String::new() };
        for done in [
            Done::Reserve(reserve),
            Done::Commit(commit),
            Done::Release(release),
            Done::Extend(reserve),
            Done::Charge(commit),
            Done::Check(check),
            Done::Denied(Box::new(denial)),
            Done::Failed(failure),
        ] {
            prop_assert_eq!(laid(|out| outcome(&done, out)), answered_outcome(&done).encode_to_vec());
        }
    }
}
