//! Credits: the unit that is metered (section 1 of the rule book).

use std::fmt;

/// A whole number of credits, from 0 to 2^53 - 1, so that readers of JSON lose no digit.
///
/// There are no arithmetic operators on purpose: every sum and difference says what happens at the edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Credits(u64);

impl Credits {
    /// No credits.
    pub const ZERO: Self = Self(0);
    /// The largest amount there is: 2^53 - 1.
    pub const MAX: Self = Self((1 << 53) - 1);

    /// An amount, or `None` above [`Credits::MAX`].
    pub const fn new(amount: u64) -> Option<Self> {
        if amount <= Self::MAX.0 {
            Some(Self(amount))
        } else {
            None
        }
    }

    /// An amount, cut to [`Credits::MAX`].
    pub const fn saturating(amount: u64) -> Self {
        if amount <= Self::MAX.0 {
            Self(amount)
        } else {
            Self::MAX
        }
    }

    /// The number of credits.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The sum, or `None` above [`Credits::MAX`].
    pub const fn checked_add(self, more: Self) -> Option<Self> {
        Self::new(self.0 + more.0)
    }

    /// `count` times as much, or `None` above [`Credits::MAX`].
    pub const fn checked_mul(self, count: u64) -> Option<Self> {
        match self.0.checked_mul(count) {
            Some(product) => Self::new(product),
            None => None,
        }
    }

    /// What is left after `less`, never below zero.
    pub const fn saturating_sub(self, less: Self) -> Self {
        Self(self.0.saturating_sub(less.0))
    }
}

impl fmt::Display for Credits {
    /// With thousands separators, as people read them: `1,025,000`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&grouped(self.0))
    }
}

/// A number with a comma before every third digit.
pub fn grouped(number: u64) -> String {
    let mut text = String::new();
    push_grouped(&mut text, number);
    text
}

/// The same, behind a text.
fn push_grouped(text: &mut String, number: u64) {
    /// 20 digits and 6 commas.
    const LENGTH_MAX: usize = 26;
    let mut digits = ['0'; LENGTH_MAX];
    let (mut rest, mut length) = (number, 0);
    for digit in digits.iter_mut().rev() {
        length += 1;
        if length % 4 == 0 {
            *digit = ',';
            continue;
        }
        // Below ten.
        *digit = char::from_digit((rest % 10) as u32, 10).unwrap_or_default();
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    text.extend(&digits[LENGTH_MAX - length..]);
}

/// Credits as an organization with this `scale` shows them: with `scale` 1,000, 1,234,567 credits are `1,234.567`.
///
/// `scale` is a power of ten (the plan is refused otherwise); it changes no arithmetic.
pub fn shown(number: u64, scale: u64) -> String {
    let mut text = String::new();
    push_shown(&mut text, number, scale);
    text
}

/// The same, behind a text.
pub fn push_shown(text: &mut String, number: u64, scale: u64) {
    let scale = scale.max(1);
    let (whole, part) = (number / scale, number % scale);
    push_grouped(text, whole);
    if part != 0 {
        let width = scale.ilog10() as usize;
        let decimals = format!("{part:0width$}");
        text.push('.');
        text.push_str(decimals.trim_end_matches('0'));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_end_at_two_to_the_53_minus_one() {
        assert_eq!(Credits::new((1 << 53) - 1), Some(Credits::MAX));
        assert_eq!(Credits::new(1 << 53), None);
        assert_eq!(
            Credits::MAX.checked_add(Credits::new(1).unwrap_or_default()),
            None
        );
        assert_eq!(Credits::MAX.checked_mul(u64::MAX), None);
    }

    #[test]
    fn people_read_thousands_and_scaled_decimals() {
        for (number, scale, text) in [
            (0, 1, "0"),
            (999, 1, "999"),
            (1_000, 1, "1,000"),
            (1_025_000, 1, "1,025,000"),
            (u64::MAX, 1, "18,446,744,073,709,551,615"),
            (1, 1_000, "0.001"),
            (1_234_567, 1_000, "1,234.567"),
            (1_500, 1_000, "1.5"),
        ] {
            assert_eq!(shown(number, scale), text);
        }
    }
}
