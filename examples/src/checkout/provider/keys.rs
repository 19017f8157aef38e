//! What the provider remembers under an idempotency key.
//!
//! As Stripe's API v1 documents it: the first answer is stored once execution has begun, whatever its
//! status, and is given again to the same parameters; other parameters are an error; a key whose first
//! request still runs is a conflict; keys are forgotten after a day.

use std::collections::HashMap;
use std::time::Duration;

use http::StatusCode;
use serde_json::Value;

/// A status and a JSON body.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Value,
}

/// What became of a request that carries a key.
#[derive(Debug, PartialEq)]
pub(super) enum Begin {
    /// It is the first: execute it, then [`Keys::complete`].
    First,
    /// The first one still runs.
    InFlight,
    /// The first one asked for something else.
    Mismatch,
    /// The first one's answer.
    Replay(Answer),
}

/// The memory of keys; `now` is the time on the provider's own clock.
#[derive(Debug)]
pub(super) struct Keys {
    records: HashMap<String, Record>,
    retention: Duration,
}

#[derive(Debug)]
struct Record {
    parameters: Vec<(String, String)>,
    since: Duration,
    answer: Option<Answer>,
}

impl Keys {
    pub(super) fn new(retention: Duration) -> Self {
        Self {
            records: HashMap::new(),
            retention,
        }
    }

    pub(super) fn begin(
        &mut self,
        key: &str,
        parameters: &[(String, String)],
        now: Duration,
    ) -> Begin {
        let retention = self.retention;
        self.records.retain(|_, record| {
            record.answer.is_none() || now.saturating_sub(record.since) < retention
        });
        match self.records.get(key) {
            Some(record) if record.parameters != parameters => Begin::Mismatch,
            Some(Record {
                answer: Some(answer),
                ..
            }) => Begin::Replay(answer.clone()),
            Some(_) => Begin::InFlight,
            None => {
                let record = Record {
                    parameters: parameters.to_vec(),
                    since: now,
                    answer: None,
                };
                self.records.insert(key.to_owned(), record);
                Begin::First
            }
        }
    }

    pub(super) fn complete(&mut self, key: &str, answer: &Answer) {
        if let Some(record) = self.records.get_mut(key) {
            record.answer = Some(answer.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn parameters(amount: &str) -> Vec<(String, String)> {
        vec![("amount".into(), amount.into())]
    }

    fn failed() -> Answer {
        Answer {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            body: Value::Null,
        }
    }

    #[test]
    fn the_first_answer_is_given_again_even_a_500() {
        let mut keys = Keys::new(24 * HOUR);
        assert_eq!(keys.begin("k", &parameters("5"), HOUR), Begin::First);
        assert_eq!(keys.begin("k", &parameters("5"), HOUR), Begin::InFlight);
        keys.complete("k", &failed());
        assert_eq!(
            keys.begin("k", &parameters("5"), HOUR),
            Begin::Replay(failed())
        );
    }

    #[test]
    fn other_parameters_are_refused_while_it_runs_and_after() {
        let mut keys = Keys::new(24 * HOUR);
        keys.begin("k", &parameters("5"), HOUR);
        assert_eq!(keys.begin("k", &parameters("6"), HOUR), Begin::Mismatch);
        keys.complete("k", &failed());
        assert_eq!(keys.begin("k", &parameters("6"), HOUR), Begin::Mismatch);
    }

    #[test]
    fn a_key_is_forgotten_after_the_retention_but_never_while_it_runs() {
        let mut keys = Keys::new(24 * HOUR);
        keys.begin("done", &parameters("5"), Duration::ZERO);
        keys.begin("runs", &parameters("5"), Duration::ZERO);
        keys.complete("done", &failed());
        let just_before = (24 * HOUR).saturating_sub(Duration::from_nanos(1));
        assert_eq!(
            keys.begin("done", &parameters("5"), just_before),
            Begin::Replay(failed())
        );
        assert_eq!(
            keys.begin("done", &parameters("5"), 24 * HOUR),
            Begin::First
        );
        assert_eq!(
            keys.begin("runs", &parameters("5"), 24 * HOUR),
            Begin::InFlight
        );
    }
}
