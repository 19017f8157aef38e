use std::error::Error;
use std::fmt;

use buttress_store::{Durability, StoreError, StoreErrorKind};
use redis::{RedisError, Value};

use crate::confirmation::wait_aof;
use crate::failure::Failure;
use crate::info::Info;
use crate::link::Link;
use crate::{Confirmation, telemetry};

const DOING: &str = "checking the server";

/// A server cannot keep what it would be given: the source of an
/// [`Unsupported`](StoreErrorKind::Unsupported) error at start.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Unfit {
    /// It belongs to a cluster: connect to it as one.
    Cluster,
    /// It throws records away when memory is short, under this `maxmemory-policy`.
    Evicts(String),
    /// It cannot confirm that its append-only file was synced, and says why.
    NoAppendOnlyFile(String),
    /// It is a replica, and takes no writes.
    Replica,
    /// It has fewer replicas than have to confirm each change.
    TooFewReplicas {
        /// How many are connected to it.
        connected: usize,
        /// How many have to confirm.
        wanted: usize,
    },
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster => f.write_str("the server belongs to a cluster"),
            Self::Evicts(policy) => write!(
                f,
                "maxmemory-policy is {policy}: records may be evicted, and executed again"
            ),
            Self::NoAppendOnlyFile(why) => {
                write!(
                    f,
                    "the server confirms no sync of an append-only file: {why}"
                )
            }
            Self::Replica => f.write_str("the server is a replica"),
            Self::TooFewReplicas { connected, wanted } => {
                write!(
                    f,
                    "{wanted} replicas have to confirm, {connected} are connected"
                )
            }
        }
    }
}

impl Error for Unfit {}

/// What is required of every server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Check {
    pub(crate) cluster: bool,
    pub(crate) may_evict: bool,
}

/// What all servers can do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Abilities {
    pub(crate) durability: Durability,
    /// `SET` takes `NX` and `GET` together: from Redis 7.0 on, and in every Valkey.
    pub(crate) set_nx_get: bool,
}

impl Abilities {
    const LEAST: Self = Self {
        durability: Durability::Process,
        set_nx_get: false,
    };
}

impl Check {
    /// Asks every server that holds records, and says what they all can do.
    pub(crate) async fn run(self, link: &Link) -> Result<Abilities, StoreError> {
        let answers = match link.everywhere(&redis::cmd("INFO")).await {
            Ok(answers) => answers,
            // An access list without `INFO`: the store works, and nobody knows how well.
            Err(failure) if failure.error().code() == Some("NOPERM") => {
                telemetry::unchecked(failure.error());
                return Ok(Abilities::LEAST);
            }
            Err(failure) => return Err(failure.reading(DOING)),
        };
        let mut all = Abilities {
            durability: Durability::PowerLoss,
            set_nx_get: true,
        };
        let mut version = String::new();
        let servers = answers.len();
        for (address, answer) in answers {
            let text: String = redis::from_redis_value(answer).map_err(|error| {
                let error = RedisError::from(error);
                StoreError::new(StoreErrorKind::Unavailable, DOING).caused_by(error)
            })?;
            let info = Info(&text);
            self.fitness(info, link.confirmation()).map_err(unfit)?;
            let durability = durability(link, address.as_deref(), info).await;
            all.durability = all.durability.min(durability);
            all.set_nx_get &= info.major_version() >= 7;
            let found = info.get("valkey_version").or(info.get("redis_version"));
            found.unwrap_or_default().clone_into(&mut version);
        }
        telemetry::connected(servers, &version, self.cluster);
        Ok(all)
    }

    fn fitness(self, info: Info<'_>, confirmation: Confirmation) -> Result<(), Unfit> {
        if !self.cluster && info.is("cluster_enabled", "1") {
            return Err(Unfit::Cluster);
        }
        if info.is("role", "slave") {
            return Err(Unfit::Replica);
        }
        match info.get("maxmemory_policy") {
            Some("noeviction") | None => {}
            Some(policy) if !self.may_evict => return Err(Unfit::Evicts(policy.to_owned())),
            Some(_) => {}
        }
        let connected = info.get("connected_slaves");
        let connected = connected.and_then(|count| count.parse().ok()).unwrap_or(0);
        let wanted = confirmation.replicas();
        if connected < wanted {
            return Err(Unfit::TooFewReplicas { connected, wanted });
        }
        Ok(())
    }
}

/// Asks each server for what has to follow each change: one that cannot do it says so.
pub(crate) async fn can_confirm(link: &Link) -> Result<(), StoreError> {
    if !matches!(link.confirmation(), Confirmation::AppendOnlyFile { .. }) {
        return Ok(());
    }
    match link.everywhere(&wait_aof(0, 1)).await {
        Ok(_) => Ok(()),
        Err(failure) => match refusal(&failure) {
            Some(why) => Err(unfit(Unfit::NoAppendOnlyFile(why))),
            None => Err(failure.reading(DOING)),
        },
    }
}

/// What it replies to a command that it does not know, or cannot obey.
fn refusal(failure: &Failure) -> Option<String> {
    let error = failure.error();
    (error.code() == Some("ERR")).then(|| error.detail().unwrap_or_default().to_owned())
}

/// What an acknowledged change survives on this server, as far as it tells.
async fn durability(link: &Link, address: Option<&str>, info: Info<'_>) -> Durability {
    if !info.is("aof_enabled", "1") {
        return Durability::Process;
    }
    if matches!(link.confirmation(), Confirmation::AppendOnlyFile { .. }) {
        return Durability::PowerLoss;
    }
    let mut ask = redis::cmd("CONFIG");
    ask.arg("GET").arg("appendfsync");
    // Services that manage a server refuse the question; then a second may be lost.
    let answer = link.at(address, ask).await.ok();
    let synced = answer.is_some_and(|answer: Value| {
        redis::from_redis_value::<Vec<(String, String)>>(answer)
            .is_ok_and(|found| found.iter().any(|(_, value)| value == "always"))
    });
    if synced {
        Durability::PowerLoss
    } else {
        Durability::Crash
    }
}

fn unfit(unfit: Unfit) -> StoreError {
    StoreError::new(StoreErrorKind::Unsupported, DOING).caused_by(unfit)
}
