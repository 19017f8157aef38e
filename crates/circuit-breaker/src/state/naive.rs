//! The machine by definition: it keeps every outcome and counts it anew each time.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::State;
use crate::pass::{Health, Outcome, Pass};
use crate::settings::Settings;
use crate::window::{BUCKETS, Counts};

/// One outcome that a closed circuit counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) at: u64,
    pub(super) failed: bool,
    pub(super) slow: bool,
    pub(super) throttled: bool,
}

#[derive(Debug)]
pub(super) enum Shape {
    Closed {
        seen: Vec<Seen>,
        short: bool,
    },
    Open {
        until: u64,
    },
    HalfOpen {
        successes: u32,
        running: Vec<(Pass, u64)>,
    },
    Forced(State),
}

#[derive(Debug)]
pub(super) struct Naive {
    pub(super) shape: Shape,
    pub(super) generation: u64,
    pub(super) openings: u32,
}

impl Naive {
    pub(super) const CLOSED: Shape = Shape::Closed {
        seen: Vec::new(),
        short: false,
    };

    pub(super) fn state(&self) -> State {
        match self.shape {
            Shape::Closed { .. } => State::Closed,
            Shape::Open { .. } => State::Open,
            Shape::HalfOpen { .. } => State::HalfOpen,
            Shape::Forced(state) => state,
        }
    }

    pub(super) fn enter(&mut self, shape: Shape) {
        self.shape = shape;
        self.generation += 1;
    }

    /// What an admission must be: yes, or how long to wait at most.
    pub(super) fn admit(&mut self, settings: &Settings, now: u64) -> Result<(), Option<u64>> {
        if let Shape::Open { until } = self.shape
            && now >= until
        {
            self.enter(Shape::HalfOpen {
                successes: 0,
                running: Vec::new(),
            });
        }
        match &mut self.shape {
            Shape::Forced(State::ForcedOpen) => Err(None),
            Shape::Closed { .. } | Shape::Forced(_) => Ok(()),
            Shape::Open { until } => Err(Some(*until - now)),
            Shape::HalfOpen { successes, running } => {
                running.retain(|(_, until)| now < *until);
                if *successes as usize + running.len() < settings.probes.get() as usize {
                    return Ok(());
                }
                Err(running.iter().map(|(_, until)| until - now).min())
            }
        }
    }

    pub(super) fn admitted(&mut self, settings: &Settings, pass: Pass, now: u64) {
        if let Shape::HalfOpen { running, .. } = &mut self.shape {
            let timeout = u64::try_from(settings.probe_timeout.as_nanos()).unwrap();
            running.push((pass, now + timeout));
        }
    }

    pub(super) fn record(
        &mut self,
        settings: &Settings,
        issued: u64,
        pass: Pass,
        outcome: Outcome,
        now: u64,
    ) {
        if issued != self.generation {
            return;
        }
        let slow = outcome.slow && settings.slow.is_some();
        match &mut self.shape {
            Shape::HalfOpen { successes, running } => {
                let Some(place) = running.iter().position(|(known, _)| *known == pass) else {
                    return;
                };
                running.remove(place);
                match outcome.health {
                    Health::Neutral => {}
                    Health::Good if !slow => {
                        *successes += 1;
                        if *successes == settings.probes.get() {
                            self.openings = 0;
                            self.enter(Self::CLOSED);
                        }
                    }
                    _ => self.open(settings, outcome.retry_after, now),
                }
            }
            Shape::Closed { seen, short } => {
                let throttled = outcome.health == Health::Throttled;
                if outcome.health == Health::Neutral || throttled && !settings.count_throttled {
                    return;
                }
                let failed = outcome.health == Health::Bad || throttled;
                seen.push(Seen {
                    at: now,
                    failed,
                    slow,
                    throttled,
                });
                let trips = consecutive(seen)
                    >= settings.consecutive.map_or(u32::MAX, NonZeroU32::get)
                    || (failed || slow || *short) && {
                        let windows = windows(settings, seen, now);
                        let minimum = u64::from(settings.minimum.get());
                        *short = windows
                            .iter()
                            .any(|w| w.calls < minimum && (w.failures > 0 || w.slow > 0));
                        windows
                            .iter()
                            .any(|w| w.calls >= minimum && over(settings, w))
                    };
                if trips {
                    self.open(settings, outcome.retry_after, now);
                }
            }
            Shape::Open { .. } | Shape::Forced(_) => {}
        }
    }

    pub(super) fn open(&mut self, settings: &Settings, hint: Option<Duration>, now: u64) {
        self.openings += 1;
        let wait = match hint {
            Some(hint) if !hint.is_zero() => hint.min(settings.max_open),
            _ => settings.open.ceiling(self.openings),
        };
        let until = now + u64::try_from(wait.as_nanos()).unwrap();
        self.enter(Shape::Open { until });
    }

    pub(super) fn counts(&self, settings: &Settings, now: u64) -> Vec<Counts> {
        match &self.shape {
            Shape::Closed { seen, .. } => windows(settings, seen, now),
            _ => windows(settings, &[], now),
        }
    }
}

fn consecutive(seen: &[Seen]) -> u32 {
    let newest_first = seen.iter().rev().filter(|seen| !seen.throttled);
    u32::try_from(newest_first.take_while(|seen| seen.failed).count()).unwrap()
}

fn windows(settings: &Settings, seen: &[Seen], now: u64) -> Vec<Counts> {
    let mut windows = Vec::new();
    if let Some(tick) = settings.tick {
        let oldest = (now / tick).saturating_sub(BUCKETS as u64 - 1);
        windows.push(count(seen.iter().filter(|seen| seen.at / tick >= oldest)));
    }
    if let Some(size) = settings.count_window {
        windows.push(count(seen.iter().rev().take(size.get())));
    }
    windows
}

fn count<'a>(seen: impl Iterator<Item = &'a Seen>) -> Counts {
    seen.fold(Counts::default(), |counts, seen| Counts {
        calls: counts.calls + 1,
        failures: counts.failures + u64::from(seen.failed),
        slow: counts.slow + u64::from(seen.slow),
    })
}

fn over(settings: &Settings, counts: &Counts) -> bool {
    let over = |ratio: Option<f64>, limit| ratio.is_some_and(|ratio| ratio >= limit);
    settings
        .failure_ratio
        .is_some_and(|limit| over(counts.failure_ratio(), limit))
        || settings
            .slow
            .is_some_and(|slow| over(counts.slow_ratio(), slow.ratio))
}
