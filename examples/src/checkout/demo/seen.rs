//! What the buyers did, and what they were answered.

use std::ops::AddAssign;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

/// How often each of it happened.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Seen {
    /// Requests whose sender hung up before the answer.
    pub hang_ups: u64,
    /// Requests whose connection broke, or was refused.
    pub cut_off: u64,
    /// Orders that were sent several times at once.
    pub races: u64,
    /// Answers marked as those of an earlier request with the same key.
    pub replays: u64,
    /// Answers that a request with this key is still being executed.
    pub in_flight: u64,
    /// Answers that the shop cannot say now, for another reason.
    pub turned_away: u64,
    /// Keys used for something else, and refused with 422.
    pub misuses: u64,
    /// Answers of which the shop was asked once more in the end, and gave the same.
    pub recalled: u64,
    /// Answers that it did not give again.
    pub forgotten: u64,
    /// Answers that should have been others: a repeat that differs, a misuse that is not refused.
    pub wrong: u64,
}

impl Seen {
    /// All of it, as one JSON object.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "hang_ups": self.hang_ups,
            "cut_off": self.cut_off,
            "races": self.races,
            "replays": self.replays,
            "in_flight": self.in_flight,
            "turned_away": self.turned_away,
            "misuses_refused": self.misuses,
            "recalled": self.recalled,
            "forgotten": self.forgotten,
            "wrong_answers": self.wrong,
        })
    }
}

impl AddAssign for Seen {
    fn add_assign(&mut self, other: Self) {
        self.hang_ups += other.hang_ups;
        self.cut_off += other.cut_off;
        self.races += other.races;
        self.replays += other.replays;
        self.in_flight += other.in_flight;
        self.turned_away += other.turned_away;
        self.misuses += other.misuses;
        self.recalled += other.recalled;
        self.forgotten += other.forgotten;
        self.wrong += other.wrong;
    }
}

/// Where all buyers write down what they see.
#[derive(Clone, Debug, Default)]
pub(super) struct Diary(Arc<Mutex<Seen>>);

impl Diary {
    pub(super) fn note(&self, write: impl FnOnce(&mut Seen)) {
        // Nothing panics while it is held.
        write(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn read(&self) -> Seen {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
