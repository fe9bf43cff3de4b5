//! The page of metrics: reads what stands beside the code that counts it. `docs/metrics.md` lists everything that is here.

mod accounts;
mod families;
mod service;
mod state;

use std::fmt;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, OnceLock};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, prometheus_text, text};
use prometheus_client::registry::Registry;

use crate::config::settings::{self, Settings};
use crate::domain::time::Timestamp;
use crate::engine::Bounds;
use crate::http::metrics::{Format, Metrics};
use crate::notify::Notifications;
use crate::rpc::meter::Meter;
use crate::rpc::server::DataPlane;
use crate::world::clock::Clock;
use crate::world::vitals::Vitals;

use super::books::Books;
use super::proofs::Found;
use super::reloads::Reloads;

use families::Families;

/// Everything that the page reads. What is not there yet while the process starts is left out of it.
pub(super) struct Observed {
    pub(super) books: Arc<Books>,
    pub(super) vitals: Arc<Vitals>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) plan: Arc<Reloads>,
    pub(super) tokens: Arc<Reloads>,
    pub(super) proofs: Arc<Found>,
    notifications: OnceLock<Notifications>,
    plane: OnceLock<Plane>,
    shown: settings::Metrics,
    bounds: Bounds,
    started: Timestamp,
}

/// What the threads of the data plane count.
struct Plane {
    meters: Vec<Arc<Meter>>,
    connections: Vec<Arc<AtomicUsize>>,
}

impl Observed {
    /// Of a process that starts now.
    pub(super) fn new(
        settings: &Settings,
        books: &Arc<Books>,
        vitals: &Arc<Vitals>,
        clock: &Arc<dyn Clock>,
    ) -> Arc<Self> {
        Arc::new(Self {
            books: Arc::clone(books),
            vitals: Arc::clone(vitals),
            clock: Arc::clone(clock),
            plan: Arc::default(),
            tokens: Arc::default(),
            proofs: Arc::default(),
            notifications: OnceLock::new(),
            plane: OnceLock::new(),
            shown: settings.metrics,
            bounds: settings.bounds,
            started: Timestamp::from_nanos(clock.read().wall_ns),
        })
    }

    /// The data plane has started.
    pub(super) fn has_plane(&self, plane: &DataPlane) {
        let (meters, connections) = (plane.meters(), plane.connection_counters());
        // There is one.
        let _first = self.plane.set(Plane {
            meters,
            connections,
        });
    }

    /// The log of events is open.
    pub(super) fn has_notifications(&self, notifications: &Notifications) {
        // There is one.
        let _first = self.notifications.set(notifications.clone());
    }

    /// The page, for listeners.
    pub(super) fn page(self: &Arc<Self>) -> Metrics {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Arc::clone(self)));
        Metrics::new(Arc::new(move |format| {
            let mut page = String::new();
            match format {
                Format::OpenMetrics => text::encode(&mut page, &registry)?,
                Format::Prometheus => prometheus_text::encode(&mut page, &registry)?,
            }
            Ok(page)
        }))
    }

    /// Now, by the wall clock.
    pub(super) fn now(&self) -> Timestamp {
        Timestamp::from_nanos(self.clock.read().wall_ns)
    }
}

impl Collector for Observed {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families = Families(encoder);
        self.accounts(&mut families)?;
        self.decisions(&mut families)?;
        self.requests(&mut families)?;
        self.bounds(&mut families)?;
        self.journal(&mut families)?;
        self.snapshots(&mut families)?;
        self.recovery(&mut families)?;
        self.notifications(&mut families)?;
        self.configuration(&mut families)?;
        self.process(&mut families)?;
        self.proofs(&mut families)
    }
}

impl fmt::Debug for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observed")
    }
}
