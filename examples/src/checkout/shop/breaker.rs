//! The circuit breaker of the shop's stack, and what is remembered of it for reports.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use buttress_circuit_breaker::{
    BuildError, Builder, CircuitBreakerLayer, HttpDeadline, State, Transition,
};
use buttress_classify::HttpClassifier;
use buttress_key::Profile;
use serde_json::{Value, json};
use tokio::time::Instant;

/// Settings of a circuit, before it is known whose answers it judges.
pub type Settings = Builder<HttpClassifier, HttpDeadline>;

/// The layer itself. It judges as retry does: the profile first.
pub type Layer = CircuitBreakerLayer<(Profile, HttpClassifier), HttpDeadline>;

/// So many changes are remembered, the latest.
const REMEMBERED: usize = 1024;

/// The shop's circuit; clones share it.
#[derive(Clone, Debug)]
pub struct Breaker {
    layer: Layer,
    history: Arc<Mutex<History>>,
}

#[derive(Debug, Default)]
struct History {
    changes: VecDeque<Change>,
    all: u64,
}

/// One change of the circuit's state.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Change {
    /// When.
    pub at: Instant,
    /// From what to what, and why.
    pub transition: Transition,
    /// Calls refused until then, since the shop opened.
    pub refused: u64,
}

/// What a circuit shows of itself.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Standing {
    /// What it does with calls; nothing where there is no circuit.
    pub state: Option<State>,
    /// Calls refused since the shop opened.
    pub refused: u64,
    /// How often its state has changed.
    pub transitions: u64,
    /// The latest changes, oldest first.
    pub changes: Vec<Change>,
}

impl Breaker {
    /// A closed circuit in front of a provider that promises what `profile` says.
    ///
    /// # Errors
    /// When the settings do not go together.
    pub fn new(settings: Settings, profile: &Profile) -> Result<Self, BuildError> {
        let history = Arc::<Mutex<History>>::default();
        let seen = Arc::clone(&history);
        let layer = settings
            .name("provider")
            .classify((profile.clone(), HttpClassifier))
            .on_transition(move |circuit, transition| {
                let change = Change {
                    at: Instant::now(),
                    transition: *transition,
                    refused: circuit.snapshot().refused,
                };
                lock(&seen).push(change);
            })
            .build()?;
        Ok(Self { layer, history })
    }

    /// The layer; all services that it makes share the circuit.
    #[must_use]
    pub fn layer(&self) -> Layer {
        self.layer.clone()
    }

    /// How it stands now.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let snapshot = self.layer.handle().snapshot();
        let history = lock(&self.history);
        Standing {
            state: Some(snapshot.state),
            refused: snapshot.refused,
            transitions: history.all,
            changes: history.changes.iter().copied().collect(),
        }
    }
}

impl History {
    fn push(&mut self, change: Change) {
        self.all += 1;
        if self.changes.len() == REMEMBERED {
            self.changes.pop_front();
        }
        self.changes.push_back(change);
    }
}

impl Standing {
    pub(super) fn to_json(&self) -> Value {
        json!({
            "state": self.state.map(State::as_str),
            "refused": self.refused,
            "transitions": self.transitions,
            "last": self.changes.last().map(|change| json!({
                "from": change.transition.from.as_str(),
                "to": change.transition.to.as_str(),
                "cause": change.transition.cause.as_str(),
                "seconds_ago": change.at.elapsed().as_secs(),
            })),
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
