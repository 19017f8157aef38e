use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use subtle::ConstantTimeEq;

use crate::{Charset, DerivationSecret, InvalidKey, NoEntropy, mac, syntax};

/// The bytes of a derived key: the version, and the whole MAC.
const DERIVED: usize = 33;

/// The name that one operation has at the provider, however often it is sent.
///
/// One to 255 printable ASCII characters. Comparison is constant-time; `Debug` shows eight digits
/// of a hash and never the key, for whoever knows a key can read its answer. Cloning shares the
/// bytes.
#[derive(Clone)]
pub struct IdempotencyKey {
    value: HeaderValue,
    /// Its characters, so that a profile's check need not read it again.
    used: Charset,
}

impl IdempotencyKey {
    /// The most characters that a key may have; a [`Profile`](crate::Profile) may allow fewer.
    pub const MAX_LEN: usize = 255;

    /// Reads a key: bare (`abc`) or as the string of [RFC 8941 §3.3.3] (`"abc"`).
    ///
    /// Both forms give the same key. Escapes are resolved, parameters are ignored, and space
    /// around the value does not count. More than one value is an error.
    ///
    /// # Errors
    ///
    /// [`InvalidKey`] when it is empty, longer than 255 characters, not printable ASCII, or a
    /// string of broken syntax.
    ///
    /// [RFC 8941 §3.3.3]: https://www.rfc-editor.org/rfc/rfc8941#section-3.3.3
    pub fn parse(text: impl AsRef<[u8]>) -> Result<Self, InvalidKey> {
        syntax::parse(text.as_ref()).map(|key| Self::sealed(&*key))
    }

    /// A random key: a version 4 UUID from the operating system's generator.
    ///
    /// It dies with the process unless you persist it before the first byte is sent; after that, a
    /// request that was sent cannot be told from one that was not. Where an operation has an id of
    /// its own, [`derive`](Self::derive) needs no persisting.
    ///
    /// # Errors
    ///
    /// [`NoEntropy`] when the operating system has no random bytes to give.
    pub fn generate() -> Result<Self, NoEntropy> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(NoEntropy)?;
        Ok(Self::sealed(&uuid_v4(bytes)[..]))
    }

    /// The key of an operation on an entity, the same in every process that has the secret.
    ///
    /// `namespace` says whose (`shop`), `operation` what (`charge`), `entity` on what (an order's
    /// id), and `generation` counts the times that the operation was begun anew, after its
    /// previous key had certainly done nothing. Derive from what the operation *is*, never from its
    /// payload: two purchases that are alike are still two.
    ///
    /// HMAC-SHA256 over a version byte and the length-prefixed fields, as 44 characters of
    /// base64url; [`Profile::derive`](crate::Profile::derive) cuts it to what a provider takes.
    #[must_use]
    pub fn derive(
        secret: &DerivationSecret,
        namespace: &str,
        operation: &str,
        entity: &str,
        generation: u32,
    ) -> Self {
        Self::encode(&secret.mac(&[
            b"key",
            namespace.as_bytes(),
            operation.as_bytes(),
            entity.as_bytes(),
            &generation.to_be_bytes(),
        ]))
    }

    /// The key of one step of the work that this key names: a call that causes further calls.
    #[must_use]
    pub fn child(&self, secret: &DerivationSecret, step: &str) -> Self {
        Self::encode(&secret.mac(&[b"child", self.as_bytes(), step.as_bytes()]))
    }

    /// The key itself, unquoted: to persist it, or to put it into a body.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// Eight hexadecimal digits that stand for the key in logs: the same in every process.
    #[must_use]
    pub fn hash(&self) -> KeyHash {
        KeyHash::of(self.as_bytes())
    }

    /// The key's characters as bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.value.as_bytes()
    }

    pub(crate) const fn as_value(&self) -> &HeaderValue {
        &self.value
    }

    pub(crate) const fn used(&self) -> Charset {
        self.used
    }

    /// The first `max` characters of a derived key.
    pub(crate) fn cut(self, max: usize) -> Self {
        match self.as_bytes().get(..max) {
            Some(text) => Self::sealed(text),
            None => self,
        }
    }

    fn sealed(text: impl TryInto<HeaderValue>) -> Self {
        let value = syntax::sensitive(text);
        let used = Charset::of(value.as_bytes());
        Self { value, used }
    }

    /// Version and MAC in base64url.
    fn encode(mac: &[u8; 32]) -> Self {
        let mut bytes = [mac::VERSION; DERIVED];
        bytes[1..].copy_from_slice(mac);
        Self::sealed(URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for IdempotencyKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        Self::parse(text)
    }
}

impl PartialEq for IdempotencyKey {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes().ct_eq(other.as_bytes()).into()
    }
}

impl Eq for IdempotencyKey {}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdempotencyKey(#{})", self.hash())
    }
}

/// What stands for a key in logs and traces: `idempotency.key_hash`.
///
/// Four bytes of an HMAC under a constant, so that all processes agree on it. It identifies a key
/// without giving it away; a key that can be guessed can be confirmed by it.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct KeyHash([u8; 4]);

impl KeyHash {
    fn of(key: &[u8]) -> Self {
        let [a, b, c, d, ..] = mac::mac(b"buttress idempotency.key_hash", &[key]);
        Self([a, b, c, d])
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// RFC 9562 §5.4: version and variant over random bytes.
fn uuid_v4(mut bytes: [u8; 16]) -> [u8; 36] {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0x0f]);
    let mut text = [b'-'; 36];
    let places = text
        .iter_mut()
        .enumerate()
        .filter(|(at, _)| !matches!(at, 8 | 13 | 18 | 23));
    for ((_, place), digit) in places.zip(digits) {
        *place = match digit {
            0..10 => b'0' + digit,
            _ => b'a' + digit - 10,
        };
    }
    text
}
