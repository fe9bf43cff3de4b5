//! From the files back to the books: the newest whole snapshot, what the journal says happened after it, and a segment for
//! what comes. Until all of that has succeeded nothing on the disk is changed.

mod applier;
mod chain;
mod loader;

use std::collections::VecDeque;
use std::io::Read;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;

use crate::domain::fact::Fact;
use crate::domain::plan::Plan;
use crate::domain::time::Timestamp;
use crate::engine::Engine;
use crate::world::disk::Disk;
use crate::world::sabotage::{self, Fault};

use super::error::{FileError, RecoveryError};
use super::fact_code::{self, FactError, Frame};
use super::files::{self, File};
use super::journal::{Identity, Journal, Live, Opening};
use super::plan_code::{PlanHash, from_json};
use super::snapshot;
use super::snapshots::Kept;
use super::usage;

use applier::Applier;
use chain::{Chain, End, Group, Link, Nameless, failed, read_whole, unreadable};

/// What recovery found and did.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Recovered {
    /// The directory was new: the books begin empty.
    pub is_new: bool,
    /// The snapshot that was loaded.
    pub snapshot: Option<u64>,
    /// What is wrong with snapshots that are damaged; the next one replaces them.
    pub snapshots_damaged: Vec<String>,
    /// Entries loaded from the snapshot.
    pub entries: u64,
    /// Groups of facts replayed from the journal.
    pub groups: u64,
    /// Where the journal ended, as a position.
    pub position: u64,
    /// Bytes of a torn tail that were cut off, as far as they can still be read.
    pub tail_bytes_cut: u64,
    /// Records that were dropped because `drop_from` said so.
    pub records_dropped: u64,
}

/// The snapshot that was loaded, or none.
#[derive(Default)]
struct Base {
    header: Option<snapshot::Header>,
    /// The whole ones, the oldest first.
    kept: Vec<Kept>,
    damaged: Vec<u64>,
    /// What is wrong with the newest, where none is whole.
    error: Option<FileError>,
}

/// A recovery under way.
pub(super) struct Recovery<'a> {
    pub(super) disk: &'a dyn Disk,
    pub(super) engine: &'a Engine,
    pub(super) drop_from: Option<u64>,
    /// So many threads bring the books back; beside them one reads.
    pub(super) threads: usize,
    pub(super) recovered: Recovered,
}

/// More threads would wait for the one that reads.
const THREADS_MAX: usize = 8;

/// One for each core.
pub(super) fn threads() -> usize {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    cores.min(THREADS_MAX)
}

/// What the snapshots' keeper has to know.
pub(super) struct Shelf {
    pub(super) kept: Vec<Kept>,
    pub(super) damaged: Vec<u64>,
    /// The files of closed days, the oldest first.
    pub(super) usage: Vec<usage::Table>,
}

impl Recovery<'_> {
    /// Fills the engine and opens the journal.
    pub(super) fn run(
        &mut self,
        journal: &Journal,
        base_time: Timestamp,
    ) -> Result<Shelf, RecoveryError> {
        let names = self.names()?;
        let (base, chain, found) = self.bring_back(&names)?;
        let opening = self.clean(journal, &names, &base, &chain, base_time)?;
        for &number in &found.unknown {
            self.remove(&files::usage(number))?;
        }
        journal.open(opening)?;
        Ok(Shelf {
            kept: base.kept,
            damaged: base.damaged,
            usage: found.kept,
        })
    }

    /// Fills the engine only: whether and how a start would succeed.
    pub(super) fn rehearse(&mut self) -> Result<(), RecoveryError> {
        let names = self.names()?;
        self.bring_back(&names).map(|_| ())
    }

    fn names(&self) -> Result<Vec<String>, RecoveryError> {
        let names = self.disk.list();
        names.map_err(|source| failed("listing the directory", source))
    }

    /// Everything up to where the disk would be changed.
    fn bring_back(
        &mut self,
        names: &[String],
    ) -> Result<(Base, Chain, usage::Found), RecoveryError> {
        let mut base = self.load_snapshot(names)?;
        let mut chain = Chain::find(self.disk, base.header.as_ref().map(|it| it.journal))?;
        // What is wrong with the newest snapshot, where no other makes up for it.
        let damage = base.error.take().filter(|_| base.header.is_none());
        // Then only a journal from its very beginning brings everything back.
        let is_complete = chain.links.first().is_some_and(|link| link.first == 0);
        match damage {
            Some(damage) if !is_complete => return Err(damage.into()),
            Some(damage) => self
                .replay(&base, &mut chain)
                .map_err(|_| RecoveryError::File(damage))?,
            None => self.replay(&base, &mut chain)?,
        }
        self.recovered.is_new = base.header.is_none() && chain.links.is_empty();
        let found = usage::find(self.disk, names, self.engine)?;
        Ok((base, chain, found))
    }

    /// Loads the newest snapshot that is whole.
    fn load_snapshot(&mut self, names: &[String]) -> Result<Base, RecoveryError> {
        let mut numbers: Vec<u64> = names
            .iter()
            .filter_map(|name| match File::of(name) {
                File::Snapshot(number) => Some(number),
                _ => None,
            })
            .collect();
        numbers.sort_unstable();
        let mut base = Base::default();
        for &number in numbers.iter().rev() {
            let name = files::snapshot(number);
            let verified = self.open(&name).and_then(|mut source| {
                let header = snapshot::check(&mut source, &name)?;
                let plan = self.plan(&header.plan)?;
                Ok((header, plan))
            });
            match verified {
                Ok((header, plan)) => {
                    base.kept.insert(0, kept(&header));
                    if base.header.is_none() {
                        self.restore(&name, &plan)?;
                        self.recovered.snapshot = Some(number);
                        base.header = Some(header);
                    }
                }
                // A newer one exists that we cannot read: going back behind it would forget what it knows.
                Err(error @ FileError::Newer { .. }) => return Err(error.into()),
                Err(error) => {
                    self.recovered.snapshots_damaged.push(error.to_string());
                    base.damaged.push(number);
                    base.error.get_or_insert(error);
                }
            }
        }
        Ok(base)
    }

    fn restore(&mut self, name: &str, plan: &Arc<Plan>) -> Result<(), RecoveryError> {
        let engine = self.engine;
        engine.restore_plan(plan);
        let mut source = self.open(name)?;
        let counts = loader::load(engine, self.threads, &mut source, name)?;
        self.recovered.entries = counts.entries;
        Ok(())
    }

    /// Applies what happened after the snapshot.
    fn replay(&mut self, base: &Base, chain: &mut Chain) -> Result<(), RecoveryError> {
        let none = Vec::new();
        let positions = base.header.as_ref().map_or(&none, |it| &it.positions);
        let from = positions.iter().copied().min().unwrap_or(0);
        let known_safe = positions.iter().copied().max().unwrap_or(0);
        let (disk, engine) = (self.disk, self.engine);
        let mut groups = 0;
        let end = Applier::run(engine, self.threads, |applier| {
            chain.read(disk, from, &mut |group| {
                groups += 1;
                if sabotage::is(Fault::SkipReplay) && groups % 50 == 0 {
                    return Ok(());
                }
                tell(disk, positions, group, &mut |fact| applier.take(fact))
            })
        })?;
        self.recovered.groups = groups;
        self.recovered.position = end.position.max(known_safe);
        let needs_segment = base.header.as_ref().is_some_and(|it| it.segment > 0);
        let is_lost = end.safe > end.position
            || (known_safe > end.position && (needs_segment || !chain.links.is_empty()));
        self.judge(chain, &end, is_lost)
    }

    /// Whether what is broken is a torn tail, or damage that somebody must decide about.
    fn judge(&mut self, chain: &Chain, end: &End, is_lost: bool) -> Result<(), RecoveryError> {
        let position = end.position;
        match (is_lost, self.drop_from) {
            (false, None) => {
                self.recovered.tail_bytes_cut = end.bytes_behind;
                Ok(())
            }
            (true, Some(asked)) if asked == position => {
                self.recovered.records_dropped = end.behind;
                Ok(())
            }
            (true, None | Some(_)) => Err(match chain.links.get(end.link) {
                Some(link) if !end.is_missing => RecoveryError::Lost {
                    file: files::journal(link.number),
                    offset: end.offset,
                    position,
                    lost: end.behind,
                },
                _ => RecoveryError::Missing {
                    position,
                    lost: end.behind,
                },
            }),
            (false, Some(asked)) => Err(RecoveryError::NothingToDrop {
                asked,
                found: format!("the journal is whole up to its end at position {position}"),
            }),
        }
    }

    /// Makes what was replayed safe, and puts aside what is behind it, so that it is never taken for what comes.
    fn clean(
        &mut self,
        journal: &Journal,
        names: &[String],
        base: &Base,
        chain: &Chain,
        base_time: Timestamp,
    ) -> Result<Opening, RecoveryError> {
        let position = self.recovered.position;
        let (stay, go): (Vec<&Link>, Vec<&Link>) =
            chain.links.iter().partition(|link| link.first < position);
        for link in stay.iter().filter(|link| link.bytes > 0) {
            let name = files::journal(link.number);
            let mapped = self
                .disk
                .map(&name)
                .map_err(|source| unreadable(&name, source))?;
            mapped
                .syncer
                .sync()
                .map_err(|source| failed(&format!("syncing {name}"), source))?;
        }
        for link in go {
            self.put_aside(&files::journal(link.number))?;
        }
        let mut spares = Vec::new();
        for &Nameless { number, .. } in &chain.nameless {
            let name = files::journal(number);
            let placed = self.disk.placed(&name);
            let placed = placed.map_err(|source| unreadable(&name, source))?;
            match placed.filter(|bytes| self.is_of_use(journal, *bytes)) {
                Some(bytes) => spares.push(Live::spare(number, bytes)),
                None => self.put_aside(&name)?,
            }
        }
        for name in names
            .iter()
            .filter(|name| File::of(name) == File::Unfinished)
        {
            self.remove(name)?;
        }
        self.disk
            .sync_directory()
            .map_err(|source| failed("syncing the directory", source))?;
        let start = self.engine.start();
        let plans = names.iter().filter_map(|name| match File::of(name) {
            File::Plan(hash) => Some(hash),
            _ => None,
        });
        let header = base.header.as_ref();
        Ok(Opening {
            identity: Identity {
                journal: if self.recovered.is_new {
                    start
                } else {
                    chain.journal
                },
                frame: Frame {
                    start,
                    base: base_time,
                },
            },
            position,
            live: live(&stay, position),
            number_last: chain.number_last,
            spares,
            snapshot_begin: header
                .and_then(|it| it.positions.iter().copied().min())
                .unwrap_or(0),
            plans: plans.collect(),
            holds_open: self.engine.holds_open(),
        })
    }

    /// Whether the journal that is opened next may take a segment without a header for what comes, so that it need not be
    /// zeroed again: what it may still hold passes under no other number.
    fn is_of_use(&self, journal: &Journal, bytes: u64) -> bool {
        journal.keeps_records()
            && self.recovered.records_dropped == 0
            && bytes == journal.segment_bytes()
    }

    /// Segments behind the end: garbage of a torn tail goes; what somebody decided to drop stays under another name.
    fn put_aside(&self, name: &str) -> Result<(), RecoveryError> {
        if self.recovered.records_dropped == 0 {
            return self.remove(name);
        }
        self.disk
            .rename(name, &format!("dropped-{name}"))
            .map_err(|source| failed(&format!("renaming {name}"), source))
    }

    fn remove(&self, name: &str) -> Result<(), RecoveryError> {
        self.disk
            .remove(name)
            .map_err(|source| failed(&format!("removing {name}"), source))
    }

    fn open(&self, name: &str) -> Result<Box<dyn Read + Send>, FileError> {
        self.disk.read(name).map_err(|source| FileError::Io {
            file: name.to_owned(),
            source,
        })
    }

    fn plan(&self, hash: &PlanHash) -> Result<Arc<Plan>, FileError> {
        read_plan(self.disk, hash)
    }
}

/// Tells the facts of a group that concern shards whose part of the snapshot does not contain them.
fn tell(
    disk: &dyn Disk,
    positions: &[u64],
    group: &Group<'_>,
    each: &mut dyn FnMut(Fact),
) -> Result<(), RecoveryError> {
    let damaged = |problem: String| {
        RecoveryError::File(FileError::Damaged {
            file: group.file.to_owned(),
            offset: group.offset,
            problem,
        })
    };
    let is_new = |fact: &Fact| {
        // A plan is the same change in all shards, and a copy begins in all of them under the plan's lock.
        let shard = usize::from(fact.shard().unwrap_or(0));
        group.position >= positions.get(shard).copied().unwrap_or(0)
    };
    let mut plans = |hash: &PlanHash| read_plan(disk, hash);
    let decoded = fact_code::decode(group.body, &group.frame, &mut plans, &mut |fact| {
        if is_new(&fact) {
            each(fact);
        }
    });
    decoded.map_err(|error| match error {
        FactError::Plan(error) => error.into(),
        FactError::Garbled(problem) => {
            damaged(format!("a whole record that makes no sense: {problem}"))
        }
    })
}

fn read_plan(disk: &dyn Disk, hash: &PlanHash) -> Result<Arc<Plan>, FileError> {
    let file = files::plan(hash);
    let json = read_whole(disk, &file).map_err(|error| match error {
        RecoveryError::File(error) => error,
        other => FileError::Damaged {
            file: file.clone(),
            offset: 0,
            problem: other.to_string(),
        },
    })?;
    let damaged = |problem: String| FileError::Damaged {
        file: file.clone(),
        offset: 0,
        problem,
    };
    if PlanHash::of(&json) != *hash {
        return Err(damaged(
            "its contents do not have the hash in its name".to_owned(),
        ));
    }
    from_json(&json)
        .map(Arc::new)
        .map_err(|error| damaged(error.to_string()))
}

fn kept(header: &snapshot::Header) -> Kept {
    Kept {
        number: header.number,
        from: header.positions.iter().copied().min().unwrap_or(0),
        plan: header.plan,
    }
}

/// The segments that stay: each ends where the next begins.
fn live(links: &[&Link], position: u64) -> VecDeque<Live> {
    let ends = links
        .iter()
        .skip(1)
        .map(|link| link.first)
        .chain([position]);
    let lives = links.iter().zip(ends).map(|(link, end)| Live {
        number: link.number,
        first: link.first,
        end,
        bytes: link.bytes,
        syncer: None,
    });
    lives.collect()
}
