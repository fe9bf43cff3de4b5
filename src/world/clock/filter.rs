//! What of the machine's wall clock is believed (section 8 of the rule book). Nothing in this module reads a clock.
//!
//! The wall clock never goes backwards here: where the machine's does, ours stands still until it has caught up. A jump
//! forward is believed once it has lasted a minute of steady time; until then ours goes on as before.

/// A step forward up to this is drift and is followed at once: 1 s.
pub const FORWARD_JUMP_MAX_NS: i64 = 1_000_000_000;

/// A greater one is believed when it has lasted so long in steady time: 60 s.
pub const JUMP_LASTS_NS: i64 = 60_000_000_000;

/// How wall time follows from steady time until the next observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// Wall time is steady time plus this many nanoseconds.
    Running {
        /// May be negative.
        offset_ns: i64,
        /// Where it stood still last: a reader whose steady time is a little behind is not to go back before that.
        floor_ns: i64,
    },
    /// Wall time stands still, because the machine's clock was set back.
    Halted {
        /// Nanoseconds since the epoch.
        at_ns: i64,
    },
}

impl Line {
    /// Wall time at this steady time, both in nanoseconds since the epoch.
    pub fn wall_at(self, steady_ns: i64) -> i64 {
        match self {
            Self::Running {
                offset_ns,
                floor_ns,
            } => steady_ns.saturating_add(offset_ns).max(floor_ns),
            Self::Halted { at_ns } => at_ns,
        }
    }
}

/// Turns observations of the machine's clocks into a line that readers follow.
#[derive(Clone, Copy, Debug)]
pub struct WallFilter {
    line: Line,
    /// Wall minus steady time of the machine, as last believed.
    believed_ns: i64,
    jump: Option<Jump>,
}

/// A jump forward that has not lasted long enough yet.
#[derive(Clone, Copy, Debug)]
struct Jump {
    since_steady_ns: i64,
    offset_ns: i64,
}

impl WallFilter {
    /// Believes the first observation as it is.
    pub fn new(steady_ns: i64, wall_ns: i64) -> Self {
        let offset_ns = wall_ns.saturating_sub(steady_ns);
        Self {
            line: Line::Running {
                offset_ns,
                floor_ns: i64::MIN,
            },
            believed_ns: offset_ns,
            jump: None,
        }
    }

    /// Takes one observation of both clocks, `steady_ns` not earlier than that of the one before.
    pub fn observe(&mut self, steady_ns: i64, wall_ns: i64) -> Line {
        self.believe(steady_ns, wall_ns.saturating_sub(steady_ns));
        let target = steady_ns.saturating_add(self.believed_ns);
        let behind = self.line.wall_at(steady_ns).saturating_sub(target);
        match self.line {
            _ if behind <= 0 => {
                let floor_ns = match self.line {
                    Line::Running { floor_ns, .. } => floor_ns,
                    Line::Halted { at_ns } => at_ns,
                };
                self.line = Line::Running {
                    offset_ns: self.believed_ns,
                    floor_ns,
                }
            }
            // Not exactly where it is now: readers that still follow the old line for a moment would else be ahead of it.
            Line::Running { .. } if behind > FORWARD_JUMP_MAX_NS => {
                self.line = Line::Halted {
                    at_ns: target
                        .saturating_add(behind)
                        .saturating_add(FORWARD_JUMP_MAX_NS),
                }
            }
            Line::Running { .. } | Line::Halted { .. } => {}
        }
        self.line
    }

    fn believe(&mut self, steady_ns: i64, offset_ns: i64) {
        let is_jump = offset_ns > self.believed_ns.saturating_add(FORWARD_JUMP_MAX_NS);
        if !is_jump {
            self.jump = None;
            self.believed_ns = offset_ns;
            return;
        }
        let same = self
            .jump
            .filter(|jump| offset_ns <= jump.offset_ns.saturating_add(FORWARD_JUMP_MAX_NS));
        match same {
            Some(jump) if steady_ns.saturating_sub(jump.since_steady_ns) >= JUMP_LASTS_NS => {
                self.jump = None;
                self.believed_ns = offset_ns;
            }
            Some(_) => {}
            None => {
                self.jump = Some(Jump {
                    since_steady_ns: steady_ns,
                    offset_ns,
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;
    const HOUR: i64 = 3_600 * SECOND;

    /// Observes (steady, wall) in seconds, and answers wall time after each.
    fn walls(observations: &[(i64, i64)]) -> Vec<i64> {
        let mut filter = WallFilter::new(0, 0);
        observations
            .iter()
            .map(|&(steady, wall)| {
                let line = filter.observe(steady * SECOND, wall * SECOND);
                line.wall_at(steady * SECOND) / SECOND
            })
            .collect()
    }

    #[test]
    fn drift_up_to_a_second_is_followed_at_once() {
        assert_eq!(walls(&[(10, 11), (20, 22), (30, 33)]), [11, 22, 33]);
    }

    #[test]
    fn a_jump_forward_is_believed_after_a_minute() {
        assert_eq!(
            walls(&[(1, 1), (2, 3_602), (61, 3_661), (62, 3_662), (63, 3_663)]),
            [1, 2, 61, 3_662, 3_663]
        );
    }

    #[test]
    fn a_jump_there_and_back_never_shows() {
        assert_eq!(
            walls(&[(1, 1), (2, 3_602), (50, 50), (51, 3_651), (62, 3_662)]),
            [1, 2, 50, 51, 62]
        );
    }

    #[test]
    fn a_second_jump_on_top_of_the_first_begins_its_own_minute() {
        assert_eq!(
            walls(&[(0, 100), (50, 1_000), (60, 1_010), (110, 1_060)]),
            [0, 50, 60, 1_060]
        );
    }

    #[test]
    fn set_back_it_stands_still_until_the_machine_has_caught_up() {
        // It halts a second ahead, so that no reader on the old line was later.
        assert_eq!(
            walls(&[
                (100, 100),
                (101, 41),
                (110, 50),
                (161, 101),
                (162, 102),
                (170, 110)
            ]),
            [100, 102, 102, 102, 102, 110]
        );
    }

    #[test]
    fn set_back_and_then_asleep_for_hours_is_no_jump() {
        let mut filter = WallFilter::new(0, 2 * HOUR);
        filter.observe(SECOND, HOUR);
        let line = filter.observe(10 * HOUR, 11 * HOUR);
        assert_eq!(line.wall_at(10 * HOUR), 11 * HOUR);
    }

    #[test]
    fn whatever_the_machine_shows_wall_time_never_goes_back() {
        let mut filter = WallFilter::new(0, 0);
        let (mut seed, mut last, mut steady) = (7_u64, 0_i64, 0_i64);
        // A reader whose steady time is a little behind, as the coarse one is.
        let (mut coarse, mut last_coarse) = (0_i64, 0_i64);
        for _ in 0..100_000 {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let random = i64::try_from(seed >> 40).unwrap_or(0);
            steady += random % (2 * SECOND);
            let skew = if random % 7 == 0 {
                (random % 20 - 10) * SECOND
            } else {
                0
            };
            let line = filter.observe(steady, steady.saturating_add(skew));
            let wall = line.wall_at(steady);
            assert!(wall >= last, "{wall} after {last}");
            last = wall;
            coarse = coarse.max(steady - random % (SECOND / 10));
            let wall = line.wall_at(coarse);
            assert!(wall >= last_coarse, "{wall} after {last_coarse}");
            last_coarse = wall;
        }
    }
}
