//! How often a server was sent something.

use redis::aio::MultiplexedConnection;

use super::Server;

/// Counts what one server reads; its own questions are left out.
pub(crate) struct RoundTrips {
    connection: MultiplexedConnection,
    read: u64,
}

impl RoundTrips {
    pub(crate) async fn of(server: &Server) -> Self {
        let connection = server.connection().await;
        let mut this = Self {
            connection,
            read: 0,
        };
        this.taken().await;
        this
    }

    /// Since it was last asked.
    pub(crate) async fn taken(&mut self) -> u64 {
        let mut info = redis::cmd("INFO");
        info.arg("stats");
        let stats: String = info.query_async(&mut self.connection).await.unwrap();
        let read = stats
            .lines()
            .find_map(|line| {
                line.strip_prefix("total_reads_processed:")?
                    .trim()
                    .parse()
                    .ok()
            })
            .expect("a server since Redis 6.0");
        let before = std::mem::replace(&mut self.read, read);
        read - before - 1
    }
}
