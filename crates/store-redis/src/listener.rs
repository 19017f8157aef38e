use std::convert::Infallible;
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

/// Hears of settlements on a connection of its own, and wakes those of this process who wait.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) nodes: Vec<ConnectionInfo>,
    pub(crate) connect_limit: Duration,
    pub(crate) names: Names,
    pub(crate) waiters: Weak<Waiters>,
}

impl Listener {
    /// Until the last clone of the store is dropped, which is seen at the next message or pause.
    pub(crate) async fn run(self) {
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
