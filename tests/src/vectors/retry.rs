//! Schedules, retry budgets, and histories of calls through a retry layer, each with what must come
//! of it.
//!
//! The format is described in `tests/vectors/README.md`.

mod budget;
mod operation;
mod schedule;

use serde::Deserialize;
use serde::de::Error as _;

use self::budget::Ledger;
use self::operation::Operations;
use self::schedule::Waits;
use super::runner::Scenarios;

/// A file of scenarios.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// What it says, one story each.
    pub scenarios: Vec<Scenario>,
}

/// One story, of a schedule, a budget, or calls.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name, unique in its file.
    pub id: String,
    /// What it shows.
    pub about: String,
    backoff: Option<Waits>,
    budget: Option<Ledger>,
    retry: Option<Operations>,
}

impl Scenarios for File {
    fn parse(text: &str) -> Result<Self, serde_json::Error> {
        let file: Self = serde_json::from_str(text)?;
        match file
            .scenarios
            .iter()
            .find(|scenario| scenario.stories() != 1)
        {
            Some(Scenario { id, .. }) => Err(serde_json::Error::custom(format_args!(
                "scenario {id} must have one of backoff, budget and retry"
            ))),
            None => Ok(file),
        }
    }

    fn outcomes(&self) -> impl Iterator<Item = (&str, Option<String>)> {
        self.scenarios
            .iter()
            .map(|scenario| (scenario.id.as_str(), scenario.difference()))
    }
}

impl Scenario {
    fn stories(&self) -> usize {
        usize::from(self.backoff.is_some())
            + usize::from(self.budget.is_some())
            + usize::from(self.retry.is_some())
    }

    /// How what happens differs from what must, if it does.
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
        if let Some(waits) = &self.backoff {
            waits.check()?;
        }
        if let Some(ledger) = &self.budget {
            ledger.check().await?;
        }
        if let Some(operations) = &self.retry {
            operations.check().await?;
        }
        Ok(())
    }
}
