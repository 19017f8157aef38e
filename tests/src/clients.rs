//! The clients whose errors are to be told apart, behind one face.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use http_body_util::combinators::BoxBody;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::ClientConfig;
use tokio::sync::watch;
use tower_layer::Layer;
use tower_service::Service;

use crate::peer::trusting_nobody;

/// Any error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Any request's body.
pub type Body = BoxBody<Bytes, BoxError>;

/// Which client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// hyper-util's legacy client.
    HyperUtil,
    /// reqwest 0.12.
    Reqwest012,
    /// reqwest 0.13.
    Reqwest013,
}

impl Kind {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::HyperUtil, Self::Reqwest012, Self::Reqwest013];
}

/// Which HTTP.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Version {
    /// HTTP/1.1.
    One,
    /// HTTP/2, with prior knowledge.
    Two,
}

/// What a client is built with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which client.
    pub kind: Kind,
    /// Which HTTP.
    pub version: Version,
    /// How long a connection may take; forever by default.
    pub connect_timeout: Option<Duration>,
    /// Uses a new connection only after the peer has closed this many.
    pub hold_until_served: Option<(watch::Receiver<usize>, usize)>,
    /// Whom it trusts; nobody by default.
    pub tls: Option<ClientConfig>,
}

impl Settings {
    /// A client that waits forever and trusts nobody.
    #[must_use]
    pub const fn new(kind: Kind, version: Version) -> Self {
        Self {
            kind,
            version,
            connect_timeout: None,
            hold_until_served: None,
            tls: None,
        }
    }
}

/// One of the clients.
///
/// None of them tries anything again by itself, follows a redirect or asks a proxy.
#[derive(Clone, Debug)]
pub enum Client {
    /// hyper-util's legacy client.
    HyperUtil(Box<hyper_util::client::legacy::Client<HttpsConnector<Held<HttpConnector>>, Body>>),
    /// reqwest 0.12.
    Reqwest012(reqwest_0_12::Client),
    /// reqwest 0.13.
    Reqwest013(reqwest_0_13::Client),
}

impl Client {
    /// Builds it.
    ///
    /// # Errors
    ///
    /// When the client cannot be built.
    pub fn new(settings: Settings) -> Result<Self, BoxError> {
        let hold = HoldLayer(settings.hold_until_served);
        let tls = match settings.tls {
            Some(tls) => tls,
            None => trusting_nobody()?,
        };
        Ok(match settings.kind {
            Kind::HyperUtil => {
                let mut connector = HttpConnector::new();
                connector.enforce_http(false);
                connector.set_connect_timeout(settings.connect_timeout);
                let builder = HttpsConnectorBuilder::new()
                    .with_tls_config(tls)
                    .https_or_http();
                let connector = hold.layer(connector);
                let connector = match settings.version {
                    Version::One => builder.enable_http1().wrap_connector(connector),
                    Version::Two => builder.enable_http2().wrap_connector(connector),
                };
                let client = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
                    .http2_only(settings.version == Version::Two)
                    .retry_canceled_requests(false)
                    .build(connector);
                Self::HyperUtil(Box::new(client))
            }
            Kind::Reqwest012 => {
                let mut builder = reqwest_0_12::Client::builder()
                    .no_proxy()
                    .redirect(reqwest_0_12::redirect::Policy::none())
                    .retry(reqwest_0_12::retry::never())
                    .use_preconfigured_tls(tls)
                    .connector_layer(hold);
                if let Some(limit) = settings.connect_timeout {
                    builder = builder.connect_timeout(limit);
                }
                let builder = match settings.version {
                    Version::One => builder.http1_only(),
                    Version::Two => builder.http2_prior_knowledge(),
                };
                Self::Reqwest012(builder.build()?)
            }
            Kind::Reqwest013 => {
                let mut builder = reqwest_0_13::Client::builder()
                    .no_proxy()
                    .redirect(reqwest_0_13::redirect::Policy::none())
                    .retry(reqwest_0_13::retry::never())
                    .tls_backend_preconfigured(tls)
                    .connector_layer(hold);
                if let Some(limit) = settings.connect_timeout {
                    builder = builder.connect_timeout(limit);
                }
                let builder = match settings.version {
                    Version::One => builder.http1_only(),
                    Version::Two => builder.http2_prior_knowledge(),
                };
                Self::Reqwest013(builder.build()?)
            }
        })
    }

    /// Sends `request` and reads the response to its end.
    ///
    /// # Errors
    ///
    /// What the client says, as it says it.
    pub async fn send(&self, request: Request<Body>) -> Result<StatusCode, BoxError> {
        match self {
            Self::HyperUtil(client) => {
                let response = client.request(request).await?;
                let status = response.status();
                response.into_body().collect().await?;
                Ok(status)
            }
            Self::Reqwest012(client) => {
                let request = request.map(reqwest_0_12::Body::wrap);
                let response = client.execute(request.try_into()?).await?;
                let status = response.status();
                response.bytes().await?;
                Ok(status)
            }
            Self::Reqwest013(client) => {
                let request = request.map(reqwest_0_13::Body::wrap);
                let response = client.execute(request.try_into()?).await?;
                let status = response.status();
                response.bytes().await?;
                Ok(status)
            }
        }
    }
}

/// Makes connectors whose connections are used only after the peer has closed enough of them.
#[derive(Clone, Debug)]
pub struct HoldLayer(Option<(watch::Receiver<usize>, usize)>);

impl<S> Layer<S> for HoldLayer {
    type Service = Held<S>;

    fn layer(&self, inner: S) -> Held<S> {
        Held {
            inner,
            until: self.0.clone(),
        }
    }
}

/// The connector made by [`HoldLayer`].
#[derive(Clone, Debug)]
pub struct Held<S> {
    inner: S,
    until: Option<(watch::Receiver<usize>, usize)>,
}

impl<S, T> Service<T> for Held<S>
where
    S: Service<T>,
    S::Future: Send + 'static,
    S::Response: Send,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, target: T) -> Self::Future {
        let until = self.until.clone();
        let connecting = self.inner.call(target);
        Box::pin(async move {
            let connection = connecting.await?;
            if let Some((mut served, count)) = until {
                // An error means that the peer is gone, and so is its end of the connection.
                let _ = served.wait_for(|served| *served >= count).await;
            }
            Ok(connection)
        })
    }
}
