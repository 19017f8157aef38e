use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use buttress_key::{DerivationSecret, IdempotencyKey, Misfit, Profile};
use buttress_store::{Claim, RecordKey, Token};
use tokio::sync::watch;

/// The handler's own view of its execution, in the request's extensions.
///
/// Clones are the same execution.
#[derive(Clone)]
pub struct Execution {
    shared: Arc<Shared>,
}

struct Shared {
    claim: Claim,
    key: Option<IdempotencyKey>,
    nothing_done: AtomicBool,
    lost: watch::Sender<bool>,
}

impl Execution {
    pub(crate) fn new(claim: Claim, key: Option<IdempotencyKey>) -> Self {
        Self {
            shared: Arc::new(Shared {
                claim,
                key,
                nothing_done: AtomicBool::new(false),
                lost: watch::Sender::new(false),
            }),
        }
    }

    /// The client's key; `None` for a webhook, which has none.
    #[must_use]
    pub fn key(&self) -> Option<&IdempotencyKey> {
        self.shared.key.as_ref()
    }

    /// The record that this execution has claimed.
    #[must_use]
    pub fn record_key(&self) -> &RecordKey {
        self.shared.claim.key()
    }

    /// The random name of this claim.
    ///
    /// For what must be told apart from another execution under the same key. Nothing that is to be
    /// the same in both may depend on it: see [`child_key`](Self::child_key).
    #[must_use]
    pub fn token(&self) -> &Token {
        self.shared.claim.token()
    }

    /// 1, and 1 more after each lost lease.
    ///
    /// Above 1 an earlier execution was lost half-way: look up what it did before you do it again.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.shared.claim.execution()
    }

    /// The key for one step of the work, such as a call to a payment provider.
    ///
    /// The same in every execution under the client's key, so that the provider recognises the
    /// repeat. It comes from the record's key and `step` alone.
    #[must_use]
    pub fn child_key(&self, step: &str) -> IdempotencyKey {
        child_key(self.record_key(), step)
    }

    /// [`child_key`](Self::child_key), cut to what a provider takes.
    ///
    /// # Errors
    ///
    /// [`Misfit`] when the provider does not take base64url, or too few characters.
    pub fn child_key_for(&self, profile: &Profile, step: &str) -> Result<IdempotencyKey, Misfit> {
        profile.derive(&secret(self.record_key()), NAMESPACE, step, "", 1)
    }

    /// Says that the handler has certainly done nothing, and will do nothing.
    ///
    /// Its answer is then not kept, whatever the status, and the key is free at once for a repeat.
    pub fn nothing_done(&self) {
        self.shared.nothing_done.store(true, Ordering::Release);
    }

    /// Whether the claim may be somebody else's by now: the store said so, or could not be reached
    /// for a whole lease.
    ///
    /// Stays true, even where it turns out that nobody took over.
    #[must_use]
    pub fn is_lease_lost(&self) -> bool {
        *self.shared.lost.borrow()
    }

    /// Returns when the claim may be somebody else's, as [`is_lease_lost`](Self::is_lease_lost)
    /// has it, and else never.
    ///
    /// Somebody else may then execute the same request: stop where that is safe. What this
    /// execution answers is kept only if nobody took over.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn lease_lost(&self) {
        let mut lost = self.shared.lost.subscribe();
        // The sender lives as long as `self`.
        let _ = lost.wait_for(|lost| *lost).await;
    }

    pub(crate) fn claim(&self) -> &Claim {
        &self.shared.claim
    }

    pub(crate) fn has_done_nothing(&self) -> bool {
        self.shared.nothing_done.load(Ordering::Acquire)
    }

    pub(crate) fn lose_lease(&self) {
        self.shared.lost.send_replace(true);
    }
}

impl fmt::Debug for Execution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Execution")
            .field("record_key", self.record_key())
            .field("number", &self.number())
            .field("lease_lost", &self.is_lease_lost())
            .finish_non_exhaustive()
    }
}

const NAMESPACE: &str = "buttress inbound";

/// The key that a handler's [`Execution::child_key`] gives for this record and step.
///
/// For whoever looks up what became of an [`Unknown`](buttress_store::Unknown).
#[must_use]
pub fn child_key(record: &RecordKey, step: &str) -> IdempotencyKey {
    IdempotencyKey::derive(&secret(record), NAMESPACE, step, "", 1)
}

/// A record's key is a hash of the client's key, and so as hard to guess.
fn secret(record: &RecordKey) -> DerivationSecret {
    let Ok(secret) = DerivationSecret::new(record.as_bytes()) else {
        unreachable!("33 bytes are enough for a secret")
    };
    secret
}

#[cfg(test)]
mod tests {
    use super::*;

    fn execution(token: u8, number: u32) -> Execution {
        let record = RecordKey::derive(&[b"orders", b"1"]);
        let token = Token::from_bytes([token; Token::LEN]);
        Execution::new(Claim::new(record, token, number), None)
    }

    #[test]
    fn a_golden_child_key_stays_as_it_is() {
        let key = execution(1, 1).child_key("charge");
        assert_eq!(key.as_str(), "AbiQat6kYDdSGRbpvPat8_jnEwyj-_dJlRTIfA4OS1is");
    }

    #[test]
    fn a_child_key_depends_on_record_and_step_alone() {
        assert_eq!(
            execution(1, 1).child_key("charge"),
            execution(2, 9).child_key("charge")
        );
        assert_ne!(
            execution(1, 1).child_key("charge"),
            execution(1, 1).child_key("refund")
        );
        let short = Profile::razorpay_x();
        let cut = execution(1, 1).child_key_for(&short, "charge").unwrap();
        assert!(short.check(&cut).is_ok());
        assert!(
            execution(1, 1)
                .child_key("charge")
                .as_str()
                .starts_with(cut.as_str())
        );
    }

    #[tokio::test]
    async fn a_lost_lease_wakes_whoever_waits_for_it() {
        let execution = execution(1, 1);
        let mut lost = tokio_test::task::spawn(execution.lease_lost());
        tokio_test::assert_pending!(lost.poll());
        execution.lose_lease();
        assert!(lost.is_woken());
        tokio_test::assert_ready!(lost.poll());
        drop(lost);
        assert!(execution.is_lease_lost());
    }
}
