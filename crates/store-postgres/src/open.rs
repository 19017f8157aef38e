use std::collections::HashMap;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use buttress_store::{BeginRequest, Claim, Token};
use sqlx::postgres::PgConnection;
use sqlx::{Postgres, Transaction};
use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;

/// The transactions of executions under way, by the token of their claim.
#[derive(Debug, Default)]
pub(crate) struct OpenTransactions(Mutex<HashMap<Token, Entry>>);

#[derive(Debug)]
struct Entry {
    open: Arc<Open>,
    /// When whoever executes has given up renewing it.
    until: Option<Instant>,
}

/// A transaction with a claim in it, and the way to it.
pub(crate) struct Open {
    pub(crate) claim: Claim,
    pub(crate) request: BeginRequest,
    /// `None` once it was rolled back.
    slot: Arc<Slot>,
    undone: AtomicBool,
}

type Slot = tokio::sync::Mutex<Option<Transaction<'static, Postgres>>>;

impl Open {
    pub(crate) fn new(
        claim: Claim,
        request: BeginRequest,
        transaction: Transaction<'static, Postgres>,
    ) -> Self {
        Self {
            claim,
            request,
            slot: Arc::new(Slot::new(Some(transaction))),
            undone: AtomicBool::new(false),
        }
    }

    /// For the handler. `None` when it has it already, or it was rolled back.
    pub(crate) fn enter(&self) -> Option<OpenTransaction> {
        let slot = Arc::clone(&self.slot).try_lock_owned().ok()?;
        slot.is_some().then_some(OpenTransaction { slot })
    }

    /// Rolls it back, at the latest when the handler lets go of it.
    ///
    /// The rollback is sent by the connection on its way back to the pool.
    pub(crate) fn undo(&self) {
        self.undone.store(true, Ordering::Release);
        if let Ok(mut slot) = self.slot.try_lock() {
            drop(slot.take());
        }
    }

    /// For the one who commits. `None`: it was rolled back.
    pub(crate) async fn take(&self) -> Option<Transaction<'static, Postgres>> {
        let transaction = self.slot.lock().await.take();
        transaction.filter(|_| !self.undone.load(Ordering::Acquire))
    }
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Open")
            .field("claim", &self.claim)
            .finish_non_exhaustive()
    }
}

impl OpenTransactions {
    pub(crate) fn insert(&self, open: Open) {
        let mut entries = self.lock();
        // Nobody renews them any more: their handlers ended without an answer to keep.
        entries.retain(|_, entry| {
            let stays = entry.until.is_none_or(|until| until > Instant::now());
            if !stays {
                entry.open.undo();
            }
            stays
        });
        let until = Instant::now().checked_add(open.request.lease);
        let open = Arc::new(open);
        entries.insert(open.request.token, Entry { open, until });
    }

    pub(crate) fn get(&self, token: &Token) -> Option<Arc<Open>> {
        let entries = self.lock();
        entries.get(token).map(|entry| Arc::clone(&entry.open))
    }

    pub(crate) fn remove(&self, token: &Token) -> Option<Arc<Open>> {
        self.lock().remove(token).map(|entry| entry.open)
    }

    /// Whether there was one.
    pub(crate) fn renew(&self, token: &Token, lease: Duration) -> bool {
        let mut entries = self.lock();
        let entry = entries.get_mut(token);
        entry
            .map(|entry| entry.until = Instant::now().checked_add(lease))
            .is_some()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Token, Entry>> {
        // A panic under the lock can only come from a failed allocation.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The transaction that an execution's answer will be committed in.
///
/// Use it as a connection: `&mut *transaction`. Its `begin` is a savepoint. Dropping it hands it
/// back; it is committed together with the answer, or rolled back.
pub struct OpenTransaction {
    slot: OwnedMutexGuard<Option<Transaction<'static, Postgres>>>,
}

impl Deref for OpenTransaction {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        let Some(transaction) = &*self.slot else {
            unreachable!("whoever takes it out has the lock")
        };
        transaction
    }
}

impl DerefMut for OpenTransaction {
    fn deref_mut(&mut self) -> &mut PgConnection {
        let Some(transaction) = &mut *self.slot else {
            unreachable!("whoever takes it out has the lock")
        };
        transaction
    }
}

impl fmt::Debug for OpenTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenTransaction").finish_non_exhaustive()
    }
}
