use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderMap, HeaderName};
use http::{Extensions, Method, StatusCode};

use crate::Charset;

/// What a provider promises about its idempotency key.
///
/// There is no default: most providers ignore a key that they do not know, so a promise must be
/// declared. Cloning is a few instructions.
#[derive(Clone, Debug)]
pub struct Profile(Terms);

#[derive(Clone, Debug)]
enum Terms {
    Published(&'static Promise),
    Custom(Arc<Promise>),
}

/// What a provider keeps under a key.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Stores {
    /// The answer of any request that began executing, failures too: it is replayed as it was.
    Executed,
    /// Nothing frozen: a repeat tells how the operation stands now, and may finish it.
    LatestState,
    /// Successes alone: after a failure the same key executes again.
    SuccessOnly,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Promise {
    pub(crate) name: Cow<'static, str>,
    pub(crate) methods: Cow<'static, [Method]>,
    pub(crate) header: Option<HeaderName>,
    pub(crate) stores: Stores,
    pub(crate) retention: Duration,
    pub(crate) in_flight: Cow<'static, [StatusCode]>,
    pub(crate) mismatch: Cow<'static, [StatusCode]>,
    pub(crate) unexecuted: Cow<'static, [StatusCode]>,
    pub(crate) replay: Option<(HeaderName, Cow<'static, str>)>,
    pub(crate) length: (usize, usize),
    pub(crate) charset: Charset,
}

const HOUR: u64 = 60 * 60;

static STRIPE_V1: Promise = Promise {
    name: Cow::Borrowed("stripe_v1"),
    methods: Cow::Borrowed({
        static POST: [Method; 1] = [Method::POST];
        &POST
    }),
    header: Some(HeaderName::from_static("idempotency-key")),
    stores: Stores::Executed,
    retention: Duration::from_secs(24 * HOUR),
    in_flight: Cow::Borrowed(&[StatusCode::CONFLICT]),
    mismatch: Cow::Borrowed(&[StatusCode::BAD_REQUEST]),
    unexecuted: Cow::Borrowed(&[StatusCode::UNAUTHORIZED, StatusCode::TOO_MANY_REQUESTS]),
    replay: Some((
        HeaderName::from_static("idempotent-replayed"),
        Cow::Borrowed("true"),
    )),
    length: (1, 255),
    charset: Charset::VISIBLE,
};

impl Profile {
    /// Stripe's API v1.
    #[must_use]
    pub const fn stripe_v1() -> Self {
        Self(Terms::Published(&STRIPE_V1))
    }

    /// The provider's name, for people and telemetry.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.promise().name
    }

    /// The header that carries the key; `None` when the key stands in the body.
    #[must_use]
    pub fn header(&self) -> Option<&HeaderName> {
        self.promise().header.as_ref()
    }

    /// Does the provider honour a key on this method?
    #[must_use]
    pub fn covers(&self, method: &Method) -> bool {
        self.promise().methods.contains(method)
    }

    /// Is this request one whose repeats the provider recognises: a covered method, with a key?
    #[must_use]
    pub fn is_keyed(&self, method: &Method, headers: &HeaderMap, _extensions: &Extensions) -> bool {
        self.covers(method) && self.header().is_some_and(|name| headers.contains_key(name))
    }

    /// What the provider keeps under a key.
    #[must_use]
    pub fn stores(&self) -> Stores {
        self.promise().stores
    }

    /// How long the provider promises to know a key, from its first use.
    #[must_use]
    pub fn retention(&self) -> Duration {
        self.promise().retention
    }

    /// Does this status say that the first request under the key is still running?
    #[must_use]
    pub fn is_in_flight(&self, status: StatusCode) -> bool {
        self.promise().in_flight.contains(&status)
    }

    /// Is this the status of a key that was used with another body?
    #[must_use]
    pub fn is_mismatch(&self, status: StatusCode) -> bool {
        self.promise().mismatch.contains(&status)
    }

    /// Do these response headers mark an answer from the provider's store?
    #[must_use]
    pub fn is_replay(&self, headers: &HeaderMap) -> bool {
        let Some((name, value)) = &self.promise().replay else {
            return false;
        };
        headers
            .get(name)
            .is_some_and(|found| found.as_bytes().eq_ignore_ascii_case(value.as_bytes()))
    }

    /// Does this status prove that nothing was executed by the request that it answers?
    ///
    /// By that request: it says nothing about an earlier one under the same key.
    #[must_use]
    pub fn certifies_unexecuted(&self, status: StatusCode) -> bool {
        self.promise().unexecuted.contains(&status)
    }

    fn promise(&self) -> &Promise {
        match &self.0 {
            Terms::Published(promise) => promise,
            Terms::Custom(promise) => promise,
        }
    }
}

impl PartialEq for Profile {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.promise(), other.promise()) || self.promise() == other.promise()
    }
}

impl Eq for Profile {}
