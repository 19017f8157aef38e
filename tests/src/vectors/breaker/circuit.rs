use std::io;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use buttress_backoff::Jitter;
use buttress_circuit_breaker::{CircuitBreakerLayer, CircuitHandle, Open, Transitions};
use buttress_classify::{BoxError, Opinion, Verdict, find};
use buttress_deadline::Deadline;
use futures_util::{FutureExt, poll};
use serde::Deserialize;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tower::util::BoxCloneService;
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_service::Service;

use super::scenario::caught;

/// What a scenario may set; times are milliseconds, and null turns a rule off.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Config {
    consecutive_failures: Option<NonZeroU32>,
    failure_ratio: Option<f64>,
    slow: Option<Slow>,
    minimum_calls: NonZeroU32,
    time_window_ms: Option<u64>,
    count_window: Option<NonZeroU32>,
    count_throttled: bool,
    open_ms: u64,
    open_growth: NonZeroU32,
    max_open_ms: u64,
    probes: NonZeroU32,
    probe_timeout_ms: u64,
    shadow: bool,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Slow {
    limit_ms: u64,
    ratio: f64,
}

/// What a window holds.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct Counts {
    calls: u64,
    failures: u64,
    #[serde(default)]
    slow: u64,
}

impl Default for Config {
    fn default() -> Self {
        const ONE: NonZeroU32 = NonZeroU32::MIN;
        Self {
            consecutive_failures: None,
            failure_ratio: None,
            slow: None,
            minimum_calls: ONE,
            time_window_ms: None,
            count_window: None,
            count_throttled: false,
            open_ms: 30_000,
            open_growth: ONE.saturating_add(1),
            max_open_ms: 300_000,
            probes: ONE,
            probe_timeout_ms: 30_000,
            shadow: false,
        }
    }
}

/// How a call ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ending {
    Failure(Option<Duration>),
    Ignored,
    Panic,
    Success,
    Throttled(Option<Duration>),
}

/// What is sent through the circuit: the news of how it will end.
struct Request {
    ending: oneshot::Receiver<Ending>,
    deadline: Option<Deadline>,
}

type Guarded = BoxCloneService<Request, (), BoxError>;

/// A circuit around a peer that does what the scenario says.
pub(super) struct Circuit {
    service: Guarded,
    pub(super) handle: CircuitHandle,
    /// A call of this age is slow.
    pub(super) slow_after: Duration,
    transitions: Transitions,
}

/// A call under way.
pub(super) struct Call {
    begun: Instant,
    ending: oneshot::Sender<Ending>,
    answer: Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>,
}

impl Circuit {
    pub(super) fn new(config: &Config) -> Result<Self, String> {
        let mut builder = CircuitBreakerLayer::any()
            .deadline(|request: &Request| request.deadline)
            .jitter(Jitter::None)
            .minimum_calls(config.minimum_calls)
            .max_open(millis(config.max_open_ms))
            .open_for(millis(config.open_ms))
            .open_growth(config.open_growth)
            .probes(config.probes)
            .probe_timeout(millis(config.probe_timeout_ms));
        builder = match config.consecutive_failures {
            Some(failures) => builder.consecutive_failures(failures),
            None => builder.no_consecutive_failures(),
        };
        builder = match config.failure_ratio {
            Some(ratio) => builder.failure_ratio(ratio),
            None => builder.no_failure_ratio(),
        };
        builder = match config.time_window_ms {
            Some(window) => builder.time_window(millis(window)),
            None => builder.no_time_window(),
        };
        if let Some(calls) = config.count_window {
            builder = builder.count_window(calls);
        }
        if let Some(slow) = config.slow {
            builder = builder.slow_calls(millis(slow.limit_ms), slow.ratio);
        }
        if config.count_throttled {
            builder = builder.count_throttled();
        }
        if config.shadow {
            builder = builder.shadow();
        }
        let layer = builder.build().map_err(|error| error.to_string())?;
        let handle = layer.handle();
        Ok(Self {
            transitions: handle.watch(),
            slow_after: config
                .slow
                .map_or(Duration::ZERO, |slow| millis(slow.limit_ms + 1)),
            handle,
            service: BoxCloneService::new(
                ServiceBuilder::new().layer(layer).service(service_fn(peer)),
            ),
        })
    }

    /// Begins a call; refused, it says for how long.
    pub(super) async fn begin(
        &mut self,
        deadline_ms: Option<u64>,
    ) -> Result<Result<Call, Option<Duration>>, String> {
        let (sender, ending) = oneshot::channel();
        let deadline = deadline_ms.map(|limit| Deadline::after(Instant::now(), millis(limit)));
        let service = self
            .service
            .ready()
            .await
            .map_err(|error| error.to_string())?;
        let mut answer = service.call(Request { ending, deadline });
        match poll!(&mut answer) {
            Poll::Pending => Ok(Ok(Call {
                begun: Instant::now(),
                ending: sender,
                answer,
            })),
            Poll::Ready(Err(error)) => match find::<Open>(&*error) {
                Some(open) => Ok(Err(open.retry_after())),
                None => Err(error.to_string()),
            },
            Poll::Ready(Ok(())) => Err("a call ended before it was told to".to_owned()),
        }
    }

    /// The state and what the time window and the count window hold.
    pub(super) fn seen(&self) -> (String, Option<Counts>, Option<Counts>) {
        let snapshot = self.handle.snapshot();
        let counts = |counts: buttress_circuit_breaker::Counts| Counts {
            calls: counts.calls,
            failures: counts.failures,
            slow: counts.slow,
        };
        (
            snapshot.state.to_string(),
            snapshot.time_window.map(counts),
            snapshot.count_window.map(counts),
        )
    }

    /// The states entered since the last time that anybody asked.
    pub(super) fn events(&mut self) -> Vec<String> {
        let next = || self.transitions.next().now_or_never().flatten();
        std::iter::from_fn(next)
            .map(|transition| transition.to.to_string())
            .collect()
    }
}

impl Call {
    pub(super) fn age(&self) -> Duration {
        self.begun.elapsed()
    }

    pub(super) async fn end(self, ending: Ending) -> Result<(), String> {
        self.ending
            .send(ending)
            .map_err(|_| "the call has ended already".to_owned())?;
        let panics = matches!(ending, Ending::Panic);
        match (caught(self.answer).await, panics) {
            (None, true) | (Some(_), false) => Ok(()),
            (None, false) => Err("the call panicked".to_owned()),
            (Some(_), true) => Err("the panic did not go on".to_owned()),
        }
    }
}

async fn peer(request: Request) -> Result<(), BoxError> {
    let verdict = match request.ending.await? {
        Ending::Success => return Ok(()),
        #[allow(clippy::panic, reason = "what the scenario asks for")]
        Ending::Panic => panic!("as the scenario says"),
        Ending::Failure(None) => return Err(io::Error::other("down").into()),
        Ending::Failure(retry_after) => Verdict::transient("503").with_retry_after(retry_after),
        Ending::Ignored => Verdict::refused("ours"),
        Ending::Throttled(retry_after) => Verdict::throttled("429").with_retry_after(retry_after),
    };
    Err(Opinion::new(verdict).into())
}

/// So many milliseconds.
pub(super) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
