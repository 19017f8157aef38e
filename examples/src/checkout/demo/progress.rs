//! What is shown on standard error while the demonstration runs.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::checkout::shop::Shop;

/// A bar on a terminal; elsewhere a line for every tenth of the orders.
pub(super) struct Progress {
    bar: ProgressBar,
    total: u64,
    shop: Shop,
    is_terminal: bool,
}

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
        }
    }

    /// One more order is settled.
    pub(super) fn step(&self) {
        self.bar.inc(1);
        let settled = self.bar.position();
        let tenth = (self.total / 10).max(1);
        if !self.is_terminal && !settled.is_multiple_of(tenth) {
            return;
        }
        let status = self.shop.status();
        let retries: u64 = status.retries.values().sum();
        let message = format!("{retries} retries, {} reconciled", status.reconciled);
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
