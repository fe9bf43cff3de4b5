//! The client's own log: what was acknowledged, what was sent and never answered, and what is wrong about an answer.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, SystemTime};

use quotad::rpc::pb;
use tonic::Code;

use super::ask::{Ask, Hold, INSTANTS_DIFFER, Told};
use super::plan::Who;

/// The sidecar's clock and ours differ by less: both are this machine's, but the sidecar smooths it.
pub const CLOCKS_DIFFER: Duration = Duration::from_millis(250);

/// So many answers are kept to be asked for again.
const DONE_MAX: usize = 200;

/// Of one client, or of all together.
#[derive(Default)]
pub struct Log {
    /// Acknowledged, per user.
    pub used: BTreeMap<Who, u64>,
    /// Acknowledged, and neither committed nor released. Some have expired.
    pub holds: Vec<Hold>,
    /// Sent, and not answered.
    pub doubts: Vec<Ask>,
    /// Answered: the answer must be the same again.
    pub done: VecDeque<(Ask, Told)>,
    pub counts: Counts,
    /// What must not be: each ends the run.
    pub wrongs: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub booked: u64,
    pub holds: u64,
    pub late: u64,
    pub denied: u64,
    pub without_room: u64,
    pub repeated: u64,
    pub resolved: u64,
    pub holds_lost: u64,
}

/// Why a request was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent<'a> {
    First,
    /// It was answered before, like this.
    Again(&'a Told),
    /// It was sent before and not answered: it may have been done at any time since.
    InDoubt,
}

/// Whether a hold has ended by itself, between two instants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    Open,
    Ended,
    Either,
}

impl Hold {
    pub fn life(&self, from: SystemTime, to: SystemTime) -> Life {
        if self.expires > to + CLOCKS_DIFFER {
            Life::Open
        } else if self.expires + CLOCKS_DIFFER < from {
            Life::Ended
        } else {
            Life::Either
        }
    }
}

impl Log {
    /// A log of a client that goes on with a part of this one.
    pub fn share(&mut self, clients: usize) -> Vec<Self> {
        let mut shares: Vec<Self> = (0..clients).map(|_| Self::default()).collect();
        for (at, hold) in self.holds.drain(..).enumerate() {
            shares[at % clients].holds.push(hold);
        }
        for (at, done) in self.done.drain(..).enumerate() {
            shares[at % clients].done.push_back(done);
        }
        shares
    }

    pub fn merge(&mut self, other: Self) {
        for (who, used) in other.used {
            *self.used.entry(who).or_default() += used;
        }
        self.holds.extend(other.holds);
        self.doubts.extend(other.doubts);
        self.done.extend(other.done);
        self.wrongs.extend(other.wrongs);
        let (sum, more) = (&mut self.counts, other.counts);
        sum.booked += more.booked;
        sum.holds += more.holds;
        sum.late += more.late;
        sum.denied += more.denied;
        sum.without_room += more.without_room;
        sum.repeated += more.repeated;
        sum.resolved += more.resolved;
        sum.holds_lost += more.holds_lost;
    }

    /// Notes an answer, and what is wrong about it. `from` is when the request was sent.
    pub fn note(&mut self, ask: Ask, told: Told, sent: Sent<'_>, from: SystemTime) {
        if let Sent::Again(first) = sent {
            self.counts.repeated += 1;
            if !told.is_same(first) {
                self.wrong("asked again, another answer", &ask, &told);
            }
            return;
        }
        if sent == Sent::InDoubt {
            self.counts.resolved += 1;
        }
        if self.book(&ask, &told, sent, from) && ask.is_repeatable() {
            self.done.push_back((ask, told));
            if self.done.len() > DONE_MAX {
                self.done.pop_front();
            }
        }
    }

    /// Answers whether it is done for good, so that it can be asked again.
    fn book(&mut self, ask: &Ask, told: &Told, sent: Sent<'_>, from: SystemTime) -> bool {
        match (ask, told) {
            (Ask::Reserve { .. }, Told::Held { .. }) => self.reserved(ask, told),
            (Ask::Commit { hold, amount }, Told::Committed { .. }) => {
                self.committed(hold, *amount, ask, told, sent, from);
            }
            (Ask::Release { hold }, Told::Released { returned }) => {
                let is_fine = match hold.life(from, SystemTime::now()) {
                    Life::Open => *returned == hold.held,
                    Life::Ended if sent == Sent::First => *returned == 0,
                    Life::Ended | Life::Either => *returned == hold.held || *returned == 0,
                };
                if !is_fine {
                    self.wrong("a release gave back something else", ask, told);
                }
            }
            (
                Ask::Extend {
                    hold, additional, ..
                },
                Told::Held {
                    granted, expires, ..
                },
            ) => {
                if *granted != hold.held + additional || *expires + INSTANTS_DIFFER < hold.expires {
                    self.wrong("an extension answered something else", ask, told);
                }
                let (held, expires) = (*granted, *expires);
                self.holds.push(Hold {
                    held,
                    expires,
                    ..hold.clone()
                });
            }
            (Ask::Charge { who, amount, .. }, Told::Charged { committed }) => {
                if committed != amount {
                    self.wrong("a charge booked something else", ask, told);
                }
                self.booked(*who, *amount);
            }
            _ => {
                self.not_done(ask, told, from);
                return false;
            }
        }
        true
    }

    fn booked(&mut self, who: Who, amount: u64) {
        self.counts.booked += 1;
        *self.used.entry(who).or_default() += amount;
    }

    fn reserved(&mut self, ask: &Ask, told: &Told) {
        let (
            Ask::Reserve {
                who,
                amount,
                id: asked,
                ..
            },
            Told::Held {
                id,
                granted,
                expires,
            },
        ) = (ask, told)
        else {
            return;
        };
        if granted != amount || asked.is_some_and(|asked| asked != id[..]) {
            self.wrong("a reservation is another than was asked for", ask, told);
        }
        self.counts.holds += 1;
        self.holds.push(Hold {
            who: *who,
            id: id.clone(),
            held: *granted,
            expires: *expires,
        });
    }

    fn committed(
        &mut self,
        hold: &Hold,
        amount: u64,
        ask: &Ask,
        told: &Told,
        sent: Sent<'_>,
        from: SystemTime,
    ) {
        let Told::Committed {
            committed,
            returned,
            late,
        } = *told
        else {
            return;
        };
        let rest = if late {
            0
        } else {
            hold.held.saturating_sub(amount)
        };
        if committed != amount || returned != rest {
            self.wrong("a commit booked something else", ask, told);
        }
        let life = hold.life(from, SystemTime::now());
        if late && life == Life::Open {
            self.counts.holds_lost += 1;
            self.wrong("a hold had ended before its time", ask, told);
        }
        if !late && life == Life::Ended && sent == Sent::First {
            self.wrong("a hold had not ended although its time was over", ask, told);
        }
        self.counts.late += u64::from(late);
        self.booked(hold.who, amount);
    }

    /// Refused, or failed: nothing has changed.
    fn not_done(&mut self, ask: &Ask, told: &Told, from: SystemTime) {
        match told {
            Told::Denied { reason, .. } => {
                self.counts.denied += 1;
                let is_full = *reason == pb::DenialReason::ResourceLimit;
                self.counts.without_room += u64::from(is_full);
                match ask {
                    Ask::Extend { hold, .. } => self.holds.push(hold.clone()),
                    Ask::Commit { .. } => self.wrong("a commit was denied", ask, told),
                    _ => {}
                }
            }
            Told::Failed { code, .. } => {
                let is = |it: Code| *code == i32::from(it);
                match ask {
                    // One that has ended cannot be extended; it can still be committed.
                    Ask::Extend { hold, .. }
                        if is(Code::FailedPrecondition)
                            && hold.life(from, SystemTime::now()) != Life::Open =>
                    {
                        self.holds.push(hold.clone());
                    }
                    Ask::Commit { .. } | Ask::Release { .. } | Ask::Extend { .. }
                        if is(Code::NotFound) =>
                    {
                        self.counts.holds_lost += 1;
                        self.wrong("a hold is lost", ask, told);
                    }
                    _ => self.wrong("a sound request failed", ask, told),
                }
            }
            _ => self.wrong("an answer to something else", ask, told),
        }
    }

    fn wrong(&mut self, what: &str, ask: &Ask, told: &Told) {
        self.wrongs.push(format!("{what}: {ask:?}: {told:?}"));
    }
}
