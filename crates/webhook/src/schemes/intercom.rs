use buttress_event::Source;
use http::Method;

use super::header;
use crate::{Algorithm, Encoding, HmacScheme, InvalidSecret, Reply, Secrets, Signature};

/// Intercom.
///
/// | | |
/// |---|---|
/// | Signed | body |
/// | Signature | `X-Hub-Signature`: `sha1=` and hex of HMAC-SHA1 |
/// | Secret | the app's client secret |
/// | Window | none: Intercom signs no time |
/// | Event id | `id` of the body (`notif_…`), signed; the body changes from attempt to attempt |
/// | Handshake | `HEAD` is answered with 200, by which Intercom checks the endpoint |
///
/// The signed `ping` that Intercom sends on request reaches the handler like any event.
///
/// Source: `developers.intercom.com/docs/webhooks/setting-up-webhooks`, section on signed
/// notifications.
///
/// # Errors
/// [`InvalidSecret`] when a secret is empty, or there are more than four.
pub fn intercom(secrets: impl Into<Secrets>) -> Result<HmacScheme, InvalidSecret> {
    let signature = Signature::prefixed(header("x-hub-signature"), "sha1=", Encoding::Hex);
    HmacScheme::builder(Source::from_static("intercom"), signature)
        .algorithm(Algorithm::Sha1)
        .id_member("id")
        .greet(|head| Ok((head.method == Method::HEAD).then(Reply::empty)))
        .build(secrets)
}
