use std::hash::Hash;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::circuit::{Anchor, Circuit};
use crate::lru::Lru;
use crate::{CircuitHandle, telemetry};

/// One circuit for each key, and at most so many.
#[derive(Debug)]
pub(crate) struct Registry<K> {
    /// Never called through; new circuits are made after it.
    model: Circuit,
    max: NonZeroUsize,
    circuits: Mutex<Lru<K>>,
}

impl<K: Clone + Eq + Hash> Registry<K> {
    pub(crate) fn new(model: Circuit, max: NonZeroUsize) -> Self {
        Self {
            model,
            max,
            circuits: Mutex::new(Lru::new()),
        }
    }

    /// The circuit of `key`, made now if it is new, and true; where there is no room for it, the
    /// model, whom nobody need tell anything, and false.
    pub(crate) fn anchor(&self, key: K) -> (Arc<Anchor>, bool) {
        let mut circuits = self.lock();
        if let Some(circuit) = circuits.touch(&key) {
            return (Arc::clone(circuit.anchor()), true);
        }
        let circuit = self.model.isolated();
        let anchor = Arc::clone(circuit.anchor());
        if circuits.len() < self.max.get() {
            circuits.add(key, circuit);
            return (anchor, true);
        }
        let replaced = circuits.replace_oldest(key, circuit);
        // What is dropped here may wake others, who may come back here.
        drop(circuits);
        if replaced.is_ok() {
            return (anchor, true);
        }
        telemetry::unwatched(self.model.core().name());
        (Arc::clone(self.model.anchor()), false)
    }

    pub(crate) fn isolated(&self) -> Self {
        Self::new(self.model.isolated(), self.max)
    }

    fn lock(&self) -> MutexGuard<'_, Lru<K>> {
        self.circuits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands on the circuits of a [`KeyedCircuitBreakerLayer`](crate::KeyedCircuitBreakerLayer).
#[derive(Debug)]
pub struct CircuitHandles<K>(Arc<Registry<K>>);

impl<K: Clone + Eq + Hash> CircuitHandles<K> {
    pub(crate) const fn new(registry: Arc<Registry<K>>) -> Self {
        Self(registry)
    }

    /// A hand on the circuit of `key`, if there is one now. While it is held, the circuit stays.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<CircuitHandle> {
        self.0.lock().peek(key).cloned().map(CircuitHandle::new)
    }

    /// The keys that have a circuit now, in no order.
    #[must_use]
    pub fn keys(&self) -> Vec<K> {
        self.0.lock().keys().cloned().collect()
    }
}

impl<K> Clone for CircuitHandles<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}
