//! What became of all that was sent.

use serde_json::{Value, json};

use super::Answered;
use super::letters::Hand;

/// So much was sent, and so it was answered.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Posted {
    /// Things that happened and were told.
    pub events: u64,
    /// Events told late.
    pub late: u64,
    /// Letters sent though their event had been told.
    pub repeated: u64,
    /// Events told after one that came later.
    pub reordered: u64,
    /// Letters by somebody who has no secret.
    pub forged: u64,
    /// Requests sent.
    pub sent: u64,
    /// Answered with success, for the first time.
    pub accepted: u64,
    /// Answered with success, and as one that was known.
    pub duplicate: u64,
    /// Refused.
    pub refused: u64,
    /// To be sent again.
    pub put_off: u64,
    /// Not answered.
    pub unreachable: u64,
    /// Forged letters that were not refused.
    pub deceived: u64,
    /// Letters that never arrived.
    pub given_up: u64,
    /// Events of which some letter is still under way.
    pub pending: u64,
    /// Names given to events, forged ones too.
    pub(super) named: u64,
}

impl Posted {
    /// Counts an answer.
    pub(super) fn answered(&mut self, hand: Hand, answer: Answered<'_>) {
        self.sent += 1;
        let Some(answer) = answer else {
            self.unreachable += 1;
            return;
        };
        let status = answer.status();
        let counter = if status.is_client_error() {
            &mut self.refused
        } else if !status.is_success() {
            &mut self.put_off
        } else if answer.headers().contains_key("idempotent-replayed") {
            &mut self.duplicate
        } else {
            &mut self.accepted
        };
        *counter += 1;
        if status.is_success() && hand != Hand::Provider {
            self.deceived += 1;
        }
    }

    /// All of it, as one JSON object.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "events": self.events,
            "late": self.late,
            "repeated": self.repeated,
            "reordered": self.reordered,
            "forged": self.forged,
            "sent": self.sent,
            "accepted": self.accepted,
            "duplicate": self.duplicate,
            "refused": self.refused,
            "put_off": self.put_off,
            "unreachable": self.unreachable,
            "forged_accepted": self.deceived,
            "given_up": self.given_up,
            "pending": self.pending,
        })
    }

    /// Reads what [`to_json`](Self::to_json) wrote; what is not there is nothing.
    #[must_use]
    pub fn from_json(value: &Value) -> Self {
        let count = |name: &str| value[name].as_u64().unwrap_or_default();
        Self {
            events: count("events"),
            late: count("late"),
            repeated: count("repeated"),
            reordered: count("reordered"),
            forged: count("forged"),
            sent: count("sent"),
            accepted: count("accepted"),
            duplicate: count("duplicate"),
            refused: count("refused"),
            put_off: count("put_off"),
            unreachable: count("unreachable"),
            deceived: count("forged_accepted"),
            given_up: count("given_up"),
            pending: count("pending"),
            named: 0,
        }
    }
}
