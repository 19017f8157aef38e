use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::{
    Begin, BeginRequest, Capabilities, Claim, RecordKey, Resolution, Settled, StoreError,
    StoredResponse, Unknown,
};

/// What every method of an [`IdempotencyStore`] returns: one box a call, noise beside its I/O.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Where it is decided who executes a key, and what everybody else is answered.
///
/// # The law, for implementers
///
/// A record is absent, in progress or completed. It is changed in one atomic step that reads and
/// writes; [`Record`](crate::Record) holds every step as a pure function for stores that decide in
/// Rust. The crate `buttress-store-conformance` tests all of what follows.
///
/// 1. **One owner.** Of all begins of a key, at most one is [`Begin::Acquired`] until its lease
///    ends, its claim is settled, or the key is adopted. Check and change are one step.
/// 2. **The token decides.** Whatever leaves "in progress" on behalf of an owner compares the
///    token. A begin with the token of the claim that stands is acquired again, not in progress.
/// 3. **The store's clock decides** every expiry. Callers hand in durations, never instants. A
///    lease or retention has ended at the very instant of its end.
/// 4. **The fingerprint is checked in every state**, before anything else is said about the
///    record, and a takeover needs it equal.
/// 5. **A completed record never changes** until its retention ends.
/// 6. **An unknown never expires.** Under [`Refuse`](crate::OrphanPolicy::Refuse), of the claim's
///    own begin or of the present one, an ended lease is unknown: neither time nor `purge` ends it.
/// 7. **An error is never "absent".** A record that cannot be read, or is of a newer version, is an
///    error; a lost connection is [`Unavailable`](crate::StoreErrorKind::Unavailable) only if the
///    change certainly did not happen.
/// 8. **Dropping a call is allowed at every await.** The change then happened or did not; no claim
///    lives longer for it than its lease, and later calls work.
pub trait IdempotencyStore: Send + Sync + 'static {
    /// Claims a key, or says why not.
    ///
    /// Atomic for each key, and idempotent for equal key and token: it may be repeated after
    /// [`Indeterminate`](crate::StoreErrorKind::Indeterminate) and then renews its own lease. A
    /// takeover of an ended lease gets an execution number one higher.
    ///
    /// # Errors
    ///
    /// Any kind. The caller must not execute.
    fn begin(&self, request: BeginRequest) -> StoreFuture<'_, Begin>;

    /// Keeps the answer for `retention`, and ends the claim.
    ///
    /// Works past the end of the lease as long as nobody else took over: the token makes that safe.
    /// A repeat by the same token is [`Settled::AlreadyApplied`], and the first answer stays.
    /// When it returns `Applied`, the record is as durable as [`Capabilities::durability`] says.
    ///
    /// # Errors
    ///
    /// Any kind; the claim then stands until its lease ends, or is completed.
    fn complete<'a>(
        &'a self,
        claim: &'a Claim,
        response: &'a StoredResponse,
        retention: Duration,
    ) -> StoreFuture<'a, Settled>;

    /// Lets the claim live for `lease` from now on, even if it had ended and nobody took over.
    ///
    /// [`Settled::AlreadyApplied`] after this token's own `complete`; [`Settled::Lost`] tells the
    /// owner that it is none: it should stop.
    ///
    /// # Errors
    ///
    /// Any kind; the lease then ends when it would have, or is renewed.
    fn renew<'a>(&'a self, claim: &'a Claim, lease: Duration) -> StoreFuture<'a, Settled>;

    /// Gives the claim back: the handler certainly did nothing, and the key is free at once.
    ///
    /// [`Settled::AlreadyApplied`] when the key is absent.
    ///
    /// # Errors
    ///
    /// Any kind; the claim then stands until its lease ends, or is released.
    fn release<'a>(&'a self, claim: &'a Claim) -> StoreFuture<'a, Settled>;

    /// Settles, without a token, a claim whose lease has ended: the way out of
    /// [`Begin::OutcomeUnknown`] for somebody who looked up what happened.
    ///
    /// A claim whose lease lives, and a completed record, are never touched. `Completed` on a
    /// completed record is [`Settled::AlreadyApplied`], and the answer of whoever came first stays;
    /// `NotExecuted` on an absent one likewise. Everything else that does not fit is `Lost`. The
    /// claim's token is worth nothing afterwards: its late owner's `complete` is `Lost`.
    ///
    /// # Errors
    ///
    /// Any kind.
    fn adopt<'a>(
        &'a self,
        key: &'a RecordKey,
        resolution: &'a Resolution,
    ) -> StoreFuture<'a, Settled>;

    /// At most `limit` of the keys whose outcome is unknown, in the order of their bytes, from the
    /// first one after `after`. Fewer than `limit` are the last.
    ///
    /// # Errors
    ///
    /// Any kind.
    fn unknowns<'a>(
        &'a self,
        after: Option<&'a RecordKey>,
        limit: NonZeroUsize,
    ) -> StoreFuture<'a, Vec<Unknown>>;

    /// Returns when the key may no longer be in progress, and at the latest after `limit`.
    ///
    /// At once, if it is not in progress now: a settlement between the caller's begin and its wait
    /// must not be slept through. May return early for no reason; the caller begins again. Holds no
    /// connection while it sleeps.
    ///
    /// # Errors
    ///
    /// Any kind.
    fn wait<'a>(&'a self, key: &'a RecordKey, limit: Duration) -> StoreFuture<'a, ()>;

    /// Deletes at most `limit` records that have expired, and says how many; fewer than `limit`
    /// means that none is left.
    ///
    /// Never deletes a claim whose lease lives, nor an unknown, however it races with begins. Takes
    /// no longer than its limit lets it. `begin` does not depend on it: an expired record is absent
    /// whether purged or not.
    ///
    /// # Errors
    ///
    /// Any kind.
    fn purge(&self, limit: NonZeroUsize) -> StoreFuture<'_, usize>;

    /// What this store can do beyond the law.
    fn capabilities(&self) -> Capabilities;
}

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        impl<S: IdempotencyStore + ?Sized> IdempotencyStore for $pointer {
            fn begin(&self, request: BeginRequest) -> StoreFuture<'_, Begin> {
                (**self).begin(request)
            }

            fn complete<'a>(
                &'a self,
                claim: &'a Claim,
                response: &'a StoredResponse,
                retention: Duration,
            ) -> StoreFuture<'a, Settled> {
                (**self).complete(claim, response, retention)
            }

            fn renew<'a>(&'a self, claim: &'a Claim, lease: Duration) -> StoreFuture<'a, Settled> {
                (**self).renew(claim, lease)
            }

            fn release<'a>(&'a self, claim: &'a Claim) -> StoreFuture<'a, Settled> {
                (**self).release(claim)
            }

            fn adopt<'a>(
                &'a self,
                key: &'a RecordKey,
                resolution: &'a Resolution,
            ) -> StoreFuture<'a, Settled> {
                (**self).adopt(key, resolution)
            }

            fn unknowns<'a>(
                &'a self,
                after: Option<&'a RecordKey>,
                limit: NonZeroUsize,
            ) -> StoreFuture<'a, Vec<Unknown>> {
                (**self).unknowns(after, limit)
            }

            fn wait<'a>(&'a self, key: &'a RecordKey, limit: Duration) -> StoreFuture<'a, ()> {
                (**self).wait(key, limit)
            }

            fn purge(&self, limit: NonZeroUsize) -> StoreFuture<'_, usize> {
                (**self).purge(limit)
            }

            fn capabilities(&self) -> Capabilities {
                (**self).capabilities()
            }
        }
    )*};
}

forward!(Arc<S>, Box<S>);
