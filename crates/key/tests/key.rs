//! Keys: what is read, what is made, and that neither is ever shown.

use std::collections::HashSet;

use buttress_key::{DerivationSecret, IdempotencyKey, Misfit, Profile};
use http::HeaderValue;
use proptest::prelude::*;

fn secret() -> DerivationSecret {
    DerivationSecret::new([7; 32]).unwrap()
}

fn key(text: &str) -> IdempotencyKey {
    IdempotencyKey::parse(text).unwrap()
}

#[test]
fn bare_and_quoted_forms_are_the_same_key() {
    for text in [
        "abc",
        "\"abc\"",
        "  abc\t",
        " \"abc\" ",
        "\"abc\";v=1",
        "\"abc\"; v=1;w;x=\"a;,\\\"b\";y=:YQ==:;z=?0;*t=tok/en",
    ] {
        assert_eq!(IdempotencyKey::parse(text), Ok(key("abc")), "{text}");
    }
    assert_eq!(key(r#""a\"b\\c d""#).as_str(), r#"a"b\c d"#);
    assert_eq!(
        IdempotencyKey::parse(HeaderValue::from_static("\"abc\"")),
        Ok(key("abc"))
    );
    assert_ne!(key("abc"), key("abd"));
    assert_ne!(key("abc"), key("abcd"));
}

#[test]
fn what_is_no_single_key_is_refused() {
    for text in [
        "",
        "  ",
        "\"\"",
        "\"abc",
        "\"",
        "\"a\\b\"",
        "\"a\\\"",
        "\"abc\"x",
        "\"abc\" x",
        "\"abc\", \"def\"",
        "\"abc\";v=1, \"def\"",
        "\"abc\",\"def\"",
        "\"abc\";",
        "\"abc\";V=1",
        "\"abc\";v=",
        "\"abc\";v=\"x",
        "\"abc\";v=(1 2)",
        "a\u{e4}b",
        "\"a\u{e4}b\"",
        "a\tb",
        "\"a\tb\"",
        "a\u{0}b",
        "a\u{7f}b",
        "a\nb",
    ] {
        assert!(IdempotencyKey::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn a_key_has_at_most_255_characters() {
    assert!(IdempotencyKey::parse("k".repeat(255)).is_ok());
    assert!(IdempotencyKey::parse("k".repeat(256)).is_err());
    assert!(IdempotencyKey::parse(format!("\"{}\"", "\\\\".repeat(255))).is_ok());
    assert!(IdempotencyKey::parse(format!("\"{}\"", "k".repeat(256))).is_err());
}

#[test]
fn random_keys_are_distinct_version_4_uuids() {
    let keys: HashSet<String> = (0..1000)
        .map(|_| IdempotencyKey::generate().unwrap().as_str().to_owned())
        .collect();
    assert_eq!(keys.len(), 1000);

    let mut seen = [0_u8; 36];
    for key in &keys {
        assert_eq!(key.len(), 36);
        for (at, byte) in key.bytes().enumerate() {
            match at {
                8 | 13 | 18 | 23 => assert_eq!(byte, b'-'),
                14 => assert_eq!(byte, b'4'),
                19 => assert!(b"89ab".contains(&byte)),
                _ => assert!(byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)),
            }
            seen[at] |= byte;
        }
    }
    // No position is stuck: over a thousand keys each digit's place has seen letters and numbers.
    let places = (0..36).filter(|at| ![8, 13, 14, 18, 19, 23].contains(at));
    assert!(places.clone().count() == 30 && places.into_iter().all(|at| seen[at] == 0x7f));
}

/// Golden vectors: HMAC-SHA256 over `01` and length-prefixed fields, computed with Python's `hmac`
/// and `base64`. A change here changes the key of every operation that is under way.
#[test]
fn derived_keys_never_change() {
    let derived = |operation, entity, generation| {
        IdempotencyKey::derive(&secret(), "shop", operation, entity, generation)
    };
    assert_eq!(
        derived("charge", "o-17", 1).as_str(),
        "AZZNSbB36BBhpAbqdp9DJm3pR6Y5V7j-K7dDQQdUuMPQ"
    );
    assert_eq!(
        derived("charge", "o-17", 2).as_str(),
        "AetNEx2dh8euwK1LGHBV6__5Cuq3A9mSY-AXqKyq3UU-"
    );
    assert_eq!(
        derived("", "", 0).as_str(),
        "AVbZqpsvtSbLxPH2KmRbS7qgtV4K4Ng34_13KfrySe9U"
    );
    assert_eq!(
        key("abc").child(&secret(), "email").as_str(),
        "AWtiGpRondWhjuKDp5pW6tgcnyFKbOdJqLlAp9zPOtHk"
    );
    assert_eq!(key("abc").hash().to_string(), "e263eaef");
}

#[test]
fn every_field_counts_and_their_borders_too() {
    let derive = |secret: &[u8], namespace, operation, entity, generation| {
        let secret = DerivationSecret::new(secret).unwrap();
        IdempotencyKey::derive(&secret, namespace, operation, entity, generation)
    };
    let keys = [
        derive(&[7; 32], "shop", "charge", "o-17", 1),
        derive(&[8; 32], "shop", "charge", "o-17", 1),
        derive(&[7; 31], "shop", "charge", "o-17", 1),
        derive(&[7; 32], "shopc", "harge", "o-17", 1),
        derive(&[7; 32], "shop", "chargeo", "-17", 1),
        derive(&[7; 32], "shop", "refund", "o-17", 1),
        derive(&[7; 32], "shop", "charge", "o-18", 1),
        derive(&[7; 32], "shop", "charge", "o-17", 2),
        derive(&[7; 32], "", "shopcharge", "o-17", 1),
    ];
    let distinct: HashSet<_> = keys.iter().map(IdempotencyKey::as_str).collect();
    assert_eq!(distinct.len(), keys.len());
    assert!(keys.iter().all(|key| key.as_str().len() == 44));
}

#[test]
fn a_derived_key_is_cut_to_the_providers_length() {
    let whole = IdempotencyKey::derive(&secret(), "shop", "charge", "o-17", 1);
    let length = |profile: Profile| {
        let key = profile
            .derive(&secret(), "shop", "charge", "o-17", 1)
            .unwrap();
        assert!(whole.as_str().starts_with(key.as_str()));
        assert_eq!(profile.check(&key), Ok(()));
        key.as_str().len()
    };
    assert_eq!(length(Profile::stripe_v1()), 44);
    assert_eq!(length(Profile::square()), 44);
    assert_eq!(length(Profile::razorpay_x()), 36);
    assert_eq!(length(custom(23)), 23);

    let derived = custom(22).derive(&secret(), "shop", "charge", "o-17", 1);
    assert_eq!(
        derived,
        Err(Misfit::TooLong(22)),
        "22 characters hold fewer than 128 bits"
    );
}

fn custom(max: usize) -> Profile {
    use buttress_key::Stores;
    let day = std::time::Duration::from_secs(86_400);
    Profile::custom(
        "acme",
        http::HeaderName::from_static("acme-key"),
        Stores::Executed,
        day,
    )
    .length(1, max)
    .build()
    .unwrap()
}

#[test]
fn weak_secrets_are_refused() {
    for length in [0, 1, 15] {
        assert!(DerivationSecret::new(vec![7; length]).is_err(), "{length}");
    }
    assert!(DerivationSecret::new([7; 16]).is_ok());
    assert!(DerivationSecret::new([7; 500]).is_ok());
}

#[test]
fn nothing_shows_a_key_or_a_secret() {
    let key = key("sesame-sesame-sesame");
    let shown = [
        format!("{key:?} {key:#?}"),
        format!("{:?}", Profile::ietf().to_value(&key)),
        format!("{:?}", Profile::stripe_v1().to_value(&key)),
        format!(
            "{:?}",
            DerivationSecret::new("sesame-sesame-sesame").unwrap()
        ),
        format!("{:?}", IdempotencyKey::parse("\"sesame")),
        IdempotencyKey::parse("\"sesame").unwrap_err().to_string(),
        format!(
            "{:?}",
            Profile::razorpay_x().check(&self::key("sesame@sesame"))
        ),
    ];
    for text in shown {
        assert!(!text.contains("sesame"), "{text}");
    }
    assert_eq!(
        format!("{key:?}"),
        format!("IdempotencyKey(#{})", key.hash())
    );
}

#[test]
fn clones_share_the_keys_bytes() {
    let key = key("order-17-charge-1");
    let value = Profile::stripe_v1().to_value(&key);
    assert_eq!(value.as_bytes().as_ptr(), key.clone().as_str().as_ptr());
    assert!(value.is_sensitive());
}

proptest! {
    #[test]
    fn any_key_survives_its_quoted_form(text in "[!-~]([ -~]{0,253}[!-~])?") {
        prop_assume!(!text.starts_with('"'));
        let key = IdempotencyKey::parse(&text).unwrap();
        prop_assert_eq!(key.as_str(), &text);
        let quoted = Profile::ietf().to_value(&key);
        prop_assert!(quoted.is_sensitive());
        prop_assert_eq!(IdempotencyKey::parse(&quoted), Ok(key));
    }

    #[test]
    fn no_input_breaks_the_parser(text in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(key) = IdempotencyKey::parse(&text) {
            prop_assert!((1..=255).contains(&key.as_str().len()));
            prop_assert!(key.as_str().bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        }
    }

    #[test]
    fn syntax_alone_never_breaks_the_parser(text in "[\"\\\\;=a ,:?]{0,24}") {
        if let Ok(key) = IdempotencyKey::parse(&text) {
            let again = IdempotencyKey::parse(Profile::ietf().to_value(&key));
            prop_assert_eq!(again, Ok(key));
        }
    }
}
