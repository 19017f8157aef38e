use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use buttress_store::RecordKey;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::time::sleep;

use crate::hub::Hub;
use crate::{sql, telemetry};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Hears of settlements by other processes, and wakes those of this one who wait for them.
///
/// One for each process is enough. It holds one connection, of its own: to the server itself, for
/// behind a transaction-mode pooler nothing can be heard. Made by
/// [`PostgresStore::listener`](crate::PostgresStore::listener); spawn [`run`](Self::run). While none
/// runs, those who wait poll.
#[must_use = "nothing is heard until it runs"]
pub struct Listener {
    options: PgConnectOptions,
    hub: Arc<Hub>,
}

impl Listener {
    pub(crate) const fn new(options: PgConnectOptions, hub: Arc<Hub>) -> Self {
        Self { options, hub }
    }

    /// Listens for ever. A connection that is lost is made again, after 100 ms at first and 5 s at
    /// most; those who wait poll meanwhile.
    ///
    /// # Cancel safety
    ///
    /// Dropping it is how it stops.
    pub async fn run(self) -> Infallible {
        let _deaf_when_dropped = Deaf(&self.hub);
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match self.connect().await {
                Ok(listener) => {
                    telemetry::listening();
                    self.hub.set_listening(true);
                    pause = FIRST_PAUSE;
                    let error = self.hear(listener).await;
                    self.hub.set_listening(false);
                    error
                }
                Err(error) => Some(error),
            };
            telemetry::deaf(error.as_ref());
            // Processes that lost the same server do not all come back at once.
            sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn connect(&self) -> Result<PgListener, sqlx::Error> {
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_with(self.options.clone())
            .await?;
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.ignore_pool_close_event(true);
        listener.eager_reconnect(false);
        listener.listen(sql::CHANNEL).await?;
        Ok(listener)
    }

    /// Returns when the connection is lost, with the reason if there is one.
    async fn hear(&self, mut listener: PgListener) -> Option<sqlx::Error> {
        loop {
            match listener.try_recv().await {
                Ok(Some(notification)) => {
                    let mut key = [0; RecordKey::LEN];
                    // Anybody may notify; what is no key wakes nobody.
                    if hex::decode_to_slice(notification.payload(), &mut key).is_ok() {
                        self.hub.wake(&RecordKey::from_bytes(key));
                    }
                }
                Ok(None) => return None,
                Err(error) => return Some(error),
            }
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").finish_non_exhaustive()
    }
}

/// Nobody listens any more once this is dropped.
struct Deaf<'a>(&'a Hub);

impl Drop for Deaf<'_> {
    fn drop(&mut self) {
        self.0.set_listening(false);
    }
}
