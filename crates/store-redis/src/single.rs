use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, Pipeline, RedisError, Value};

use crate::failure::Failure;
use crate::telemetry;

/// A connection to one server, that is made when it is needed and again when it has ended.
///
/// Made by whoever needs it first, in that caller's own future.
pub(crate) struct Single {
    client: Client,
    config: AsyncConnectionConfig,
    current: Mutex<Current>,
    connecting: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Current {
    connection: Option<MultiplexedConnection>,
    /// Serial number of the connection: who found it dead ends that one and none after it.
    generation: u64,
    /// How many tries to connect have failed, and how the last did.
    failures: u64,
    failure: Option<RedisError>,
}

impl Single {
    pub(crate) fn new(client: Client, config: AsyncConnectionConfig) -> Self {
        Self {
            client,
            config,
            current: Mutex::default(),
            connecting: tokio::sync::Mutex::default(),
        }
    }

    /// A connection that was cut while it was idle is found out by the next command, and every
    /// command here may be repeated: so that one is, once, on a new connection.
    pub(crate) async fn ask<Q: Ask>(&self, question: &Q) -> Result<Q::Answer, Failure> {
        match self.ask_once(question).await {
            Err(failure) if failure.is_cut() => self
                .ask_once(question)
                .await
                .map_err(|failure| failure.after_another(true)),
            done => done,
        }
    }

    async fn ask_once<Q: Ask>(&self, question: &Q) -> Result<Q::Answer, Failure> {
        let (generation, connection) = self.connection().await.map_err(Failure::unsent)?;
        question.ask(connection).await.map_err(|error| {
            let failure = Failure::sent(error);
            if failure.ends_connection() {
                self.end(generation, &failure);
            }
            failure
        })
    }

    async fn connection(&self) -> Result<(u64, MultiplexedConnection), RedisError> {
        let failures = match self.lock().now() {
            Ok(connection) => return Ok(connection),
            Err(failures) => failures,
        };
        let _connecting = self.connecting.lock().await;
        {
            let current = self.lock();
            if let Ok(connection) = current.now() {
                return Ok(connection);
            }
            // Somebody tried while this caller waited for its turn: that answers for both.
            if let (true, Some(failure)) = (current.failures > failures, &current.failure) {
                return Err(failure.clone());
            }
        }
        let made = self
            .client
            .get_multiplexed_async_connection_with_config(&self.config)
            .await;
        let mut current = self.lock();
        match made {
            Ok(connection) => {
                current.connection = Some(connection.clone());
                current.failure = None;
                Ok((current.generation, connection))
            }
            Err(error) => {
                current.failures = current.failures.wrapping_add(1);
                current.failure = Some(error.clone());
                Err(error)
            }
        }
    }

    fn end(&self, generation: u64, failure: &Failure) {
        let mut current = self.lock();
        if current.generation == generation {
            current.generation = generation.wrapping_add(1);
            current.connection = None;
            drop(current);
            telemetry::disconnected(failure.error());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        // A panic under the lock can only come from a failed allocation.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is sent in one go.
pub(crate) trait Ask: Sync {
    type Answer: Send;

    fn ask(
        &self,
        connection: MultiplexedConnection,
    ) -> impl Future<Output = Result<Self::Answer, RedisError>> + Send;
}

impl Ask for Cmd {
    type Answer = Value;

    async fn ask(&self, mut connection: MultiplexedConnection) -> Result<Value, RedisError> {
        let answer = connection.send_packed_command(self).await;
        answer.and_then(Value::extract_error)
    }
}

impl Ask for Pipeline {
    type Answer = Vec<Value>;

    async fn ask(&self, mut connection: MultiplexedConnection) -> Result<Vec<Value>, RedisError> {
        let answers = connection.send_packed_commands(self, 0, self.len()).await;
        answers.and_then(first_not_refused)
    }
}

/// The answers, unless the first is an error: what follows depends on it.
pub(crate) fn first_not_refused(answers: Vec<Value>) -> Result<Vec<Value>, RedisError> {
    match answers.first() {
        Some(Value::ServerError(error)) => Err(error.clone().into()),
        _ => Ok(answers),
    }
}

/// The first answer, and the second if there was one.
pub(crate) fn two(answers: Vec<Value>) -> (Value, Option<Value>) {
    let mut answers = answers.into_iter();
    (answers.next().unwrap_or_default(), answers.next())
}

impl Current {
    /// The connection, or how many tries to make one have failed so far.
    fn now(&self) -> Result<(u64, MultiplexedConnection), u64> {
        self.connection
            .clone()
            .map(|connection| (self.generation, connection))
            .ok_or(self.failures)
    }
}
