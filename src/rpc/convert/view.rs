//! Requests as they are looked at: texts and ids borrowed, whether from the bytes of a message or from a message that the
//! generated code has read. The tests compare the two ways.

mod generated;

use prost_types::Duration;
use smallvec::SmallVec;

use super::read::{Field, Read, Unreadable, merge_into};
use crate::rpc::pb::commit_request::Actual;

/// Who asks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Subject<'a> {
    /// The tenant.
    pub organization: &'a str,
    /// Where.
    pub environment: &'a str,
    /// Who.
    pub user: &'a str,
    /// What for.
    pub product: &'a str,
    /// With what.
    pub model: &'a str,
}

/// How much.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost<'a> {
    /// Credits, or so much of an operation.
    pub amount: Option<Amount<'a>>,
    /// Beside credits: what for.
    pub operation: &'a str,
}

/// Credits, or so much of an operation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount<'a> {
    /// Credits.
    Credits(u64),
    /// So much of an operation.
    Usage(Usage<'a>),
}

/// So much of an operation.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage<'a> {
    /// A line of the rate card.
    pub operation: &'a str,
    /// How many.
    pub quantity: u64,
}

/// As [`crate::rpc::pb::ReserveRequest`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reserve<'a> {
    pub(super) subject: Option<Subject<'a>>,
    pub(in crate::rpc) cost: Option<Cost<'a>>,
    pub(super) min_amount: Option<u64>,
    pub(super) ttl: Option<Duration>,
    pub(super) reservation_id: &'a [u8],
}

/// As [`crate::rpc::pb::CommitRequest`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Commit<'a> {
    pub(super) reservation_id: &'a [u8],
    pub(super) actual: Option<Actual>,
    pub(super) excess: i32,
}

/// As [`crate::rpc::pb::ReleaseRequest`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Release<'a> {
    pub(in crate::rpc) reservation_id: &'a [u8],
}

/// As [`crate::rpc::pb::ExtendRequest`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Extend<'a> {
    pub(super) reservation_id: &'a [u8],
    pub(super) additional: u64,
    pub(super) ttl: Option<Duration>,
    pub(super) request_id: &'a [u8],
}

/// As [`crate::rpc::pb::ChargeRequest`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Charge<'a> {
    pub(super) subject: Option<Subject<'a>>,
    pub(in crate::rpc) cost: Option<Cost<'a>>,
    pub(super) request_id: &'a [u8],
}

/// As [`crate::rpc::pb::CheckRequest`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Check<'a> {
    pub(super) subject: Option<Subject<'a>>,
    pub(in crate::rpc) cost: Option<Cost<'a>>,
    pub(super) min_amount: Option<u64>,
}

/// As [`crate::rpc::pb::Operation`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Operation<'a>(pub(in crate::rpc) Option<Kind<'a>>);

/// As [`crate::rpc::pb::operation::Request`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::rpc) enum Kind<'a> {
    Reserve(Reserve<'a>),
    Commit(Commit<'a>),
    Release(Release<'a>),
    Extend(Extend<'a>),
    Charge(Charge<'a>),
    Check(Check<'a>),
}

/// As [`crate::rpc::pb::BatchRequest`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch<'a> {
    pub(in crate::rpc) operations: Vec<Operation<'a>>,
}

/// As [`crate::rpc::pb::StreamRequest`]. Most have one operation, which needs no memory of its own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Streamed<'a> {
    pub(in crate::rpc) tag: u64,
    pub(in crate::rpc) operations: SmallVec<[Operation<'a>; 1]>,
}

impl<'a> Read<'a> for Subject<'a> {
    fn take(&mut self, field: Field<'a>) -> Result<(), Unreadable> {
        let text = match field.tag {
            1 => &mut self.organization,
            2 => &mut self.environment,
            3 => &mut self.user,
            4 => &mut self.product,
            5 => &mut self.model,
            _ => return Ok(()),
        };
        *text = field.value.text()?;
        Ok(())
    }
}

impl<'a> Read<'a> for Cost<'a> {
    fn take(&mut self, field: Field<'a>) -> Result<(), Unreadable> {
        match field.tag {
            1 => self.amount = Some(Amount::Credits(field.value.number()?)),
            2 => {
                let mut usage = match self.amount {
                    Some(Amount::Usage(usage)) => usage,
                    _ => Usage::default(),
                };
                usage.merge(field.value.bytes()?)?;
                self.amount = Some(Amount::Usage(usage));
            }
            3 => self.operation = field.value.text()?,
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Read<'a> for Usage<'a> {
    fn take(&mut self, field: Field<'a>) -> Result<(), Unreadable> {
        match field.tag {
            1 => self.operation = field.value.text()?,
            2 => self.quantity = field.value.number()?,
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Read<'a> for Duration {
    fn take(&mut self, field: Field<'a>) -> Result<(), Unreadable> {
        match field.tag {
            1 => self.seconds = field.value.number()?.cast_signed(),
            2 => self.nanos = int32(field.value.number()?),
            _ => {}
        }
        Ok(())
    }
}

/// The lower half, as protobuf reads an `int32`.
fn int32(number: u64) -> i32 {
    let [a, b, c, d, ..] = number.to_le_bytes();
    i32::from_le_bytes([a, b, c, d])
}

impl<'a> Read<'a> for Reserve<'a> {
    fn take(&mut self, field: Field<'a>) -> Result<(), Unreadable> {
        match field.tag {
            1 => merge_into(&mut self.subject, field.value)?,
            2 => merge_into(&mut self.cost, field.value)?,
            3 => self.min_amount = Some(field.value.number()?),
            4 => merge_into(&mut self.ttl, field.value)?,
            5 => self.reservation_id = field.value.bytes()?,
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Read<'a> for Commit<'a> {
    fn take(&mut self, field: Field<'a>) -> Result<(), Unreadable> {
        match field.tag {
            1 => self.reservation_id = field.value.bytes()?,
            2 => self.actual = Some(Actual::Amount(field.value.number()?)),
            3 => self.actual = Some(Actual::Quantity(field.value.number()?)),
            4 => self.excess = int32(field.value.number()?),
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Read<'a> for Release<'a> {
    fn take(&mut self, field: Field<'a>) -> Result<(), Unreadable> {
        if field.tag == 1 {
            self.reservation_id = field.value.bytes()?;
        }
        Ok(())
    }
}

impl<'a> Read<'a> for Extend<'a> {
    fn take(&mut self, field: Field<'a>) -> Result<(), Unreadable> {
        match field.tag {
            1 => self.reservation_id = field.value.bytes()?,
            2 => self.additional = field.value.number()?,
            3 => merge_into(&mut self.ttl, field.value)?,
            4 => self.request_id = field.value.bytes()?,
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Read<'a> for Charge<'a> {
    fn take(&mut self, field: Field<'a>) -> Result<(), Unreadable> {
        match field.tag {
            1 => merge_into(&mut self.subject, field.value)?,
            2 => merge_into(&mut self.cost, field.value)?,
            3 => self.request_id = field.value.bytes()?,
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Read<'a> for Check<'a> {
    fn take(&mut self, field: Field<'a>) -> Result<(), Unreadable> {
        match field.tag {
            1 => merge_into(&mut self.subject, field.value)?,
            2 => merge_into(&mut self.cost, field.value)?,
            3 => self.min_amount = Some(field.value.number()?),
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Read<'a> for Operation<'a> {
    fn take(&mut self, field: Field<'a>) -> Result<(), Unreadable> {
        /// The operation of this kind if it is there already, else a new one in place of another.
        macro_rules! merge {
            ($kind:ident) => {{
                let bytes = field.value.bytes()?;
                if !matches!(self.0, Some(Kind::$kind(_))) {
                    self.0 = Some(Kind::$kind($kind::default()));
                }
                if let Some(Kind::$kind(it)) = &mut self.0 {
                    it.merge(bytes)?;
                }
            }};
        }
        match field.tag {
            1 => merge!(Reserve),
            2 => merge!(Commit),
            3 => merge!(Release),
            4 => merge!(Extend),
            5 => merge!(Charge),
            6 => merge!(Check),
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Read<'a> for Batch<'a> {
    fn take(&mut self, field: Field<'a>) -> Result<(), Unreadable> {
        if field.tag == 1 {
            let bytes = field.value.bytes()?;
            self.operations.push(Operation::default());
            if let Some(last) = self.operations.last_mut() {
                last.merge(bytes)?;
            }
        }
        Ok(())
    }
}

impl<'a> Read<'a> for Streamed<'a> {
    fn take(&mut self, field: Field<'a>) -> Result<(), Unreadable> {
        match field.tag {
            1 => self.tag = field.value.number()?,
            2 => {
                let bytes = field.value.bytes()?;
                // Read in its place: it is too large to be moved for nothing.
                self.operations.push(Operation::default());
                if let Some(last) = self.operations.last_mut() {
                    last.merge(bytes)?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
