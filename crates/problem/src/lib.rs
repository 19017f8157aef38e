#![doc = include_str!("../README.md")]

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use serde_json::{Map, Value};

/// The media type of a rendered problem (RFC 9457 §6.1).
pub const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

/// The type of a problem that says no more than its status (RFC 9457 §4.2.1).
const ABOUT_BLANK: &str = "about:blank";

/// The standard members (RFC 9457 §3.1).
const STANDARD: [&str; 5] = ["type", "title", "status", "detail", "instance"];

/// What went wrong with a request, for its sender.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Problem {
    type_uri: Cow<'static, str>,
    title: Option<Cow<'static, str>>,
    status: StatusCode,
    detail: Option<Cow<'static, str>>,
    instance: Option<Cow<'static, str>>,
    members: Map<String, Value>,
    retry_after: Option<Duration>,
}

impl Problem {
    /// A problem that says no more than its status yet.
    pub fn new(status: StatusCode) -> Self {
        Self {
            type_uri: Cow::Borrowed(ABOUT_BLANK),
            title: None,
            status,
            detail: None,
            instance: None,
            members: Map::new(),
            retry_after: None,
        }
    }

    /// The URI that names this kind of problem; programs compare it. Default: `about:blank`.
    pub fn type_uri(mut self, uri: impl Into<Cow<'static, str>>) -> Self {
        self.type_uri = uri.into();
        self
    }

    /// A short summary, the same for every problem of the type. Default: the status's phrase.
    pub fn title(mut self, title: impl Into<Cow<'static, str>>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// What is special about this occurrence, and how to mend it. Default: left out.
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// The URI of this occurrence. Default: left out.
    pub fn instance(mut self, uri: impl Into<Cow<'static, str>>) -> Self {
        self.instance = Some(uri.into());
        self
    }

    /// Adds a member of your own (RFC 9457 §3.2); one named like a standard member is left out.
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        let name = name.into();
        if !STANDARD.contains(&name.as_str()) {
            self.members.insert(name, value.into());
        }
        self
    }

    /// Asks the sender to wait this long; rounded up to whole seconds. Default: no such header.
    pub const fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// The status it is sent with.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// Renders the body.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let title = self.title.as_deref().or(self.status.canonical_reason());
        let standard = [
            ("type", Some(Value::from(&*self.type_uri))),
            ("title", title.map(Value::from)),
            ("status", Some(Value::from(self.status.as_u16()))),
            ("detail", self.detail.as_deref().map(Value::from)),
            ("instance", self.instance.as_deref().map(Value::from)),
        ];
        let mut members = self.members.clone();
        members.extend(
            standard
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), value?))),
        );
        Value::Object(members).to_string().into()
    }

    /// Renders the whole response: status, `Content-Type`, `Retry-After` where asked for, and body.
    pub fn into_response<B: From<Bytes>>(self) -> Response<B> {
        let mut response = Response::new(B::from(self.to_bytes()));
        *response.status_mut() = self.status;
        response.headers_mut().insert(CONTENT_TYPE, MEDIA_TYPE);
        if let Some(wait) = self.retry_after {
            response
                .headers_mut()
                .insert(RETRY_AFTER, whole_seconds(wait).into());
        }
        response
    }
}

/// `wait` in whole seconds, rounded up.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs()
        .saturating_add(u64::from(wait.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;
    use proptest::prelude::*;

    use super::*;

    fn members(problem: &Problem) -> Value {
        serde_json::from_slice(&problem.to_bytes()).unwrap()
    }

    #[test]
    fn without_a_type_the_title_is_the_statuss_phrase() {
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(
            members(&problem),
            serde_json::json!({"type": "about:blank", "title": "Service Unavailable", "status": 503})
        );
    }

    #[test]
    fn a_member_of_ones_own_never_replaces_a_standard_one() {
        let problem = Problem::new(StatusCode::BAD_REQUEST)
            .detail("amount must be positive")
            .with("status", 200)
            .with("detail", "fine")
            .with("field", "amount");
        let members = members(&problem);
        assert_eq!(members["status"], 400);
        assert_eq!(members["detail"], "amount must be positive");
        assert_eq!(members["field"], "amount");
    }

    #[test]
    fn a_status_without_a_phrase_has_no_title() {
        let problem = Problem::new(StatusCode::from_u16(599).unwrap());
        assert!(members(&problem).get("title").is_none());
    }

    #[test]
    fn retry_after_is_rounded_up_and_absent_by_default() {
        let header = |wait| {
            let problem = Problem::new(StatusCode::CONFLICT).retry_after(wait);
            let response: Response<Full<Bytes>> = problem.into_response();
            response.headers()[RETRY_AFTER].to_str().unwrap().to_owned()
        };
        assert_eq!(header(Duration::ZERO), "0");
        assert_eq!(header(Duration::from_nanos(1)), "1");
        assert_eq!(header(Duration::from_secs(2)), "2");
        assert_eq!(header(Duration::MAX), u64::MAX.to_string());

        let response: Response<Bytes> = Problem::new(StatusCode::CONFLICT).into_response();
        assert!(!response.headers().contains_key(RETRY_AFTER));
    }

    proptest! {
        #[test]
        fn whatever_the_text_the_body_is_json_that_says_it(title: String, detail: String, name: String) {
            let problem = Problem::new(StatusCode::BAD_REQUEST)
                .title(title.clone())
                .detail(detail.clone())
                .with(name.clone(), "value");
            let members = members(&problem);
            prop_assert_eq!(&members["title"], &Value::from(title));
            prop_assert_eq!(&members["detail"], &Value::from(detail));
            if !STANDARD.contains(&name.as_str()) {
                prop_assert_eq!(&members[name.as_str()], "value");
            }
        }
    }
}
