//! `RedisStore` keeps the store contract: on one server and on a cluster, told or polling, wrapped.

use std::time::Duration;

use buttress_store_conformance::{Stage, idempotency};
use buttress_store_redis::RedisStore;
use tokio::sync::OnceCell;

use crate::support::cluster::Cluster;
use crate::support::{Server, until};

mod support;

const LEASE: Duration = Duration::from_millis(500);

async fn server() -> &'static Server {
    static SERVER: OnceCell<Server> = OnceCell::const_new();
    SERVER.get_or_init(Server::start).await
}

/// A store whose waiters are told.
async fn listening(store: RedisStore) -> RedisStore {
    use buttress_store::IdempotencyStore;
    tokio::spawn(store.listen());
    until(|| store.capabilities().wakes, "the listener listens").await;
    store
}

mod one_server {
    use super::*;

    idempotency!(async {
        let store = RedisStore::connect(server().await.url()).await.unwrap();
        Stage::real(listening(store).await, LEASE)
    });
}

mod cluster {
    use super::*;

    async fn cluster() -> &'static Cluster {
        static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
        CLUSTER.get_or_init(Cluster::start).await
    }

    idempotency!(async {
        let store = cluster().await.store().connect().await.unwrap();
        Stage::real(listening(store).await, LEASE)
    });
}
