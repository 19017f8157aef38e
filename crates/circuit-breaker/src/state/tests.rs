//! The machine against a naive one, which keeps every outcome and counts it anew each time.

use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::time::Duration;

use buttress_backoff::{Backoff, Jitter, thread_random};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::settings::Slow;
use crate::window::BUCKETS;

const TICK: u64 = 10;

/// One outcome that a closed circuit counted.
#[derive(Clone, Copy, Debug)]
struct Seen {
    at: u64,
    failed: bool,
    slow: bool,
    throttled: bool,
}

#[derive(Debug)]
enum Shape {
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
struct Naive {
    shape: Shape,
    generation: u64,
    openings: u32,
}

impl Naive {
    const CLOSED: Shape = Shape::Closed {
        seen: Vec::new(),
        short: false,
    };

    fn state(&self) -> State {
        match self.shape {
            Shape::Closed { .. } => State::Closed,
            Shape::Open { .. } => State::Open,
            Shape::HalfOpen { .. } => State::HalfOpen,
            Shape::Forced(state) => state,
        }
    }

    fn enter(&mut self, shape: Shape) {
        self.shape = shape;
        self.generation += 1;
    }

    /// What an admission must be: yes, or how long to wait at most.
    fn admit(&mut self, settings: &Settings, now: u64) -> Result<(), Option<u64>> {
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

    fn admitted(&mut self, settings: &Settings, pass: Pass, now: u64) {
        if let Shape::HalfOpen { running, .. } = &mut self.shape {
            let timeout = u64::try_from(settings.probe_timeout.as_nanos()).unwrap();
            running.push((pass, now + timeout));
        }
    }

    fn record(&mut self, settings: &Settings, issued: u64, pass: Pass, outcome: Outcome, now: u64) {
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

    fn open(&mut self, settings: &Settings, hint: Option<Duration>, now: u64) {
        self.openings += 1;
        let wait = match hint {
            Some(hint) if !hint.is_zero() => hint.min(settings.max_open),
            _ => settings.open.ceiling(self.openings),
        };
        let until = now + u64::try_from(wait.as_nanos()).unwrap();
        self.enter(Shape::Open { until });
    }

    fn counts(&self, settings: &Settings, now: u64) -> Vec<Counts> {
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

#[derive(Clone, Copy, Debug)]
enum Step {
    Admit,
    Advance(u64),
    Disable,
    ForceClosed,
    ForceOpen,
    Reset,
    Settle(usize, Outcome),
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    let health = prop_oneof![
        5 => Just(Health::Good),
        5 => Just(Health::Bad),
        1 => Just(Health::Neutral),
        1 => Just(Health::Throttled),
    ];
    let hint = option::weighted(0.1, (0..900_u64).prop_map(Duration::from_nanos));
    (health, prop::bool::weighted(0.2), hint).prop_map(|(health, slow, retry_after)| Outcome {
        health,
        slow,
        retry_after,
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        40 => Just(Step::Admit),
        40 => (any::<usize>(), outcomes()).prop_map(|(call, outcome)| Step::Settle(call, outcome)),
        12 => (0..60_u64).prop_map(Step::Advance),
        4 => (0..900_u64).prop_map(Step::Advance),
        1 => Just(Step::Disable),
        1 => Just(Step::ForceClosed),
        1 => Just(Step::ForceOpen),
        2 => Just(Step::Reset),
    ];
    vec(step, 1..400)
}

fn settings() -> impl Strategy<Value = Settings> {
    let consecutive = option::of((1..6_u32).prop_map(|n| NonZeroU32::new(n).unwrap()));
    let ratio = option::of(prop_oneof![
        Just(0.3),
        Just(0.5),
        Just(2.0 / 3.0),
        Just(1.0)
    ]);
    let slow = option::of(prop_oneof![Just(0.5), Just(1.0)]);
    let windows = (any::<bool>(), option::of(1..9_usize));
    let opening = (1..200_u64, 1..4_u32, 200..900_u64, 1..300_u64);
    (
        consecutive,
        ratio,
        slow,
        windows,
        opening,
        1..5_u32,
        1..4_u32,
        any::<bool>(),
    )
        .prop_map(
            |(consecutive, failure_ratio, slow, windows, opening, minimum, probes, throttled)| {
                let (timed, counted) = windows;
                let (base, growth, cap, probe_timeout) = opening;
                let cap = Duration::from_nanos(cap);
                Settings {
                    consecutive,
                    failure_ratio,
                    slow: slow.map(|ratio| Slow {
                        limit: Duration::from_nanos(1),
                        ratio,
                    }),
                    minimum: NonZeroU32::new(minimum).unwrap(),
                    tick: timed.then(|| NonZeroU64::new(TICK).unwrap()),
                    count_window: counted.and_then(NonZeroUsize::new),
                    count_throttled: throttled,
                    open: Backoff::exponential(Duration::from_nanos(base))
                        .factor(NonZeroU32::new(growth).unwrap())
                        .cap(cap)
                        .jitter(Jitter::None),
                    max_open: cap,
                    probes: NonZeroU32::new(probes).unwrap(),
                    probe_timeout: Duration::from_nanos(probe_timeout),
                    shadow: false,
                }
            },
        )
}

struct Bench {
    settings: Settings,
    machine: Machine,
    naive: Naive,
    passes: Vec<(u64, Pass)>,
    now: u64,
}

impl Bench {
    fn new(settings: Settings) -> Self {
        Self {
            machine: Machine::new(&settings),
            naive: Naive {
                shape: Naive::CLOSED,
                generation: 0,
                openings: 0,
            },
            passes: Vec::new(),
            now: 0,
            settings,
        }
    }

    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        let now = Moment::from_nanos(self.now);
        let before = self.machine.state();
        let transition = match step {
            Step::Advance(nanos) => {
                self.now += nanos;
                None
            }
            Step::Admit => {
                let (answer, transition) = self.machine.admit(&self.settings, now);
                let expected = self.naive.admit(&self.settings, self.now);
                let refused = expected.map_err(|wait| Refusal {
                    retry_after: wait.map(Duration::from_nanos),
                });
                prop_assert_eq!(answer.map(drop), refused);
                if let Ok(pass) = answer {
                    self.naive.admitted(&self.settings, pass, self.now);
                    self.passes.push((self.naive.generation, pass));
                }
                transition
            }
            Step::Settle(call, outcome) => self.settle(call, outcome, now),
            Step::Disable => self.force(State::Disabled),
            Step::ForceClosed => self.force(State::ForcedClosed),
            Step::ForceOpen => self.force(State::ForcedOpen),
            Step::Reset => {
                self.naive.openings = 0;
                self.naive.enter(Naive::CLOSED);
                self.machine.reset()
            }
        };
        self.agree(before, transition)
    }

    fn settle(&mut self, call: usize, outcome: Outcome, now: Moment) -> Option<Transition> {
        if self.passes.is_empty() {
            return None;
        }
        let (issued, pass) = self.passes.swap_remove(call % self.passes.len());
        self.naive
            .record(&self.settings, issued, pass, outcome, self.now);
        self.machine
            .record(&self.settings, pass, outcome, now, &thread_random)
    }

    fn force(&mut self, state: State) -> Option<Transition> {
        if self.naive.state() != state {
            self.naive.enter(Shape::Forced(state));
        }
        self.machine.force(state)
    }

    fn agree(&self, before: State, transition: Option<Transition>) -> Result<(), TestCaseError> {
        let now = Moment::from_nanos(self.now);
        prop_assert_eq!(self.machine.state(), self.naive.state());
        prop_assert_eq!(self.machine.generation(), self.naive.generation);
        let told = transition.map(|transition| (transition.from, transition.to));
        let happened = (before != self.machine.state()).then(|| (before, self.machine.state()));
        // A failing probe takes the circuit through two states in one step only with `admit`.
        prop_assert_eq!(told, happened);
        if self.machine.state() != State::ForcedClosed {
            let counted: Vec<_> = self.machine.windows(now).into_iter().flatten().collect();
            prop_assert_eq!(counted, self.naive.counts(&self.settings, self.now));
        }
        Ok(())
    }

    /// Patient callers, whose calls succeed at once.
    fn recover(&mut self) -> Result<(), TestCaseError> {
        for _ in 0..4 * self.settings.probes.get() + 8 {
            self.step(Step::Advance(1000))?;
            self.step(Step::Admit)?;
            if let Some(call) = self.passes.len().checked_sub(1) {
                self.step(Step::Settle(call, Outcome::new(Health::Good)))?;
            }
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn the_machine_does_what_the_naive_one_does(settings in settings(), steps in steps()) {
        let mut bench = Bench::new(settings);
        for step in steps {
            bench.step(step)?;
        }
    }

    #[test]
    fn every_history_ends_closed_given_successes_and_time(
        settings in settings(),
        steps in steps(),
    ) {
        let mut bench = Bench::new(settings);
        for step in steps {
            bench.step(step)?;
        }
        if matches!(bench.naive.shape, Shape::Forced(_)) {
            bench.step(Step::Reset)?;
        }
        bench.recover()?;
        prop_assert_eq!(bench.machine.state(), State::Closed);
    }
}
