use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use buttress_store::{StoreError, StoreErrorKind};
use redis::cluster::ClusterClientBuilder;
use redis::{AsyncConnectionConfig, Client, ConnectionInfo, IntoConnectionInfo, RedisError};

use crate::check::{Check, can_confirm};
use crate::cluster::Cluster;
use crate::layout::Names;
use crate::link::{Lanes, Link};
use crate::single::Single;
use crate::store::Shared;
use crate::waiters::Waiters;
use crate::{Confirmation, RedisStore};

/// What a prefix is unless said otherwise.
const PREFIX: &str = "buttress:idempotency:";

/// Connections, where each change is waited for behind the change before it on the same one.
const LANES_OF_CONFIRMED: usize = 8;

/// Settings of a [`RedisStore`]; each but the address has a default.
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    nodes: Result<Vec<ConnectionInfo>, RedisError>,
    cluster: bool,
    prefix: String,
    confirmation: Confirmation,
    connections: Option<NonZeroUsize>,
    connect_limit: Duration,
    response_limit: Duration,
    may_evict: bool,
}

impl Builder {
    pub(crate) fn new<T: IntoConnectionInfo>(
        nodes: impl IntoIterator<Item = T>,
        cluster: bool,
    ) -> Self {
        Self {
            nodes: nodes
                .into_iter()
                .map(IntoConnectionInfo::into_connection_info)
                .collect(),
            cluster,
            prefix: PREFIX.to_owned(),
            confirmation: Confirmation::Primary,
            connections: None,
            connect_limit: Duration::from_secs(1),
            response_limit: Duration::from_secs(2),
            may_evict: false,
        }
    }

    /// What each key of the server begins with. Default: `buttress:idempotency:`.
    ///
    /// Stores with the same prefix share their records. In a cluster, a prefix with a hash tag
    /// (`{..}`) puts all records on one node.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// What has to confirm a change before it is said to be made. Default: the primary alone.
    pub const fn confirmation(mut self, confirmation: Confirmation) -> Self {
        self.confirmation = confirmation;
        self
    }

    /// How many connections to share among all calls (in a cluster: to each node). Default: 1, or 8 if
    /// replicas or the append-only file have to confirm, for then each change holds up those behind it
    /// on its connection.
    pub const fn connections(mut self, connections: NonZeroUsize) -> Self {
        self.connections = Some(connections);
        self
    }

    /// How long connecting may take. Default: 1 second.
    pub const fn connect_limit(mut self, limit: Duration) -> Self {
        self.connect_limit = limit;
        self
    }

    /// How long a command may take, repeats included; a confirmation's own time is added. Default: 2
    /// seconds. A call that takes longer is [`Indeterminate`](StoreErrorKind::Indeterminate).
    pub const fn response_limit(mut self, limit: Duration) -> Self {
        self.response_limit = limit;
        self
    }

    /// Takes a server whose `maxmemory-policy` is not `noeviction`. Default: such a server is refused.
    ///
    /// A record that is evicted is forgotten: its key is executed again.
    pub const fn may_evict(mut self) -> Self {
        self.may_evict = true;
        self
    }

    /// Connects, and checks that every server is fit.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](StoreErrorKind::Unsupported) when a server is not fit (the source is
    /// [`Unfit`](crate::Unfit)) or an address is none; [`Unavailable`](StoreErrorKind::Unavailable)
    /// when a server cannot be reached or refuses to answer.
    ///
    /// # Cancel safety
    ///
    /// Dropping it closes what was opened.
    pub async fn connect(self) -> Result<RedisStore, StoreError> {
        let nodes = self.nodes.clone().map_err(addressing)?;
        let lanes = if self.cluster {
            Lanes::Cluster(self.cluster(&nodes).await?)
        } else {
            Lanes::Single(self.single(&nodes)?)
        };
        let link = Link::new(lanes, self.confirmation);
        let check = Check {
            cluster: self.cluster,
            may_evict: self.may_evict,
        };
        let abilities = check.run(&link).await?;
        can_confirm(&link).await?;
        Ok(RedisStore::new(Shared {
            link,
            names: Names::new(self.prefix),
            waiters: Arc::new(Waiters::default()),
            nodes,
            connect_limit: self.connect_limit,
            durability: abilities.durability,
            claims_by_command: abilities.set_nx_get,
        }))
    }

    fn single(&self, nodes: &[ConnectionInfo]) -> Result<Vec<Single>, StoreError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connect_limit))
            .set_response_timeout(Some(self.limit()));
        let node = nodes
            .first()
            .ok_or_else(|| StoreError::new(StoreErrorKind::Unsupported, "reading an address"))?;
        let client = Client::open(node.clone()).map_err(addressing)?;
        let lane = || Single::new(client.clone(), config.clone());
        Ok((0..self.lanes()).map(|_| lane()).collect())
    }

    async fn cluster(&self, nodes: &[ConnectionInfo]) -> Result<Vec<Cluster>, StoreError> {
        let client = ClusterClientBuilder::new(nodes.iter().cloned())
            .connection_timeout(self.connect_limit)
            .response_timeout(self.limit())
            .build()
            .map_err(addressing)?;
        let mut lanes = Vec::new();
        for _ in 0..self.lanes() {
            let connection = client.get_async_connection().await.map_err(|error| {
                StoreError::new(StoreErrorKind::Unavailable, "connecting").caused_by(error)
            })?;
            lanes.push(Cluster::new(connection));
        }
        Ok(lanes)
    }

    fn lanes(&self) -> usize {
        let default = match self.confirmation {
            Confirmation::Primary => 1,
            _ => LANES_OF_CONFIRMED,
        };
        self.connections.map_or(default, NonZeroUsize::get)
    }

    fn limit(&self) -> Duration {
        self.response_limit
            .saturating_add(self.confirmation.within())
    }
}

fn addressing(error: RedisError) -> StoreError {
    StoreError::new(StoreErrorKind::Unsupported, "reading an address").caused_by(error)
}
