use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use buttress_backoff::{Jitter, Random};
use buttress_classify::{ErrorClassifier, HttpClassifier};
use tower_layer::Layer;

use crate::audience::Audience;
use crate::circuit::{Circuit, lanes_for_threads};
use crate::draft::Draft;
use crate::{BuildError, CircuitBreaker, CircuitHandle, HttpDeadline, NoDeadline, Transition};

/// Refuses calls to a service that keeps failing.
///
/// The circuit belongs to the layer: all services that it makes share it, and so do its clones.
#[derive(Clone, Debug)]
pub struct CircuitBreakerLayer<C = HttpClassifier, D = HttpDeadline> {
    circuit: Circuit,
    classifier: C,
    deadline: D,
}

impl CircuitBreakerLayer<HttpClassifier, HttpDeadline> {
    /// Starts a breaker for HTTP: statuses and errors are judged by [`HttpClassifier`], and the
    /// [`Deadline`](buttress_deadline::Deadline) is read from the request's extensions.
    pub fn http() -> Builder<HttpClassifier, HttpDeadline> {
        Builder::new(HttpClassifier, HttpDeadline)
    }
}

impl CircuitBreakerLayer<ErrorClassifier, NoDeadline> {
    /// Starts a breaker for any service: every response is a success, and errors are judged by
    /// [`ErrorClassifier`].
    pub fn any() -> Builder<ErrorClassifier, NoDeadline> {
        Builder::new(ErrorClassifier, NoDeadline)
    }
}

impl<C: Clone, D: Clone> CircuitBreakerLayer<C, D> {
    /// A layer with the same settings and listeners, and a circuit of its own.
    #[must_use]
    pub fn isolated(&self) -> Self {
        Self {
            circuit: self.circuit.isolated(),
            classifier: self.classifier.clone(),
            deadline: self.deadline.clone(),
        }
    }
}

impl<C, D> CircuitBreakerLayer<C, D> {
    /// A hand on the circuit.
    #[must_use]
    pub fn handle(&self) -> CircuitHandle {
        CircuitHandle::new(self.circuit.clone())
    }
}

impl<S, C: Clone, D: Clone> Layer<S> for CircuitBreakerLayer<C, D> {
    type Service = CircuitBreaker<S, C, D>;

    fn layer(&self, inner: S) -> Self::Service {
        CircuitBreaker::new(
            inner,
            self.circuit.clone(),
            self.classifier.clone(),
            self.deadline.clone(),
        )
    }
}

/// Settings of a [`CircuitBreakerLayer`]; each has a default.
#[derive(Debug)]
#[must_use]
pub struct Builder<C, D> {
    pub(crate) classifier: C,
    pub(crate) deadline: D,
    pub(crate) name: Arc<str>,
    pub(crate) draft: Draft,
    pub(crate) audience: Audience,
}

impl<C, D> Builder<C, D> {
    fn new(classifier: C, deadline: D) -> Self {
        Self {
            classifier,
            deadline,
            name: Arc::from(""),
            draft: Draft::default(),
            audience: Audience::default(),
        }
    }

    /// Names the circuit in errors and telemetry. Default: no name.
    ///
    /// Metrics carry it, so it should be one of a few.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Judges outcomes by `classifier`: what its verdicts say of the peer's health counts.
    ///
    /// Where it has no opinion, an error may judge itself (see
    /// [`Opinion`](buttress_classify::Opinion)); else a response is a success, an error a failure.
    pub fn classify<N>(self, classifier: N) -> Builder<N, D> {
        Builder {
            classifier,
            deadline: self.deadline,
            name: self.name,
            draft: self.draft,
            audience: self.audience,
        }
    }

    /// Reads a request's deadline by `deadline`: a call that is dropped after it is a failure.
    pub fn deadline<N>(self, deadline: N) -> Builder<C, N> {
        Builder {
            classifier: self.classifier,
            deadline,
            name: self.name,
            draft: self.draft,
            audience: self.audience,
        }
    }

    /// Opens after this many failures with no success between. Default: 5.
    pub fn consecutive_failures(mut self, failures: NonZeroU32) -> Self {
        self.draft.consecutive = Some(failures);
        self
    }

    /// Does not open for consecutive failures.
    pub fn no_consecutive_failures(mut self) -> Self {
        self.draft.consecutive = None;
        self
    }

    /// Opens when this share of the calls in a window, above 0 and at most 1, has failed.
    /// Default: 0.5.
    ///
    /// A window is judged at each failure and each slow call and, until it holds the minimum of
    /// calls, at each success.
    pub fn failure_ratio(mut self, ratio: f64) -> Self {
        self.draft.failure_ratio = Some(ratio);
        self
    }

    /// Does not open for a share of failures.
    pub fn no_failure_ratio(mut self) -> Self {
        self.draft.failure_ratio = None;
        self
    }

    /// Calls a call slow that takes longer than `limit`, and opens when this share of the calls in a
    /// window, above 0 and at most 1, was slow. Default: off.
    ///
    /// Time runs from the moment a call was first found unfinished. A slow probe fails; a dropped
    /// call older than `limit` is a failure (10 s where this is off).
    pub fn slow_calls(mut self, limit: Duration, ratio: f64) -> Self {
        self.draft.slow = Some((limit, ratio));
        self
    }

    /// Judges no window that holds fewer calls. Default: 20.
    pub fn minimum_calls(mut self, calls: NonZeroU32) -> Self {
        self.draft.minimum = calls;
        self
    }

    /// Judges ratios over the calls of the last `window`, at least 10 ms. Default: 30 s.
    ///
    /// It moves in ten steps: the calls of one tenth leave it together.
    pub fn time_window(mut self, window: Duration) -> Self {
        self.draft.time_window = Some(window);
        self
    }

    /// Judges no ratio over time.
    pub fn no_time_window(mut self) -> Self {
        self.draft.time_window = None;
        self
    }

    /// Judges ratios over the last `calls` calls as well: each new one pushes the oldest out.
    /// Default: off. At most 1 048 576.
    pub fn count_window(mut self, calls: NonZeroU32) -> Self {
        self.draft.count_window = Some(calls);
        self
    }

    /// Counts a throttled call (429) as a failure in the ratio. Default: it does not count.
    ///
    /// It is never a consecutive failure, and always fails a probe.
    pub fn count_throttled(mut self) -> Self {
        self.draft.count_throttled = true;
        self
    }

    /// Stays open this long at first, and twice as long each time a probe fails. Default: 30 s.
    ///
    /// If the outcome that opened it carried the peer's own wish (`Retry-After`), that counts instead.
    pub fn open_for(mut self, open: Duration) -> Self {
        self.draft.open_for = open;
        self
    }

    /// Lets neither growth nor the peer's wish exceed this. Default: 5 min.
    pub fn max_open(mut self, longest: Duration) -> Self {
        self.draft.max_open = longest;
        self
    }

    /// Multiplies the open time by `factor` each time a probe fails. Default: 2.
    pub fn open_growth(mut self, factor: NonZeroU32) -> Self {
        self.draft.growth = factor;
        self
    }

    /// Spreads the open time after its growth was capped; the peer's own wish is kept to the letter.
    /// Default: [`Jitter::Around(10)`](Jitter::Around), 10 % to either side.
    pub fn jitter(mut self, jitter: Jitter) -> Self {
        self.draft.jitter = jitter;
        self
    }

    /// Draws jitter from `random`. Default: the current thread's generator.
    pub fn random(mut self, random: impl Random + Send + Sync + 'static) -> Self {
        self.draft.random = Arc::new(random);
        self
    }

    /// Lets this many probes through, half-open, and closes when as many have succeeded. Default: 1.
    pub fn probes(mut self, probes: NonZeroU32) -> Self {
        self.draft.probes = probes;
        self
    }

    /// Gives a probe's place to another call when it has not been answered for this long.
    /// Default: 30 s.
    pub fn probe_timeout(mut self, limit: Duration) -> Self {
        self.draft.probe_timeout = limit;
        self
    }

    /// Refuses nothing, and counts what it would have refused. Default: refusals are real.
    pub fn shadow(mut self) -> Self {
        self.draft.shadow = true;
        self
    }

    /// Calls `listener` after each change of state, outside any lock, one change at a time, in order.
    ///
    /// It runs in the call that brought the change about, so it should be quick; it may use the
    /// handle that it is given. Its panic is caught.
    pub fn on_transition(
        mut self,
        listener: impl Fn(&CircuitHandle, &Transition) + Send + Sync + 'static,
    ) -> Self {
        self.audience.listen(listener);
        self
    }

    /// The layer, and its circuit, closed.
    ///
    /// # Errors
    ///
    /// [`BuildError`] names the first settings found that do not go together.
    pub fn build(self) -> Result<CircuitBreakerLayer<C, D>, BuildError> {
        let settings = self.draft.settings()?;
        let random = self.draft.random;
        Ok(CircuitBreakerLayer {
            circuit: Circuit::new(
                settings,
                self.name,
                random,
                self.audience,
                lanes_for_threads(),
            ),
            classifier: self.classifier,
            deadline: self.deadline,
        })
    }
}
