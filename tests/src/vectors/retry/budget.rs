use std::time::Duration;

use buttress_retry::Budget;
use serde::Deserialize;
use tokio::time::{Instant, advance};

use crate::vectors::runner::same;

/// What a budget grants.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Terms {
    percent: u32,
    reserve_per_second: u32,
}

/// A budget, and what happens to it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ledger {
    /// Without them there is no limit.
    terms: Option<Terms>,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    #[serde(rename = "do")]
    action: Action,
    /// Time that passes first.
    #[serde(default)]
    ms: u64,
    #[serde(default = "once")]
    times: u32,
    /// How many of the retries are paid.
    paid: Option<u32>,
    /// What could be paid after it.
    balance: Option<u64>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    Advance,
    Retry,
    Success,
    SuccessAndRetry,
}

const fn once() -> u32 {
    1
}

impl Terms {
    pub(super) fn open(terms: Option<Self>) -> Budget {
        terms.map_or_else(Budget::unlimited, |terms| {
            Budget::new(terms.percent, terms.reserve_per_second)
        })
    }
}

impl Ledger {
    pub(super) async fn check(&self) -> Result<(), String> {
        let budget = Terms::open(self.terms);
        for (place, step) in self.steps.iter().enumerate() {
            step.check(&budget)
                .await
                .map_err(|difference| format!("step {place} ({:?}): {difference}", step.action))?;
        }
        Ok(())
    }
}

impl Step {
    async fn check(&self, budget: &Budget) -> Result<(), String> {
        advance(Duration::from_millis(self.ms)).await;
        let now = Instant::now();
        let mut paid = 0;
        for _ in 0..self.times {
            if matches!(self.action, Action::Success | Action::SuccessAndRetry) {
                budget.deposit(now);
            }
            if matches!(self.action, Action::Retry | Action::SuccessAndRetry) {
                paid += u32::from(budget.withdraw(now));
            }
        }
        if let Some(expected) = &self.paid {
            same("paid", expected, &paid)?;
        }
        match self.balance {
            Some(expected) => same("balance", &Some(expected), &budget.balance(now)),
            None => Ok(()),
        }
    }
}
