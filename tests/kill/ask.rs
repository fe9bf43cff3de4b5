//! What clients ask and what they are told, both in a form that a client's own log can keep.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use quotad::rpc::pb;
use quotad::rpc::pb::operation::Request;

use super::chance::Chance;
use super::note::CLOCKS_DIFFER;
use super::plan::Who;

pub type Id = [u8; 16];

/// The same instant told by two starts of the process differs by less: microseconds, where nobody sets the clock.
pub const INSTANTS_DIFFER: Duration = Duration::from_millis(10);

fn apart(one: SystemTime, other: SystemTime) -> Duration {
    let later = one.duration_since(other);
    later.unwrap_or_else(|error| error.duration())
}

/// The longest time to live of those that may end by themselves while this runs.
pub const TTL_SHORT: Duration = Duration::from_secs(2);

/// One in so many that live for so short a time is left alone until it has ended.
const RESTS: u64 = 12;

/// A reservation as the client knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    pub who: Who,
    pub id: Vec<u8>,
    pub held: u64,
    pub expires: SystemTime,
}

impl Hold {
    /// Whether nothing is to happen to it until it has surely ended by itself.
    pub fn rests(&self, now: SystemTime) -> bool {
        let sum: u64 = self.id.iter().map(|&byte| u64::from(byte)).sum();
        let is_short = self.expires < now + TTL_SHORT;
        sum.is_multiple_of(RESTS) && is_short && self.expires + 2 * CLOCKS_DIFFER > now
    }
}

/// A request with everything that is needed to ask it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    Reserve {
        who: Who,
        id: Option<Id>,
        amount: u64,
        ttl: Duration,
    },
    Commit {
        hold: Hold,
        amount: u64,
    },
    Release {
        hold: Hold,
    },
    Extend {
        hold: Hold,
        id: Id,
        additional: u64,
        ttl: Duration,
    },
    Charge {
        who: Who,
        id: Option<Id>,
        amount: u64,
    },
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// To Reserve and Extend.
    Held {
        id: Vec<u8>,
        granted: u64,
        expires: SystemTime,
    },
    Committed {
        committed: u64,
        returned: u64,
        late: bool,
    },
    Released {
        returned: u64,
    },
    Charged {
        committed: u64,
    },
    Denied {
        reason: pb::DenialReason,
        account: String,
    },
    /// The number of the status and its sentence. `UNAVAILABLE` is no answer.
    Failed {
        code: i32,
        message: String,
    },
}

impl Ask {
    pub fn who(&self) -> Who {
        match self {
            Self::Reserve { who, .. } | Self::Charge { who, .. } => *who,
            Self::Commit { hold, .. } | Self::Release { hold } | Self::Extend { hold, .. } => {
                hold.who
            }
        }
    }

    /// Whether asking again cannot do it twice.
    pub fn is_repeatable(&self) -> bool {
        !matches!(
            self,
            Self::Reserve { id: None, .. } | Self::Charge { id: None, .. }
        )
    }

    pub fn request(&self) -> Request {
        match self {
            Self::Reserve {
                who,
                id,
                amount,
                ttl,
            } => Request::Reserve(pb::ReserveRequest {
                subject: subject(*who),
                cost: credits(*amount),
                min_amount: None,
                ttl: wire_ttl(*ttl),
                reservation_id: id.map(Vec::from).unwrap_or_default(),
            }),
            Self::Commit { hold, amount } => Request::Commit(pb::CommitRequest {
                reservation_id: hold.id.clone(),
                actual: Some(pb::commit_request::Actual::Amount(*amount)),
                excess: 0,
            }),
            Self::Release { hold } => Request::Release(pb::ReleaseRequest {
                reservation_id: hold.id.clone(),
            }),
            Self::Extend {
                hold,
                id,
                additional,
                ttl,
            } => Request::Extend(pb::ExtendRequest {
                reservation_id: hold.id.clone(),
                additional: *additional,
                ttl: wire_ttl(*ttl),
                request_id: id.to_vec(),
            }),
            Self::Charge { who, id, amount } => Request::Charge(pb::ChargeRequest {
                subject: subject(*who),
                cost: credits(*amount),
                request_id: id.map(Vec::from).unwrap_or_default(),
            }),
        }
    }
}

pub fn subject(who: Who) -> Option<pb::Subject> {
    Some(pb::Subject {
        organization: who.organization_name(),
        environment: who.environment().to_owned(),
        user: who.user_name(),
        ..Default::default()
    })
}

fn credits(amount: u64) -> Option<pb::Cost> {
    Some(pb::Cost {
        amount: Some(pb::cost::Amount::Credits(amount)),
        ..Default::default()
    })
}

fn wire_ttl(ttl: Duration) -> Option<prost_types::Duration> {
    Some(ttl.try_into().unwrap())
}

impl Told {
    pub fn of_reservation(it: Option<pb::Reservation>) -> Self {
        let it = it.expect("a granted answer has a reservation");
        let expires = it.expire_time.expect("a reservation ends");
        Self::Held {
            id: it.id,
            granted: it.granted,
            expires: expires.try_into().unwrap(),
        }
    }

    pub fn of_outcome(outcome: pb::Outcome) -> Self {
        use pb::outcome::Result as It;
        match outcome.result.expect("every operation has an answer") {
            It::Reserve(it) => Self::of_reservation(it.reservation),
            It::Extend(it) => Self::of_reservation(it.reservation),
            It::Commit(it) => it.into(),
            It::Release(it) => it.into(),
            It::Charge(it) => it.into(),
            It::Check(_) => panic!("nobody asked for a check"),
            It::Denial(it) => Self::Denied {
                reason: it.reason(),
                account: it.account,
            },
            It::Failure(it) => Self::Failed {
                code: it.code,
                message: it.message,
            },
        }
    }

    /// Whether it is the same answer. Instants are told in wall time and kept in steady time, and each start of the
    /// process measures anew how far the two are apart.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Held {
                    id,
                    granted,
                    expires,
                },
                Self::Held {
                    id: other_id,
                    granted: other_granted,
                    expires: other_expires,
                },
            ) => {
                let is_at_once = apart(*expires, *other_expires) < INSTANTS_DIFFER;
                id == other_id && granted == other_granted && is_at_once
            }
            _ => self == other,
        }
    }

    /// Whether it says what became of the request.
    pub fn is_answer(&self) -> bool {
        let unavailable = i32::from(tonic::Code::Unavailable);
        !matches!(self, Self::Failed { code, .. } if *code == unavailable)
    }
}

impl From<pb::CommitResponse> for Told {
    fn from(it: pb::CommitResponse) -> Self {
        Self::Committed {
            committed: it.committed,
            returned: it.returned,
            late: it.late,
        }
    }
}

impl From<pb::ReleaseResponse> for Told {
    fn from(it: pb::ReleaseResponse) -> Self {
        Self::Released {
            returned: it.returned,
        }
    }
}

impl From<pb::ChargeResponse> for Told {
    fn from(it: pb::ChargeResponse) -> Self {
        Self::Charged {
            committed: it.committed,
        }
    }
}

/// A UUIDv7 of this moment.
pub fn new_id(chance: &mut Chance) -> Id {
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let mut id = [0; 16];
    id[..6].copy_from_slice(&u64::try_from(millis.as_millis()).unwrap().to_be_bytes()[2..]);
    id[6..14].copy_from_slice(&chance.next().to_be_bytes());
    id[14..].copy_from_slice(&chance.next().to_be_bytes()[..2]);
    id[6] = 0x70 | (id[6] & 0x0F);
    id[8] = 0x80 | (id[8] & 0x3F);
    id
}
