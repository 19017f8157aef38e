use std::hash::Hash;

use http::Request;
use http::uri::Authority;

/// Says which circuit a request belongs to.
///
/// A closure `Fn(&Req) -> K` is one.
pub trait CircuitKey<Req> {
    /// What tells circuits apart. It should be cheap to make and to clone.
    type Key: Clone + Eq + Hash;

    /// The key of `request`.
    fn key(&self, request: &Req) -> Self::Key;
}

impl<Req, K: Clone + Eq + Hash, F: Fn(&Req) -> K> CircuitKey<Req> for F {
    type Key = K;

    fn key(&self, request: &Req) -> K {
        self(request)
    }
}

/// One circuit for each authority (host and port) in the URIs of HTTP requests; requests without
/// one share another.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct PerAuthority;

impl<B> CircuitKey<Request<B>> for PerAuthority {
    type Key = Option<Authority>;

    fn key(&self, request: &Request<B>) -> Option<Authority> {
        request.uri().authority().cloned()
    }
}
