use buttress_body::Answer;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Response};

/// The answer to a handshake. It is never free text: each scheme bounds what it repeats.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reply {
    content_type: Option<HeaderValue>,
    body: Bytes,
}

impl Reply {
    /// 200 without content.
    #[must_use]
    pub const fn empty() -> Self {
        Self {
            content_type: None,
            body: Bytes::new(),
        }
    }

    /// 200 with text, which no browser may take for anything else.
    #[must_use]
    pub fn text(text: impl Into<Bytes>) -> Self {
        Self {
            content_type: Some(HeaderValue::from_static("text/plain; charset=utf-8")),
            body: text.into(),
        }
    }

    /// 200 with JSON.
    #[must_use]
    pub fn json(json: &serde_json::Value) -> Self {
        Self {
            content_type: Some(HeaderValue::from_static("application/json")),
            body: json.to_string().into(),
        }
    }

    /// The body of the answer.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    pub(crate) fn into_response<B>(self) -> Response<Answer<B>> {
        let mut response = Response::new(Answer::own(self.body));
        if let Some(content_type) = self.content_type {
            response.headers_mut().insert(CONTENT_TYPE, content_type);
            response
                .headers_mut()
                .insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        }
        response
    }
}

/// A token that is safe to repeat: 1 to 256 characters of `[A-Za-z0-9._~-]`.
pub(crate) fn is_token(text: &str) -> bool {
    (1..=256).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte))
}
