//! Faults on purpose, so that each checker can be seen to object. Only in builds with debug assertions, which the tests are:
//! the checkers run on the same code with a fault and without. In a release the question is a constant `false` that costs
//! nothing.

/// A fault that `QUOTAD_SABOTAGE` can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `skip-user-cap`: a user's hard limit does not bind.
    SkipUserCap,
    /// `keep-rest`: what a commit leaves of its hold does not come back to the pool's counter.
    KeepRest,
    /// `fire-twice`: a threshold that fired fires again.
    FireTwice,
    /// `no-expiry`: holds never end by themselves.
    NoExpiry,
    /// `skip-fact`: commits are applied, but not recorded.
    SkipFact,
    /// `split-charge`: Charge lets go of the lock between the decision and the booking.
    SplitCharge,
    /// `forget-id`: ids that callers chose are not remembered.
    ForgetId,
    /// `no-pay-down`: the extension's share is never stored.
    NoPayDown,
    /// `no-fsync`: the journal counts as synced although it is not.
    NoFsync,
    /// `no-checksum`: records are read without looking at their checksum.
    NoChecksum,
    /// `acknowledge-early`: answers do not wait until what they tell is safe.
    AcknowledgeEarly,
    /// `skip-replay`: now and then a record is left out when the journal is replayed.
    SkipReplay,
    /// `stale-edit`: a change of the plan is read before its lock is taken, and put in force after it.
    StaleEdit,
    /// `torn-copy`: a copy of the books shows rows as they are when their turn comes, not as they were at its beginning.
    TornCopy,
    /// `cursor-first`: a sink's cursor moves on before the event is delivered.
    CursorFirst,
    /// `tell-early`: notices are taken off the books before the log of events is synced.
    TellEarly,
    /// `forget-events`: the log does not recognize events that it has.
    ForgetEvents,
    /// `lose-row`: a commit makes no usage row.
    LoseRow,
    /// `drift`: whatever is committed, the organization's counter takes one more.
    Drift,
}

/// Whether this fault was asked for.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub const fn is(_fault: Fault) -> bool {
    false
}

/// Whether this fault was asked for. Read once per process.
#[cfg(debug_assertions)]
pub fn is(fault: Fault) -> bool {
    use std::sync::OnceLock;
    static CHOSEN: OnceLock<Option<String>> = OnceLock::new();
    let chosen = CHOSEN.get_or_init(|| std::env::var("QUOTAD_SABOTAGE").ok());
    let Some(chosen) = chosen else {
        return false;
    };
    let name = match fault {
        Fault::SkipUserCap => "skip-user-cap",
        Fault::KeepRest => "keep-rest",
        Fault::FireTwice => "fire-twice",
        Fault::NoExpiry => "no-expiry",
        Fault::SkipFact => "skip-fact",
        Fault::SplitCharge => "split-charge",
        Fault::ForgetId => "forget-id",
        Fault::NoPayDown => "no-pay-down",
        Fault::NoFsync => "no-fsync",
        Fault::NoChecksum => "no-checksum",
        Fault::AcknowledgeEarly => "acknowledge-early",
        Fault::SkipReplay => "skip-replay",
        Fault::StaleEdit => "stale-edit",
        Fault::TornCopy => "torn-copy",
        Fault::CursorFirst => "cursor-first",
        Fault::TellEarly => "tell-early",
        Fault::ForgetEvents => "forget-events",
        Fault::LoseRow => "lose-row",
        Fault::Drift => "drift",
    };
    chosen == name
}
