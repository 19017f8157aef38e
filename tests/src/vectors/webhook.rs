//! Deliveries of many senders, each with what must become of it.

mod flip;
mod scheme;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use buttress_webhook::{BoxScheme, WebhookVerifyLayer};
use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{Full, StreamBody};
use serde::Deserialize;
use tower::ServiceExt;
use tower_layer::Layer;

pub use self::flip::{Delivery, Flip};

/// The vectors that are known to be wrong, each with the source that shows it.
const DISPUTED: &str = include_str!("../../vectors/DISPUTED.md");

/// A delivery, and what must become of it.
#[derive(Clone, Debug, Deserialize)]
pub struct Vector {
    /// Sender and case, between a slash.
    pub id: String,
    provider: String,
    secret: String,
    method: String,
    url: String,
    headers: BTreeMap<String, String>,
    body_base64: String,
    now_unix: u64,
    expect: Expect,
    #[serde(default)]
    reason: String,
    /// Whether a library of the sender's has checked it.
    #[serde(default)]
    pub confirmed: bool,
    #[serde(default)]
    extra: Extra,
}

/// What must become of a delivery.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Expect {
    /// It reaches the handler.
    Ok,
    /// It does not.
    Reject,
}

/// Keys that a receiver would fetch.
#[derive(Clone, Debug, Default, Deserialize)]
struct Extra {
    cert_pem: Option<String>,
    cert_url: Option<String>,
    jwk: Option<serde_json::Value>,
}

impl Vector {
    /// The vectors of a file's text.
    ///
    /// # Errors
    /// When it is not a list of vectors.
    pub fn parse(text: &str) -> Result<Vec<Self>, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// What must become of it.
    #[must_use]
    pub const fn expects(&self) -> Expect {
        self.expect
    }

    /// Who sends.
    #[must_use]
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// Its scheme, at the origin of its URL, and the delivery itself; `None` if there can be none.
    #[must_use]
    pub fn genuine(&self) -> Option<(BoxScheme, Delivery)> {
        let scheme = scheme::at_origin(self).ok()?;
        let body = STANDARD.decode(&self.body_base64).ok()?;
        let request = self.head().body(Bytes::from(body)).ok()?;
        Some((scheme, Delivery::new(request)))
    }

    fn head(&self) -> http::request::Builder {
        let path = self.url.parse::<http::Uri>().ok();
        let path = path.as_ref().and_then(http::Uri::path_and_query);
        let request = Request::builder()
            .method(&*self.method)
            .uri(path.map_or("/", http::uri::PathAndQuery::as_str));
        self.headers.iter().fold(request, |request, (name, value)| {
            request.header(name, value)
        })
    }

    /// The time that counts as now.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.now_unix)
    }

    /// Whether a source shows that it is wrong.
    #[must_use]
    pub fn disputed(&self) -> bool {
        DISPUTED.contains(&format!("`{}`", self.id))
    }

    /// Verifies it through the layer, with the body whole and in odd pieces, and tells the
    /// difference from what must become of it, if there is one.
    pub async fn difference(&self) -> Option<String> {
        let scheme = match scheme::of(self) {
            Ok(scheme) => scheme,
            Err(scheme::Error::Unknown) => return Some("unknown provider".to_owned()),
            // A scheme that cannot be made accepts nothing.
            Err(scheme::Error::Refused(why)) => return self.against(Expect::Reject, &why),
        };
        let Ok(body) = STANDARD.decode(&self.body_base64) else {
            return Some("the body is not base64".to_owned());
        };
        let body = Bytes::from(body);
        let clock = self.now();
        let layer = WebhookVerifyLayer::new(scheme).clock(move || clock);
        let whole = self.send(&layer, Full::new(body.clone()), &body).await;
        if let Some(difference) = whole {
            return Some(difference);
        }
        let pieces = body.chunks(7).map(Bytes::copy_from_slice);
        let pieces: Vec<_> = pieces
            .map(|piece| Ok::<_, Infallible>(Frame::data(piece)))
            .collect();
        let pieces = StreamBody::new(stream::iter(pieces));
        let difference = self.send(&layer, pieces, &body).await;
        difference.map(|difference| format!("in pieces: {difference}"))
    }

    async fn send<B>(
        &self,
        layer: &WebhookVerifyLayer<buttress_webhook::Fixed<BoxScheme>>,
        body: B,
        exact: &Bytes,
    ) -> Option<String>
    where
        B: http_body::Body,
    {
        // A request that cannot be written down cannot arrive.
        let Ok(request) = self.head().body(body) else {
            return self.against(Expect::Reject, "no HTTP request");
        };
        let handler = tower::service_fn(|request: Request<buttress_body::Collected>| async move {
            let body = request.into_body();
            Ok::<_, Infallible>(Response::new(Full::new(
                body.bytes().cloned().unwrap_or_default(),
            )))
        });
        let response = match layer.layer(handler).oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let status = response.status();
        if response.body().is_own() || status != StatusCode::OK {
            return self.against(Expect::Reject, status.as_str());
        }
        let echoed = http_body_util::BodyExt::collect(response.into_body()).await;
        let echoed = echoed.map(http_body_util::Collected::to_bytes);
        if echoed.as_ref() != Ok(exact) {
            return Some("the handler received other bytes".to_owned());
        }
        self.against(Expect::Ok, "accepted")
    }

    fn against(&self, outcome: Expect, why: &str) -> Option<String> {
        let expected = self.expect;
        (outcome != expected).then(|| {
            format!(
                "expected {expected:?} ({}), got {outcome:?} ({why})",
                self.reason
            )
        })
    }
}
