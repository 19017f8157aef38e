//! Services that fail, and what their answers say.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;

use buttress_body::Answer;
use buttress_classify::BoxError;
use buttress_respond::ProblemLayer;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use tower::{ServiceBuilder, ServiceExt};

pub(crate) type Body = Full<Bytes>;

/// An error with a secret in its text, and maybe with a cause.
#[derive(Debug)]
pub(crate) struct Failed(pub(crate) Option<BoxError>);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("password hunter2 refused by 10.0.0.7")
    }
}

impl Error for Failed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.as_deref().map(|source| source as _)
    }
}

/// What a service that fails with `error` answers behind `layer`.
pub(crate) async fn answer(
    layer: ProblemLayer,
    error: impl Into<BoxError>,
) -> Response<Answer<Body>> {
    let mut error = Some(error.into());
    let service = ServiceBuilder::new()
        .layer(layer)
        .service_fn(move |_: Request<Body>| {
            let error = error.take();
            async { Err::<Response<Body>, BoxError>(error.expect("one call")) }
        });
    let sent: Result<_, Infallible> = service.oneshot(Request::default()).await;
    sent.expect("no error is left")
}

/// Status, members and whole text of a problem.
pub(crate) async fn read(response: Response<Answer<Body>>) -> (u16, Value, String) {
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8(body.to_vec()).unwrap();
    (status, serde_json::from_str(&text).unwrap(), text)
}
