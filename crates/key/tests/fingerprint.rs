//! Fingerprints: stable for what is persisted, and different for what differs.

use std::collections::HashSet;

use buttress_key::{DerivationSecret, Fingerprint};
use http::{Method, Uri};

fn of(secret: u8, method: &Method, uri: &'static str, body: &str) -> Fingerprint {
    let secret = DerivationSecret::new([secret; 32]).unwrap();
    Fingerprint::new(&secret, method, &Uri::from_static(uri), body.as_bytes())
}

/// Golden vector: HMAC-SHA256 over `01` and length-prefixed fields, computed with Python's `hmac`.
/// A change here makes every persisted fingerprint unequal.
#[test]
fn a_fingerprint_never_changes() {
    let fingerprint = of(
        7,
        &Method::POST,
        "https://api.example/v1/charges?x=1",
        "amount=5",
    );
    let golden = "01b6d5d20fd17b65a53a7854a3d6441397b6dcef673b62dccc024b03812e38d38e";
    assert_eq!(hex::encode(fingerprint.as_bytes()), golden);
}

#[test]
fn it_depends_on_secret_method_path_query_and_body_alone() {
    let base = of(7, &Method::POST, "https://api.example/charges?x=1", "a=5");
    assert_eq!(
        base,
        of(7, &Method::POST, "http://10.0.0.1:8080/charges?x=1", "a=5")
    );
    let others = [
        base,
        of(8, &Method::POST, "https://api.example/charges?x=1", "a=5"),
        of(7, &Method::PUT, "https://api.example/charges?x=1", "a=5"),
        of(7, &Method::POST, "https://api.example/charge?x=1", "a=5"),
        of(7, &Method::POST, "https://api.example/charges?x=2", "a=5"),
        of(7, &Method::POST, "https://api.example/charges?x=1", "a=6"),
        of(7, &Method::POST, "https://api.example/charges?x=1a", "=5"),
    ];
    let distinct: HashSet<_> = others.iter().map(Fingerprint::as_bytes).collect();
    assert_eq!(distinct.len(), others.len());
}

#[test]
fn persisted_bytes_are_read_again_and_others_refused() {
    let fingerprint = of(7, &Method::POST, "/charges", "a=5");
    assert_eq!(
        Fingerprint::from_bytes(fingerprint.as_bytes()),
        Ok(fingerprint)
    );

    let mut newer = *fingerprint.as_bytes();
    newer[0] = 2;
    assert_eq!(
        Fingerprint::from_bytes(&newer).unwrap_err().version(),
        Some(2)
    );
    assert_eq!(
        Fingerprint::from_bytes(&newer[..32]).unwrap_err().version(),
        Some(2)
    );
    assert_eq!(Fingerprint::from_bytes(&[]).unwrap_err().version(), None);
    assert!(
        !format!("{fingerprint:?}")
            .chars()
            .any(|digit| digit.is_ascii_digit())
    );
}
