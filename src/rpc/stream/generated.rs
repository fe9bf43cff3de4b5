//! Messages that the generated service has read, answered by messages that it lays out.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio_stream::Stream as _;
use tonic::Streaming;

use super::{Messages, Next, Terms, Waiter};
use crate::engine::recorder::Receipt;
use crate::rpc::operate::Answered;
use crate::rpc::status::bad_field;
use crate::rpc::{convert, operate, pb};

impl Messages for Streaming<pb::StreamRequest> {
    type Answer = pb::StreamResponse;

    fn poll_answered(
        &mut self,
        terms: &Terms,
        context: &mut Context<'_>,
    ) -> Next<Waiter<pb::StreamResponse>> {
        let next = ready!(Pin::new(self).poll_next(context));
        Poll::Ready(next.map(|request| answered(terms, &request?)))
    }
}

fn answered(
    terms: &Terms,
    request: &pb::StreamRequest,
) -> Result<Waiter<pb::StreamResponse>, tonic::Status> {
    let began_ns = terms.begin(request.operations.len())?;
    let Answered { answer, receipt } = answer(terms, request);
    Ok(Waiter {
        outcomes: answer.outcomes.len(),
        answer,
        receipt,
        began_ns,
    })
}

fn answer(terms: &Terms, request: &pb::StreamRequest) -> Answered<pb::StreamResponse> {
    let tag = request.tag;
    match convert::operations_counted(request.operations.len()) {
        Ok(()) => {
            let (engine, vitals, meter) = (&terms.engine, &terms.vitals, &terms.meter);
            operate::batch_of(engine, vitals, meter, &request.operations).map(|outcomes| {
                pb::StreamResponse {
                    tag,
                    outcomes,
                    failure: None,
                }
            })
        }
        Err(problem) => {
            let refused = pb::StreamResponse {
                tag,
                outcomes: Vec::new(),
                failure: Some(bad_field("operations".to_owned(), &problem)),
            };
            Answered::after(Receipt::default(), refused)
        }
    }
}
