use std::num::NonZeroUsize;
use std::time::Duration;

use buttress_store::{
    Begin, BeginRequest, Capabilities, Claim, IdempotencyStore, RecordKey, Resolution, Settled,
    StoreError, StoreErrorKind, StoreFuture, StoredResponse, Unknown,
};
use chacha20poly1305::aead::{Aead, Payload};

use crate::Keyring;
use crate::forward::forward;

/// The layout of a sealed answer: `1`, the key's number, a nonce, and what the cipher made.
const VERSION: u8 = 1;
const NONCE_LEN: usize = 24;

/// Keeps answers encrypted, so that a reader of the database learns none.
///
/// XChaCha20-Poly1305 with a random nonce for each answer. The record key, the record's state and
/// the key's number are authenticated along with it, so an answer moved to another key, or presented
/// as something else, does not open. Keys and fingerprints are hashes already and stay as they are.
///
/// An answer that does not open is [`Corrupt`](StoreErrorKind::Corrupt); one whose key is not in the
/// ring is [`Unsupported`](StoreErrorKind::Unsupported). Neither is ever "absent".
#[derive(Clone, Debug)]
pub struct Encrypted<S> {
    inner: S,
    keyring: Keyring,
    accept_plaintext: bool,
}

impl<S> Encrypted<S> {
    /// Encrypts the answers in `inner`.
    #[must_use]
    pub const fn new(inner: S, keyring: Keyring) -> Self {
        Self {
            inner,
            keyring,
            accept_plaintext: false,
        }
    }

    /// Reads answers that were written before encryption was turned on. Default: they are
    /// [`Unsupported`](StoreErrorKind::Unsupported), for whoever can write to the database could
    /// plant one.
    #[must_use]
    pub fn accept_plaintext(mut self) -> Self {
        self.accept_plaintext = true;
        self
    }

    fn seal(
        &self,
        key: &RecordKey,
        response: &StoredResponse,
    ) -> Result<StoredResponse, StoreError> {
        let failed = || StoreError::new(StoreErrorKind::Unavailable, "encrypting a response");
        let (id, cipher) = self.keyring.writer().ok_or_else(failed)?;
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(|error| failed().caused_by(error))?;
        let payload = Payload {
            msg: response.encoded(),
            aad: &associated(id, key),
        };
        // The cipher fails on 256 GiB and more.
        let sealed = cipher
            .encrypt((&nonce).into(), payload)
            .map_err(|error| failed().caused_by(error))?;
        let mut contents = Vec::with_capacity(1 + 4 + NONCE_LEN + sealed.len());
        contents.push(VERSION);
        contents.extend(id.to_be_bytes());
        contents.extend(nonce);
        contents.extend(sealed);
        Ok(StoredResponse::sealed(&contents))
    }

    fn open(
        &self,
        key: &RecordKey,
        response: StoredResponse,
    ) -> Result<StoredResponse, StoreError> {
        let Some(contents) = response.sealed_contents() else {
            return if self.accept_plaintext {
                Ok(response)
            } else {
                Err(unsupported())
            };
        };
        match contents.first() {
            Some(&VERSION) => {}
            Some(&version) if version > VERSION => return Err(unsupported()),
            _ => return Err(corrupt()),
        }
        let (id, rest) = split::<4>(contents.get(1..)).ok_or_else(corrupt)?;
        let (nonce, sealed) = split::<NONCE_LEN>(Some(rest)).ok_or_else(corrupt)?;
        let id = u32::from_be_bytes(*id);
        let cipher = self.keyring.find(id).ok_or_else(unsupported)?;
        let payload = Payload {
            msg: sealed,
            aad: &associated(id, key),
        };
        let opened = cipher
            .decrypt(nonce.into(), payload)
            .map_err(|error| corrupt().caused_by(error))?;
        StoredResponse::decode(opened.into())
    }
}

impl<S: IdempotencyStore> IdempotencyStore for Encrypted<S> {
    fn begin(&self, request: BeginRequest) -> StoreFuture<'_, Begin> {
        Box::pin(async move {
            match self.inner.begin(request).await? {
                Begin::Completed {
                    response,
                    expires_in,
                } => Ok(Begin::Completed {
                    response: self.open(&request.key, response)?,
                    expires_in,
                }),
                other => Ok(other),
            }
        })
    }

    fn complete<'a>(
        &'a self,
        claim: &'a Claim,
        response: &'a StoredResponse,
        retention: Duration,
    ) -> StoreFuture<'a, Settled> {
        Box::pin(async move {
            let sealed = self.seal(claim.key(), response)?;
            self.inner.complete(claim, &sealed, retention).await
        })
    }

    fn adopt<'a>(
        &'a self,
        key: &'a RecordKey,
        resolution: &'a Resolution,
    ) -> StoreFuture<'a, Settled> {
        Box::pin(async move {
            let sealed = match resolution {
                Resolution::Completed {
                    response,
                    retention,
                } => Resolution::Completed {
                    response: self.seal(key, response)?,
                    retention: *retention,
                },
                Resolution::NotExecuted => Resolution::NotExecuted,
            };
            self.inner.adopt(key, &sealed).await
        })
    }

    forward!(renew release unknowns wait purge capabilities);
}

/// Version, state, key number and record key: what an answer is bound to.
fn associated(id: u32, key: &RecordKey) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    bytes.extend(b"completed");
    bytes.extend(id.to_be_bytes());
    bytes.extend(key.as_bytes());
    bytes
}

fn split<const N: usize>(bytes: Option<&[u8]>) -> Option<(&[u8; N], &[u8])> {
    bytes?.split_first_chunk()
}

const fn corrupt() -> StoreError {
    StoreError::new(StoreErrorKind::Corrupt, "decrypting a response")
}

const fn unsupported() -> StoreError {
    StoreError::new(StoreErrorKind::Unsupported, "decrypting a response")
}
