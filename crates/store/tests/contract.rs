//! What the types promise to those who build on them.

use std::error::Error;
use std::sync::Arc;

use buttress_store::{
    Capabilities, Durability, Fingerprint, IdempotencyStore, RecordKey, StoreError, StoreErrorKind,
    Token,
};

/// Compiles as long as the trait is object-safe and its pointers are stores.
#[allow(dead_code)]
fn a_store_may_be_an_object(shared: Arc<dyn IdempotencyStore>, owned: Box<dyn IdempotencyStore>) {
    fn store(_: impl IdempotencyStore) {}
    store(shared);
    store(owned);
}

#[test]
fn an_error_tells_its_kind_and_keeps_its_source() {
    let io = std::io::Error::other("disk on fire");
    let error = StoreError::new(StoreErrorKind::Indeterminate, "writing a record").caused_by(io);
    assert_eq!(error.kind(), StoreErrorKind::Indeterminate);
    assert_eq!(
        error.to_string(),
        "store indeterminate while writing a record"
    );
    for error in [error.clone(), error] {
        let source = error.source().unwrap();
        assert!(source.is::<std::io::Error>());
    }
}

#[test]
fn debug_shows_neither_tokens_nor_fingerprints_nor_whole_keys() {
    let shown = format!(
        "{:?} {:?} {:?}",
        Token::from_bytes([0xab; 16]),
        Fingerprint::from_bytes([0xab; 33]),
        RecordKey::from_bytes([0xab; 33]),
    );
    assert_eq!(
        shown,
        "Token(..) Fingerprint(..) RecordKey(v171:abababab..)"
    );
}

#[test]
fn tokens_differ() {
    assert_ne!(Token::random().unwrap(), Token::random().unwrap());
    assert_ne!(Token::random().unwrap(), Token::NOBODY);
}

#[test]
fn capabilities_are_claimed_one_by_one() {
    let bare = Capabilities::new(Durability::Crash);
    assert!(!bare.shared && !bare.wakes);
    assert!(bare.shared().shared && bare.waking().wakes);
    assert!(Durability::Process < Durability::Crash && Durability::Crash < Durability::PowerLoss);
}
