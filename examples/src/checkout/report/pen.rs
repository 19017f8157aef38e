//! What the report is drawn with: ink, columns, bars, and times that are read at a glance.

use std::fmt;
use std::time::Duration;

/// The width of a column of counts, and of the longest bar in it.
pub(super) const COLUMN: usize = 36;
const BAR: usize = 10;

#[derive(Clone, Copy)]
pub(super) enum Ink {
    Bold,
    Dim,
    Good,
    Bad,
}

/// Puts ink on text, where there is something to see it on.
#[derive(Clone, Copy)]
pub(super) struct Pen(pub(super) bool);

impl Pen {
    /// A count that should be none.
    pub(super) fn none(self, count: u64) -> String {
        self.write(if count == 0 { Ink::Good } else { Ink::Bad }, count)
    }

    pub(super) fn write(self, ink: Ink, text: impl fmt::Display) -> String {
        let code = match ink {
            Ink::Bold => "1",
            Ink::Dim => "2",
            Ink::Good => "32",
            Ink::Bad => "1;31",
        };
        if self.0 {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_string()
        }
    }
}

/// A title over names, counts and bars, each line as wide as a column.
pub(super) fn column<'a>(
    title: &str,
    counts: impl IntoIterator<Item = (&'a String, &'a u64)>,
    pen: Pen,
) -> Vec<String> {
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), *name));
    let most = counts.first().map_or(0, |(_, count)| **count);
    let line = |(name, count): (&String, &u64)| {
        let name = words(name);
        let bar = pen.write(Ink::Dim, format_args!("{:<BAR$}", bar(*count, most)));
        format!("{name:<20} {count:>4} {bar}")
    };
    let title = pen.write(Ink::Bold, format_args!("{title:<COLUMN$}"));
    std::iter::once(title)
        .chain(counts.into_iter().map(line))
        .collect()
}

fn bar(count: u64, most: u64) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (count * BAR as u64 * 8)
        .checked_div(most)
        .unwrap_or_default();
    let (whole, part) = (eighths / 8, eighths % 8);
    let index = |number| usize::try_from(number).unwrap_or_default();
    "█".repeat(index(whole)) + EIGHTHS[index(part)]
}

pub(super) fn seconds(duration: Duration) -> String {
    match duration.as_secs_f64() {
        short if short < 1.0 => format!("{:.0} ms", short * 1e3),
        long => format!("{long:.1} s"),
    }
}

pub(super) fn words(name: &str) -> String {
    name.replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_bar_fills_its_place_and_none_is_longer() {
        assert_eq!(bar(40, 40), "██████████");
        assert_eq!(bar(20, 40), "█████");
        assert_eq!(bar(1, 80), "▏");
        assert_eq!(bar(0, 40), "");
        assert_eq!(bar(0, 0), "");
    }

    #[test]
    fn times_are_read_at_a_glance() {
        assert_eq!(seconds(Duration::from_millis(12)), "12 ms");
        assert_eq!(seconds(Duration::from_millis(1_249)), "1.2 s");
    }
}
