use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use buttress_classify::BoxError;
use pin_project_lite::pin_project;

use super::KeyRefused;

pin_project! {
    /// The future of a call through [`OutboundIdempotencyKey`](crate::OutboundIdempotencyKey).
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProjection]
    #[derive(Debug)]
    enum State<F> {
        // The request is on its way.
        Called { #[pin] response: F },
        // The request was not sent; nothing remains once the reason is given.
        Refused { why: Option<Box<KeyRefused>> },
    }
}

impl<F> ResponseFuture<F> {
    pub(crate) const fn called(response: F) -> Self {
        Self {
            state: State::Called { response },
        }
    }

    pub(crate) const fn refused(why: Box<KeyRefused>) -> Self {
        Self {
            state: State::Refused { why: Some(why) },
        }
    }
}

impl<F, T, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    type Output = Result<T, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Called { response } => response.poll(cx).map_err(Into::into),
            StateProjection::Refused { why } => match why.take() {
                Some(why) => Poll::Ready(Err(why)),
                None => Poll::Pending,
            },
        }
    }
}
