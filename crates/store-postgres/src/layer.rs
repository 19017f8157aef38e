use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use buttress_store::Token;
use http::{Extensions, Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::open::Open;
use crate::{OpenTransaction, Transactions};

/// Hands each handler the transaction that its answer will be committed in.
///
/// It stands between the idempotency layer, whose store is the same [`Transactions`], and the
/// handler. The handler finds the way to its transaction among the request's extensions, as a
/// [`TransactionAccess`]; with the feature `axum` it takes an [`OpenTransaction`] as an argument.
///
/// An answer other than 1xx to 3xx, an error, a panic or a dropped handler rolls the transaction
/// back at once.
#[derive(Clone)]
pub struct TransactionLayer<F> {
    transactions: Transactions,
    token: F,
}

impl<F> TransactionLayer<F>
where
    F: Fn(&Extensions) -> Option<Token>,
{
    /// `token` finds the name of the execution's claim among the request's extensions, where the
    /// idempotency layer put it. A request that has none passes without a transaction.
    #[must_use]
    pub const fn new(transactions: Transactions, token: F) -> Self {
        Self {
            transactions,
            token,
        }
    }
}

impl<F> fmt::Debug for TransactionLayer<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransactionLayer").finish_non_exhaustive()
    }
}

impl<S, F: Clone> Layer<S> for TransactionLayer<F> {
    type Service = InTransaction<S, F>;

    fn layer(&self, inner: S) -> Self::Service {
        InTransaction {
            inner,
            layer: self.clone(),
        }
    }
}

/// The service made by [`TransactionLayer`].
#[derive(Clone, Debug)]
pub struct InTransaction<S, F> {
    inner: S,
    layer: TransactionLayer<F>,
}

impl<S, F, B, R> Service<Request<B>> for InTransaction<S, F>
where
    S: Service<Request<B>, Response = Response<R>>,
    F: Fn(&Extensions) -> Option<Token>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = TransactionFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let TransactionLayer {
            transactions,
            token,
        } = &self.layer;
        let open = token(request.extensions()).and_then(|token| transactions.open(&token));
        if let Some(open) = &open {
            let access = TransactionAccess(Arc::clone(open));
            request.extensions_mut().insert(access);
        }
        TransactionFuture {
            // The handler's future goes before its transaction.
            response: self.inner.call(request),
            undo: open.map(|open| Undo(Some(open))),
        }
    }
}

/// The way to an execution's transaction, in its request's extensions.
#[derive(Clone, Debug)]
pub struct TransactionAccess(Arc<Open>);

impl TransactionAccess {
    /// The transaction. `None` while somebody has it, and once it was rolled back.
    #[must_use]
    pub fn enter(&self) -> Option<OpenTransaction> {
        self.0.enter()
    }
}

pin_project! {
    /// The future of a call through [`InTransaction`].
    #[derive(Debug)]
    pub struct TransactionFuture<F> {
        #[pin]
        response: F,
        undo: Option<Undo>,
    }
}

impl<F, R, E> Future for TransactionFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = ready!(this.response.poll(cx));
        if let (Ok(response), Some(undo)) = (&answer, this.undo.take()) {
            let status = response.status();
            if !status.is_client_error() && !status.is_server_error() {
                undo.disarm();
            }
        }
        Poll::Ready(answer)
    }
}

/// Rolls back when it is dropped, unless it was disarmed.
#[derive(Debug)]
struct Undo(Option<Arc<Open>>);

impl Undo {
    /// The transaction stays as it is, for whoever commits it.
    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        if let Some(open) = &self.0 {
            open.undo();
        }
    }
}
