use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;

use crate::circuit::Circuit;
use crate::stream::{Feed, Transitions};
use crate::{CircuitHandle, Transition, telemetry};

type Listener = dyn Fn(&CircuitHandle, &Transition) + Send + Sync;

/// Who hears of a circuit's changes. Called outside its lock, one change at a time, in order.
#[derive(Default)]
pub(crate) struct Audience {
    listeners: Vec<Arc<Listener>>,
    feeds: Mutex<Vec<Feed>>,
}

impl Audience {
    pub(crate) fn listen(
        &mut self,
        listener: impl Fn(&CircuitHandle, &Transition) + Send + Sync + 'static,
    ) {
        self.listeners.push(Arc::new(listener));
    }

    /// The same listeners, for another circuit.
    pub(crate) fn isolated(&self) -> Self {
        Self {
            listeners: self.listeners.clone(),
            feeds: Mutex::default(),
        }
    }

    pub(crate) fn subscribe(&self) -> Transitions {
        let (feed, transitions) = Transitions::new();
        let mut feeds = self.feeds.lock().unwrap_or_else(PoisonError::into_inner);
        feeds.retain(Feed::is_read);
        feeds.push(feed);
        transitions
    }

    pub(crate) fn changed(&self, name: &str, circuit: Circuit, transition: &Transition) {
        telemetry::transition(name, transition);
        let readers: Vec<_> = {
            let feeds = self.feeds.lock().unwrap_or_else(PoisonError::into_inner);
            feeds
                .iter()
                .filter_map(|feed| feed.push(*transition))
                .collect()
        };
        readers.into_iter().for_each(Waker::wake);
        if self.listeners.is_empty() {
            return;
        }
        let handle = CircuitHandle::new(circuit);
        for listener in &self.listeners {
            // A listener's panic is its own affair: neither the call nor the next listener dies of it.
            let heard = catch_unwind(AssertUnwindSafe(|| listener(&handle, transition)));
            if heard.is_err() {
                telemetry::listener_panicked(name);
            }
        }
    }
}

impl fmt::Debug for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audience")
            .field("listeners", &self.listeners.len())
            .finish_non_exhaustive()
    }
}
