use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use http::{HeaderName, Method, StatusCode};

use crate::profile::Promise;
use crate::{Charset, IdempotencyKey, Profile, Stores, Syntax};

/// Declares a provider's promise; made by [`Profile::custom`].
#[derive(Clone, Debug)]
#[must_use]
pub struct ProfileBuilder(Promise);

impl ProfileBuilder {
    pub(crate) fn new(
        name: Cow<'static, str>,
        header: HeaderName,
        stores: Stores,
        retention: Duration,
    ) -> Self {
        let mut builder = Self::in_body(name, Cow::Borrowed(""), stores, retention);
        builder.0.header = Some(header);
        builder
    }

    pub(crate) fn in_body(
        name: Cow<'static, str>,
        field: Cow<'static, str>,
        stores: Stores,
        retention: Duration,
    ) -> Self {
        Self(Promise {
            name,
            methods: Cow::Owned(vec![Method::POST]),
            header: None,
            field,
            syntax: Syntax::Bare,
            min_len: 1,
            max_len: IdempotencyKey::MAX_LEN,
            charset: Charset::VISIBLE,
            retention,
            stores,
            in_flight: Cow::Borrowed(&[]),
            in_flight_waits: false,
            mismatch: Cow::Borrowed(&[]),
            unexecuted: Cow::Borrowed(&[]),
            replay: None,
        })
    }

    /// The methods on which the provider honours a key. Default: POST.
    pub fn methods(mut self, methods: impl Into<Vec<Method>>) -> Self {
        self.0.methods = Cow::Owned(methods.into());
        self
    }

    /// How the key is written in its header. Default: bare.
    pub fn syntax(mut self, syntax: Syntax) -> Self {
        self.0.syntax = syntax;
        self
    }

    /// The fewest and the most characters of a key. Default: 1 and 255.
    pub fn length(mut self, min: usize, max: usize) -> Self {
        self.0.min_len = min;
        self.0.max_len = max;
        self
    }

    /// The characters of a key. Default: visible ASCII.
    pub fn charset(mut self, charset: Charset) -> Self {
        self.0.charset = charset;
        self
    }

    /// The statuses of a request whose first try is still running. Default: none.
    ///
    /// They are retried, so none of them may also mean something final.
    pub fn in_flight(mut self, statuses: impl Into<Vec<StatusCode>>) -> Self {
        self.0.in_flight = Cow::Owned(statuses.into());
        self
    }

    /// The statuses of a key that was used with another body. Default: none.
    pub fn mismatch(mut self, statuses: impl Into<Vec<StatusCode>>) -> Self {
        self.0.mismatch = Cow::Owned(statuses.into());
        self
    }

    /// The statuses that certify that nothing was executed. Default: none.
    ///
    /// Declare one only if the provider says so: it lets a failed operation be begun anew.
    pub fn unexecuted(mut self, statuses: impl Into<Vec<StatusCode>>) -> Self {
        self.0.unexecuted = Cow::Owned(statuses.into());
        self
    }

    /// The response header and value that mark a replay. Default: none.
    pub fn replay(mut self, name: HeaderName, value: impl Into<Cow<'static, str>>) -> Self {
        self.0.replay = Some((name, value.into()));
        self
    }

    /// The profile.
    ///
    /// # Errors
    ///
    /// [`InvalidProfile`] says which declarations contradict each other.
    pub fn build(self) -> Result<Profile, InvalidProfile> {
        let promise = self.0;
        let failures = |statuses: &[StatusCode]| {
            let failure =
                |status: &StatusCode| status.is_client_error() || status.is_server_error();
            statuses.iter().all(failure)
        };
        if promise.methods.is_empty() {
            return Err(InvalidProfile::NoMethod);
        }
        if promise.min_len == 0
            || promise.min_len > promise.max_len
            || promise.max_len > IdempotencyKey::MAX_LEN
        {
            return Err(InvalidProfile::Length);
        }
        if promise.charset == Charset::EMPTY {
            return Err(InvalidProfile::NoCharacter);
        }
        if promise.retention.is_zero() {
            return Err(InvalidProfile::NoRetention);
        }
        if promise.header.is_none() && promise.field.is_empty() {
            return Err(InvalidProfile::NoField);
        }
        if promise.header.is_none() && promise.syntax == Syntax::Quoted {
            return Err(InvalidProfile::QuotedInBody);
        }
        if ![&promise.in_flight, &promise.mismatch, &promise.unexecuted]
            .into_iter()
            .all(|statuses| failures(statuses))
        {
            return Err(InvalidProfile::NoFailure);
        }
        let twofold =
            |status| promise.mismatch.contains(status) || promise.unexecuted.contains(status);
        match promise.in_flight.iter().find(|status| twofold(status)) {
            Some(&status) => Err(InvalidProfile::Ambiguous(status)),
            None => Ok(Profile::declared(promise)),
        }
    }
}

/// Declarations about a provider contradict each other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum InvalidProfile {
    /// This status is declared as in flight, which is retried, and as something final.
    Ambiguous(StatusCode),
    /// The length does not run from 1 or more up to 255 or fewer.
    Length,
    /// No character is allowed.
    NoCharacter,
    /// A declared status is neither 4xx nor 5xx.
    NoFailure,
    /// The field of the body has no name.
    NoField,
    /// No method is covered.
    NoMethod,
    /// A key that is forgotten at once protects nothing.
    NoRetention,
    /// A key in the body is not written as a header.
    QuotedInBody,
}

impl fmt::Display for InvalidProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ambiguous(status) => {
                write!(
                    f,
                    "status {} declared as in flight and as final",
                    status.as_u16()
                )
            }
            Self::Length => {
                f.write_str("key length outside 1 to 255, or its minimum above its maximum")
            }
            Self::NoCharacter => f.write_str("no character allowed in a key"),
            Self::NoFailure => f.write_str("declared status is neither 4xx nor 5xx"),
            Self::NoField => f.write_str("field of the body without a name"),
            Self::NoMethod => f.write_str("no method covered"),
            Self::NoRetention => f.write_str("retention of zero"),
            Self::QuotedInBody => f.write_str("quoted syntax for a key in the body"),
        }
    }
}

impl Error for InvalidProfile {}
