//! What is shown on standard error while the demonstration runs.

use std::cell::Cell;
use std::fmt::Write;
use std::io::IsTerminal;
use std::time::Duration;

use buttress_circuit_breaker::State;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

use crate::checkout::shop::Shop;

/// A bar on a terminal; elsewhere a line for every tenth of the orders.
pub(super) struct Progress {
    bar: ProgressBar,
    total: u64,
    shop: Shop,
    is_terminal: bool,
    shown: Cell<Instant>,
}

/// How often the message beside the bar is renewed: to count all rows takes time.
const RENEWED: Duration = Duration::from_millis(100);

impl Progress {
    pub(super) fn new(total: u32, shop: &Shop) -> Self {
        let bar = ProgressBar::new(total.into());
        let style = "  {bar:40.green/dim} {pos:>4}/{len} settled  {msg}  {elapsed}";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        Self {
            bar,
            total: total.into(),
            shop: shop.clone(),
            is_terminal: std::io::stderr().is_terminal(),
            shown: Cell::new(Instant::now()),
        }
    }

    /// One more order is settled.
    pub(super) fn step(&self) {
        self.bar.inc(1);
        let settled = self.bar.position();
        let is_due = if self.is_terminal {
            self.shown.get().elapsed() >= RENEWED
        } else {
            settled.is_multiple_of((self.total / 10).max(1))
        };
        if !is_due {
            return;
        }
        self.shown.set(Instant::now());
        let status = self.shop.counted();
        let retries: u64 = status.retries.values().sum();
        let mut message = format!("{retries} retries, {} reconciled", status.reconciled);
        if let Some(state) = status.breaker.state.filter(|state| *state != State::Closed) {
            let _ = write!(message, ", circuit {}", state.as_str().replace('_', " "));
        }
        if self.is_terminal {
            self.bar.set_message(message);
        } else {
            eprintln!("{settled}/{} settled, {message}", self.total);
        }
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
