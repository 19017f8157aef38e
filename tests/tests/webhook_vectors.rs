//! The committed vectors: each as expected.

use tests::vectors::webhook::Vector;

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
