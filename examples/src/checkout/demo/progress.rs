//! What is shown on standard error while the demonstration runs.

use std::cell::Cell;
use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

/// A bar on a terminal; elsewhere a line for every tenth of the orders.
pub(super) struct Progress<F> {
    bar: ProgressBar,
    total: u64,
    tell: F,
    is_terminal: bool,
    shown: Cell<Instant>,
}

/// How often the message beside the bar is renewed.
const RENEWED: Duration = Duration::from_millis(100);

impl<F: Fn() -> String> Progress<F> {
    /// Of so many orders; `tell` says what else there is to say.
    pub(super) fn new(total: u32, tell: F) -> Self {
        let bar = ProgressBar::new(total.into());
        let style = "  {bar:40.green/dim} {pos:>4}/{len} settled  {msg}  {elapsed}";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        Self {
            bar,
            total: total.into(),
            tell,
            is_terminal: std::io::stderr().is_terminal(),
            shown: Cell::new(Instant::now()),
        }
    }

    /// One more order is settled.
    pub(super) fn step(&self) {
        self.bar.inc(1);
        let settled = self.bar.position();
        if self.is_terminal {
            if self.shown.get().elapsed() >= RENEWED {
                self.shown.set(Instant::now());
                self.bar.set_message((self.tell)());
            }
        } else if settled.is_multiple_of((self.total / 10).max(1)) {
            eprintln!("{settled}/{} settled, {}", self.total, (self.tell)());
        }
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
