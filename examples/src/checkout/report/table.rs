//! The report as people read it: eighty columns, colours only on a terminal.

use std::fmt::{self, Write};
use std::io::IsTerminal;

use buttress_circuit_breaker::{State, Transition};
use buttress_store::OrphanPolicy;

use super::Report;
use super::breaker::{Outage, Reaction, openings};
use super::pen::{COLUMN, Ink, Pen, column, seconds, words};
use crate::checkout::demo::Seen;
use crate::checkout::provider::Posted;
use crate::checkout::shop::breaker::Standing;

/// So many of the circuit's changes at either end are shown.
const SHOWN: usize = 6;

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

    let title = pen.write(Ink::Bold, format_args!("{} orders", report.orders));
    writeln!(
        page,
        "\n  {title}, {} at a time, {} faults, seed {}, {}\n",
        run.concurrency,
        run.faults.name(),
        run.seed,
        seconds(run.wall),
    )?;

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
            pen.none(report.duplicates),
            pen.none(report.lost)
        ),
    )?;
    line(
        "attempts",
        format!("{}, of which {retries} retries", status.attempts),
    )?;
    line(
        "reconciled",
        format!(
            "{}: {} by search, {} by webhook, {} sent again ({} times, {} anew)",
            status.reconciled,
            status.found,
            status.told,
            status.reconciled.saturating_sub(status.found + status.told),
            status.driven_again + status.begun_anew,
            status.begun_anew,
        ),
    )?;
    line("buyers", buyers(&report.seen))?;
    line("answers", answers(&report.seen, pen))?;
    if report.webhooks.sent > 0 {
        for (name, text) in webhooks(&report.webhooks, pen) {
            line(name, text)?;
        }
    }
    line("latency", latency(report))?;

    let circuit = &status.breaker;
    for round in report.rounds() {
        let name = match round.orphans {
            OrphanPolicy::ReExecute => "re-execute",
            OrphanPolicy::Refuse => "refuse",
        };
        line(name, round.told(pen))?;
    }
    line("circuit", summary(circuit))?;
    if let Some(outage) = run.outage {
        line("outage", told(outage, Reaction::of(circuit, outage)))?;
    }
    changes(page, report, pen)?;

    if let Some(crash) = &report.crash {
        let orders = column(
            &format!("orders at {} kills", crash.kills()),
            &crash.orders,
            pen,
        );
        let requests = column("requests with a key", &crash.requests, pen);
        side_by_side(page, &orders, &requests)?;
    }
    columns(page, report, pen)?;

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

fn latency(report: &Report) -> String {
    format!(
        "p50 {}   p90 {}   p99 {}   max {}",
        seconds(report.latency(50)),
        seconds(report.latency(90)),
        seconds(report.latency(99)),
        seconds(report.latency(100)),
    )
}

/// How they were answered, and what was amiss with them.
fn webhooks(posted: &Posted, pen: Pen) -> [(&'static str, String); 2] {
    let answered = format!(
        "{} sent: {} accepted, {} duplicate, {} refused, {} put off",
        posted.sent, posted.accepted, posted.duplicate, posted.refused, posted.put_off
    );
    let amiss = format!(
        "{} late, {} repeated, {} reordered; {} forged, {} of them accepted",
        posted.late,
        posted.repeated,
        posted.reordered,
        posted.forged,
        pen.none(posted.deceived)
    );
    [("webhooks", answered), ("", amiss)]
}

fn buyers(seen: &Seen) -> String {
    let cut_off = match seen.cut_off {
        0 => String::new(),
        times => format!(", {times} calls cut off"),
    };
    format!(
        "{} hung up and came back, {} raced, {} misused a key{cut_off}",
        seen.hang_ups, seen.races, seen.misuses
    )
}

fn answers(seen: &Seen, pen: Pen) -> String {
    format!(
        "{} replayed, {} in flight; {} kept, {} forgotten, {} wrong",
        seen.replays,
        seen.in_flight,
        seen.recalled,
        pen.none(seen.forgotten),
        pen.none(seen.wrong)
    )
}

fn summary(circuit: &Standing) -> String {
    if circuit.state.is_none() {
        let Standing {
            refused,
            transitions,
            ..
        } = circuit;
        return format!("a new one in each life: {transitions} changes, {refused} calls refused");
    }
    let times = match openings(circuit) {
        0 => return "closed all the time".to_owned(),
        1 => "once".to_owned(),
        times => format!("{times} times"),
    };
    let state = circuit.state.map_or("absent", State::as_str);
    format!(
        "opened {times}, {} calls refused, {} in the end",
        circuit.refused,
        words(state)
    )
}

/// What an outage was, and what the circuit made of it.
fn told(outage: Outage, reaction: Reaction) -> String {
    let length = seconds(outage.length);
    let refused = reaction.refused;
    match (reaction.to_open, reaction.to_recover) {
        (None, _) => format!("{length}; the circuit stayed closed"),
        (Some(open), None) => {
            format!(
                "{length}; open after {}, {refused} calls refused",
                seconds(open)
            )
        }
        (Some(open), Some(recover)) => format!(
            "{length}; open after {}, {refused} calls refused,\n{:14}closed again {} after its end",
            seconds(open),
            "",
            seconds(recover),
        ),
    }
}

/// The circuit's changes, the first and the last of them if there are many.
fn changes(page: &mut String, report: &Report, pen: Pen) -> fmt::Result {
    let changes = &report.status.breaker.changes;
    if changes.is_empty() {
        return Ok(());
    }
    let title = format_args!(
        "{} changes of the circuit",
        report.status.breaker.transitions
    );
    writeln!(page, "\n  {}", pen.write(Ink::Bold, title))?;
    let left_out = changes.len().saturating_sub(2 * SHOWN);
    for (place, change) in changes.iter().enumerate() {
        if left_out == 0 || place < SHOWN || place >= SHOWN + left_out {
            let at = change.at.saturating_duration_since(report.run.started);
            let Transition {
                to,
                cause,
                open_for,
                ..
            } = change.transition;
            let time = open_for.map(|time| format!(" for {}", seconds(time)));
            let state = words(to.as_str()) + &time.unwrap_or_default();
            let at = pen.write(Ink::Dim, format_args!("{:>7.2} s", at.as_secs_f64()));
            let cause = pen.write(Ink::Dim, words(cause.as_str()));
            writeln!(page, "  {at} {state:<24} {cause}")?;
        } else if place == SHOWN {
            let more = pen.write(Ink::Dim, format_args!("{:>9} {left_out} more", "…"));
            writeln!(page, "  {more}")?;
        }
    }
    Ok(())
}

/// What went wrong, beside what was done about it.
fn columns(page: &mut String, report: &Report, pen: Pen) -> fmt::Result {
    let retries: u64 = report.status.retries.values().sum();
    let faults: u64 = report.faults.values().sum();
    let left = column(
        &format!("{faults} faults at the provider"),
        &report.faults,
        pen,
    );
    let right = column(
        &format!("{retries} retries by reason"),
        &report.status.retries,
        pen,
    );
    side_by_side(page, &left, &right)
}

fn side_by_side(page: &mut String, left: &[String], right: &[String]) -> fmt::Result {
    writeln!(page)?;
    for index in 0..left.len().max(right.len()) {
        let blank = || " ".repeat(COLUMN);
        let left = left.get(index).cloned().unwrap_or_else(blank);
        let right = right.get(index).map_or("", String::as_str);
        writeln!(page, "  {}", format!("{left}   {right}").trim_end())?;
    }
    Ok(())
}
