//! What callers ask and hear: decisions, requests, holds and bounds, notifications.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::registry::Unit;

use crate::domain::charge::Reason;
use crate::engine::gauges::Stats;
use crate::notify::{DEAD_LETTERS_MAX, SinkStatus};
use crate::rpc::meter::{Metered, Rpc};
use crate::rpc::server::CONNECTIONS_MAX;

use super::Observed;
use super::families::{Families, nanos};

impl Observed {
    /// What the rules said.
    pub(super) fn decisions(&self, families: &mut Families<'_>) -> fmt::Result {
        let stats = self.stats();
        let denied = Reason::ALL.map(|reason| {
            let labels = [("decision", "denied"), ("reason", reason.as_str())];
            (labels, stats.denied(reason))
        });
        let granted = stats.granted();
        let granted = ([("decision", "granted"), ("reason", "")], granted);
        families.counters(
            (
                "quotad_decisions",
                None,
                "Requests for credits, by what the rules said.",
            ),
            [granted].into_iter().chain(denied),
        )?;
        families.counters(
            (
                "quotad_shadow_denials",
                None,
                "Of the granted ones, those that only shadow mode let pass.",
            ),
            Reason::ALL
                .map(|reason| ([("reason", reason.as_str())], stats.would_be_denied(reason))),
        )
    }

    /// What was called.
    pub(super) fn requests(&self, families: &mut Families<'_>) -> fmt::Result {
        let Some(plane) = self.plane.get() else {
            return Ok(());
        };
        let metered = Metered::of(plane.meters.iter().map(|it| &**it));
        let rpcs = || Rpc::ALL.map(|rpc| [("rpc", rpc.as_str())]).into_iter();
        families.counters(
            (
                "quotad_requests",
                None,
                "Calls that reached the service; of Stream, streams that were opened.",
            ),
            rpcs().zip(metered.calls),
        )?;
        families.counters(
            (
                "quotad_operations",
                None,
                "Operations in calls of Batch and messages of Stream.",
            ),
            [
                ([("rpc", Rpc::Batch.as_str())], metered.batched),
                ([("rpc", Rpc::Stream.as_str())], metered.streamed),
            ],
        )?;
        let failures = metered.failures.iter();
        families.counters(
            (
                "quotad_request_failures",
                None,
                "Calls and operations that ended in an error other than a denial.",
            ),
            failures.map(|&(code, count)| ([("code", code)], count)),
        )?;
        families.histograms(
            (
                "quotad_request_duration",
                Some(Unit::Seconds),
                "From the decoded request to the answer; about 1 call in 64 is measured.",
            ),
            rpcs().zip(metered.durations),
        )?;
        families.counter(
            (
                "quotad_panics",
                None,
                "Requests that ended in a panic: defects.",
            ),
            self.vitals.panics(),
        )?;
        let connections: Vec<_> = self.connections().map(|it| it as u64).collect();
        let threads: Vec<_> = (0..connections.len()).map(|it| it.to_string()).collect();
        families.gauges(
            (
                "quotad_connections",
                None,
                "Open connections of each data-plane thread.",
            ),
            threads
                .iter()
                .zip(connections)
                .map(|(thread, count)| ([("thread", thread.as_str())], count)),
        )
    }

    /// What is kept, and how much of it may be.
    pub(super) fn bounds(&self, families: &mut Families<'_>) -> fmt::Result {
        let (stats, engine) = (self.stats(), &self.books.engine);
        families.gauge(
            ("quotad_holds_open", None, "Open reservations."),
            engine.holds_open(),
        )?;
        families.counter(
            (
                "quotad_holds_expired",
                None,
                "Reservations that ended by themselves.",
            ),
            stats.holds_expired(),
        )?;
        let settled = stats.settled();
        families.gauge(
            (
                "quotad_settled_remembered",
                None,
                "Settled requests whose answers are remembered.",
            ),
            settled,
        )?;
        families.gauge(
            (
                "quotad_settled_horizon_age",
                Some(Unit::Seconds),
                "How far back settled requests are surely remembered.",
            ),
            engine.horizon_age().as_secs_f64(),
        )?;
        let dead_letters = self.sinks().iter().map(|it| it.dead).sum();
        let connections: usize = self.connections().sum();
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let bounds = [
            ("cells", read(&stats.cells), self.bounds.cells),
            ("holds", engine.holds_open(), self.bounds.holds),
            ("settled", settled, self.bounds.settled),
            (
                "usage_rows",
                read(&stats.usage_rows),
                self.bounds.usage_rows,
            ),
            ("labels", read(&stats.labels), self.bounds.labels),
            ("connections", connections as u64, CONNECTIONS_MAX),
            ("dead_letters", dead_letters, DEAD_LETTERS_MAX),
        ];
        families.gauges(
            (
                "quotad_bound_entries",
                None,
                "How much there is of what is bounded.",
            ),
            bounds.map(|(bound, now, _)| ([("bound", bound)], now)),
        )?;
        families.gauges(
            ("quotad_bound_max_entries", None, "How much there may be."),
            bounds.map(|(bound, _, most)| ([("bound", bound)], most)),
        )?;
        families.gauge(
            (
                "quotad_folded_cells",
                None,
                "Cells that users share, because the bound on cells was reached.",
            ),
            engine.folded_cells(),
        )
    }

    /// Who was told.
    pub(super) fn notifications(&self, families: &mut Families<'_>) -> fmt::Result {
        let sinks = self.sinks();
        let counts = sinks.iter().flat_map(|it| {
            [
                ("delivered", it.delivered),
                ("failed", it.failed_attempts),
                ("dead", it.given_up),
            ]
            .map(|(outcome, count)| ([("sink", &*it.name), ("outcome", outcome)], count))
        });
        families.counters(
            (
                "quotad_notifications",
                None,
                "Events that were delivered or given up, and attempts that failed.",
            ),
            counts,
        )?;
        let by_sink = || sinks.iter().map(|it| ([("sink", &*it.name)], it));
        families.gauges(
            (
                "quotad_notifications_waiting",
                None,
                "Events that the sink has not taken yet.",
            ),
            by_sink().map(|(labels, it)| (labels, it.waiting)),
        )?;
        let now = self.now();
        let age = |it: &SinkStatus| {
            let age = it
                .oldest
                .map(|oldest| now.since(oldest))
                .unwrap_or_default();
            nanos(u64::try_from(age.as_nanos()).unwrap_or(u64::MAX))
        };
        families.gauges(
            (
                "quotad_notifications_oldest_age",
                Some(Unit::Seconds),
                "Since when the oldest event waits to be delivered; 0 if none does.",
            ),
            by_sink().map(|(labels, it)| (labels, age(it))),
        )?;
        families.gauges(
            (
                "quotad_notifications_dead_letters",
                None,
                "Events that were given up, and can be replayed.",
            ),
            by_sink().map(|(labels, it)| (labels, it.dead)),
        )?;
        families.gauge(
            (
                "quotad_notices_waiting",
                None,
                "Notices in the books that do not stand in the log of events yet.",
            ),
            self.books.engine.notices_waiting(),
        )?;
        families.counter(
            (
                "quotad_notices_lost",
                None,
                "Notices that were lost, because too many waited.",
            ),
            self.books.engine.notices_lost(),
        )
    }

    fn stats(&self) -> &Stats {
        self.books.engine.stats()
    }

    fn sinks(&self) -> Vec<SinkStatus> {
        let notifications = self.notifications.get();
        notifications.map(|it| it.sinks()).unwrap_or_default()
    }

    fn connections(&self) -> impl Iterator<Item = usize> {
        let planes = self.plane.get().into_iter();
        let counters = planes.flat_map(|it| &it.connections);
        counters.map(|it| it.load(Ordering::Relaxed))
    }
}
