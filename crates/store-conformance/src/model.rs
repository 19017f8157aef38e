use std::collections::HashMap;
use std::time::Duration;

/// The contract once more, written down as naively as possible, for comparison.
#[derive(Default)]
pub(crate) struct Model {
    pub(crate) now: Duration,
    rows: HashMap<usize, Row>,
}

struct Row {
    fingerprint: u8,
    owner: usize,
    execution: u32,
    refuse: bool,
    lease_end: Duration,
    forgotten: Duration,
    answer: Option<(String, Duration)>,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Found {
    Acquired(u32),
    Completed(String),
    InProgress,
    Mismatch,
    Unknown,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Result {
    Applied,
    Already,
    Lost,
}

pub(crate) struct Ask {
    pub(crate) key: usize,
    pub(crate) fingerprint: u8,
    pub(crate) owner: usize,
    pub(crate) refuse: bool,
    pub(crate) lease: Duration,
    pub(crate) retention: Duration,
}

impl Model {
    fn sweep(&mut self) {
        let now = self.now;
        self.rows.retain(|_, row| match &row.answer {
            Some((_, end)) => *end > now,
            None => row.refuse || row.forgotten > now,
        });
    }

    pub(crate) fn begin(&mut self, ask: &Ask) -> Found {
        self.sweep();
        let now = self.now;
        let fresh = |execution| Row {
            fingerprint: ask.fingerprint,
            owner: ask.owner,
            execution,
            refuse: ask.refuse,
            lease_end: now + ask.lease,
            forgotten: now + ask.lease + ask.retention,
            answer: None,
        };
        let Some(row) = self.rows.get_mut(&ask.key) else {
            self.rows.insert(ask.key, fresh(1));
            return Found::Acquired(1);
        };
        if row.fingerprint != ask.fingerprint {
            return Found::Mismatch;
        }
        if let Some((answer, _)) = &row.answer {
            return Found::Completed(answer.clone());
        }
        let execution = if row.owner == ask.owner {
            row.execution
        } else if row.lease_end > now {
            return Found::InProgress;
        } else if row.refuse || ask.refuse {
            row.refuse = true;
            return Found::Unknown;
        } else {
            row.execution + 1
        };
        self.rows.insert(ask.key, fresh(execution));
        Found::Acquired(execution)
    }

    pub(crate) fn complete(
        &mut self,
        key: usize,
        owner: usize,
        answer: &str,
        keep: Duration,
    ) -> Result {
        self.sweep();
        let end = self.now + keep;
        match self.rows.get_mut(&key) {
            Some(row) if row.owner == owner && row.answer.is_some() => Result::Already,
            Some(row) if row.owner == owner => {
                row.answer = Some((answer.to_owned(), end));
                Result::Applied
            }
            _ => Result::Lost,
        }
    }

    pub(crate) fn renew(
        &mut self,
        key: usize,
        owner: usize,
        lease: Duration,
        keep: Duration,
    ) -> Result {
        self.sweep();
        let now = self.now;
        match self.rows.get_mut(&key) {
            Some(row) if row.owner == owner && row.answer.is_some() => Result::Already,
            Some(row) if row.owner == owner => {
                row.lease_end = now + lease;
                row.forgotten = now + lease + keep;
                Result::Applied
            }
            _ => Result::Lost,
        }
    }

    pub(crate) fn release(&mut self, key: usize, owner: usize) -> Result {
        self.sweep();
        match self.rows.get(&key) {
            None => Result::Already,
            Some(row) if row.owner == owner && row.answer.is_none() => {
                self.rows.remove(&key);
                Result::Applied
            }
            Some(_) => Result::Lost,
        }
    }

    pub(crate) fn adopt(&mut self, key: usize, answer: Option<&str>, keep: Duration) -> Result {
        self.sweep();
        let end = self.now + keep;
        let now = self.now;
        match (self.rows.get_mut(&key), answer) {
            (None, None) => Result::Already,
            (Some(row), Some(_)) if row.answer.is_some() => Result::Already,
            (Some(row), Some(answer)) if row.lease_end <= now => {
                row.owner = usize::MAX;
                row.answer = Some((answer.to_owned(), end));
                Result::Applied
            }
            (Some(row), None) if row.answer.is_none() && row.lease_end <= now => {
                self.rows.remove(&key);
                Result::Applied
            }
            _ => Result::Lost,
        }
    }
}
