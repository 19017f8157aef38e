//! What is counted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use metrics::{
    Counter, CounterFn, Gauge, Histogram, Key, KeyName, LocalRecorderGuard, Metadata, Recorder,
    SharedString, Unit,
};

/// Each counter by its name and labels, as `name label=value …`, and its total.
#[derive(Clone, Debug, Default)]
pub struct Counts(Arc<Mutex<BTreeMap<String, u64>>>);

impl Counts {
    /// Keeps what this thread counts, until the guard is dropped.
    #[must_use]
    pub fn keep(&self) -> LocalRecorderGuard<'_> {
        metrics::set_default_local_recorder(self)
    }

    /// What was counted, ordered by name and labels.
    #[must_use]
    pub fn totals(&self) -> Vec<(String, u64)> {
        let totals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        totals.clone().into_iter().collect()
    }
}

impl Recorder for Counts {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let labels = key
            .labels()
            .map(|label| format!(" {}={}", label.key(), label.value()));
        let name = format!("{}{}", key.name(), labels.collect::<String>());
        Counter::from_arc(Arc::new(One(name, self.clone())))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

struct One(String, Counts);

impl CounterFn for One {
    fn increment(&self, value: u64) {
        let mut totals = self.1.0.lock().unwrap_or_else(PoisonError::into_inner);
        *totals.entry(self.0.clone()).or_default() += value;
    }

    fn absolute(&self, _: u64) {}
}
