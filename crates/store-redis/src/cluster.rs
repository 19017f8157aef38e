use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{
    MultipleNodeRoutingInfo, Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr,
};
use redis::{Cmd, ErrorKind, Pipeline, RedisError, Value};

use crate::failure::Failure;
use crate::single::{first_not_refused, two};

/// A connection to every primary of a cluster. The client library follows slots that move, and
/// repeats by itself: that an error tells of the last try says nothing about those before it.
pub(crate) struct Cluster {
    connection: ClusterConnection,
}

impl Cluster {
    pub(crate) const fn new(connection: ClusterConnection) -> Self {
        Self { connection }
    }

    pub(crate) async fn command(&self, key: &[u8], command: Cmd) -> Result<Value, Failure> {
        self.route(command, RoutingInfo::SingleNode(primary_of(key)))
            .await
    }

    pub(crate) async fn pipeline(
        &self,
        key: &[u8],
        pipeline: Pipeline,
    ) -> Result<Vec<Value>, Failure> {
        self.route_all(pipeline, primary_of(key)).await
    }

    /// Asks the node that a key is being moved to.
    ///
    /// The library does so too. Its `ASKING` is a command of its own, and another caller's command on
    /// the same connection may come between; in one pipeline none can.
    pub(crate) async fn asking(
        &self,
        address: &str,
        script: Cmd,
        wait: Option<&Cmd>,
    ) -> Result<(Value, Option<Value>), Failure> {
        let mut pipeline = Pipeline::with_capacity(3);
        pipeline.cmd("ASKING").add_command(script);
        if let Some(wait) = wait {
            pipeline.add_command(wait.clone());
        }
        let mut answers = self.route_all(pipeline, node(address)?).await?;
        let answers = answers.split_off(answers.len().min(1));
        first_not_refused(answers).map(two).map_err(repeated)
    }

    /// What each primary answers, by its address.
    pub(crate) async fn everywhere(&self, command: Cmd) -> Result<Vec<(String, Value)>, Failure> {
        let primaries = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
        match self.route(command, primaries).await? {
            Value::Map(answers) => Ok(answers
                .into_iter()
                .filter_map(|(address, answer)| Some((text(address)?, answer)))
                .collect()),
            _ => Err(nowhere()),
        }
    }

    pub(crate) async fn at(&self, address: &str, command: Cmd) -> Result<Value, Failure> {
        self.route(command, RoutingInfo::SingleNode(node(address)?))
            .await
    }

    pub(crate) async fn all_at(
        &self,
        address: &str,
        pipeline: Pipeline,
    ) -> Result<Vec<Value>, Failure> {
        self.route_all(pipeline, node(address)?).await
    }

    async fn route_all(
        &self,
        pipeline: Pipeline,
        node: SingleNodeRoutingInfo,
    ) -> Result<Vec<Value>, Failure> {
        let count = pipeline.len();
        let mut connection = self.connection.clone();
        let answers = connection.route_pipeline(pipeline, 0, count, node).await;
        answers.and_then(first_not_refused).map_err(repeated)
    }

    async fn route(&self, command: Cmd, routing: RoutingInfo) -> Result<Value, Failure> {
        let mut connection = self.connection.clone();
        let answer = connection.route_command(command, routing).await;
        answer.and_then(Value::extract_error).map_err(repeated)
    }
}

fn primary_of(key: &[u8]) -> SingleNodeRoutingInfo {
    SingleNodeRoutingInfo::SpecificNode(Route::with_key(key, SlotAddr::Master))
}

fn node(address: &str) -> Result<SingleNodeRoutingInfo, Failure> {
    let (host, port) = address
        .rsplit_once(':')
        .and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)))
        .ok_or_else(nowhere)?;
    Ok(SingleNodeRoutingInfo::ByAddress { host, port })
}

fn repeated(error: RedisError) -> Failure {
    Failure::sent(error).after_another(true)
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

fn nowhere() -> Failure {
    Failure::unsent(RedisError::from((
        ErrorKind::Client,
        "no node of the cluster answers this command",
    )))
}
