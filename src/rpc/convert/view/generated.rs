//! Views of messages that the generated code has read.

use super::{
    Amount, Batch, Charge, Check, Commit, Cost, Extend, Kind, Operation, Release, Reserve,
    Streamed, Subject, Usage,
};
use crate::rpc::pb;

impl<'a> From<&'a pb::Subject> for Subject<'a> {
    fn from(wire: &'a pb::Subject) -> Self {
        Self {
            organization: &wire.organization,
            environment: &wire.environment,
            user: &wire.user,
            product: &wire.product,
            model: &wire.model,
        }
    }
}

impl<'a> From<&'a pb::Cost> for Cost<'a> {
    fn from(wire: &'a pb::Cost) -> Self {
        let amount = wire.amount.as_ref().map(|amount| match amount {
            pb::cost::Amount::Credits(credits) => Amount::Credits(*credits),
            pb::cost::Amount::Usage(usage) => Amount::Usage(Usage {
                operation: &usage.operation,
                quantity: usage.quantity,
            }),
        });
        Self {
            amount,
            operation: &wire.operation,
        }
    }
}

impl<'a> From<&'a pb::ReserveRequest> for Reserve<'a> {
    fn from(wire: &'a pb::ReserveRequest) -> Self {
        Self {
            subject: wire.subject.as_ref().map(Subject::from),
            cost: wire.cost.as_ref().map(Cost::from),
            min_amount: wire.min_amount,
            ttl: wire.ttl,
            reservation_id: &wire.reservation_id,
        }
    }
}

impl<'a> From<&'a pb::CommitRequest> for Commit<'a> {
    fn from(wire: &'a pb::CommitRequest) -> Self {
        Self {
            reservation_id: &wire.reservation_id,
            actual: wire.actual,
            excess: wire.excess,
        }
    }
}

impl<'a> From<&'a pb::ReleaseRequest> for Release<'a> {
    fn from(wire: &'a pb::ReleaseRequest) -> Self {
        Self {
            reservation_id: &wire.reservation_id,
        }
    }
}

impl<'a> From<&'a pb::ExtendRequest> for Extend<'a> {
    fn from(wire: &'a pb::ExtendRequest) -> Self {
        Self {
            reservation_id: &wire.reservation_id,
            additional: wire.additional,
            ttl: wire.ttl,
            request_id: &wire.request_id,
        }
    }
}

impl<'a> From<&'a pb::ChargeRequest> for Charge<'a> {
    fn from(wire: &'a pb::ChargeRequest) -> Self {
        Self {
            subject: wire.subject.as_ref().map(Subject::from),
            cost: wire.cost.as_ref().map(Cost::from),
            request_id: &wire.request_id,
        }
    }
}

impl<'a> From<&'a pb::CheckRequest> for Check<'a> {
    fn from(wire: &'a pb::CheckRequest) -> Self {
        Self {
            subject: wire.subject.as_ref().map(Subject::from),
            cost: wire.cost.as_ref().map(Cost::from),
            min_amount: wire.min_amount,
        }
    }
}

impl<'a> From<&'a pb::Operation> for Operation<'a> {
    fn from(wire: &'a pb::Operation) -> Self {
        use pb::operation::Request;
        Self(wire.request.as_ref().map(|request| match request {
            Request::Reserve(wire) => Kind::Reserve(wire.into()),
            Request::Commit(wire) => Kind::Commit(wire.into()),
            Request::Release(wire) => Kind::Release(wire.into()),
            Request::Extend(wire) => Kind::Extend(wire.into()),
            Request::Charge(wire) => Kind::Charge(wire.into()),
            Request::Check(wire) => Kind::Check(wire.into()),
        }))
    }
}

impl<'a> From<&'a pb::BatchRequest> for Batch<'a> {
    fn from(wire: &'a pb::BatchRequest) -> Self {
        Self {
            operations: wire.operations.iter().map(Operation::from).collect(),
        }
    }
}

impl<'a> From<&'a pb::StreamRequest> for Streamed<'a> {
    fn from(wire: &'a pb::StreamRequest) -> Self {
        Self {
            tag: wire.tag,
            operations: wire.operations.iter().map(Operation::from).collect(),
        }
    }
}
