//! Holds in the memory of the one process that has the rows to itself.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use buttress_store::Token;
use tokio::time::Instant;

use super::rows::Hold;

/// Who holds which order, and until when.
#[derive(Debug, Default)]
pub(super) struct Holds(Mutex<HashMap<String, (Token, Instant)>>);

impl Holds {
    /// Gives the order to `hold`, whoever had it.
    pub(super) fn give(&self, id: &str, hold: Hold) {
        self.lock().insert(id.to_owned(), until(hold));
    }

    /// Gives the order to `hold`, unless somebody's hold lives.
    pub(super) fn take(&self, id: &str, hold: Hold) -> bool {
        let mut holds = self.lock();
        let is_free = holds.get(id).is_none_or(has_ended);
        if is_free {
            holds.insert(id.to_owned(), until(hold));
        }
        is_free
    }

    /// Whose hold lives.
    pub(super) fn holder(&self, id: &str) -> Option<Token> {
        let holds = self.lock();
        let held = holds.get(id).filter(|held| !has_ended(held));
        held.map(|(holder, _)| *holder)
    }

    /// Lets a hold live on, even if it had ended and nobody took the order meanwhile.
    pub(super) fn renew(&self, id: &str, hold: Hold) -> bool {
        let mut holds = self.lock();
        let is_mine = holds
            .get(id)
            .is_some_and(|(holder, _)| *holder == hold.holder);
        if is_mine {
            holds.insert(id.to_owned(), until(hold));
        }
        is_mine
    }

    pub(super) fn release(&self, id: &str, holder: Token) {
        let mut holds = self.lock();
        if holds.get(id).is_some_and(|(known, _)| *known == holder) {
            holds.remove(id);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (Token, Instant)>> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn until(hold: Hold) -> (Token, Instant) {
    (hold.holder, Instant::now() + hold.lease)
}

fn has_ended((_, end): &(Token, Instant)) -> bool {
    *end <= Instant::now()
}
