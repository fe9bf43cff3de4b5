//! What is looked at before a call reaches its service: how far this process has come, and how much time is left.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderMap, HeaderName};
use tokio::time::Sleep;
use tonic::Status;

use crate::rpc::status;
use crate::world::clock::Clock;
use crate::world::vitals::{Phase, Vitals};

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// Steady time, in nanoseconds, from which on the caller has gone away. Stands in the extensions of a request that has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline(i64);

impl Deadline {
    /// Whether it has passed.
    pub(super) fn is_over(self, clock: &dyn Clock) -> bool {
        clock.read().steady_ns >= self.0
    }
}

/// The door of one listener.
#[derive(Clone)]
pub(super) struct Door {
    vitals: Arc<Vitals>,
    clock: Arc<dyn Clock>,
}

impl Door {
    /// Looks at the phase of these vitals; measures time by this clock.
    pub(super) fn new(vitals: Arc<Vitals>, clock: Arc<dyn Clock>) -> Self {
        Self { vitals, clock }
    }

    /// The vitals it looks at.
    pub(super) fn vitals(&self) -> &Arc<Vitals> {
        &self.vitals
    }

    /// Whether a call may come in now, and how long it may take.
    pub(super) fn admit(
        &self,
        headers: &HeaderMap,
    ) -> Result<Option<(Deadline, Duration)>, Status> {
        self.open()?;
        let Some(header) = headers.get(&GRPC_TIMEOUT) else {
            return Ok(None);
        };
        let Some(left) = header.to_str().ok().and_then(timeout) else {
            return Err(status::invalid(
                "grpc-timeout",
                "is malformed; give up to 8 digits and one of H, M, S, m, u, n",
            ));
        };
        if left.is_zero() {
            return Err(status::too_late());
        }
        let left_ns = i64::try_from(left.as_nanos()).unwrap_or(i64::MAX);
        let until = self.clock.read().steady_ns.saturating_add(left_ns);
        Ok(Some((Deadline(until), left)))
    }

    /// Whether calls are answered now.
    pub(super) fn open(&self) -> Result<(), Status> {
        match self.vitals.phase() {
            Phase::Ready => Ok(()),
            Phase::Starting => Err(status::unavailable("quotad is starting; try again")),
            Phase::Draining => Err(status::unavailable("quotad is draining; connect again")),
            Phase::Failed => Err(status::unavailable(
                "quotad has failed and is about to end; see its log",
            )),
        }
    }

    /// Whether there is time left, now that the message has arrived.
    pub(super) fn in_time(&self, deadline: Option<&Deadline>) -> Result<(), Status> {
        match deadline {
            Some(deadline) if deadline.is_over(&*self.clock) => Err(status::too_late()),
            _ => Ok(()),
        }
    }
}

/// Ends a call whose time is over while it waits: for its message, so before it has booked anything, or at the gate, so
/// afterwards.
pub(super) struct Timed<F> {
    call: F,
    over: Pin<Box<Sleep>>,
}

impl<F> Timed<F> {
    /// Must be made on a runtime.
    pub(super) fn new(call: F, left: Duration) -> Self {
        Self {
            call,
            over: Box::pin(tokio::time::sleep(left)),
        }
    }
}

impl<F: Future + Unpin> Future for Timed<F> {
    type Output = Result<F::Output, Status>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(answer) = Pin::new(&mut self.call).poll(context) {
            return Poll::Ready(Ok(answer));
        }
        self.over
            .as_mut()
            .poll(context)
            .map(|()| Err(status::out_of_time()))
    }
}

/// The value of a `grpc-timeout` header: up to 8 digits and a unit.
fn timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count * 3_600)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use crate::world::clock::ManualClock;
    use tonic::Code;

    fn door(phase: Phase) -> (Door, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at(0));
        let vitals = Arc::new(Vitals::new(Arc::clone(&clock) as Arc<dyn Clock>));
        vitals.enter(phase);
        (
            Door::new(vitals, Arc::clone(&clock) as Arc<dyn Clock>),
            clock,
        )
    }

    fn headers(timeout: &str) -> HeaderMap {
        HeaderMap::from_iter([(
            HeaderName::from_static("grpc-timeout"),
            timeout.parse().unwrap(),
        )])
    }

    #[test]
    fn timeouts_are_read_as_grpc_writes_them() {
        for (text, expected) in [
            ("3H", Some(Duration::from_secs(10_800))),
            ("99999999S", Some(Duration::from_secs(99_999_999))),
            ("0n", Some(Duration::ZERO)),
            ("25m", Some(Duration::from_millis(25))),
            ("100000000S", None),
            ("+1S", None),
            ("S", None),
            ("", None),
            ("1", None),
            ("1é", None),
        ] {
            assert_eq!(timeout(text), expected, "{text:?}");
        }
    }

    #[test]
    fn calls_come_in_only_when_ready() {
        for (phase, code) in [
            (Phase::Starting, Code::Unavailable),
            (Phase::Ready, Code::Ok),
            (Phase::Draining, Code::Unavailable),
            (Phase::Failed, Code::Unavailable),
        ] {
            let (door, _) = door(phase);
            let seen = door
                .admit(&HeaderMap::new())
                .err()
                .map_or(Code::Ok, |status| status.code());
            assert_eq!(seen, code, "{phase:?}");
        }
    }

    #[test]
    fn a_call_whose_time_is_over_is_too_late() {
        let (door, clock) = door(Phase::Ready);
        assert_eq!(
            door.admit(&headers("0m")).unwrap_err().code(),
            Code::DeadlineExceeded
        );
        assert_eq!(
            door.admit(&headers("soon")).unwrap_err().code(),
            Code::InvalidArgument
        );
        let (deadline, _) = door.admit(&headers("5m")).unwrap().unwrap();
        clock.advance(Duration::from_nanos(4_999_999));
        assert!(door.in_time(Some(&deadline)).is_ok());
        clock.advance(Duration::from_nanos(1));
        assert_eq!(
            door.in_time(Some(&deadline)).unwrap_err().code(),
            Code::DeadlineExceeded
        );
        assert!(door.in_time(None).is_ok());
    }
}
