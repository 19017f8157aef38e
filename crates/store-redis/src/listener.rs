use std::convert::Infallible;
use std::fmt;
use std::pin::pin;
use std::sync::Weak;
use std::time::Duration;

use futures_util::StreamExt;
use redis::aio::PubSub;
use redis::{Client, ConnectionInfo, ErrorKind, RedisError};
use tokio::time::{sleep, timeout};

use crate::layout::Names;
use crate::telemetry;
use crate::waiters::Waiters;

/// Before a lost connection is made again.
const PAUSE: Duration = Duration::from_millis(250);

/// Hears of settlements by other processes, and wakes those of this one who wait for them.
///
/// One for each process is enough. It holds one connection, of its own. Made by
/// [`RedisStore::listener`](crate::RedisStore::listener); spawn [`run`](Self::run). While none runs,
/// those who wait poll.
#[must_use = "nothing is heard until it runs"]
pub struct Listener {
    nodes: Vec<ConnectionInfo>,
    connect_limit: Duration,
    names: Names,
    waiters: Weak<Waiters>,
}

impl Listener {
    pub(crate) const fn new(
        nodes: Vec<ConnectionInfo>,
        connect_limit: Duration,
        names: Names,
        waiters: Weak<Waiters>,
    ) -> Self {
        Self {
            nodes,
            connect_limit,
            names,
            waiters,
        }
    }

    /// Listens until every clone of the store is gone, which it sees at the next message or pause.
    ///
    /// A connection that is lost is made again, to the next of the nodes, after 125 to 375
    /// milliseconds; those who wait poll meanwhile.
    ///
    /// # Cancel safety
    ///
    /// Dropping it is how it stops before.
    pub async fn run(self) {
        for node in self.nodes.iter().cycle() {
            if self.waiters.strong_count() == 0 {
                return;
            }
            match self.listen(node.clone()).await {
                Ok(never) => match never {},
                Err(error) => telemetry::deaf(&error),
            }
            sleep(PAUSE.mul_f64(0.5 + fastrand::f64())).await;
        }
    }

    async fn listen(&self, node: ConnectionInfo) -> Result<Infallible, RedisError> {
        let ended = || RedisError::from((ErrorKind::Io, "the connection ended"));
        let subscribed = timeout(self.connect_limit, self.subscribe(node)).await;
        let messages = subscribed.map_err(|_| ended())??.into_on_message();
        let mut messages = pin!(messages);
        let Some(waiters) = self.waiters.upgrade() else {
            return Err(ended());
        };
        let _listening = waiters.listening();
        drop(waiters);
        telemetry::listening();
        while let Some(message) = messages.next().await {
            let Some(waiters) = self.waiters.upgrade() else {
                break;
            };
            if let Some(key) = self.names.key(message.get_payload_bytes()) {
                waiters.wake(&key);
            }
        }
        Err(ended())
    }

    /// A message is told on every node of a cluster, so any of them will do.
    async fn subscribe(&self, node: ConnectionInfo) -> Result<PubSub, RedisError> {
        let mut subscriber = Client::open(node)?.get_async_pubsub().await?;
        subscriber.subscribe(self.names.channel()).await?;
        Ok(subscriber)
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").finish_non_exhaustive()
    }
}
