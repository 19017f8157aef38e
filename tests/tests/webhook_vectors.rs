//! The committed vectors: each as expected, and none that survives a flipped bit.

use std::collections::HashSet;

use tests::vectors::webhook::{Expect, Vector};

fn vectors() -> Vec<Vector> {
    Vector::parse(include_str!("../vectors/webhooks.json")).unwrap()
}

#[tokio::test]
async fn every_vector_comes_out_as_expected() {
    let mut differences = Vec::new();
    for vector in vectors() {
        if let Some(difference) = vector.difference().await {
            differences.push(format!("{}: {difference}", vector.id));
        }
    }
    assert!(differences.is_empty(), "{differences:#?}");
}

#[test]
fn a_difference_is_found_and_told() {
    let mut text: serde_json::Value =
        serde_json::from_str(include_str!("../vectors/webhooks.json")).unwrap();
    text[0]["expect"] = "reject".into();
    let vectors = Vector::parse(&text.to_string()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let difference = runtime.block_on(vectors[0].difference());
    assert_eq!(
        difference.as_deref(),
        Some("expected Reject (valid signature), got Ok (accepted)")
    );
}

/// Flips each bit of what the scheme declares as authenticated, and of the signature, for the first vector
/// of each sender that verifies.
#[tokio::test]
async fn no_flipped_bit_of_anything_authenticated_verifies() {
    let mut senders = HashSet::new();
    let mut flipped = 0_usize;
    for vector in vectors() {
        if vector.expects() != Expect::Ok || !senders.insert(vector.provider().to_owned()) {
            continue;
        }
        let scheme = vector.scheme().unwrap();
        for flip in vector.flips(&scheme) {
            flipped += 1;
            assert!(
                !flip.request.verifies(&scheme, vector.now()).await,
                "{}: {} still verifies",
                vector.id,
                flip.what
            );
        }
    }
    assert_eq!(senders.len(), 32);
    assert!(flipped > 20_000, "{flipped}");
}
