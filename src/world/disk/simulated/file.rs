//! One file: what the kernel was handed, what is safe, and what is on its way.

use std::sync::Arc;

use super::chance::Chance;

/// Bytes handed over that are not safe yet.
#[derive(Clone, Debug)]
struct Store {
    offset: usize,
    bytes: Arc<[u8]>,
}

/// A file.
#[derive(Clone, Debug, Default)]
pub(super) struct File {
    /// What a reader sees.
    bytes: Arc<Vec<u8>>,
    /// What survives the loss of power for certain.
    safe: Arc<Vec<u8>>,
    /// What was handed over since the last sync, in order.
    pending: Vec<Store>,
}

impl File {
    /// All of it safe.
    pub(super) fn of(bytes: Vec<u8>) -> Self {
        let bytes = Arc::new(bytes);
        Self {
            safe: Arc::clone(&bytes),
            bytes,
            pending: Vec::new(),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn shared(&self) -> Arc<Vec<u8>> {
        Arc::clone(&self.bytes)
    }

    /// Other bytes, safe at once.
    pub(super) fn replace(&mut self, bytes: Vec<u8>) {
        *self = Self::of(bytes);
    }

    /// Hands bytes over; the file grows where they end beyond it.
    pub(super) fn store(&mut self, offset: usize, bytes: &[u8]) {
        let store = Store {
            offset,
            bytes: bytes.into(),
        };
        lay(Arc::make_mut(&mut self.bytes), &store);
        self.pending.push(store);
    }

    /// What was handed over is safe.
    pub(super) fn sync(&mut self) {
        for store in std::mem::take(&mut self.pending) {
            lay(Arc::make_mut(&mut self.safe), &store);
        }
    }

    /// A sync that fails: each store reached the disk or never will, although readers still see it.
    pub(super) fn sync_failing(&mut self, chance: &mut Chance) {
        for store in std::mem::take(&mut self.pending) {
            if chance.yes(500) {
                lay(Arc::make_mut(&mut self.safe), &store);
            }
        }
    }

    /// What the loss of power leaves.
    pub(super) fn survivor(&self, luck: &mut Luck) -> Self {
        let mut left = Vec::clone(&self.safe);
        let mut pieces: Vec<Store> = Vec::new();
        for store in &self.pending {
            luck.tear(store.offset, store.bytes.len(), &mut |from, to| {
                pieces.push(Store {
                    offset: store.offset + from,
                    bytes: store.bytes[from..to].into(),
                });
            });
        }
        luck.order(&mut pieces);
        for piece in &pieces {
            lay(&mut left, piece);
        }
        Self::of(left)
    }
}

fn lay(bytes: &mut Vec<u8>, store: &Store) {
    let end = store.offset + store.bytes.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[store.offset..end].copy_from_slice(&store.bytes);
}

/// What a loss of power spares.
pub(super) enum Luck {
    /// Nothing that was not synced.
    None,
    /// Everything.
    All,
    /// Some of it.
    Some {
        chance: Chance,
        /// How many pieces of 1,000 survive.
        permille: usize,
        grain: Grain,
    },
}

/// Where a store tears.
#[derive(Clone, Copy)]
pub(super) enum Grain {
    /// Not at all.
    Whole,
    /// Between the disk's sectors.
    Sector,
    /// Anywhere.
    Byte,
}

/// A disk's sector, in bytes.
const SECTOR: usize = 512;

/// The longest piece of a store that tears anywhere, in bytes: small, so that every field of a record is cut somewhere.
const TORN_BYTES_MAX: usize = 48;

impl Luck {
    /// What a seed says: from nearly nothing to nearly everything, torn finely or not.
    pub(super) fn new(seed: u64) -> Self {
        let mut chance = match seed {
            0 => return Self::None,
            1 => return Self::All,
            seed => Chance::new(seed),
        };
        Self::Some {
            permille: [20, 200, 500, 800, 980][chance.below(5)],
            grain: [Grain::Whole, Grain::Sector, Grain::Byte][chance.below(3)],
            chance,
        }
    }

    /// How many of so many changes of names survive: the first ones.
    pub(super) fn names(&mut self, count: usize) -> usize {
        match self {
            Self::None => 0,
            Self::All => count,
            Self::Some { chance, .. } => chance.below(count + 1),
        }
    }

    /// The parts of a store that survive, each from and to which of its bytes.
    fn tear(&mut self, offset: usize, bytes: usize, each: &mut dyn FnMut(usize, usize)) {
        let (chance, permille, grain) = match self {
            Self::None => return,
            Self::All => return each(0, bytes),
            Self::Some {
                chance,
                permille,
                grain,
            } => (chance, *permille, *grain),
        };
        let mut from = 0;
        while from < bytes {
            let piece = match grain {
                Grain::Whole => bytes,
                Grain::Sector => SECTOR - (offset + from) % SECTOR,
                Grain::Byte => 1 + chance.below(bytes.min(TORN_BYTES_MAX)),
            };
            let to = bytes.min(from + piece);
            if chance.yes(permille) {
                each(from, to);
            }
            from = to;
        }
    }

    fn order(&mut self, pieces: &mut [Store]) {
        if let Self::Some { chance, .. } = self {
            chance.shuffle(pieces);
        }
    }
}
