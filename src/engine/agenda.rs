//! When the calendar changes something for an organization: its cycle or its day ends, a grant begins or ends.

use std::collections::BTreeSet;

use crate::domain::time::Timestamp;

/// What is due when, of one shard.
#[derive(Debug)]
pub(super) struct Agenda {
    list: BTreeSet<(Timestamp, u32)>,
    /// The first instant in the list: each request compares it with the clock, however many organizations there are.
    next: Timestamp,
}

impl Default for Agenda {
    fn default() -> Self {
        let (list, next) = (BTreeSet::new(), Timestamp::MAX);
        Self { list, next }
    }
}

impl Agenda {
    /// The first instant at which something is due; `MAX` if nothing ever is.
    pub(super) fn next(&self) -> Timestamp {
        self.next
    }

    /// What is due first, and for which organization.
    pub(super) fn first(&self) -> Option<(Timestamp, u32)> {
        self.list.first().copied()
    }

    /// Something is due for an organization.
    pub(super) fn insert(&mut self, at: Timestamp, organization: u32) {
        self.list.insert((at, organization));
        self.find_next();
    }

    /// It no longer is.
    pub(super) fn remove(&mut self, at: Timestamp, organization: u32) {
        self.list.remove(&(at, organization));
        self.find_next();
    }

    fn find_next(&mut self) {
        self.next = self.list.first().map_or(Timestamp::MAX, |&(at, _)| at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_instant_is_that_of_the_first_entry() {
        let mut agenda = Agenda::default();
        let at = Timestamp::from_nanos;
        assert_eq!((agenda.next(), agenda.first()), (Timestamp::MAX, None));
        for (nanos, organization) in [(5, 0), (3, 1), (4, 2)] {
            agenda.insert(at(nanos), organization);
        }
        assert_eq!((agenda.next(), agenda.first()), (at(3), Some((at(3), 1))));
        agenda.remove(at(3), 1);
        assert_eq!(agenda.next(), at(4));
        for (nanos, organization) in [(5, 0), (4, 2)] {
            agenda.remove(at(nanos), organization);
        }
        assert_eq!((agenda.next(), agenda.first()), (Timestamp::MAX, None));
    }
}
