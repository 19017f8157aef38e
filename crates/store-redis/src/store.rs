use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use buttress_store::{
    Begin, BeginRequest, Capabilities, Claim, Durability, IdempotencyStore, RecordKey, Resolution,
    Settled, StoreError, StoreErrorKind, StoreFuture, StoredResponse, Unknown,
};
use redis::{ConnectionInfo, IntoConnectionInfo};

use crate::layout::{Names, micros, time_to_live};
use crate::link::{Confirmed, Link};
use crate::reply::{Look, Reply};
use crate::script::{self, Arg, Script};
use crate::waiters::Waiters;
use crate::{Builder, Listener};

/// An [`IdempotencyStore`] in Redis or Valkey, shared by every process that connects to it.
///
/// Clones share the connections, which close when the last one is dropped. A connection that ends is
/// made again by the next call.
#[derive(Clone)]
pub struct RedisStore {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) link: Link,
    pub(crate) names: Names,
    pub(crate) waiters: Arc<Waiters>,
    pub(crate) nodes: Vec<ConnectionInfo>,
    pub(crate) connect_limit: Duration,
    pub(crate) durability: Durability,
    /// Every server takes `SET` with `NX` and `GET`.
    pub(crate) claims_by_command: bool,
}

impl RedisStore {
    /// Connects to one server (`redis://127.0.0.1:6379/0`) with every default.
    ///
    /// # Errors
    ///
    /// As [`Builder::connect`].
    ///
    /// # Cancel safety
    ///
    /// As [`Builder::connect`].
    pub async fn connect(server: impl IntoConnectionInfo) -> Result<Self, StoreError> {
        Self::builder(server).connect().await
    }

    /// Starts from the defaults, for one server.
    pub fn builder(server: impl IntoConnectionInfo) -> Builder {
        Builder::new([server], false)
    }

    /// Starts from the defaults, for a cluster that some of these nodes belong to.
    pub fn cluster<T: IntoConnectionInfo>(nodes: impl IntoIterator<Item = T>) -> Builder {
        Builder::new(nodes, true)
    }

    /// What wakes those of this process who [`wait`](IdempotencyStore::wait), as long as it runs;
    /// without it they poll, from 10 up to 320 milliseconds apart.
    pub fn listener(&self) -> Listener {
        let shared = &self.shared;
        Listener::new(
            shared.nodes.clone(),
            shared.connect_limit,
            shared.names.clone(),
            Arc::downgrade(&shared.waiters),
        )
    }

    pub(crate) fn new(shared: Shared) -> Self {
        Self {
            shared: Arc::new(shared),
        }
    }
}

impl Shared {
    async fn settle(
        &self,
        doing: &'static str,
        script: &Script,
        key: &RecordKey,
        args: &[Arg<'_>],
    ) -> Result<Settled, StoreError> {
        let changed = self.link.change(script, &self.names.of(key), args).await;
        let Confirmed { answer, confirmed } = changed.map_err(|failure| failure.changing(doing))?;
        match Reply::read(answer)?.settled()? {
            Settled::Lost => Ok(Settled::Lost),
            _ if !confirmed => Err(unconfirmed(doing)),
            settled => Ok(settled),
        }
    }

    async fn complete(
        &self,
        claim: &Claim,
        response: &StoredResponse,
        retention: Duration,
    ) -> Result<Settled, StoreError> {
        let args = [
            Arg::Bytes(claim.token().as_bytes()),
            Arg::Number(time_to_live(micros(retention))),
            Arg::Bytes(response.encoded()),
            Arg::Flag(true),
        ];
        let args = self.if_confirmed(&args);
        let doing = "keeping an answer";
        self.settle(doing, &script::COMPLETE, claim.key(), args)
            .await
    }

    async fn adopt(&self, key: &RecordKey, resolution: &Resolution) -> Result<Settled, StoreError> {
        let doing = "adopting a key";
        match resolution {
            Resolution::Completed {
                response,
                retention,
            } => {
                let args = [
                    Arg::Number(time_to_live(micros(*retention))),
                    Arg::Bytes(response.encoded()),
                    Arg::Flag(true),
                ];
                let args = self.if_confirmed(&args);
                self.settle(doing, &script::ADOPT, key, args).await
            }
            Resolution::NotExecuted => self.settle(doing, &script::ADOPT, key, &[]).await,
        }
    }

    /// Without the last argument, where no change is confirmed: each one costs the server time.
    fn if_confirmed<'a, 'b>(&self, args: &'a [Arg<'b>]) -> &'a [Arg<'b>] {
        match args {
            [most @ .., _] if !self.link.confirms() => most,
            all => all,
        }
    }

    pub(crate) async fn look(&self, key: &RecordKey, tell: bool) -> Result<Look, StoreError> {
        let (name, args) = (self.names.of(key), [Arg::Flag(tell)]);
        let answer = self.link.run(&script::LOOK, &name, &args).await;
        Reply::read(answer.map_err(|failure| failure.reading("looking at a key"))?)?.look()
    }
}

impl IdempotencyStore for RedisStore {
    fn begin(&self, request: BeginRequest) -> StoreFuture<'_, Begin> {
        Box::pin(async move { self.shared.begin(&request).await })
    }

    fn complete<'a>(
        &'a self,
        claim: &'a Claim,
        response: &'a StoredResponse,
        retention: Duration,
    ) -> StoreFuture<'a, Settled> {
        Box::pin(self.shared.complete(claim, response, retention))
    }

    fn renew<'a>(&'a self, claim: &'a Claim, lease: Duration) -> StoreFuture<'a, Settled> {
        Box::pin(async move {
            let args = [
                Arg::Bytes(claim.token().as_bytes()),
                Arg::Number(micros(lease)),
            ];
            self.shared
                .settle("renewing a claim", &script::RENEW, claim.key(), &args)
                .await
        })
    }

    fn release<'a>(&'a self, claim: &'a Claim) -> StoreFuture<'a, Settled> {
        Box::pin(async move {
            let args = [Arg::Bytes(claim.token().as_bytes())];
            self.shared
                .settle("releasing a claim", &script::RELEASE, claim.key(), &args)
                .await
        })
    }

    fn adopt<'a>(
        &'a self,
        key: &'a RecordKey,
        resolution: &'a Resolution,
    ) -> StoreFuture<'a, Settled> {
        Box::pin(self.shared.adopt(key, resolution))
    }

    /// Looks at every key of every server, each time: for the desk of an operator, not for a request.
    fn unknowns<'a>(
        &'a self,
        after: Option<&'a RecordKey>,
        limit: NonZeroUsize,
    ) -> StoreFuture<'a, Vec<Unknown>> {
        Box::pin(self.shared.unknowns(after, limit))
    }

    fn wait<'a>(&'a self, key: &'a RecordKey, limit: Duration) -> StoreFuture<'a, ()> {
        Box::pin(self.shared.wait(key, limit))
    }

    /// Nothing is left to delete: the server throws away what has expired.
    fn purge(&self, _limit: NonZeroUsize) -> StoreFuture<'_, usize> {
        Box::pin(std::future::ready(Ok(0)))
    }

    /// Durability is what the servers said at start of their append-only files: synced before each
    /// answer, `PowerLoss`; synced later, `Crash`; none, `Process`, for a restart of a server forgets.
    /// Those who wait are woken while a [`Listener`] runs and is connected.
    fn capabilities(&self) -> Capabilities {
        let capabilities = Capabilities::new(self.shared.durability).shared();
        if self.shared.waiters.are_told() {
            capabilities.waking()
        } else {
            capabilities
        }
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").finish_non_exhaustive()
    }
}

/// The change stands on the primary, and too few said that they have it.
pub(crate) fn unconfirmed(doing: &'static str) -> StoreError {
    StoreError::new(StoreErrorKind::Indeterminate, doing).caused_by("not confirmed in time")
}
