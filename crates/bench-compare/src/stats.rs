//! What is made of many measurements of one thing.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where measurements lie.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Spread {
    /// As many lie above as below.
    pub median: f64,
    /// The least.
    pub least: f64,
    /// The greatest.
    pub most: f64,
}

impl Spread {
    /// The spread of `values`; not a number where there are none.
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            at(middle)
        } else {
            f64::midpoint(at(middle.wrapping_sub(1)), at(middle))
        };
        Self {
            median,
            least: at(0),
            most: at(values.len().wrapping_sub(1)),
        }
    }

    /// The spread of what `of` is to `to`, measurement by measurement.
    #[must_use]
    pub fn of_ratios(of: &[f64], to: &[f64]) -> Self {
        Self::of(of.iter().zip(to).map(|(of, to)| of / to))
    }
}

/// The range, without the median.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", short(self.least), short(self.most))
    }
}

/// A number with as many digits as mean something: three, but no fraction of large ones.
#[must_use]
pub fn short(number: f64) -> String {
    let magnitude = number.abs();
    if magnitude >= 99.5 || number == 0.0 {
        grouped(&format!("{number:.0}"))
    } else if magnitude >= 9.95 {
        format!("{number:.1}")
    } else {
        format!("{number:.2}")
    }
}

/// Thousands apart.
fn grouped(digits: &str) -> String {
    let mut text = String::new();
    for (index, digit) in digits.char_indices() {
        let left = digits.len() - index;
        let first = index == 0 || text == "-";
        if left.is_multiple_of(3) && !first && digit.is_ascii_digit() {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// The value below which a share (0 to 1) of the sorted `values` lie.
#[must_use]
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "an index of a slice, rounded up on purpose"
    )]
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    let index = rank.saturating_sub(1);
    sorted.get(index).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "these are exact")]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one_or_between_the_two() {
        let odd = Spread::of([3.0, 1.0, 2.0]);
        assert_eq!((odd.least, odd.median, odd.most), (1.0, 2.0, 3.0));
        let even = Spread::of([4.0, 1.0, 3.0, 2.0]);
        assert_eq!((even.least, even.median, even.most), (1.0, 2.5, 4.0));
        assert_eq!(Spread::of([7.0]).median, 7.0);
        assert!(Spread::of([]).median.is_nan());
    }

    #[test]
    fn one_disturbed_round_does_not_move_the_median_of_ratios() {
        let bare = [10.0, 10.0, 500.0, 10.0, 10.0];
        let ours = [11.0, 11.0, 550.0, 11.0, 90.0];
        let ratio = Spread::of_ratios(&ours, &bare);
        assert!((ratio.median - 1.1).abs() < 1e-9);
        assert!((ratio.most - 9.0).abs() < 1e-9);
    }

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let values: Vec<f64> = (1..=1000).map(f64::from).collect();
        assert_eq!(quantile(&values, 0.5), 500.0);
        assert_eq!(quantile(&values, 0.99), 990.0);
        assert_eq!(quantile(&values, 1.0), 1000.0);
        assert_eq!(quantile(&values, 0.0), 1.0);
        assert_eq!(quantile(&[5.0], 0.99), 5.0);
        assert!(quantile(&[], 0.5).is_nan());
    }

    #[test]
    fn numbers_are_as_long_as_they_mean_something() {
        let texts = [
            (0.0, "0"),
            (0.5, "0.50"),
            (9.949, "9.95"),
            (9.951, "10.0"),
            (99.44, "99.4"),
            (99.6, "100"),
            (1234.4, "1 234"),
            (1_234_567.0, "1 234 567"),
            (-12.34, "-12.3"),
            (-123_456.0, "-123 456"),
            (-123.0, "-123"),
        ];
        for (number, text) in texts {
            assert_eq!(short(number), text);
        }
    }
}
