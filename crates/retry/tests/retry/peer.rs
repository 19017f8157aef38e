//! A peer that follows a script, and minds how it is called.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use buttress_classify::{BoxError, Classify, Opinion, Verdict};
use buttress_key::{Profile, Stores};
use buttress_retry::{Attempt, Attempts, RetryLayer};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tokio::time::Instant;
use tower::{Layer, Service, ServiceExt};

pub(crate) type Body = Full<Bytes>;
pub(crate) type Answered = Result<Response<Body>, BoxError>;

/// One answer of the script.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Error(Verdict),
    Response(StatusCode, HeaderMap),
}

/// What arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) at: Instant,
    pub(crate) attempt: Option<u32>,
    pub(crate) body: Bytes,
}

/// Answers by the script, and with 200 when it has ended.
///
/// Panics when it is called without having been ready since; a clone has not been.
#[derive(Debug)]
pub(crate) struct Peer {
    script: Arc<Mutex<VecDeque<Answer>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
    ready: bool,
}

impl Peer {
    pub(crate) fn new(script: impl IntoIterator<Item = Answer>) -> Self {
        Self {
            script: Arc::new(Mutex::new(script.into_iter().collect())),
            seen: Arc::default(),
            ready: false,
        }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn calls(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// The waits between the calls.
    pub(crate) fn waits(&self) -> Vec<Duration> {
        let seen = self.seen();
        seen.windows(2)
            .map(|pair| pair[1].at.duration_since(pair[0].at))
            .collect()
    }
}

impl Clone for Peer {
    fn clone(&self) -> Self {
        Self {
            script: Arc::clone(&self.script),
            seen: Arc::clone(&self.seen),
            ready: false,
        }
    }
}

impl<B> Service<Request<B>> for Peer
where
    B: http_body::Body<Data = Bytes, Error: fmt::Debug>,
{
    type Response = Response<Body>;
    type Error = Failure;
    type Future = Ready<Result<Response<Body>, Failure>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        assert!(self.ready, "called without being ready");
        self.ready = false;
        let attempt = request.extensions().get::<Attempt>();
        let attempt = attempt.map(|attempt| attempt.0.get());
        let mut whole = tokio_test::task::spawn(request.into_body().collect());
        let Poll::Ready(Ok(whole)) = whole.poll() else {
            panic!("the body is at hand");
        };
        self.seen.lock().unwrap().push(Seen {
            at: Instant::now(),
            attempt,
            body: whole.to_bytes(),
        });
        let answer = self.script.lock().unwrap().pop_front();
        ready(answer.unwrap_or_else(|| status(200)).into_result())
    }
}

impl Answer {
    /// The same response with one more header.
    pub(crate) fn with(self, name: &'static str, value: &str) -> Self {
        let Self::Response(status, mut headers) = self else {
            panic!("errors have no headers");
        };
        headers.append(name, value.parse().unwrap());
        Self::Response(status, headers)
    }

    fn into_result(self) -> Result<Response<Body>, Failure> {
        match self {
            Self::Error(verdict) => Err(Failure(Opinion::new(verdict))),
            Self::Response(status, headers) => {
                let mut response = Response::new(Full::from("answer"));
                *response.status_mut() = status;
                *response.headers_mut() = headers;
                Ok(response)
            }
        }
    }
}

pub(crate) fn status(status: u16) -> Answer {
    Answer::Response(StatusCode::from_u16(status).unwrap(), HeaderMap::new())
}

/// The connection broke, and nobody knows what the peer did.
pub(crate) fn reset() -> Answer {
    Answer::Error(Verdict::transient("reset"))
}

/// No connection was made.
pub(crate) fn refused() -> Answer {
    Answer::Error(Verdict::transient("connect").unsent())
}

/// A circuit is open on this side.
pub(crate) fn open() -> Answer {
    Answer::Error(Verdict::refused("open"))
}

/// An error with its own verdict.
#[derive(Debug)]
pub(crate) struct Failure(Opinion);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("scripted failure")
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

pub(crate) fn request(method: Method) -> Request<Body> {
    let mut request = Request::new(Full::from("question"));
    *request.method_mut() = method;
    request
}

pub(crate) fn get() -> Request<Body> {
    request(Method::GET)
}

pub(crate) fn post() -> Request<Body> {
    request(Method::POST)
}

/// A POST with the header that most providers read a key from.
pub(crate) fn keyed() -> Request<Body> {
    let mut request = post();
    request
        .headers_mut()
        .insert("idempotency-key", "k-1".parse().unwrap());
    request
}

/// A provider that keeps successes alone under a key.
pub(crate) fn successes_alone() -> Profile {
    Profile::custom(
        "successes",
        HeaderName::from_static("idempotency-key"),
        Stores::SuccessOnly,
        Duration::from_secs(3600),
    )
    .build()
    .unwrap()
}

/// Sends one request through the layer to the peer.
pub(crate) async fn send<C>(layer: &RetryLayer<C>, peer: &Peer, request: Request<Body>) -> Answered
where
    C: Classify<Response<Body>> + Clone,
{
    layer.layer(peer.clone()).oneshot(request).await
}

/// The story in a response's extensions, or in an error.
pub(crate) fn story(answered: &Answered) -> Option<Attempts> {
    match answered {
        Ok(response) => response.extensions().get().copied(),
        Err(error) => buttress_classify::find::<buttress_retry::Exhausted>(&**error)
            .map(|exhausted| *exhausted.attempts()),
    }
}

pub(crate) fn code(answered: &Answered) -> u16 {
    answered.as_ref().unwrap().status().as_u16()
}
