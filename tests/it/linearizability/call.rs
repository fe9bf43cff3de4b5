//! An order as a call, and both answers, that of the wire and that of the reference, in one comparable form.

use quotad::domain::plan::Excess;
use quotad::domain::rates::Cost;
use quotad::engine::answer::Standing;
use quotad::engine::order::Actual;
use quotad::rpc::pb;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::orders::{Order, Outcome, Who};
use crate::reference::Failure;
use crate::rpc::Client;

/// Used, held, limit and available.
type Figures = [u64; 4];

/// What a client sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    Reserved {
        granted: u64,
        standing: Option<Figures>,
    },
    Committed {
        committed: u64,
        returned: u64,
        overrun: u64,
        late: bool,
        standing: Option<Figures>,
    },
    Released {
        returned: u64,
        standing: Option<Figures>,
    },
    Allowed {
        granted: u64,
        standing: Option<Figures>,
    },
    /// Reason, account; requested, limit, used, held, available.
    Denied {
        reason: String,
        account: String,
        figures: [u64; 5],
    },
    Changed(bool),
    /// A limit, and its etag.
    Limit {
        credits: u64,
        etag: String,
    },
    /// The user has no limit.
    NoLimit,
    /// The etag was no longer the present one.
    Stale,
    Done,
    Failed(Failure),
}

impl Seen {
    pub fn is_denial(&self) -> bool {
        matches!(self, Self::Denied { .. })
    }

    /// A repeated answer may carry the standing of the moment.
    pub fn without_standing(mut self) -> Self {
        match &mut self {
            Self::Reserved { standing, .. }
            | Self::Committed { standing, .. }
            | Self::Released { standing, .. }
            | Self::Allowed { standing, .. } => *standing = None,
            _ => {}
        }
        self
    }
}

impl From<Outcome> for Seen {
    fn from(outcome: Outcome) -> Self {
        let figures = |it: Standing| Some([it.used, it.held, it.limit, it.available]);
        match outcome {
            Outcome::Reserved {
                granted, standing, ..
            } => Self::Reserved {
                granted,
                standing: figures(standing),
            },
            Outcome::Committed {
                committed,
                returned,
                overrun,
                late,
                standing,
            } => Self::Committed {
                committed,
                returned,
                overrun,
                late,
                standing: figures(standing),
            },
            Outcome::Released { returned, standing } => Self::Released {
                returned,
                standing: figures(standing),
            },
            Outcome::Allowed { granted, standing } => Self::Allowed {
                granted,
                standing: figures(standing),
            },
            Outcome::Denied(it) | Outcome::Refused { denial: it, .. } => Self::Denied {
                reason: it.reason.as_str().to_owned(),
                account: it.account.to_string(),
                figures: [it.requested, it.limit, it.used, it.held, it.available],
            },
            Outcome::Changed(changed) => Self::Changed(changed),
            Outcome::Failed(failure) => Self::Failed(failure),
            Outcome::Balance(_) | Outcome::At(_) | Outcome::Done => Self::Done,
        }
    }
}

fn standing(it: Option<pb::Standing>) -> Option<Figures> {
    it.map(|it| [it.used, it.held, it.limit, it.available])
}

fn refused(status: &Status) -> Seen {
    match status.code() {
        Code::InvalidArgument => Seen::Failed(Failure::Invalid),
        Code::NotFound => Seen::Failed(Failure::UnknownReservation),
        Code::FailedPrecondition => Seen::Failed(Failure::Precondition),
        Code::ResourceExhausted => {
            let details = status.get_error_details();
            let info = details.error_info().expect("a denial carries its figures");
            let figure = |name: &str| info.metadata[name].parse().expect("a number");
            Seen::Denied {
                reason: info.reason.clone(),
                account: info.metadata["account"].clone(),
                figures: ["requested", "limit", "used", "held", "available"].map(figure),
            }
        }
        _ => panic!("{status:?}"),
    }
}

fn subject(who: Who) -> Option<pb::Subject> {
    Some(pb::Subject {
        organization: who.organization.to_owned(),
        environment: who.environment.to_owned(),
        user: who.user.unwrap_or_default().to_owned(),
        ..Default::default()
    })
}

fn cost(cost: Cost<'_>) -> Option<pb::Cost> {
    let Cost::Credits {
        amount,
        operation: None,
    } = cost
    else {
        panic!("the scenes send credits")
    };
    let amount = Some(pb::cost::Amount::Credits(amount.get()));
    Some(pb::Cost {
        amount,
        ..Default::default()
    })
}

/// Sends an order.
pub async fn call(client: &mut Client, order: &Order) -> Seen {
    send(client, order)
        .await
        .unwrap_or_else(|status| refused(&status))
}

async fn send(client: &mut Client, order: &Order) -> Result<Seen, Status> {
    Ok(match order {
        Order::Reserve {
            who,
            cost: price,
            ttl,
            id,
            ..
        } => {
            let request = pb::ReserveRequest {
                subject: subject(*who),
                cost: cost(*price),
                min_amount: None,
                ttl: ttl.map(|ttl| ttl.try_into().expect("short")),
                reservation_id: id.map(Vec::from).unwrap_or_default(),
            };
            let answer = client.reserve(request).await?.into_inner();
            let granted = answer.reservation.expect("granted").granted;
            Seen::Reserved {
                granted,
                standing: standing(answer.standing),
            }
        }
        Order::Charge {
            who, cost: price, ..
        } => {
            let request = pb::ChargeRequest {
                subject: subject(*who),
                cost: cost(*price),
                request_id: Vec::new(),
            };
            let answer = client.charge(request).await?.into_inner();
            Seen::Committed {
                committed: answer.committed,
                returned: 0,
                overrun: answer.overrun,
                late: false,
                standing: standing(answer.standing),
            }
        }
        Order::Check {
            who, cost: price, ..
        } => {
            let request = pb::CheckRequest {
                subject: subject(*who),
                cost: cost(*price),
                min_amount: None,
            };
            checked(client.check(request).await?.into_inner())
        }
        Order::Commit { id, actual, excess } => {
            let Actual::Amount(amount) = actual else {
                panic!("the scenes commit amounts")
            };
            let request = pb::CommitRequest {
                reservation_id: id.to_vec(),
                actual: Some(pb::commit_request::Actual::Amount(amount.get())),
                excess: if *excess == Excess::Reject {
                    pb::Excess::Reject
                } else {
                    pb::Excess::Record
                }
                .into(),
            };
            let answer = client.commit(request).await?.into_inner();
            Seen::Committed {
                committed: answer.committed,
                returned: answer.returned,
                overrun: answer.overrun,
                late: answer.late,
                standing: standing(answer.standing),
            }
        }
        Order::Release { id } => {
            let answer = client
                .release(pb::ReleaseRequest {
                    reservation_id: id.to_vec(),
                })
                .await?
                .into_inner();
            Seen::Released {
                returned: answer.returned,
                standing: standing(answer.standing),
            }
        }
        Order::Extend { id, additional, .. } => {
            let request = pb::ExtendRequest {
                reservation_id: id.to_vec(),
                additional: *additional,
                ..Default::default()
            };
            let answer = client.extend(request).await?.into_inner();
            let granted = answer.reservation.expect("granted").granted;
            Seen::Reserved {
                granted,
                standing: standing(answer.standing),
            }
        }
        other => panic!("{other:?} is no call"),
    })
}

fn checked(answer: pb::CheckResponse) -> Seen {
    let decision = answer.decision.expect("a Check decides");
    match decision.denial {
        None => Seen::Allowed {
            granted: decision.granted,
            standing: standing(answer.standing),
        },
        Some(denial) => {
            let reason = denial.reason().as_str_name();
            Seen::Denied {
                reason: reason.trim_start_matches("DENIAL_REASON_").to_owned(),
                account: denial.account,
                figures: [
                    denial.requested,
                    denial.limit,
                    denial.used,
                    denial.held,
                    denial.available,
                ],
            }
        }
    }
}
