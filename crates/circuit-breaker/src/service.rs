use std::task::{Context, Poll};

use buttress_classify::{BoxError, Classify, HttpClassifier};
use tower_service::Service;

use crate::circuit::Circuit;
use crate::inner::Inner;
use crate::judge::judge;
use crate::waiters::Ticket;
use crate::{HttpDeadline, ReadDeadline, ResponseFuture};

/// The service made by [`CircuitBreakerLayer`](crate::CircuitBreakerLayer).
///
/// While calls are refused it is always ready, and the inner service is not asked. Clones share the
/// circuit.
#[derive(Debug)]
pub struct CircuitBreaker<S, C = HttpClassifier, D = HttpDeadline> {
    inner: Inner<S>,
    circuit: Circuit,
    classifier: C,
    deadline: D,
    ticket: Ticket,
}

impl<S, C, D> CircuitBreaker<S, C, D> {
    pub(crate) fn new(inner: S, circuit: Circuit, classifier: C, deadline: D) -> Self {
        Self {
            inner: Inner::new(inner),
            circuit,
            classifier,
            deadline,
            ticket: Ticket::default(),
        }
    }

    fn stop_waiting(&mut self) {
        if self.ticket.is_taken() {
            self.circuit.anchor().stop_waiting(&mut self.ticket);
        }
    }
}

impl<S, C, D, Req> Service<Req> for CircuitBreaker<S, C, D>
where
    S: Service<Req> + Clone,
    S::Error: Into<BoxError>,
    C: Classify<S::Response> + Clone,
    D: ReadDeadline<Req>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S, Req, C>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        let anchor = self.circuit.anchor();
        if anchor.core().passes() {
            match self.inner.poll_ready(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => {
                    let error = error.into();
                    anchor.record_unready(judge(&self.classifier, Err(&*error)));
                    self.stop_waiting();
                    return Poll::Ready(Err(error));
                }
                Poll::Pending => {
                    // Whoever waits here must hear of it when the circuit opens.
                    anchor.wait(&mut self.ticket, cx.waker());
                    if anchor.core().passes() {
                        return Poll::Pending;
                    }
                }
            }
        }
        self.stop_waiting();
        Poll::Ready(Ok(()))
    }

    #[inline(always)]
    fn call(&mut self, request: Req) -> Self::Future {
        self.circuit.settle_here();
        let classifier = self.classifier.clone();
        let anchor = self.circuit.anchor();
        let deadline = self.deadline.deadline(&request);
        match anchor.admit_if_closed() {
            Some(pass) if self.inner.is_readied() => {
                self.inner.call(request, classifier, deadline, anchor, pass)
            }
            _ => {
                let admitted = anchor.admit();
                let (parked, permit) = self.inner.call_later(request, deadline, anchor, admitted);
                ResponseFuture::waiting(parked, classifier, permit)
            }
        }
    }
}

impl<S: Clone, C: Clone, D: Clone> Clone for CircuitBreaker<S, C, D> {
    #[inline]
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            circuit: self.circuit.clone(),
            classifier: self.classifier.clone(),
            deadline: self.deadline.clone(),
            ticket: Ticket::default(),
        }
    }
}

impl<S, C, D> Drop for CircuitBreaker<S, C, D> {
    #[inline]
    fn drop(&mut self) {
        self.stop_waiting();
    }
}
