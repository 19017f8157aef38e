//! Rows in the database of a Redis server in which the idempotency records are.

use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use buttress_store::{StoreError, StoreErrorKind, StoreFuture, Token};
use buttress_store_redis::RedisStore;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{AsyncCommands, Client, RedisError, Script, ScriptInvocation, Value};

use super::rows::{Hold, RowStore, Stored};
use super::{Store, Url, record};
use crate::checkout::shop::row::Row;

/// The ids of all orders.
const IDS: &str = "{checkout}:ids";
/// The ids of those that are not settled, each with the end of its hold: 0 if there is none.
const OPEN: &str = "{checkout}:open";

/// How long a call may take.
const LIMIT: Duration = Duration::from_secs(5);

/// Milliseconds on the clock of the server.
const CLOCK: &str = "local time = redis.call('TIME') \
     local now = time[1] * 1000 + math.floor(time[2] / 1000) ";

/// What a script about one order begins with. The order is a hash.
const FOUND: &str = "local order, ids, open, id = KEYS[1], KEYS[2], KEYS[3], ARGV[1] \
     local found = redis.call('HMGET', order, 'revision', 'record', 'holder', 'until') \
     local held = found[3] and tonumber(found[4]) > now ";

static INSERT: LazyLock<Script> = LazyLock::new(|| {
    script(
        "if found[1] then return 0 end \
         local ends = now + ARGV[5] \
         redis.call('HSET', order, 'revision', 1, 'record', ARGV[3], 'holder', ARGV[4], 'until', ends) \
         redis.call('ZADD', ids, 0, id) \
         if ARGV[2] == '0' then redis.call('ZADD', open, ends, id) end \
         return 1",
    )
});

static SWAP: LazyLock<Script> = LazyLock::new(|| {
    script(
        "if found[1] ~= ARGV[4] then return 0 end \
         redis.call('HSET', order, 'revision', found[1] + 1, 'record', ARGV[3]) \
         if ARGV[2] == '0' then redis.call('ZADD', open, found[4] or 0, id) \
         else redis.call('ZREM', open, id) end \
         return 1",
    )
});

static GET: LazyLock<Script> = LazyLock::new(|| {
    script(
        "if not found[1] then return false end \
         return {tonumber(found[1]), found[2], held and found[3]}",
    )
});

static TAKE: LazyLock<Script> = LazyLock::new(|| {
    script(
        "if not found[1] or held then return false end \
         local revision, ends = found[1] + 1, now + ARGV[3] \
         redis.call('HSET', order, 'revision', revision, 'holder', ARGV[2], 'until', ends) \
         redis.call('ZADD', open, 'XX', ends, id) \
         return {revision, found[2], ARGV[2]}",
    )
});

static RENEW: LazyLock<Script> = LazyLock::new(|| {
    script(
        "if found[3] ~= ARGV[2] then return 0 end \
         redis.call('HSET', order, 'until', now + ARGV[3]) \
         redis.call('ZADD', open, 'XX', now + ARGV[3], id) \
         return 1",
    )
});

static RELEASE: LazyLock<Script> = LazyLock::new(|| {
    script(
        "if found[3] ~= ARGV[2] then return 0 end \
         redis.call('HDEL', order, 'holder', 'until') \
         redis.call('ZADD', open, 'XX', 0, id) \
         return 1",
    )
});

static ADRIFT: LazyLock<Script> = LazyLock::new(|| {
    let adrift = "return redis.call('ZRANGEBYSCORE', KEYS[1], 0, now, 'LIMIT', 0, ARGV[1])";
    Script::new(&format!("{CLOCK}{adrift}"))
});

fn script(code: &str) -> Script {
    Script::new(&format!("{CLOCK}{FOUND}{code}"))
}

/// A [`RowStore`] in Redis, which any number of processes share.
///
/// What it survives is the server's to say: one that keeps every order writes to its file before
/// it answers (`appendonly yes`, `appendfsync always`).
#[derive(Clone)]
pub struct RedisRows {
    connection: ConnectionManager,
}

/// Whether this names a server.
pub(super) fn understands(url: &str) -> bool {
    Client::open(url).is_ok()
}

/// Connects to the server, unless it is one that may evict what is written there.
pub(super) async fn open(url: &Url) -> Result<Store, StoreError> {
    let records = RedisStore::connect(url.secret()).await?;
    let rows = RedisRows::connect(url).await?;
    // Wakes those who wait for an answer of another process, as long as the records are in use.
    tokio::spawn(records.listener().run());
    Ok(Store {
        rows: Arc::new(rows),
        records: Arc::new(records),
    })
}

impl RedisRows {
    /// Connects.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn connect(url: &Url) -> Result<Self, StoreError> {
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(LIMIT))
            .set_connection_timeout(Some(LIMIT))
            .set_number_of_retries(2);
        let opening = failed("opening the orders");
        let client = Client::open(url.secret()).map_err(&opening)?;
        let connection = client.get_connection_manager_with_config(config).await;
        Ok(Self {
            connection: connection.map_err(opening)?,
        })
    }

    /// The tokens of the claims among the idempotency records, and how many answers are there.
    pub(super) async fn records(&self) -> Result<(BTreeSet<Vec<u8>>, u64), StoreError> {
        let mut connection = self.connection();
        // A scan may bring a name twice.
        let mut names = BTreeSet::<String>::new();
        let scan = connection.scan_match("buttress:idempotency:*").await;
        let mut scan = scan.map_err(failed(READING))?;
        while let Some(name) = scan.next_item().await {
            names.insert(name.map_err(failed(READING))?);
        }
        drop(scan);
        let (mut claims, mut answers) = (BTreeSet::new(), 0);
        for name in names {
            let head: Vec<u8> = connection
                .getrange(name, 0, 56)
                .await
                .map_err(failed(READING))?;
            match (head.get(1), head.get(37..53)) {
                (Some(0), Some(token)) => {
                    claims.insert(token.to_vec());
                }
                (Some(_), _) => answers += 1,
                // It expired meanwhile.
                (None, _) => {}
            }
        }
        Ok((claims, answers))
    }

    fn connection(&self) -> ConnectionManager {
        self.connection.clone()
    }

    async fn run<T: redis::FromRedisValue>(
        &self,
        doing: &'static str,
        script: &Script,
        id: &str,
        args: impl FnOnce(&mut ScriptInvocation<'_>),
    ) -> Result<T, StoreError> {
        let mut call = script.prepare_invoke();
        call.key(order(id)).key(IDS).key(OPEN).arg(id);
        args(&mut call);
        let done = call.invoke_async(&mut self.connection()).await;
        done.map_err(failed(doing))
    }

    async fn write(
        &self,
        script: &Script,
        row: &Row,
        rest: impl FnOnce(&mut ScriptInvocation<'_>),
    ) -> Result<bool, StoreError> {
        self.run(WRITING, script, &row.order.id, |call| {
            call.arg(u8::from(row.is_final())).arg(record::encode(row));
            rest(call);
        })
        .await
    }
}

impl RowStore for RedisRows {
    fn insert<'a>(&'a self, row: &'a Row, hold: Hold) -> StoreFuture<'a, bool> {
        Box::pin(self.write(&INSERT, row, move |call| with(call, hold)))
    }

    fn get<'a>(&'a self, id: &'a str) -> StoreFuture<'a, Option<Stored>> {
        Box::pin(async move { stored(self.run(READING, &GET, id, |_| ()).await?) })
    }

    fn swap<'a>(&'a self, row: &'a Row, revision: u64) -> StoreFuture<'a, bool> {
        Box::pin(self.write(&SWAP, row, move |call| {
            call.arg(revision);
        }))
    }

    fn take<'a>(&'a self, id: &'a str, hold: Hold) -> StoreFuture<'a, Option<Stored>> {
        Box::pin(async move {
            let taken = self.run(WRITING, &TAKE, id, |call| with(call, hold));
            stored(taken.await?)
        })
    }

    fn renew<'a>(&'a self, id: &'a str, hold: Hold) -> StoreFuture<'a, bool> {
        Box::pin(self.run(WRITING, &RENEW, id, move |call| with(call, hold)))
    }

    fn release<'a>(&'a self, id: &'a str, holder: Token) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let held = |call: &mut ScriptInvocation<'_>| {
                call.arg(&holder.as_bytes()[..]);
            };
            self.run(WRITING, &RELEASE, id, held)
                .await
                .map(|_: bool| ())
        })
    }

    fn adrift(&self, limit: NonZeroUsize) -> StoreFuture<'_, Vec<String>> {
        Box::pin(async move {
            let mut call = ADRIFT.prepare_invoke();
            call.key(OPEN).arg(limit.get());
            let adrift = call.invoke_async(&mut self.connection()).await;
            adrift.map_err(failed(READING))
        })
    }

    fn page<'a>(
        &'a self,
        after: Option<&'a str>,
        limit: NonZeroUsize,
    ) -> StoreFuture<'a, Vec<Row>> {
        Box::pin(async move {
            let from = after.map_or_else(|| "-".to_owned(), |after| format!("({after}"));
            let count = isize::try_from(limit.get()).unwrap_or(isize::MAX);
            let mut connection = self.connection();
            let ids = connection.zrangebylex_limit(IDS, from, "+", 0, count).await;
            let ids: Vec<String> = ids.map_err(failed(READING))?;
            // No client sends nothing.
            if ids.is_empty() {
                return Ok(Vec::new());
            }
            let mut page = redis::pipe();
            for id in &ids {
                page.hget(order(id), "record");
            }
            let records = page.query_async(&mut connection).await;
            let records: Vec<String> = records.map_err(failed(READING))?;
            records.iter().map(|text| record::decode(text)).collect()
        })
    }
}

impl fmt::Debug for RedisRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisRows").finish_non_exhaustive()
    }
}

/// The tag keeps an order and the two lists in one slot of a cluster: a script changes them at once.
fn order(id: &str) -> String {
    format!("{{checkout}}:order:{id}")
}

fn with(call: &mut ScriptInvocation<'_>, hold: Hold) {
    // What a Lua number holds exactly.
    let lease = u64::try_from(hold.lease.as_millis()).unwrap_or(u64::MAX);
    call.arg(&hold.holder.as_bytes()[..])
        .arg(lease.min(u64::MAX >> 12));
}

fn stored(found: Value) -> Result<Option<Stored>, StoreError> {
    let corrupt = || StoreError::new(StoreErrorKind::Corrupt, READING);
    let found = redis::from_redis_value::<Option<(u64, String, Option<Vec<u8>>)>>(found);
    let found = found.map_err(|error| corrupt().caused_by(error))?;
    let stored = found.map(|(revision, text, holder)| {
        let holder = holder.map(|bytes| {
            let bytes = bytes.as_slice().try_into();
            bytes
                .map(Token::from_bytes)
                .map_err(|error| corrupt().caused_by(error))
        });
        Ok(Stored {
            row: record::decode(&text)?,
            revision,
            holder: holder.transpose()?,
        })
    });
    stored.transpose()
}

const READING: &str = "reading an order";
const WRITING: &str = "writing an order";

/// What a failure means: after a write, that nobody knows, unless the server itself refused it.
fn failed(doing: &'static str) -> impl Fn(RedisError) -> StoreError {
    move |error| {
        let kind = if doing == WRITING && error.code().is_none() {
            StoreErrorKind::Indeterminate
        } else {
            StoreErrorKind::Unavailable
        };
        StoreError::new(kind, doing).caused_by(error)
    }
}
