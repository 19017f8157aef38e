use std::borrow::Cow;
use std::time::Duration;

use http::{HeaderName, Method, StatusCode};

use crate::profile::Promise;
use crate::{Charset, IdempotencyKey, Profile, Stores, Syntax};

const HOUR: u64 = 60 * 60;
const DAY: u64 = 24 * HOUR;
const IDEMPOTENCY_KEY: &str = "idempotency-key";

static POST: [Method; 1] = [Method::POST];
static POST_DELETE: [Method; 2] = [Method::POST, Method::DELETE];
static POST_PATCH: [Method; 2] = [Method::POST, Method::PATCH];

impl Profile {
    /// Stripe, API v1.
    ///
    /// Published at [Idempotent requests] and [Advanced error handling]: POST; at most 255
    /// characters; keys live 24 hours or longer; the answer is stored once execution has begun,
    /// a 500 too, and replayed with `Idempotent-Replayed: true`; 409 while the first request runs;
    /// other parameters are an error (400). 401 and 429 come from before the key is looked at, so
    /// they certify that nothing ran. So does a failed validation, but its 400 cannot be told from
    /// an executed one.
    ///
    /// [Idempotent requests]: https://docs.stripe.com/api/idempotent_requests
    /// [Advanced error handling]: https://docs.stripe.com/error-low-level
    #[must_use]
    pub const fn stripe_v1() -> Self {
        static PROMISE: Promise = Terms {
            in_flight: &[StatusCode::CONFLICT],
            mismatch: &[StatusCode::BAD_REQUEST],
            unexecuted: &[StatusCode::UNAUTHORIZED, StatusCode::TOO_MANY_REQUESTS],
            replay: true,
            name: "stripe_v1",
            header: Some(IDEMPOTENCY_KEY),
            methods: &POST,
            stores: Stores::Executed,
            retention_s: DAY,
            ..LEAST
        }
        .promise();
        Self::published(&PROMISE)
    }

    /// Stripe, API v2.
    ///
    /// Published at [API v2 overview]: POST and DELETE; 30 days; a success is not repeated, and a
    /// repeat after a failure drives the work to its end and answers anew. In flight 409 and
    /// mismatch 400, and 401 and 429 from before the key, as in v1. No replay marker is published.
    ///
    /// [API v2 overview]: https://docs.stripe.com/api-v2-overview#idempotency
    #[must_use]
    pub const fn stripe_v2() -> Self {
        static PROMISE: Promise = Terms {
            in_flight: &[StatusCode::CONFLICT],
            mismatch: &[StatusCode::BAD_REQUEST],
            unexecuted: &[StatusCode::UNAUTHORIZED, StatusCode::TOO_MANY_REQUESTS],
            name: "stripe_v2",
            header: Some(IDEMPOTENCY_KEY),
            methods: &POST_DELETE,
            stores: Stores::LatestState,
            retention_s: 30 * DAY,
            ..LEAST
        }
        .promise();
        Self::published(&PROMISE)
    }

    /// Adyen.
    ///
    /// Published at [API idempotency]: POST; at most 64 characters; the first attempt's answer is
    /// returned again; keys are known per company account and region. The page has named 7 days
    /// and 31 days as the least validity: here 7. The statuses of a request in flight and of another
    /// body are not published, nor any that certifies that nothing ran; the response's
    /// `idempotency-key` header does not tell a replay from a first answer.
    ///
    /// [API idempotency]: https://docs.adyen.com/development-resources/api-idempotency
    #[must_use]
    pub const fn adyen() -> Self {
        static PROMISE: Promise = Terms {
            max_len: 64,
            name: "adyen",
            header: Some(IDEMPOTENCY_KEY),
            methods: &POST,
            stores: Stores::Executed,
            retention_s: 7 * DAY,
            ..LEAST
        }
        .promise();
        Self::published(&PROMISE)
    }

    /// PayPal, REST APIs.
    ///
    /// Published at [Idempotency] and in the [Orders v2] reference: `PayPal-Request-Id` on POST; at
    /// most 108 characters; 6 hours (up to 72 on request: [`with_retention`](Self::with_retention));
    /// a repeat answers with the latest status; a key used for another request is 422. Not every
    /// API honours the header: see each one's reference. Of two simultaneous requests the second
    /// may fail, with no status published; no replay marker and no certifying status are published.
    ///
    /// [Idempotency]: https://developer.paypal.com/api/rest/reference/idempotency/
    /// [Orders v2]: https://developer.paypal.com/docs/api/orders/v2/
    #[must_use]
    pub const fn paypal() -> Self {
        static PROMISE: Promise = Terms {
            max_len: 108,
            mismatch: &[StatusCode::UNPROCESSABLE_ENTITY],
            name: "paypal",
            header: Some("paypal-request-id"),
            methods: &POST,
            stores: Stores::LatestState,
            retention_s: 6 * HOUR,
            ..LEAST
        }
        .promise();
        Self::published(&PROMISE)
    }

    /// Square, whose key stands in the body (`idempotency_key`) and not in a header.
    ///
    /// A layer cannot write into your body: you put the key there, declare it to the layer, and the
    /// layer refuses the request when it does not find the key in the body. Where it does, it adds
    /// [`KeyInBody`](crate::KeyInBody), by which the retry layer knows the request.
    ///
    /// Published at [Idempotency][square]: a repeat answers as the first *success* did; a changed
    /// request is an error. At most 45 characters, in the API reference. Characters that JSON
    /// encoders may escape are refused here, for the key must be found. Square does not publish for
    /// how long it knows a key: the hour here is caution, not a promise. Statuses and a replay
    /// marker are not published either.
    ///
    /// [square]: https://developer.squareup.com/docs/build-basics/common-api-patterns/idempotency
    #[must_use]
    pub const fn square() -> Self {
        static PROMISE: Promise = Terms {
            max_len: 45,
            charset: Charset::VISIBLE
                .without('"')
                .without('\\')
                .without('/')
                .without('<')
                .without('>')
                .without('&')
                .without('\''),
            name: "square",
            field: "idempotency_key",
            methods: &POST,
            stores: Stores::SuccessOnly,
            retention_s: HOUR,
            ..LEAST
        }
        .promise();
        Self::published(&PROMISE)
    }

    /// `RazorpayX` payouts.
    ///
    /// Published at [Payout idempotency]: `X-Payout-Idempotency` on POST (create payout and
    /// composite APIs); 4 to 36 letters, digits, `-`, `_` and spaces; 7 days; a repeat answers with
    /// the payout's latest state; another body is rejected (400). No status for a request in
    /// flight, no replay marker and no certifying status are published.
    ///
    /// [Payout idempotency]: https://razorpay.com/docs/api/x/payout-idempotency/
    #[must_use]
    pub const fn razorpay_x() -> Self {
        static PROMISE: Promise = Terms {
            min_len: 4,
            max_len: 36,
            charset: Charset::URL_SAFE.with(' '),
            mismatch: &[StatusCode::BAD_REQUEST],
            name: "razorpay_x",
            header: Some("x-payout-idempotency"),
            methods: &POST,
            stores: Stores::LatestState,
            retention_s: 7 * DAY,
            ..LEAST
        }
        .promise();
        Self::published(&PROMISE)
    }

    /// A provider that follows the IETF draft, draft-07.
    ///
    /// [The `Idempotency-Key` HTTP Header Field][draft]: a quoted string on POST and PATCH; the
    /// first result is returned again, success or error; 409 while the first request runs; 422 for
    /// another payload. The draft expired in 2026 and is no RFC. It leaves retention to each
    /// provider: the hour here is caution; set yours with [`with_retention`](Self::with_retention).
    /// It names no replay marker, and no status that certifies that nothing ran.
    ///
    /// [draft]: https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/07/
    #[must_use]
    pub const fn ietf() -> Self {
        static PROMISE: Promise = Terms {
            syntax: Syntax::Quoted,
            charset: Charset::PRINTABLE,
            in_flight: &[StatusCode::CONFLICT],
            mismatch: &[StatusCode::UNPROCESSABLE_ENTITY],
            name: "ietf",
            header: Some(IDEMPOTENCY_KEY),
            methods: &POST_PATCH,
            stores: Stores::Executed,
            retention_s: HOUR,
            ..LEAST
        }
        .promise();
        Self::published(&PROMISE)
    }

    /// A service that runs Buttress's own inbound side, with its defaults.
    ///
    /// POST and PATCH; 1 to 255 visible ASCII characters; 24 hours; 409 with `Retry-After` while
    /// the first request runs; 422 for another body; stored answers come with
    /// `Idempotent-Replayed: true`. A 409 without `Retry-After` is final: the outcome is unknown, or
    /// the handler said so. No status certifies that nothing ran, for a handler may answer with any.
    #[must_use]
    pub const fn buttress() -> Self {
        static PROMISE: Promise = Terms {
            in_flight: &[StatusCode::CONFLICT],
            in_flight_waits: true,
            mismatch: &[StatusCode::UNPROCESSABLE_ENTITY],
            replay: true,
            name: "buttress",
            header: Some(IDEMPOTENCY_KEY),
            methods: &POST_PATCH,
            stores: Stores::Executed,
            retention_s: DAY,
            ..LEAST
        }
        .promise();
        Self::published(&PROMISE)
    }
}

/// A promise in the words of a constant; a [`Promise`] cannot be updated in one.
#[derive(Clone, Copy)]
struct Terms {
    name: &'static str,
    header: Option<&'static str>,
    field: &'static str,
    methods: &'static [Method],
    syntax: Syntax,
    min_len: usize,
    max_len: usize,
    charset: Charset,
    retention_s: u64,
    stores: Stores,
    in_flight: &'static [StatusCode],
    in_flight_waits: bool,
    mismatch: &'static [StatusCode],
    unexecuted: &'static [StatusCode],
    replay: bool,
}

/// The least that anybody promises: what a provider adds stands in its constructor.
const LEAST: Terms = Terms {
    name: "",
    header: None,
    field: "",
    methods: &[],
    syntax: Syntax::Bare,
    min_len: 1,
    max_len: IdempotencyKey::MAX_LEN,
    charset: Charset::VISIBLE,
    retention_s: 0,
    stores: Stores::SuccessOnly,
    in_flight: &[],
    in_flight_waits: false,
    mismatch: &[],
    unexecuted: &[],
    replay: false,
};

impl Terms {
    const fn promise(self) -> Promise {
        Promise {
            name: Cow::Borrowed(self.name),
            methods: Cow::Borrowed(self.methods),
            header: match self.header {
                Some(name) => Some(HeaderName::from_static(name)),
                None => None,
            },
            field: Cow::Borrowed(self.field),
            syntax: self.syntax,
            min_len: self.min_len,
            max_len: self.max_len,
            charset: self.charset,
            retention: Duration::from_secs(self.retention_s),
            stores: self.stores,
            in_flight: Cow::Borrowed(self.in_flight),
            in_flight_waits: self.in_flight_waits,
            mismatch: Cow::Borrowed(self.mismatch),
            unexecuted: Cow::Borrowed(self.unexecuted),
            replay: if self.replay {
                Some((
                    HeaderName::from_static("idempotent-replayed"),
                    Cow::Borrowed("true"),
                ))
            } else {
                None
            },
        }
    }
}
