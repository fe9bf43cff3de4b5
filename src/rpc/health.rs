//! gRPC health: what the vitals say, under the names that probes ask for.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior};
use tokio_stream::Stream;
use tokio_stream::wrappers::WatchStream;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::world::vitals::{Phase, Vitals};

/// How often a watched name is looked at again: liveness depends on time.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A request that asks for a longer name is for none of ours.
const REQUEST_BYTES_MAX: usize = 4_096;

/// The names: `""`, `quotad.v1.QuotaService` and `quotad.readiness` are SERVING while requests are answered, `quotad.startup`
/// from the first moment of that on, `quotad.liveness` unless a data-plane thread is stuck or the process has failed.
#[derive(Clone)]
pub struct HealthService {
    vitals: Arc<Vitals>,
}

/// The service, to be put behind a listener.
pub fn service(vitals: Arc<Vitals>) -> HealthServer<HealthService> {
    HealthServer::new(HealthService { vitals }).max_decoding_message_size(REQUEST_BYTES_MAX)
}

/// Which condition a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Probe {
    Startup,
    Readiness,
    Liveness,
    Unknown,
}

impl Probe {
    fn named(name: &str) -> Self {
        match name {
            "" | "quotad.v1.QuotaService" | "quotad.readiness" => Self::Readiness,
            "quotad.startup" => Self::Startup,
            "quotad.liveness" => Self::Liveness,
            _ => Self::Unknown,
        }
    }

    fn status(self, vitals: &Vitals) -> ServingStatus {
        let is_serving = match self {
            Self::Startup => matches!(vitals.phase(), Phase::Ready | Phase::Draining),
            Self::Readiness => vitals.phase() == Phase::Ready,
            Self::Liveness => vitals.is_alive(),
            Self::Unknown => return ServingStatus::ServiceUnknown,
        };
        if is_serving {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        }
    }
}

#[tonic::async_trait]
impl Health for HealthService {
    type WatchStream = Watching;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        match Probe::named(&request.get_ref().service) {
            Probe::Unknown => Err(Status::not_found(
                "no such service; ask for \"\", quotad.v1.QuotaService, quotad.startup, quotad.readiness or quotad.liveness",
            )),
            probe => Ok(Response::new(response(probe.status(&self.vitals)))),
        }
    }

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Response::new(Watching {
            probe: Probe::named(&request.get_ref().service),
            phases: WatchStream::new(self.vitals.watch()),
            vitals: Arc::clone(&self.vitals),
            looks,
            told: None,
        }))
    }
}

/// Tells each change of one name; ends once draining has been told, because a watcher would else hold up the drain.
pub struct Watching {
    probe: Probe,
    vitals: Arc<Vitals>,
    phases: WatchStream<Phase>,
    looks: Interval,
    told: Option<ServingStatus>,
}

impl Stream for Watching {
    type Item = Result<HealthCheckResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let phase = self.vitals.phase();
            let status = self.probe.status(&self.vitals);
            if self.told != Some(status) {
                self.told = Some(status);
                return Poll::Ready(Some(Ok(response(status))));
            }
            if phase >= Phase::Draining {
                return Poll::Ready(None);
            }
            let phase_changed = Pin::new(&mut self.phases).poll_next(context).is_ready();
            let look_again = self.looks.poll_tick(context).is_ready();
            if !phase_changed && !look_again {
                return Poll::Pending;
            }
        }
    }
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse {
        status: status.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::clock::{Clock, ManualClock};
    use crate::world::vitals::BEAT_MISSING_MAX;
    use ServingStatus::{NotServing, ServiceUnknown, Serving};

    #[test]
    fn each_probe_has_a_condition_of_its_own() {
        let clock = Arc::new(ManualClock::at(0));
        let vitals = Vitals::new(Arc::clone(&clock) as Arc<dyn Clock>);
        // Whether startup, readiness (by each of its names) and liveness are served.
        let seen = |vitals: &Vitals| {
            let status = |name| Probe::named(name).status(vitals);
            let ready = status("quotad.readiness");
            for name in ["", "quotad.v1.QuotaService"] {
                assert_eq!(status(name), ready, "{name:?}");
            }
            assert_eq!(status("other"), ServiceUnknown);
            (status("quotad.startup"), ready, status("quotad.liveness"))
        };
        assert_eq!(seen(&vitals), (NotServing, NotServing, Serving));
        // A recovery that takes longer than any threshold: the threads of the data plane turn meanwhile.
        let pulse = vitals.pulse("data-0");
        for _ in 0..10 {
            clock.advance(BEAT_MISSING_MAX);
            assert_eq!(seen(&vitals), (NotServing, NotServing, Serving));
            vitals.beat(&pulse);
        }
        vitals.enter(Phase::Ready);
        assert_eq!(seen(&vitals), (Serving, Serving, Serving));
        clock.advance(2 * BEAT_MISSING_MAX);
        assert_eq!(seen(&vitals), (Serving, Serving, NotServing));
        vitals.beat(&pulse);
        vitals.enter(Phase::Draining);
        assert_eq!(seen(&vitals), (Serving, NotServing, Serving));
        vitals.enter(Phase::Failed);
        assert_eq!(seen(&vitals), (NotServing, NotServing, NotServing));
    }
}
