//! Thresholds (section 7): which marks an account has reached. Held credits never count.

/// Whether `used` credits reach `percent` of `limit`. Nothing used reaches nothing, even of a limit of zero.
pub fn reached(used: u64, limit: u64, percent: u32) -> bool {
    used >= mark(limit, percent)
}

/// The least `used` that reaches `percent` of `limit`: at least 1.
pub fn mark(limit: u64, percent: u32) -> u64 {
    let exact = (u128::from(limit) * u128::from(percent)).div_ceil(100);
    u64::try_from(exact).unwrap_or(u64::MAX).max(1)
}

/// The least `used` that reaches any mark which has not fired yet; `u64::MAX` if all have.
pub fn next_mark(limit: u64, percents: &[u32], fired: impl Fn(u32) -> bool) -> u64 {
    let open = percents.iter().filter(|&&percent| !fired(percent));
    open.map(|&percent| mark(limit, percent))
        .min()
        .unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_reached_from_the_exact_credit_on() {
        for (used, limit, percent, expected) in [
            (799, 1_000, 80, false),
            (800, 1_000, 80, true),
            (2, 3, 67, false),
            (3, 3, 67, true),
            (0, 0, 80, false),
            (1, 0, 100, true),
            (1_000, 1_000, 100, true),
        ] {
            assert_eq!(
                reached(used, limit, percent),
                expected,
                "{used} of {limit} at {percent} %"
            );
        }
    }

    #[test]
    fn the_next_mark_is_the_lowest_that_has_not_fired() {
        assert_eq!(next_mark(1_000, &[80, 100], |_| false), 800);
        assert_eq!(next_mark(1_000, &[80, 100], |percent| percent == 80), 1_000);
        assert_eq!(next_mark(1_000, &[80, 100], |_| true), u64::MAX);
    }
}
