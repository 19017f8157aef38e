use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use buttress_event::{Source, Verified};
use http::HeaderName;
use http::request::Parts;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::header;
use crate::encoding::{LOWER_CASE, hex};
use crate::head::single;
use crate::hmac::{near, since_epoch};
use crate::mac::equal;
use crate::{Covered, Delivery, Facts, Refused, Scheme, Verdict, VerifyingKeySource};

const TOKEN: HeaderName = header("plaid-verification");
/// The longest token that is read, in bytes; Plaid's have some 400.
const LONGEST: usize = 4096;

/// Plaid.
///
/// | | |
/// |---|---|
/// | Signed | a token that holds the body's SHA-256 and the time |
/// | Signature | `Plaid-Verification`: a JSON Web Token, ES256 and nothing else |
/// | Key | named in the token, fetched from Plaid: see `PlaidKeys` |
/// | Window | 5 minutes in either direction |
/// | Event id | none: the body decides what is a duplicate |
///
/// The token's own idea of its algorithm is compared, never followed. The key's id is bounded here, to 64 of
/// `[A-Za-z0-9-]`, and again by `PlaidKeys`, to a UUID.
///
/// Source: `plaid.com/docs/api/webhooks/webhook-verification`.
pub fn plaid(keys: impl VerifyingKeySource) -> PlaidScheme {
    PlaidScheme {
        keys: Arc::new(keys),
        facts: Facts {
            window: Some(Duration::from_secs(300)),
            covers: vec![Covered::Header(TOKEN), Covered::Body],
            ..Facts::new(Source::from_static("plaid"))
        },
    }
}

/// The scheme of [`plaid`].
#[must_use]
pub struct PlaidScheme {
    keys: Arc<dyn VerifyingKeySource>,
    facts: Facts,
}

impl PlaidScheme {
    /// Sets how far the signed time may lie from now, in either direction. Default: 5 minutes.
    pub const fn window(mut self, window: Duration) -> Self {
        self.facts.window = Some(window);
        self
    }

    /// Sets the largest body that is read, in bytes. Default: 1 MiB.
    pub const fn cap(mut self, bytes: usize) -> Self {
        self.facts.cap = bytes;
        self
    }
}

/// A verification by [`PlaidScheme`] on its way.
pub struct PlaidProgress {
    token: Token,
    body: Sha256,
}

impl fmt::Debug for PlaidProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlaidProgress").finish_non_exhaustive()
    }
}

struct Token {
    kid: String,
    /// The hash of what is signed.
    signed: [u8; 32],
    signature: Vec<u8>,
    claims: Vec<u8>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: String,
}

#[derive(Deserialize)]
struct Claims {
    iat: u64,
    request_body_sha256: String,
}

impl Token {
    fn parse(text: &[u8]) -> Result<Self, Refused> {
        let text = std::str::from_utf8(text)
            .ok()
            .filter(|text| text.len() <= LONGEST)
            .ok_or(Refused::Malformed)?;
        let (signed, signature) = text.rsplit_once('.').ok_or(Refused::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(Refused::Malformed)?;
        let decode = |text| URL_SAFE_NO_PAD.decode(text).map_err(|_| Refused::Malformed);
        let header: Header =
            serde_json::from_slice(&decode(header)?).map_err(|_| Refused::Malformed)?;
        if header.alg != "ES256" {
            return Err(Refused::Forbidden);
        }
        let kid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if !(1..=64).contains(&header.kid.len()) || !header.kid.bytes().all(kid) {
            return Err(Refused::Forbidden);
        }
        Ok(Self {
            kid: header.kid,
            signed: Sha256::digest(signed).into(),
            signature: decode(signature)?,
            claims: decode(claims)?,
        })
    }

    /// What holds once the signature is known to be right.
    fn judge(
        &self,
        body: &[u8; 32],
        window: Option<Duration>,
        now: SystemTime,
    ) -> Result<SystemTime, Refused> {
        let claims: Claims =
            serde_json::from_slice(&self.claims).map_err(|_| Refused::Malformed)?;
        let mut claimed = [0; 32];
        hex(
            claims.request_body_sha256.as_bytes(),
            &mut claimed,
            &LOWER_CASE,
        )
        .ok_or(Refused::Malformed)?;
        if !equal(&claimed, body) {
            return Err(Refused::Mismatch);
        }
        let now = Duration::from_secs(since_epoch(now).as_secs());
        near(Duration::from_secs(claims.iat), now, window)
    }
}

impl Scheme for PlaidScheme {
    type Progress = PlaidProgress;
    type Finish = Pin<Box<dyn Future<Output = Result<Verdict, Refused>> + Send>>;

    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn begin(&self, head: &Parts) -> Result<PlaidProgress, Refused> {
        Ok(PlaidProgress {
            token: Token::parse(single(&head.headers, &TOKEN)?)?,
            body: Sha256::new(),
        })
    }

    fn update(&self, progress: &mut PlaidProgress, piece: &[u8]) {
        progress.body.update(piece);
    }

    fn finish(&self, progress: PlaidProgress, delivery: &Delivery<'_>) -> Self::Finish {
        let PlaidProgress { token, body } = progress;
        let body: [u8; 32] = body.finalize().into();
        let (window, now) = (self.facts.window, delivery.now);
        let receipt: Verified = self.facts.receipt();
        let key = self.keys.key(&token.kid, now);
        Box::pin(async move {
            if !key
                .await?
                .verify_p256_fixed(&token.signed, &token.signature)
            {
                return Err(Refused::Mismatch);
            }
            let at = token.judge(&body, window, now)?;
            Ok(Verdict::Verified(receipt.with_timestamp(at)))
        })
    }
}

impl fmt::Debug for PlaidScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlaidScheme")
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}
