use std::error::Error;
use std::fmt;
use std::time::SystemTime;

use http::{HeaderValue, Request};

use super::part::feed;
use super::scheme::HmacScheme;
use super::time::Place;
use crate::Refused;

impl HmacScheme {
    /// Signs a request as this sender would: for tests, and for programs that send webhooks.
    ///
    /// Writes the timestamp, where it is a header, and the signature, made with the first secret.
    /// Everything else that is signed must stand in the request already: the body in whole, and
    /// with Standard Webhooks the `webhook-id`.
    ///
    /// ```
    /// use std::time::SystemTime;
    /// use buttress_webhook::standard_webhooks;
    /// use http::Request;
    ///
    /// let scheme = standard_webhooks("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")?;
    /// let mut request = Request::post("/hook").header("webhook-id", "msg_1").body("{}")?;
    /// scheme.sign(&mut request, SystemTime::now())?;
    /// assert!(request.headers().contains_key("webhook-signature"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`SignError`] when a header that is signed is absent, repeated, or contains the separator
    /// that follows it.
    pub fn sign<B: AsRef<[u8]>>(
        &self,
        request: &mut Request<B>,
        now: SystemTime,
    ) -> Result<(), SignError> {
        let time = self.shape.timestamp.as_ref().map(|time| time.number(now));
        let time = time.map(|number| number.to_string());
        let time = time.as_deref();
        if let Some(Place::Header(name)) = self.shape.timestamp.as_ref().map(|time| &time.place) {
            let value =
                HeaderValue::from_str(time.unwrap_or_default()).map_err(|_| SignError(()))?;
            request.headers_mut().insert(name, value);
        }
        let (mut head, ()) = Request::new(()).into_parts();
        head.method = request.method().clone();
        head.uri = request.uri().clone();
        head.headers.clone_from(request.headers());

        let signed = time.map(str::as_bytes);
        let mut message = Vec::new();
        let mut each = |piece: &[u8]| message.extend_from_slice(piece);
        let refused = |_: Refused| SignError(());
        feed(&self.shape.before, &head, signed, &mut each).map_err(refused)?;
        each(request.body().as_ref());
        feed(&self.shape.after, &head, signed, &mut each).map_err(refused)?;

        let code = self.keys.sign(&message);
        let value = self.shape.signature.render(&code, time.unwrap_or_default());
        let value = HeaderValue::from_str(&value).map_err(|_| SignError(()))?;
        request
            .headers_mut()
            .insert(&self.shape.signature.header, value);
        Ok(())
    }
}

/// A request lacks what its signature must cover, or has it twice.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignError(());

impl SignError {
    #[cfg(feature = "ed25519")]
    pub(crate) const fn new() -> Self {
        Self(())
    }
}

impl fmt::Display for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request lacks what must be signed, or has it twice")
    }
}

impl Error for SignError {}
