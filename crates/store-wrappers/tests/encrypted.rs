//! `Encrypted`: what is at rest, and what refuses to open.

mod common;

use buttress_store::{
    Begin, BeginRequest, IdempotencyStore, OrphanPolicy, Resolution, Settled, StoreErrorKind,
    StoredResponse,
};
use buttress_store_memory::MemoryStore;
use buttress_store_wrappers::{Encrypted, Keyring};
use common::{DAY, LEASE, answer, complete, key, request, secret_answer};
use tokio::time::advance;

fn ring(id: u32) -> Keyring {
    Keyring::new(id, &[u8::try_from(id).unwrap(); 32]).unwrap()
}

async fn at_rest(store: &MemoryStore, name: &str) -> StoredResponse {
    answer(store, name).await.unwrap()
}

async fn refusal(store: &impl IdempotencyStore, name: &str) -> StoreErrorKind {
    store.begin(request(name)).await.unwrap_err().kind()
}

#[tokio::test]
async fn nothing_of_an_answer_is_readable_at_rest() {
    let memory = MemoryStore::default();
    let store = Encrypted::new(memory.clone(), ring(1));
    complete(&store, "k", &secret_answer(), DAY).await;
    assert_eq!(answer(&store, "k").await.unwrap(), secret_answer());

    let sealed = at_rest(&memory, "k").await;
    for plain in ["secret", "x-secret-header", "value", "body"] {
        let found = sealed
            .encoded()
            .windows(plain.len())
            .any(|window| window == plain.as_bytes());
        assert!(!found, "{plain} is readable");
    }
    assert!(sealed.to_response().is_err());
}

#[tokio::test(start_paused = true)]
async fn an_adopted_answer_is_sealed_as_well() {
    let memory = MemoryStore::default();
    let store = Encrypted::new(memory.clone(), ring(1));
    let refusing = BeginRequest {
        orphan: OrphanPolicy::Refuse,
        ..request("k")
    };
    let _lost = store.begin(refusing).await.unwrap();
    advance(LEASE).await;
    let resolution = Resolution::Completed {
        response: secret_answer(),
        retention: DAY,
    };
    let adopted = store.adopt(&key("k"), &resolution).await.unwrap();
    assert_eq!(adopted, Settled::Applied);
    assert!(at_rest(&memory, "k").await.sealed_contents().is_some());
    assert_eq!(answer(&store, "k").await.unwrap(), secret_answer());
}

#[tokio::test]
async fn equal_answers_look_different_at_rest() {
    let memory = MemoryStore::default();
    let store = Encrypted::new(memory.clone(), ring(1));
    complete(&store, "a", &secret_answer(), DAY).await;
    complete(&store, "b", &secret_answer(), DAY).await;
    let (a, b) = (at_rest(&memory, "a").await, at_rest(&memory, "b").await);
    let nonce = |answer: &StoredResponse| answer.sealed_contents().unwrap().slice(5..29);
    assert_ne!(nonce(&a), nonce(&b));
}

#[tokio::test]
async fn an_answer_of_a_key_that_is_not_in_the_ring_is_an_error_and_not_absent() {
    let memory = MemoryStore::default();
    complete(
        &Encrypted::new(memory.clone(), ring(1)),
        "k",
        &secret_answer(),
        DAY,
    )
    .await;
    let stranger = Encrypted::new(memory, ring(2));
    assert_eq!(refusal(&stranger, "k").await, StoreErrorKind::Unsupported);
}

#[tokio::test]
async fn a_key_under_a_wrong_number_does_not_open() {
    let memory = MemoryStore::default();
    complete(
        &Encrypted::new(memory.clone(), ring(1)),
        "k",
        &secret_answer(),
        DAY,
    )
    .await;
    let confused = Encrypted::new(memory, Keyring::new(1, &[9; 32]).unwrap());
    assert_eq!(refusal(&confused, "k").await, StoreErrorKind::Corrupt);
}

#[tokio::test]
async fn a_rotated_ring_reads_the_old_and_writes_the_new() {
    let memory = MemoryStore::default();
    complete(
        &Encrypted::new(memory.clone(), ring(1)),
        "old",
        &secret_answer(),
        DAY,
    )
    .await;
    let both = ring(2).also_reads(1, &[1; 32]).unwrap();
    let rotated = Encrypted::new(memory.clone(), both);
    complete(&rotated, "new", &secret_answer(), DAY).await;
    for name in ["old", "new"] {
        assert_eq!(answer(&rotated, name).await.unwrap(), secret_answer());
    }
    let new_only = Encrypted::new(memory, ring(2));
    assert_eq!(answer(&new_only, "new").await.unwrap(), secret_answer());
    assert_eq!(refusal(&new_only, "old").await, StoreErrorKind::Unsupported);
}

#[tokio::test]
async fn an_answer_moved_to_another_key_does_not_open() {
    let memory = MemoryStore::default();
    let store = Encrypted::new(memory.clone(), ring(1));
    complete(&store, "mine", &secret_answer(), DAY).await;
    let stolen = at_rest(&memory, "mine").await;
    complete(&memory, "yours", &stolen, DAY).await;
    assert_eq!(refusal(&store, "yours").await, StoreErrorKind::Corrupt);
}

#[tokio::test]
async fn a_flipped_bit_anywhere_is_noticed() {
    let memory = MemoryStore::default();
    let store = Encrypted::new(memory.clone(), ring(1));
    complete(&store, "k", &secret_answer(), DAY).await;
    let contents = at_rest(&memory, "k").await.sealed_contents().unwrap();
    for bit in 0..contents.len() * 8 {
        let mut damaged = contents.to_vec();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let memory = MemoryStore::default();
        let store = Encrypted::new(memory.clone(), ring(1));
        complete(&memory, "k", &StoredResponse::sealed(&damaged), DAY).await;
        let kind = refusal(&store, "k").await;
        // A damaged version or key number asks for what is not there.
        let expected: &[_] = if bit < 40 {
            &[StoreErrorKind::Unsupported, StoreErrorKind::Corrupt]
        } else {
            &[StoreErrorKind::Corrupt]
        };
        assert!(expected.contains(&kind), "bit {bit}: {kind:?}");
    }
}

#[tokio::test]
async fn a_record_cut_short_or_of_a_newer_version_is_an_error() {
    let memory = MemoryStore::default();
    let store = Encrypted::new(memory.clone(), ring(1));
    let newer = StoredResponse::sealed(&[&[2][..], &[0; 60]].concat());
    complete(&memory, "newer", &newer, DAY).await;
    assert_eq!(refusal(&store, "newer").await, StoreErrorKind::Unsupported);
    for length in [0, 1, 4, 5, 28, 29, 44] {
        let name = length.to_string();
        let short = StoredResponse::sealed(
            &[1, 0, 0, 0, 1]
                .into_iter()
                .chain([0; 40])
                .take(length)
                .collect::<Vec<u8>>(),
        );
        complete(&memory, &name, &short, DAY).await;
        assert_eq!(
            refusal(&store, &name).await,
            StoreErrorKind::Corrupt,
            "{length}"
        );
    }
}

#[tokio::test]
async fn a_planted_plain_answer_is_refused_unless_asked_for() {
    let memory = MemoryStore::default();
    complete(&memory, "k", &secret_answer(), DAY).await;
    let store = Encrypted::new(memory, ring(1));
    assert_eq!(refusal(&store, "k").await, StoreErrorKind::Unsupported);
    let lenient = store.accept_plaintext();
    assert_eq!(answer(&lenient, "k").await.unwrap(), secret_answer());
}

#[tokio::test]
async fn what_was_sealed_once_opens_for_ever() {
    // Computed by another implementation, itself checked against draft-irtf-cfrg-xchacha-03, A.3.1:
    // key 32 x 01, nonce 24 x 02, associated `01 "completed" 00000001` and the record key, over
    // `02 00 00c8 00 02 6869`.
    let golden = "0100000001020202020202020202020202020202020202020202020202ce663627aa759424896b20e3a2ce461319792e777139dfab";
    let memory = MemoryStore::default();
    let sealed = StoredResponse::sealed(&hex::decode(golden).unwrap());
    complete(&memory, "golden", &sealed, DAY).await;
    let store = Encrypted::new(memory, ring(1));
    let opened = answer(&store, "golden").await.unwrap();
    assert_eq!(opened.to_response().unwrap().body(), "hi");
}

#[test]
fn a_ring_refuses_empty_secrets_and_twin_numbers_and_shows_none() {
    let error = Keyring::new(3, &[0; 32]).unwrap_err();
    assert_eq!(error.id(), 3);
    assert_eq!(
        error.to_string(),
        "encryption key 3 refused: it is all zero"
    );
    assert!(ring(1).also_reads(1, &[5; 32]).is_err());
    let both = ring(1).also_reads(2, &[5; 32]).unwrap();
    assert_eq!(format!("{both:?}"), "[1, 2]");
}

#[tokio::test]
async fn mismatches_and_claims_pass_untouched() {
    let store = Encrypted::new(MemoryStore::default(), ring(1));
    let found = store.begin(request("k")).await.unwrap();
    assert!(matches!(found, Begin::Acquired(_)));
    let found = store.begin(request("k")).await.unwrap();
    assert!(matches!(found, Begin::InProgress { .. }));
}
