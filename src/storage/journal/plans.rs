//! Plan files: each is named by its hash and safe before a record or a snapshot refers to it.

use std::io::{self, Write};

use parking_lot::Mutex;

use crate::domain::plan::Plan;
use crate::storage::files;
use crate::storage::plan_code::{PlanHash, to_json};

use super::Journal;

/// The plan files of the directory.
#[derive(Debug, Default)]
pub(super) struct Plans(Mutex<Files>);

#[derive(Debug, Default)]
struct Files {
    /// The one that the next record of a plan refers to.
    kept: PlanHash,
    /// Each with the journal's position when it was last kept.
    all: Vec<(PlanHash, u64)>,
}

impl Plans {
    /// These were there when the journal was opened.
    pub(super) fn found(&self, hashes: Vec<PlanHash>, position: u64) {
        self.0.lock().all = hashes.into_iter().map(|hash| (hash, position)).collect();
    }

    /// The next record of a plan refers to this one.
    pub(super) fn keep(&self, hash: PlanHash) {
        self.0.lock().kept = hash;
    }

    /// The plan that was kept last.
    pub(super) fn kept(&self) -> PlanHash {
        self.0.lock().kept
    }
}

impl Journal {
    /// Writes a plan's file, unless it is there. May wait for the disk.
    pub(in crate::storage) fn write_plan(&self, plan: &Plan) -> io::Result<PlanHash> {
        let json = to_json(plan);
        let hash = PlanHash::of(&json);
        let position = self.appended();
        let mut known = self.plans.0.lock();
        if let Some(file) = known.all.iter_mut().find(|file| file.0 == hash) {
            file.1 = position;
            return Ok(hash);
        }
        self.write_file(&files::plan(&hash), &json)
            .inspect_err(|error| {
                // A full disk refuses this one change; whatever else fails casts doubt on what was written before.
                if !files::is_full(error) {
                    self.fail("writing a plan", error);
                }
            })?;
        known.all.push((hash, position));
        Ok(hash)
    }

    /// Removes the plan files that nothing refers to: no snapshot, no record at or after this position, and not the one
    /// that was kept last.
    pub(in crate::storage) fn drop_plans(
        &self,
        referred: &[PlanHash],
        from: u64,
    ) -> io::Result<()> {
        let mut known = self.plans.0.lock();
        let kept = known.kept;
        let (stay, go): (Vec<_>, Vec<_>) = known.all.iter().partition(|(hash, position)| {
            *position >= from || *hash == kept || referred.contains(hash)
        });
        known.all = stay;
        go.iter()
            .try_for_each(|(hash, _)| self.disk.remove(&files::plan(hash)))
    }

    /// Writes a whole file under a name that is only ever whole.
    fn write_file(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let unfinished = files::unfinished(name);
        let mut output = self.disk.create(&unfinished)?;
        output.write_all(bytes)?;
        output.sync()?;
        drop(output);
        self.disk.rename(&unfinished, name)?;
        self.disk.sync_directory()
    }
}
