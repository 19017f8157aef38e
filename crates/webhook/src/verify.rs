use std::time::SystemTime;

use bytes::Bytes;
use http::request::Parts;

use crate::{Delivery, Refused, Scheme, Verdict};

/// Verifies a delivery that has been read already, without a layer.
///
/// [`HmacScheme::verify`](crate::HmacScheme::verify) does it at once, and faster.
///
/// # Errors
/// Any [`Refused`]; [`Refused::TooLarge`] when the body exceeds the scheme's cap.
///
/// # Cancel safety
/// Dropping it loses nothing but the work; a key source may keep the key that it fetched.
pub async fn verify<S: Scheme>(
    scheme: &S,
    head: &Parts,
    body: &Bytes,
    now: SystemTime,
) -> Result<Verdict, Refused> {
    if body.len() > scheme.facts().cap {
        return Err(Refused::TooLarge);
    }
    if let Some(reply) = scheme.greet(head)? {
        return Ok(Verdict::Handshake(reply));
    }
    let mut progress = scheme.begin(head)?;
    scheme.update(&mut progress, body);
    let finish = scheme.finish(progress, &Delivery { head, body, now });
    finish.await
}
