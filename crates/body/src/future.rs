use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{HeaderMap, Response};
use http_body::Body;
use pin_project_lite::pin_project;

use crate::gather::{Gather, Stop, short};
use crate::{BoxError, Collected, Whole};

pin_project! {
    /// The future of a call through [`Collect`](crate::Collect).
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F, B> {
        #[pin]
        state: State<F, B>,
        cap: usize,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, B> {
        /// The head is awaited.
        Calling {
            #[pin]
            call: F,
        },
        /// The body is read.
        Reading {
            response: Option<Response<B>>,
            gather: Gather,
        },
    }
}

impl<F, B> ResponseFuture<F, B> {
    pub(crate) const fn new(call: F, cap: usize) -> Self {
        Self {
            state: State::Calling { call },
            cap,
        }
    }
}

impl<F, B, E> Future for ResponseFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
    B: Body + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    type Output = Result<Response<Collected>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        match this.state.as_mut().project() {
            StateProj::Calling { call } => {
                let mut response = ready!(call.poll(cx)).map_err(Into::into)?;
                let mut gather = Gather::default();
                // A body that has come with its head never moves into the state.
                match gather.poll(Pin::new(response.body_mut()), *this.cap, cx) {
                    Poll::Ready(end) => Poll::Ready(finish(response, gather, end)),
                    Poll::Pending => {
                        this.state.set(State::Reading {
                            response: Some(response),
                            gather,
                        });
                        Poll::Pending
                    }
                }
            }
            StateProj::Reading { response, gather } => {
                let Some(reading) = response.as_mut() else {
                    return Poll::Pending;
                };
                let end = ready!(gather.poll(Pin::new(reading.body_mut()), *this.cap, cx));
                let gather = mem::take(gather);
                response.take().map_or(Poll::Pending, |response| {
                    Poll::Ready(finish(response, gather, end))
                })
            }
        }
    }
}

/// The response with what was read of its body, or what went wrong there.
fn finish<B>(
    response: Response<B>,
    gather: Gather,
    end: Result<Option<HeaderMap>, Stop<B::Error>>,
) -> Result<Response<Collected>, BoxError>
where
    B: Body + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    let bytes = gather.into_bytes();
    match end {
        Ok(trailers) => Ok(response.map(|_| Whole { bytes, trailers }.into())),
        Err(Stop::Failed(error)) => Err(error.into()),
        Err(Stop::Short) => Err(short().into()),
        Err(Stop::Over(next)) => Ok(response.map(|rest| Collected::stream([bytes, next], rest))),
    }
}

impl<F, B> fmt::Debug for ResponseFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture")
            .field("cap", &self.cap)
            .finish_non_exhaustive()
    }
}
