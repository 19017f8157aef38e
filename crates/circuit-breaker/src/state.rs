//! The rules of a circuit: no clock, no lock, no runtime. `now` is an argument.

use std::time::Duration;

use buttress_backoff::Random;

use crate::moment::Moment;
use crate::pass::{Health, Outcome, Pass, Refusal};
use crate::settings::Settings;
use crate::trial::Trial;
use crate::window::{CountWindow, Counts, TimeWindow};
use crate::{Cause, State, Transition};

#[derive(Debug)]
enum Mode {
    Closed,
    Disabled,
    ForcedClosed,
    ForcedOpen,
    HalfOpen(Trial),
    Open { until: Moment },
}

#[derive(Debug)]
pub(crate) struct Machine {
    mode: Mode,
    generation: u64,
    /// How often it opened since it was last closed.
    openings: u32,
    consecutive: u32,
    time: Option<TimeWindow>,
    count: Option<CountWindow>,
    /// A window holds failures or slow calls and too few calls to be judged.
    short: bool,
    probes: u64,
    late: u64,
}

impl Machine {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            mode: Mode::Closed,
            generation: 0,
            openings: 0,
            consecutive: 0,
            time: settings.tick.map(TimeWindow::new),
            count: settings
                .count_window
                .map(|size| CountWindow::new(size.get())),
            short: false,
            probes: 0,
            late: 0,
        }
    }

    /// Asks for the right to make a call. The transition, if any, is that to half-open.
    pub(crate) fn admit(
        &mut self,
        settings: &Settings,
        now: Moment,
    ) -> (Result<Pass, Refusal>, Option<Transition>) {
        let mut transition = None;
        if let Mode::Open { until } = self.mode {
            if now < until {
                let retry_after = Some(until.since(now));
                return (Err(Refusal { retry_after }), None);
            }
            transition = Some(self.enter(Mode::HalfOpen(Trial::default()), Cause::CoolDownOver));
        }
        let answer = match &mut self.mode {
            Mode::Closed | Mode::ForcedClosed => Ok(Pass::call(self.generation)),
            Mode::Disabled => Ok(Pass::UNTRACKED),
            Mode::ForcedOpen | Mode::Open { .. } => Err(Refusal { retry_after: None }),
            Mode::HalfOpen(trial) => {
                self.probes += 1;
                let pass = Pass::probe(self.probes);
                trial
                    .admit(settings, pass, now)
                    .map(|()| pass)
                    .map_err(|retry_after| Refusal {
                        retry_after: Some(retry_after),
                    })
            }
        };
        (answer, transition)
    }

    /// Counts successes of this generation that were not recorded one by one.
    pub(crate) fn absorb(&mut self, tick: u64, successes: u64) {
        if let Some(window) = &mut self.time {
            let counts = Counts {
                calls: successes,
                ..Counts::default()
            };
            window.add(tick, counts);
        }
    }

    /// The same, for the count window.
    pub(crate) fn absorb_count(&mut self, successes: u64) {
        if let Some(window) = &mut self.count {
            window.push_successes(successes);
        }
    }

    /// Settles `pass`.
    pub(crate) fn record(
        &mut self,
        settings: &Settings,
        pass: Pass,
        outcome: Outcome,
        now: Moment,
        random: &(impl Random + ?Sized),
    ) -> Option<Transition> {
        if pass == Pass::UNTRACKED {
            return None;
        }
        match (&mut self.mode, pass.generation()) {
            (Mode::Closed, Some(generation)) if generation == self.generation => {
                let cause = self.count(settings, outcome, now)?;
                Some(self.open(settings, cause, outcome.retry_after, now, random))
            }
            (Mode::ForcedClosed, Some(generation)) if generation == self.generation => {
                self.count(settings, outcome, now);
                None
            }
            (Mode::HalfOpen(trial), None) => {
                if !trial.settle(pass) {
                    self.late += 1;
                    return None;
                }
                let failed = match outcome.health {
                    Health::Neutral => return None,
                    Health::Bad | Health::Throttled => true,
                    Health::Good => outcome.slow && settings.slow.is_some(),
                };
                if failed {
                    let cause = Cause::ProbeFailed;
                    return Some(self.open(settings, cause, outcome.retry_after, now, random));
                }
                trial.succeed(settings).then(|| {
                    self.openings = 0;
                    self.enter(Mode::Closed, Cause::ProbesSucceeded)
                })
            }
            _ => {
                self.late += 1;
                None
            }
        }
    }

    /// Adds an outcome to what a closed circuit knows; `Some` is a reason to open.
    fn count(&mut self, settings: &Settings, outcome: Outcome, now: Moment) -> Option<Cause> {
        let failed = match outcome.health {
            Health::Neutral => return None,
            Health::Throttled if !settings.count_throttled => return None,
            Health::Bad | Health::Throttled => true,
            Health::Good => false,
        };
        let slow = outcome.slow && settings.slow.is_some();
        match outcome.health {
            Health::Bad => self.consecutive = self.consecutive.saturating_add(1),
            Health::Good => self.consecutive = 0,
            Health::Neutral | Health::Throttled => {}
        }
        if let Some(window) = &mut self.time {
            window.push(now, failed, slow);
        }
        if let Some(window) = &mut self.count {
            window.push(failed, slow);
        }
        if settings
            .consecutive
            .is_some_and(|limit| self.consecutive >= limit.get())
        {
            return Some(Cause::ConsecutiveFailures);
        }
        // A success can only fill a window up to its minimum; beyond that it is good news.
        if !(failed || slow || self.short) {
            return None;
        }
        self.judge(settings, now)
    }

    fn judge(&mut self, settings: &Settings, now: Moment) -> Option<Cause> {
        let minimum = u64::from(settings.minimum.get());
        self.short = false;
        for counts in self.windows(now).into_iter().flatten() {
            if counts.calls < minimum {
                self.short |= counts.failures > 0 || counts.slow > 0;
                continue;
            }
            let reached = |ratio: Option<f64>, limit| ratio.is_some_and(|ratio| ratio >= limit);
            if settings
                .failure_ratio
                .is_some_and(|limit| reached(counts.failure_ratio(), limit))
            {
                return Some(Cause::FailureRatio);
            }
            if settings
                .slow
                .is_some_and(|slow| reached(counts.slow_ratio(), slow.ratio))
            {
                return Some(Cause::SlowRatio);
            }
        }
        None
    }

    /// What the time window and the count window hold.
    pub(crate) fn windows(&self, now: Moment) -> [Option<Counts>; 2] {
        [
            self.time.as_ref().map(|window| window.counts(now)),
            self.count.as_ref().map(CountWindow::counts),
        ]
    }

    fn open(
        &mut self,
        settings: &Settings,
        cause: Cause,
        hint: Option<Duration>,
        now: Moment,
        random: &(impl Random + ?Sized),
    ) -> Transition {
        self.openings = self.openings.saturating_add(1);
        let open_for = match hint {
            Some(hint) if !hint.is_zero() => hint.min(settings.max_open),
            _ => settings.open.delay(self.openings, Duration::ZERO, random),
        };
        let until = now.after(open_for);
        Transition {
            open_for: Some(open_for),
            ..self.enter(Mode::Open { until }, cause)
        }
    }

    /// Obeys a hand on the handle; none where nothing changes.
    pub(crate) fn force(&mut self, state: State) -> Option<Transition> {
        if self.state() == state {
            return None;
        }
        let mode = match state {
            State::Disabled => Mode::Disabled,
            State::ForcedClosed => Mode::ForcedClosed,
            State::ForcedOpen => Mode::ForcedOpen,
            State::Closed | State::HalfOpen | State::Open => return self.reset(),
        };
        Some(self.enter(mode, Cause::Manual))
    }

    /// Starts again as if new, but for the generation; a transition only where it was not closed.
    pub(crate) fn reset(&mut self) -> Option<Transition> {
        let from = self.state();
        self.openings = 0;
        let transition = self.enter(Mode::Closed, Cause::Manual);
        (from != State::Closed).then_some(transition)
    }

    fn enter(&mut self, mode: Mode, cause: Cause) -> Transition {
        let from = self.state();
        self.mode = mode;
        self.generation += 1;
        self.consecutive = 0;
        self.short = false;
        if let Some(window) = &mut self.time {
            window.clear();
        }
        if let Some(window) = &mut self.count {
            window.clear();
        }
        Transition {
            from,
            to: self.state(),
            cause,
            generation: self.generation,
            open_for: None,
        }
    }

    pub(crate) const fn state(&self) -> State {
        match self.mode {
            Mode::Closed => State::Closed,
            Mode::Disabled => State::Disabled,
            Mode::ForcedClosed => State::ForcedClosed,
            Mode::ForcedOpen => State::ForcedOpen,
            Mode::HalfOpen(_) => State::HalfOpen,
            Mode::Open { .. } => State::Open,
        }
    }

    pub(crate) const fn generation(&self) -> u64 {
        self.generation
    }

    /// No success needs to be recorded one by one now: none could change more than its window.
    pub(crate) const fn is_calm(&self) -> bool {
        match self.mode {
            Mode::Closed => self.consecutive == 0 && !self.short,
            Mode::ForcedClosed => true,
            _ => false,
        }
    }

    /// When an open circuit lets the first probe through.
    pub(crate) const fn open_until(&self) -> Option<Moment> {
        match self.mode {
            Mode::ForcedOpen => Some(Moment::NEVER),
            Mode::Open { until } => Some(until),
            _ => None,
        }
    }

    pub(crate) const fn consecutive(&self) -> u32 {
        self.consecutive
    }

    /// Answers that came after the state that let their calls through had ended.
    pub(crate) const fn late(&self) -> u64 {
        self.late
    }
}

#[cfg(all(test, not(loom)))]
mod naive;
#[cfg(all(test, not(loom)))]
mod tests;
