//! The report as people read it: eighty columns, colours only on a terminal.

use std::fmt::{self, Write};
use std::io::IsTerminal;
use std::time::Duration;

use super::Report;

/// The width of a column of counts, and of the longest bar in it.
const COLUMN: usize = 36;
const BAR: usize = 10;

#[derive(Clone, Copy)]
enum Ink {
    Bold,
    Dim,
    Good,
    Bad,
}

/// Puts ink on text, where there is something to see it on.
#[derive(Clone, Copy)]
struct Pen(bool);

impl Pen {
    fn write(self, ink: Ink, text: impl fmt::Display) -> String {
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

pub(super) fn render(report: &Report) -> String {
    let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let mut page = String::new();
    // Writing to a string does not fail.
    let _ = write(&mut page, report, Pen(colours));
    page
}

fn write(page: &mut String, report: &Report, pen: Pen) -> fmt::Result {
    let run = &report.run;
    let status = &report.status;
    let retries: u64 = status.retries.values().sum();
    let faults: u64 = report.faults.values().sum();

    let title = pen.write(Ink::Bold, format_args!("{} orders", report.orders));
    writeln!(
        page,
        "\n  {title}, {} at a time, {} faults, seed {}, {}\n",
        run.concurrency,
        run.faults.name(),
        run.seed,
        seconds(run.wall),
    )?;

    let none = |count: u64| pen.write(if count == 0 { Ink::Good } else { Ink::Bad }, count);
    let all = |count: u64| {
        pen.write(
            if count == report.orders {
                Ink::Good
            } else {
                Ink::Bad
            },
            count,
        )
    };
    let mut line = |name: &str, text: String| {
        writeln!(
            page,
            "  {}{text}",
            pen.write(Ink::Dim, format_args!("{name:<12}"))
        )
    };
    line("paid", format!("{} of {}", all(report.paid), report.orders))?;
    line(
        "charges",
        format!(
            "{} at the provider, {} duplicate, {} lost",
            all(report.charges),
            none(report.duplicates),
            none(report.lost)
        ),
    )?;
    line(
        "attempts",
        format!("{}, of which {retries} retries", status.attempts),
    )?;
    line(
        "reconciled",
        format!(
            "{}: {} found by a search, {} sent again ({} times, {} under a new key)",
            status.reconciled,
            status.found,
            status.reconciled.saturating_sub(status.found),
            status.driven_again + status.begun_anew,
            status.begun_anew,
        ),
    )?;
    line(
        "latency",
        format!(
            "p50 {}   p90 {}   p99 {}   max {}",
            seconds(report.latency(50)),
            seconds(report.latency(90)),
            seconds(report.latency(99)),
            seconds(report.latency(100)),
        ),
    )?;

    let left = column(
        &format!("{faults} faults at the provider"),
        &report.faults,
        pen,
    );
    let right = column(
        &format!("{retries} retries by reason"),
        &status.retries,
        pen,
    );
    writeln!(page)?;
    for index in 0..left.len().max(right.len()) {
        let blank = || " ".repeat(COLUMN);
        let left = left.get(index).cloned().unwrap_or_else(blank);
        let right = right.get(index).map_or("", String::as_str);
        writeln!(page, "  {}", format!("{left}   {right}").trim_end())?;
    }

    let verdict = match report.exit_code() {
        0 => pen.write(Ink::Good, "✔ every order was paid exactly once"),
        1 => pen.write(Ink::Bad, "✘ not every order was paid exactly once"),
        _ => pen.write(
            Ink::Bad,
            "✘ paid exactly once, but some fault was met fewer than 3 times",
        ),
    };
    writeln!(page, "\n  {verdict}\n")
}

/// A title over names, counts and bars, each line as wide as a column.
fn column<'a>(
    title: &str,
    counts: impl IntoIterator<Item = (&'a String, &'a u64)>,
    pen: Pen,
) -> Vec<String> {
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), *name));
    let most = counts.first().map_or(0, |(_, count)| **count);
    let line = |(name, count): (&String, &u64)| {
        let name = name.replace('_', " ");
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

fn seconds(duration: Duration) -> String {
    match duration.as_secs_f64() {
        short if short < 1.0 => format!("{:.0} ms", short * 1e3),
        long => format!("{long:.1} s"),
    }
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
