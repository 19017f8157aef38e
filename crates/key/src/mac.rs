use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The layout of everything that this crate derives: the first byte of each MAC's input, and of
/// each output that is kept. Golden vectors in the tests hold it still.
pub(crate) const VERSION: u8 = 1;

/// The MAC of fields, each behind its length, so that no two lists of fields look alike.
pub(crate) fn mac(secret: &[u8], fields: &[&[u8]]) -> [u8; 32] {
    let Ok(mut state) = Hmac::<Sha256>::new_from_slice(secret) else {
        unreachable!("HMAC takes secrets of any length")
    };
    state.update(&[VERSION]);
    for field in fields {
        state.update(&(field.len() as u64).to_be_bytes());
        state.update(field);
    }
    state.finalize().into_bytes().into()
}
