use std::collections::BTreeMap;
use std::fmt;

use futures_util::FutureExt;
use serde::Deserialize;
use tokio::time::advance;

use super::circuit::{Call, Circuit, Config, Counts, Ending, millis};
use crate::vectors::runner::{Scenarios, same};

/// A file of scenarios.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// What it says, one history each.
    pub scenarios: Vec<Scenario>,
}

/// A circuit, a history of calls through it, and what must become of both.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name, unique in its file.
    pub id: String,
    /// What it shows.
    pub about: String,
    #[serde(default)]
    config: Config,
    steps: Vec<Step>,
    /// The states that were entered, in order.
    events: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    #[serde(rename = "do")]
    action: Action,
    /// Which call; without a name, one of its own.
    call: Option<String>,
    /// Time that passes first.
    #[serde(default)]
    ms: u64,
    #[serde(default = "once")]
    times: u32,
    /// `admit`: when the caller gives up, from now.
    deadline_ms: Option<u64>,
    /// `failure`, `throttled`: the peer's wish.
    retry_after_ms: Option<u64>,
    /// `admit`: whether the call passes.
    #[serde(default = "yes")]
    admitted: bool,
    /// `admit`, refused: for how long.
    wait_ms: Option<u64>,
    /// The state after it.
    state: Option<String>,
    /// What the time window holds after it.
    time_window: Option<Counts>,
    /// What the count window holds after it.
    count_window: Option<Counts>,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Action {
    Admit,
    Advance,
    Disable,
    Drop,
    Failure,
    ForceClosed,
    ForceOpen,
    Ignored,
    Panic,
    Reset,
    /// A success, once the call is a millisecond older than the slow-call limit.
    Slow,
    Success,
    Throttled,
}

const fn once() -> u32 {
    1
}

const fn yes() -> bool {
    true
}

impl Scenarios for File {
    fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    fn outcomes(&self) -> impl Iterator<Item = (&str, Option<String>)> {
        self.scenarios
            .iter()
            .map(|scenario| (scenario.id.as_str(), scenario.difference()))
    }
}

impl Scenario {
    /// How the circuit differs from what must be, if it does.
    #[must_use]
    pub fn difference(&self) -> Option<String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        match runtime {
            Ok(runtime) => runtime.block_on(self.run()).err(),
            Err(error) => Some(format!("no runtime: {error}")),
        }
    }

    async fn run(&self) -> Result<(), String> {
        let mut circuit = Circuit::new(&self.config)?;
        let mut calls = BTreeMap::new();
        for (place, step) in self.steps.iter().enumerate() {
            for _ in 0..step.times {
                step.run(&mut circuit, &mut calls)
                    .await
                    .map_err(|difference| format!("step {place} ({step}): {difference}"))?;
            }
        }
        same("events", &self.events, &circuit.events())
    }
}

impl Step {
    async fn run(
        &self,
        circuit: &mut Circuit,
        calls: &mut BTreeMap<String, Call>,
    ) -> Result<(), String> {
        advance(millis(self.ms)).await;
        match self.ending() {
            Some(ending) => {
                let call = match self.call.as_ref().and_then(|name| calls.remove(name)) {
                    Some(call) => call,
                    None => circuit
                        .begin(self.deadline_ms)
                        .await?
                        .map_err(|_| "the call was refused".to_owned())?,
                };
                if self.action == Action::Slow {
                    advance(circuit.slow_after.saturating_sub(call.age())).await;
                }
                call.end(ending).await?;
            }
            None => self.act(circuit, calls).await?,
        }
        let (state, time_window, count_window) = circuit.seen();
        self.state
            .as_ref()
            .map_or(Ok(()), |expected| same("state", expected, &state))?;
        let windows = [
            ("time window", &self.time_window, time_window),
            ("count window", &self.count_window, count_window),
        ];
        for (name, expected, found) in windows {
            if expected.is_some() {
                same(name, expected, &found)?;
            }
        }
        Ok(())
    }

    async fn act(
        &self,
        circuit: &mut Circuit,
        calls: &mut BTreeMap<String, Call>,
    ) -> Result<(), String> {
        match self.action {
            Action::Admit => {
                let begun = circuit.begin(self.deadline_ms).await?;
                same("admitted", &self.admitted, &begun.is_ok())?;
                match begun {
                    Ok(call) => {
                        let name = self.call.clone().unwrap_or_default();
                        calls.insert(name, call);
                    }
                    Err(wait) if self.wait_ms.is_some() => {
                        let wait = wait.map(|wait| wait.as_millis());
                        same("wait_ms", &self.wait_ms.map(u128::from), &wait)?;
                    }
                    Err(_) => {}
                }
            }
            Action::Drop => {
                let name = self.call.clone().unwrap_or_default();
                drop(calls.remove(&name).ok_or("there is no such call")?);
            }
            Action::Disable => circuit.handle.disable(),
            Action::ForceClosed => circuit.handle.force_closed(),
            Action::ForceOpen => circuit.handle.force_open(),
            Action::Reset => circuit.handle.reset(),
            _ => {}
        }
        Ok(())
    }

    fn ending(&self) -> Option<Ending> {
        let retry_after = self.retry_after_ms.map(millis);
        match self.action {
            Action::Failure => Some(Ending::Failure(retry_after)),
            Action::Ignored => Some(Ending::Ignored),
            Action::Panic => Some(Ending::Panic),
            Action::Slow | Action::Success => Some(Ending::Success),
            Action::Throttled => Some(Ending::Throttled(retry_after)),
            _ => None,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.action)?;
        self.call
            .as_ref()
            .map_or(Ok(()), |call| write!(f, " of call {call}"))
    }
}

/// Lets a call's panic be what the history says, and no more.
pub(super) async fn caught<T>(call: impl Future<Output = T>) -> Option<T> {
    std::panic::AssertUnwindSafe(call).catch_unwind().await.ok()
}
