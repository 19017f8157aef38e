/// A reqwest client as a service of [`http::Request`].
///
/// `C` is the `Client` of reqwest 0.12 or 0.13, each behind its feature. Cloning clones the client,
/// which is cheap and shares its connections.
#[derive(Clone, Debug, Default)]
pub struct Reqwest<C> {
    client: C,
}

impl<C> Reqwest<C> {
    /// A service that sends through `client`.
    #[must_use]
    pub const fn new(client: C) -> Self {
        Self { client }
    }

    /// The client inside.
    #[must_use]
    pub const fn get_ref(&self) -> &C {
        &self.client
    }

    /// The client inside.
    pub const fn get_mut(&mut self) -> &mut C {
        &mut self.client
    }

    /// The client, without this service.
    #[must_use]
    pub fn into_inner(self) -> C {
        self.client
    }
}

#[cfg(any(feature = "reqwest-0-12", feature = "reqwest-0-13"))]
macro_rules! serve {
    ($reqwest:ident) => {
        impl<B> tower_service::Service<http::Request<B>> for Reqwest<$reqwest::Client>
        where
            B: http_body::Body + Send + Sync + 'static,
            B::Data: Into<bytes::Bytes>,
            B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
        {
            type Response = http::Response<$reqwest::Body>;
            type Error = $reqwest::Error;
            type Future = crate::ResponseFuture<
                <$reqwest::Client as tower_service::Service<$reqwest::Request>>::Future,
                $reqwest::Error,
            >;

            fn poll_ready(
                &mut self,
                cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<Result<(), $reqwest::Error>> {
                tower_service::Service::poll_ready(&mut self.client, cx)
            }

            fn call(&mut self, request: http::Request<B>) -> Self::Future {
                // reqwest can repeat an empty body, as a redirect demands, but no stream.
                let request = request.map(|body| {
                    if body.is_end_stream() {
                        $reqwest::Body::default()
                    } else {
                        $reqwest::Body::wrap(body)
                    }
                });
                match $reqwest::Request::try_from(request) {
                    Ok(request) => crate::ResponseFuture::sending(tower_service::Service::call(
                        &mut self.client,
                        request,
                    )),
                    Err(error) => crate::ResponseFuture::invalid(error),
                }
            }
        }
    };
}

#[cfg(feature = "reqwest-0-12")]
serve!(reqwest_0_12);

#[cfg(feature = "reqwest-0-13")]
serve!(reqwest_0_13);
