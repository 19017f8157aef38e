use std::time::Duration;

use tower_layer::Layer;

use crate::Timeout;
use crate::clock::Span;

/// Gives every call to the inner service a time limit.
///
/// Made by [`new`](TimeoutLayer::new) for HTTP, and by [`head`](TimeoutLayer::head) for any
/// request. It has no state: clones and services share nothing.
#[derive(Clone, Copy, Debug)]
pub struct TimeoutLayer<M = Exchange> {
    limit: Span,
    mode: M,
}

/// Bounds an HTTP exchange, the response's body included; see [`TimeoutLayer::new`].
#[derive(Clone, Copy, Debug)]
pub struct Exchange {
    pub(crate) idle: Span,
    pub(crate) writes: bool,
}

/// Bounds what a call waits for, and leaves its response alone; see [`TimeoutLayer::head`].
#[derive(Clone, Copy, Debug)]
pub struct Head(());

impl TimeoutLayer<Exchange> {
    /// Fails an HTTP call whose response, head and body, is incomplete after `limit`.
    ///
    /// A late head fails the call with [`Elapsed`](crate::Elapsed); a late body fails the
    /// [`TimeoutBody`](crate::TimeoutBody) with it. A [`Deadline`](buttress_deadline::Deadline) in the request's extensions is
    /// obeyed too, the earlier one counts; a call whose deadline has passed already is not made.
    #[must_use]
    pub const fn new(limit: Duration) -> Self {
        Self {
            limit: Span::new(limit),
            mode: Exchange {
                idle: Span::NEVER,
                writes: false,
            },
        }
    }

    /// Fails a response body that is waited for, without a frame, for `limit`. Default: no such
    /// limit.
    ///
    /// Time in which nobody asks for a frame does not count.
    #[must_use]
    pub const fn idle(mut self, limit: Duration) -> Self {
        self.mode.idle = Span::new(limit);
        self
    }

    /// Writes the end of the limit into the extensions of the request that is sent on, so that
    /// layers below plan with it. Default: it is not written.
    ///
    /// An earlier [`Deadline`](buttress_deadline::Deadline) stays. A first extension costs three allocations, and three in each clone of
    /// the request.
    #[must_use]
    pub const fn deadline(mut self) -> Self {
        self.mode.writes = true;
        self
    }
}

impl TimeoutLayer<Head> {
    /// Fails a call of any kind that is unfinished after `limit`.
    ///
    /// The response is handed on untouched: if it is an HTTP response, its body has no limit.
    #[must_use]
    pub const fn head(limit: Duration) -> Self {
        Self {
            limit: Span::new(limit),
            mode: Head(()),
        }
    }
}

impl<S, M: Clone> Layer<S> for TimeoutLayer<M> {
    type Service = Timeout<S, M>;

    fn layer(&self, inner: S) -> Timeout<S, M> {
        Timeout::new(inner, self.limit, self.mode.clone())
    }
}
