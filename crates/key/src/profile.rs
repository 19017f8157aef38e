use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Extensions, Method, StatusCode};

use crate::{Charset, DerivationSecret, IdempotencyKey, Misfit, ProfileBuilder, syntax};

/// The fewest characters of a derived key: its version, and 128 bits that nobody can guess.
const DERIVED_MIN: usize = 23;

/// What a provider promises about its idempotency key.
///
/// There is no default: most providers ignore a key that they do not know, so a promise must be
/// declared. The ready ones say what the provider publishes and leave empty what it does not;
/// [`custom`](Self::custom) declares any other. Cloning costs a few instructions.
///
/// A profile is also a [`Classify`](buttress_classify::Classify), to stand before another one:
/// `(profile, HttpClassifier)`.
#[derive(Clone, Debug)]
pub struct Profile(Terms);

#[derive(Clone, Debug)]
enum Terms {
    Custom(Arc<Promise>),
    Published(&'static Promise),
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

/// How a key is written in its header.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Syntax {
    /// As it is: `Idempotency-Key: abc`. What nearly all providers read.
    Bare,
    /// As a string of RFC 8941: `Idempotency-Key: "abc"`.
    Quoted,
}

/// Marks a request whose key stands in its body, in the request's extensions.
///
/// For a profile without a header (see [`Profile::square`]) this is what
/// [`Profile::is_keyed`] looks for. The idempotency key layer adds it once it has seen the key in
/// the body; add it yourself only where that layer is not used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KeyInBody;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Promise {
    pub(crate) name: Cow<'static, str>,
    pub(crate) methods: Cow<'static, [Method]>,
    pub(crate) header: Option<HeaderName>,
    /// The field of the body, where there is no header.
    pub(crate) field: Cow<'static, str>,
    pub(crate) syntax: Syntax,
    pub(crate) min_len: usize,
    pub(crate) max_len: usize,
    pub(crate) charset: Charset,
    pub(crate) retention: Duration,
    pub(crate) stores: Stores,
    pub(crate) in_flight: Cow<'static, [StatusCode]>,
    /// An answer "in flight" says how long to wait; the same status without that is final.
    pub(crate) in_flight_waits: bool,
    pub(crate) mismatch: Cow<'static, [StatusCode]>,
    pub(crate) unexecuted: Cow<'static, [StatusCode]>,
    pub(crate) replay: Option<(HeaderName, Cow<'static, str>)>,
}

impl Profile {
    pub(crate) const fn published(promise: &'static Promise) -> Self {
        Self(Terms::Published(promise))
    }

    pub(crate) fn declared(promise: Promise) -> Self {
        Self(Terms::Custom(Arc::new(promise)))
    }

    /// Declares a provider that has no constructor here, one that reads the key from `header`.
    ///
    /// Nothing is assumed but a bare key of 1 to 255 visible ASCII characters on POST.
    pub fn custom(
        name: impl Into<Cow<'static, str>>,
        header: HeaderName,
        stores: Stores,
        retention: Duration,
    ) -> ProfileBuilder {
        ProfileBuilder::new(name.into(), header, stores, retention)
    }

    /// As [`custom`](Self::custom), for a provider that reads the key from this field of the body.
    pub fn custom_in_body(
        name: impl Into<Cow<'static, str>>,
        field: impl Into<Cow<'static, str>>,
        stores: Stores,
        retention: Duration,
    ) -> ProfileBuilder {
        ProfileBuilder::in_body(name.into(), field.into(), stores, retention)
    }

    /// The same promise for another time: what the provider's contract with *you* says.
    #[must_use]
    pub fn with_retention(self, retention: Duration) -> Self {
        let promise = self.promise().clone();
        Self::declared(Promise {
            retention,
            ..promise
        })
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

    /// The field of the body that carries the key; `None` when a header does.
    #[must_use]
    pub fn body_field(&self) -> Option<&str> {
        let promise = self.promise();
        promise.header.is_none().then_some(&*promise.field)
    }

    /// How the key is written in the header.
    #[must_use]
    pub fn syntax(&self) -> Syntax {
        self.promise().syntax
    }

    /// Does the provider honour a key on this method?
    #[must_use]
    pub fn covers(&self, method: &Method) -> bool {
        self.promise().methods.contains(method)
    }

    /// Is this request one whose repeats the provider recognises: a covered method, and a key?
    ///
    /// A header that is empty or there twice is no key: nobody knows what the provider reads in it.
    #[must_use]
    pub fn is_keyed(&self, method: &Method, headers: &HeaderMap, extensions: &Extensions) -> bool {
        self.covers(method)
            && match self.header() {
                Some(name) => {
                    let mut lines = headers.get_all(name).iter();
                    let first = lines.next().is_some_and(|line| !is_blank(line.as_bytes()));
                    first && lines.next().is_none()
                }
                None => extensions.get::<KeyInBody>().is_some(),
            }
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

    /// As [`is_in_flight`](Self::is_in_flight), for a response: [`buttress`](Self::buttress) answers
    /// its status with `Retry-After` while the request runs, and without once nobody runs it.
    pub(crate) fn tells_in_flight(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        self.is_in_flight(status)
            && (!self.promise().in_flight_waits || headers.contains_key(RETRY_AFTER))
    }

    /// Does a key that was used with another body get this status? Other faults may get it too.
    #[must_use]
    pub fn is_mismatch(&self, status: StatusCode) -> bool {
        self.promise().mismatch.contains(&status)
    }

    /// Do these response headers mark an answer that comes from the provider's memory?
    #[must_use]
    pub fn is_replay(&self, headers: &HeaderMap) -> bool {
        let Some((name, value)) = &self.promise().replay else {
            return false;
        };
        let found = headers.get(name).map(HeaderValue::as_bytes);
        found.is_some_and(|found| found.eq_ignore_ascii_case(value.as_bytes()))
    }

    /// Does this status prove that the request it answers executed nothing?
    ///
    /// It says nothing about an earlier request under the same key.
    #[must_use]
    pub fn certifies_unexecuted(&self, status: StatusCode) -> bool {
        self.promise().unexecuted.contains(&status)
    }

    /// Checks a key's length and characters against what the provider takes.
    ///
    /// # Errors
    ///
    /// [`Misfit`] says which rule the key breaks.
    pub fn check(&self, key: &IdempotencyKey) -> Result<(), Misfit> {
        let promise = self.promise();
        let length = key.as_bytes().len();
        if length < promise.min_len {
            return Err(Misfit::TooShort(promise.min_len));
        }
        if length > promise.max_len {
            return Err(Misfit::TooLong(promise.max_len));
        }
        if promise.charset.includes(key.used()) {
            Ok(())
        } else {
            Err(Misfit::Character)
        }
    }

    /// The key as its header's value, marked sensitive.
    ///
    /// A bare key shares its bytes; a quoted one is written anew.
    #[must_use]
    pub fn to_value(&self, key: &IdempotencyKey) -> HeaderValue {
        match self.promise().syntax {
            Syntax::Bare => key.as_value().clone(),
            Syntax::Quoted => syntax::quote(key),
        }
    }

    /// [`IdempotencyKey::derive`], cut to the length that this provider takes.
    ///
    /// # Errors
    ///
    /// [`Misfit`] when the provider does not take base64url, or fewer than the 23 characters that
    /// hold 128 bits.
    pub fn derive(
        &self,
        secret: &DerivationSecret,
        namespace: &str,
        operation: &str,
        entity: &str,
        generation: u32,
    ) -> Result<IdempotencyKey, Misfit> {
        let max = self.promise().max_len;
        if max < DERIVED_MIN {
            return Err(Misfit::TooLong(max));
        }
        let key = IdempotencyKey::derive(secret, namespace, operation, entity, generation).cut(max);
        self.check(&key).map(|()| key)
    }

    pub(crate) fn promise(&self) -> &Promise {
        match &self.0 {
            Terms::Custom(promise) => promise,
            Terms::Published(promise) => promise,
        }
    }
}

/// Is there nothing but space and quotes?
fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'"'))
}

impl PartialEq for Profile {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.promise(), other.promise()) || self.promise() == other.promise()
    }
}

impl Eq for Profile {}
