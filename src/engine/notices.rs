//! What fired and was not told yet, oldest first: a queue that can be copied in steps while it is emptied and filled.

use std::collections::VecDeque;

use super::answer::Notice;

/// So many notices of one organization wait at most to be told; then the oldest go.
pub const NOTICES_MAX: usize = 65_536;

/// Notices that wait.
#[derive(Debug, Default)]
pub(super) struct Notices {
    waiting: VecDeque<Notice>,
    copy: Option<Copy>,
    /// How many are gone since the start: tells whether those that somebody saw are still there.
    taken: u64,
}

/// A copy under way. It consists of what was put aside, then of what is to come among the waiting.
#[derive(Debug, Default)]
struct Copy {
    /// Taken before they were copied.
    aside: VecDeque<Notice>,
    /// So many of the first waiting ones are copied.
    copied: usize,
    /// So many after those are to be copied; later ones came after the beginning.
    to_come: usize,
}

impl Notices {
    /// Adds one, without letting the queue grow for ever; answers whether the oldest was lost for it.
    pub(super) fn push(&mut self, notice: Notice) -> bool {
        let is_full = self.waiting.len() >= NOTICES_MAX;
        if is_full {
            self.take_first();
        }
        self.waiting.push_back(notice);
        is_full
    }

    /// Takes off the oldest.
    pub(super) fn take(&mut self, count: u32) {
        for _ in 0..count {
            if !self.take_first() {
                break;
            }
        }
    }

    /// How many are gone since the start.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// All that wait, the oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Notice> {
        self.waiting.iter()
    }

    /// Begins a copy of what waits now.
    pub(super) fn begin_copy(&mut self) {
        let to_come = self.waiting.len();
        self.copy = (to_come > 0).then(|| Copy {
            to_come,
            ..Copy::default()
        });
    }

    /// Copies the next ones, at most so many; answers how many those were.
    pub(super) fn step(&mut self, notices_max: usize, mut each: impl FnMut(&Notice)) -> usize {
        let Some(copy) = &mut self.copy else {
            return 0;
        };
        let mut done = 0;
        while done < notices_max {
            if let Some(notice) = copy.aside.pop_front() {
                each(&notice);
            } else if let Some(notice) = self.waiting.get(copy.copied).filter(|_| copy.to_come > 0)
            {
                each(notice);
                copy.copied += 1;
                copy.to_come -= 1;
            } else {
                break;
            }
            done += 1;
        }
        if copy.aside.is_empty() && copy.to_come == 0 {
            self.copy = None;
        }
        done
    }

    /// Whether a copy is under way.
    pub(super) fn is_copying(&self) -> bool {
        self.copy.is_some()
    }

    /// Ends a copy, whether it has come to its end or not.
    pub(super) fn end_copy(&mut self) {
        self.copy = None;
    }

    fn take_first(&mut self) -> bool {
        let Some(notice) = self.waiting.pop_front() else {
            return false;
        };
        self.taken += 1;
        if let Some(copy) = &mut self.copy {
            if copy.copied > 0 {
                copy.copied -= 1;
            } else if copy.to_come > 0 {
                copy.to_come -= 1;
                copy.aside.push_back(notice);
            }
        }
        true
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::domain::account::Account;
    use crate::domain::cycle::CycleSpan;
    use crate::domain::time::Timestamp;

    fn notice(percent: u32) -> Notice {
        Notice::Threshold {
            account: Account::Pool,
            percent,
            at: Timestamp::MIN,
            used: 0,
            limit: 0,
            cycle: CycleSpan {
                start: Timestamp::MIN,
                end: Timestamp::MAX,
            },
        }
    }

    #[test]
    fn a_full_queue_loses_the_oldest_and_says_so() {
        let mut notices = Notices::default();
        let most = u32::try_from(NOTICES_MAX).unwrap();
        assert!((0..most).all(|it| !notices.push(notice(it))));
        assert!(notices.push(notice(most)));
        assert_eq!((notices.len(), notices.taken()), (NOTICES_MAX, 1));
        assert_eq!(notices.iter().next(), Some(&notice(1)));
    }

    #[test]
    fn a_copy_shows_what_waited_at_the_beginning_whatever_is_taken_and_added_meanwhile() {
        // Every way in which 5 takings and 5 steps can follow each other.
        for ways in 0..1_u32 << 10 {
            let mut notices = Notices::default();
            for it in 0..4 {
                notices.push(notice(it));
            }
            notices.begin_copy();
            let mut copied = Vec::new();
            for bit in 0..10 {
                if ways >> bit & 1 == 0 {
                    notices.step(1, |it| copied.push(it.clone()));
                } else {
                    notices.take(1);
                    notices.push(notice(100 + bit));
                }
            }
            while notices.is_copying() {
                notices.step(2, |it| copied.push(it.clone()));
            }
            let begun: Vec<_> = (0..4).map(notice).collect();
            assert_eq!(copied, begun, "{ways:b}");
            assert_eq!(notices.len(), 4);
        }
    }
}
