use std::fmt;
use std::future::Future;
use std::pin::Pin;

use buttress_key::IdempotencyKey;
use buttress_store::RecordKey;
use bytes::Bytes;
use http::{Request, Response};

use super::child_key;

/// What is asked about an execution that was lost, under [`OrphanPolicy::Refuse`].
///
/// [`OrphanPolicy::Refuse`]: buttress_store::OrphanPolicy::Refuse
#[derive(Clone)]
pub struct Unresolved {
    pub(crate) record: RecordKey,
    pub(crate) key: Option<IdempotencyKey>,
    pub(crate) request: Request<Bytes>,
}

impl Unresolved {
    /// The client's key; `None` for a webhook.
    #[must_use]
    pub const fn key(&self) -> Option<&IdempotencyKey> {
        self.key.as_ref()
    }

    /// The record whose outcome is unknown.
    #[must_use]
    pub const fn record_key(&self) -> &RecordKey {
        &self.record
    }

    /// The repeat of the request that was lost; the same by its fingerprint.
    #[must_use]
    pub const fn request(&self) -> &Request<Bytes> {
        &self.request
    }

    /// The key that the lost execution used for this step.
    #[must_use]
    pub fn child_key(&self, step: &str) -> IdempotencyKey {
        child_key(&self.record, step)
    }
}

/// What somebody who looked found out about an execution that was lost.
pub enum Reconciled {
    /// It took effect; repeats are answered this from now on.
    Completed(Response<Bytes>),
    /// It certainly did nothing, and never will: the repeat executes.
    NotExecuted,
}

pub(crate) type Hook = dyn Fn(Unresolved) -> Looking + Send + Sync;
pub(crate) type Looking = Pin<Box<dyn Future<Output = Option<Reconciled>> + Send>>;

/// A user's function as a hook.
pub(crate) fn hook<F, Fut>(reconcile: F) -> Box<Hook>
where
    F: Fn(Unresolved) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Option<Reconciled>> + Send + 'static,
{
    Box::new(move |unresolved| Box::pin(reconcile(unresolved)))
}

/// Without the request: it holds what nobody should log.
impl fmt::Debug for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unresolved")
            .field("record_key", &self.record)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// Without the answer, for the same reason.
impl fmt::Debug for Reconciled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Completed(answer) => f.debug_tuple("Completed").field(&answer.status()).finish(),
            Self::NotExecuted => f.write_str("NotExecuted"),
        }
    }
}
