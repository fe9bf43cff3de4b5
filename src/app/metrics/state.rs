//! How this process keeps the books and itself: journal, snapshots, recovery, configuration, the audit of the counters.

use std::fmt;
use std::sync::atomic::Ordering;

use prometheus_client::registry::Unit;

use crate::app::reloads::Outcome;
use crate::domain::time::Timestamp;
use crate::world::vitals::Phase;

use super::Observed;
use super::families::{Families, credits, nanos, seconds};

impl Observed {
    /// The journal.
    pub(super) fn journal(&self, families: &mut Families<'_>) -> fmt::Result {
        let figures = self.books.journal_figures();
        families.counter(
            (
                "quotad_journal_records",
                None,
                "Operations that were recorded.",
            ),
            figures.records,
        )?;
        families.counter(
            (
                "quotad_journal_written",
                Some(Unit::Bytes),
                "What they took in the journal.",
            ),
            figures.written,
        )?;
        for (name, help, bytes) in [
            (
                "quotad_journal_unsynced",
                "Written, and not yet safe from a loss of power.",
                figures.unsynced,
            ),
            (
                "quotad_journal_since_snapshot",
                "Written since the newest snapshot began.",
                figures.since_snapshot,
            ),
            (
                "quotad_journal_max",
                "The most that may be written and prepared since then.",
                figures.most,
            ),
            (
                "quotad_journal_free",
                "Room that is prepared.",
                figures.free,
            ),
            (
                "quotad_journal_needed",
                "What the open reservations need of it to be settled.",
                figures.needed,
            ),
        ] {
            families.gauge((name, Some(Unit::Bytes), help), bytes)?;
        }
        families.gauge(
            (
                "quotad_journal_prepared_segments",
                None,
                "Segments that wait to be used.",
            ),
            figures.segments_prepared,
        )?;
        families.histograms(
            (
                "quotad_fsync_duration",
                Some(Unit::Seconds),
                "Syncs of the journal.",
            ),
            [([], figures.syncs)],
        )
    }

    /// The snapshots.
    pub(super) fn snapshots(&self, families: &mut Families<'_>) -> fmt::Result {
        let figures = self.books.snapshot_figures();
        families.counters(
            (
                "quotad_snapshots",
                None,
                "Snapshots that were taken, or not, because the disk was full.",
            ),
            [
                ([("outcome", "whole")], figures.whole),
                ([("outcome", "no_room")], figures.no_room),
            ],
        )?;
        let last = figures.last.as_ref();
        let one = |value| ([], value);
        families.gauges(
            (
                "quotad_snapshot_last_timestamp",
                Some(Unit::Seconds),
                "When the newest snapshot became whole.",
            ),
            last.map(|it| one(seconds(it.at))),
        )?;
        families.gauges(
            (
                "quotad_snapshot_last_duration",
                Some(Unit::Seconds),
                "How long the newest snapshot took.",
            ),
            last.map(|it| one(nanos(it.took_ns))),
        )?;
        families.gauges(
            (
                "quotad_snapshot_last",
                Some(Unit::Bytes),
                "The size of the newest snapshot.",
            ),
            last.map(|it| ([], it.bytes)),
        )
    }

    /// How this start brought the books back.
    pub(super) fn recovery(&self, families: &mut Families<'_>) -> fmt::Result {
        let Some((recovered, took_ns)) = self.books.recovered() else {
            return Ok(());
        };
        families.gauge(
            (
                "quotad_recovery_duration",
                Some(Unit::Seconds),
                "How long this start took to bring the books back.",
            ),
            nanos(took_ns),
        )?;
        for (name, help, count) in [
            (
                "quotad_recovery_loaded_entries",
                "Entries of the snapshot that was loaded.",
                recovered.entries,
            ),
            (
                "quotad_recovery_replayed_records",
                "Operations that were replayed from the journal.",
                recovered.groups,
            ),
            (
                "quotad_recovery_dropped_records",
                "Records that --drop-from gave up.",
                recovered.records_dropped,
            ),
            (
                "quotad_recovery_damaged_snapshots",
                "Snapshots that could not be used.",
                recovered.snapshots_damaged.len() as u64,
            ),
            (
                "quotad_started_with_empty_books",
                "1 if the data directory was new at this start.",
                recovered.is_new.into(),
            ),
        ] {
            families.gauge((name, None, help), count)?;
        }
        Ok(())
    }

    /// Files that are read again when they change.
    pub(super) fn configuration(&self, families: &mut Families<'_>) -> fmt::Result {
        let files = [("plan", &self.plan), ("tokens", &self.tokens)];
        let files = || files.into_iter().filter(|(_, it)| it.is_there());
        families.counters(
            ("quotad_reloads", None, "A changed file was read."),
            files().flat_map(|(file, it)| {
                Outcome::ALL.map(|outcome| {
                    let labels = [("file", file), ("outcome", outcome.as_str())];
                    (labels, it.count(outcome))
                })
            }),
        )?;
        families.gauges(
            (
                "quotad_reload_last_success_timestamp",
                Some(Unit::Seconds),
                "When it was last read without an error.",
            ),
            files().filter_map(|(file, it)| Some(([("file", file)], seconds(it.succeeded()?)))),
        )?;
        families.gauges(
            (
                "quotad_reload_current",
                None,
                "1 if what applies is what the file says.",
            ),
            files().map(|(file, it)| ([("file", file)], u64::from(it.is_current()))),
        )
    }

    /// The process itself.
    pub(super) fn process(&self, families: &mut Families<'_>) -> fmt::Result {
        families.gauges(
            ("quotad_build_info", None, "Always 1."),
            [([("version", env!("CARGO_PKG_VERSION"))], 1_u64)],
        )?;
        families.gauge(
            (
                "quotad_start_timestamp",
                Some(Unit::Seconds),
                "When this process started.",
            ),
            seconds(self.started),
        )?;
        families.gauge(
            ("quotad_ready", None, "1 while requests are answered."),
            u64::from(self.vitals.phase() == Phase::Ready),
        )?;
        families.gauge(
            (
                "quotad_stuck_threads",
                None,
                "Data-plane threads without a sign of life for 15 s.",
            ),
            self.vitals.stuck().len(),
        )
    }

    /// The audit of the counters.
    pub(super) fn proofs(&self, families: &mut Families<'_>) -> fmt::Result {
        let found = &self.proofs;
        families.gauge(
            (
                "quotad_audit_difference",
                credits(),
                "By how much counters differ from their derivation. Always 0; anything else is a defect.",
            ),
            found.difference.load(Ordering::Relaxed),
        )?;
        families.counter(
            (
                "quotad_audit_accounts",
                None,
                "Accounts that were compared.",
            ),
            found.accounts.load(Ordering::Relaxed),
        )?;
        families.counter(
            (
                "quotad_audit_rounds",
                None,
                "How often all organizations had their turn.",
            ),
            found.rounds.load(Ordering::Relaxed),
        )?;
        let at_ns = found.at_ns.load(Ordering::Relaxed);
        let at = (at_ns != 0).then(|| ([], seconds(Timestamp::from_nanos(at_ns))));
        families.gauges(
            (
                "quotad_audit_last_timestamp",
                Some(Unit::Seconds),
                "When an organization was last compared.",
            ),
            at,
        )
    }
}
