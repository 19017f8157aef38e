//! `RedisStore` keeps the store contract: on one server and on a cluster, told or polling, wrapped.

use std::time::Duration;

use buttress_store::{IdempotencyStore, Token};
use buttress_store_conformance::{Stage, idempotency};
use buttress_store_redis::{Builder, RedisStore};
use buttress_store_wrappers::{Encrypted, Keyring, Metered, TimeLimited};
use tokio::sync::OnceCell;

use crate::support::clock::Moved;
use crate::support::cluster::Cluster;
use crate::support::{Server, until};

mod support;

/// Few clauses wait for one in truth, and for no more than three.
const LEASE: Duration = Duration::from_secs(4);

async fn server() -> &'static Server {
    static SERVER: OnceCell<Server> = OnceCell::const_new();
    SERVER.get_or_init(Server::start).await
}

/// The store of a clause, whose records alone its clock ages.
async fn stage(
    builder: Builder,
    servers: Vec<String>,
    finish: impl AsyncFnOnce(RedisStore) -> Box<dyn IdempotencyStore>,
) -> Stage {
    let digits = Token::random().unwrap();
    let digits = digits.as_bytes().map(|byte| format!("{byte:02x}"));
    let prefix = format!("{}:", digits.concat());
    let store = builder.prefix(prefix.clone()).connect().await.unwrap();
    let store = finish(store).await;
    Stage::real(store, LEASE).with_clock(Moved { servers, prefix })
}

/// A store whose waiters are told.
async fn told(store: RedisStore) -> Box<dyn IdempotencyStore> {
    tokio::spawn(store.listener().run());
    until(|| store.capabilities().wakes, "the listener listens").await;
    Box::new(store)
}

/// All wrappers but `Cached`, whose copies expire by the clock of this process.
async fn wrapped(store: RedisStore) -> Box<dyn IdempotencyStore> {
    let keyring = Keyring::new(1, &[7; 32]).unwrap();
    let store = TimeLimited::new(Metered::new(store, "redis"), Duration::from_secs(30));
    Box::new(Encrypted::new(store, keyring))
}

mod one_server {
    use super::*;

    idempotency!(async {
        let url = server().await.url();
        stage(RedisStore::builder(url.as_str()), vec![url], told).await
    });
}

mod cluster {
    use super::*;

    async fn cluster() -> &'static Cluster {
        static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
        CLUSTER.get_or_init(Cluster::start).await
    }

    idempotency!(async {
        let cluster = cluster().await;
        let servers = cluster.nodes.iter().map(Server::url).collect();
        stage(cluster.store(), servers, told).await
    });
}

/// Nobody listens here: those who wait poll.
mod wrapped_and_polling {
    use super::*;

    idempotency!(async {
        let url = server().await.url();
        stage(RedisStore::builder(url.as_str()), vec![url], wrapped).await
    });
}

/// Of a user who may not ask for the version: every claim goes by script, as on Redis before 7.0.
mod scripts_alone {
    use super::*;

    async fn url() -> String {
        let server = server().await;
        let made = server.cli(&[
            "ACL", "SETUSER", "plain", "on", ">secret", "~*", "&*", "+@all", "-info",
        ]);
        assert_eq!(made, "OK");
        format!("redis://plain:secret@{}", server.address())
    }

    idempotency!(async {
        let url = url().await;
        stage(RedisStore::builder(url.as_str()), vec![url], told).await
    });
}
