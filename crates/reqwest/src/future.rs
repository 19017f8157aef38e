use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Response;
use pin_project_lite::pin_project;

pin_project! {
    /// The future of a call through [`Reqwest`](crate::Reqwest); dropped, it gives the request up.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F, E> {
        #[pin]
        state: State<F, E>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F, E> {
        /// For reqwest.
        Sending { #[pin] response: F },
        /// The request could not be made reqwest's; `None` once that was said.
        Invalid { error: Option<E> },
    }
}

impl<F, E> ResponseFuture<F, E> {
    pub(crate) const fn sending(response: F) -> Self {
        Self {
            state: State::Sending { response },
        }
    }

    pub(crate) const fn invalid(error: E) -> Self {
        Self {
            state: State::Invalid { error: Some(error) },
        }
    }
}

macro_rules! poll {
    ($reqwest:ident) => {
        impl<F> Future for ResponseFuture<F, $reqwest::Error>
        where
            F: Future<Output = Result<$reqwest::Response, $reqwest::Error>>,
        {
            type Output = Result<Response<$reqwest::Body>, $reqwest::Error>;

            fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
                match self.project().state.project() {
                    StateProjection::Sending { response } => {
                        response.poll(cx).map_ok(Response::from)
                    }
                    StateProjection::Invalid { error } => match error.take() {
                        Some(error) => Poll::Ready(Err(error)),
                        None => Poll::Pending,
                    },
                }
            }
        }
    };
}

#[cfg(feature = "reqwest-0-12")]
poll!(reqwest_0_12);

#[cfg(feature = "reqwest-0-13")]
poll!(reqwest_0_13);

impl<F, E> fmt::Debug for ResponseFuture<F, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
