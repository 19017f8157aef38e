use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use buttress_store::RecordKey;
use tokio::sync::Notify;
use tokio::time::timeout;

/// The executions that go on without their clients, for the server to drain.
///
/// A handler runs in a task of its own, so that a client that hangs up loses nothing. Let the
/// server stop accepting, then [`drain`](Self::drain) before the runtime ends. Clones are the same.
#[derive(Clone)]
pub struct Executions {
    shared: Arc<Shared>,
}

struct Shared {
    max: NonZeroUsize,
    max_per_scope: NonZeroUsize,
    state: Mutex<State>,
    idle: Notify,
}

#[derive(Default)]
struct State {
    closed: bool,
    /// Tasks, whether they execute or look up what to answer.
    tasks: usize,
    running: usize,
    per_scope: HashMap<RecordKey, usize>,
}

impl Executions {
    pub(crate) fn new(max: NonZeroUsize, max_per_scope: NonZeroUsize) -> Self {
        Self {
            shared: Arc::new(Shared {
                max,
                max_per_scope,
                state: Mutex::default(),
                idle: Notify::new(),
            }),
        }
    }

    /// How many handlers run now, those included whose answer is still being recorded.
    #[must_use]
    pub fn running(&self) -> usize {
        self.lock().running
    }

    /// Starts no more executions: they are answered 503. What was answered is still replayed.
    pub fn close(&self) {
        self.lock().closed = true;
    }

    /// Closes, and waits until every execution has ended and is recorded, `limit` at most.
    ///
    /// Returns how many are left. They end with the runtime, and their claims with their leases.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves them running, and closed.
    pub async fn drain(&self, limit: Duration) -> usize {
        self.close();
        let _ = timeout(limit, self.ended()).await;
        self.lock().tasks
    }

    async fn ended(&self) {
        loop {
            let idle = self.shared.idle.notified();
            if self.lock().tasks == 0 {
                return;
            }
            idle.await;
        }
    }

    /// Counts a task until the guard is dropped.
    pub(crate) fn track(&self) -> Tracked {
        self.lock().tasks += 1;
        Tracked(self.clone())
    }

    /// The right to execute, unless there are too many or no more may start.
    pub(crate) fn enter(&self, scope: Option<RecordKey>) -> Option<Running> {
        let mut state = self.lock();
        if state.closed || state.running >= self.shared.max.get() {
            return None;
        }
        if let Some(scope) = scope {
            let count = state.per_scope.entry(scope).or_default();
            if *count >= self.shared.max_per_scope.get() {
                return None;
            }
            *count += 1;
        }
        state.running += 1;
        drop(state);
        Some(Running {
            executions: self.clone(),
            scope,
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No step can panic between its two changes.
        let state = self.shared.state.lock();
        state.unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Executions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executions")
            .field("running", &self.running())
            .field("max", &self.shared.max)
            .field("max_per_scope", &self.shared.max_per_scope)
            .finish_non_exhaustive()
    }
}

/// A task that is waited for.
pub(crate) struct Tracked(Executions);

impl Drop for Tracked {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.tasks -= 1;
        if state.tasks == 0 {
            drop(state);
            self.0.shared.idle.notify_waiters();
        }
    }
}

/// The right to execute.
pub(crate) struct Running {
    executions: Executions,
    scope: Option<RecordKey>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.executions.lock();
        state.running -= 1;
        let Some(scope) = self.scope else { return };
        if let Some(count) = state.per_scope.get_mut(&scope) {
            *count -= 1;
            if *count == 0 {
                state.per_scope.remove(&scope);
            }
        }
    }
}
