//! A body that does what it is told, frame by frame.
#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Data(Vec<u8>),
    Trailers,
    Pending,
    Fail,
    Panic,
}

#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) steps: VecDeque<Step>,
    /// Whether its length is told beforehand.
    pub(crate) exact: bool,
    /// Whether it knows its end with its last frame, or only when asked again.
    pub(crate) knows_end: bool,
    pub(crate) waker: Option<Waker>,
}

pub(crate) fn script(steps: impl IntoIterator<Item = Step>) -> Script {
    Script {
        steps: steps.into_iter().collect(),
        exact: false,
        knows_end: false,
        waker: None,
    }
}

pub(crate) fn data(data: impl Into<Vec<u8>>) -> Step {
    Step::Data(data.into())
}

pub(crate) fn trailers() -> HeaderMap {
    [("checksum".parse().unwrap(), "7".parse().unwrap())]
        .into_iter()
        .collect()
}

impl Script {
    pub(crate) fn exact(mut self) -> Self {
        self.exact = true;
        self
    }

    pub(crate) fn knowing_its_end(mut self) -> Self {
        self.knows_end = true;
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.steps.iter().fold(Vec::new(), |mut all, step| {
            if let Step::Data(data) = step {
                all.extend(data);
            }
            all
        })
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match self.steps.pop_front() {
            Some(Step::Data(data)) => Poll::Ready(Some(Ok(Frame::data(data.into())))),
            Some(Step::Trailers) => Poll::Ready(Some(Ok(Frame::trailers(trailers())))),
            Some(Step::Pending) => {
                self.waker = Some(cx.waker().clone());
                Poll::Pending
            }
            Some(Step::Fail) => {
                self.steps.clear();
                Poll::Ready(Some(Err(io::Error::other("scripted"))))
            }
            Some(Step::Panic) => panic!("scripted"),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.knows_end && self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        if self.exact {
            SizeHint::with_exact(self.bytes().len() as u64)
        } else {
            SizeHint::default()
        }
    }
}
