//! `reqwest-retry`, which is a middleware of its own kind of client: measured on that client, with a
//! middleware at its end that answers instead of the network.

use std::future::Future;
use std::pin::Pin;

use http::{Extensions, Method, Uri};
use reqwest_middleware::reqwest::{self, Body, Request, Response, Url};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Next, Result};
use reqwest_retry::RetryTransientMiddleware;
use reqwest_retry::policies::ExponentialBackoff;

use crate::driver;

/// The client without a retry.
pub(crate) fn bare() -> ClientWithMiddleware {
    client().with(answer).build()
}

/// The client with one.
pub(crate) fn retry() -> ClientWithMiddleware {
    let policy = ExponentialBackoff::builder().build_with_max_retries(2);
    let retry = RetryTransientMiddleware::new_with_policy(policy);
    client().with(retry).with(answer).build()
}

/// R4 as a request of reqwest.
pub(crate) fn r4() -> Request {
    let (head, _) = driver::r4().into_parts();
    let mut request = Request::new(Method::POST, url(&head.uri));
    *request.headers_mut() = head.headers;
    *request.body_mut() = Some(Body::from(driver::FORM_BODY));
    request
}

fn url(uri: &Uri) -> Url {
    Url::parse(&uri.to_string()).expect("a whole URI")
}

fn client() -> ClientBuilder {
    ClientBuilder::new(reqwest::Client::new())
}

type Answer<'a> = Pin<Box<dyn Future<Output = Result<Response>> + Send + 'a>>;

fn answer<'a>(_: Request, _: &'a mut Extensions, _: Next<'a>) -> Answer<'a> {
    Box::pin(std::future::ready(Ok(Response::from(
        driver::answer().map(Body::wrap),
    ))))
}
