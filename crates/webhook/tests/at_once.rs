//! A delivery verified at once is judged as one that is verified piece by piece.

mod common;

use std::time::Duration;

use buttress_webhook::{Delivery, HmacScheme, Refused, Scheme, Verdict, standard_webhooks, verify};
use bytes::Bytes;
use common::schemes::{BODY, KEY, request, schemes};
use common::{now, signed_with};
use http::HeaderValue;
use http::request::Parts;

/// The verdict, whichever way it is come to.
async fn verdict(scheme: &HmacScheme, head: &Parts, body: &Bytes, late: Duration) -> String {
    let now = now() + late;
    let delivery = Delivery { head, body, now };
    let at_once = format!("{:?}", scheme.verify(&delivery));
    let in_steps = format!("{:?}", verify(scheme, head, body, now).await);
    assert_eq!(at_once, in_steps, "{:?} {head:?}", scheme.facts().source);
    at_once
}

/// The heads that come of this one with a header left out, doubled, emptied, or spoiled.
fn spoiled(head: &Parts) -> Vec<Parts> {
    let mut heads = Vec::new();
    for (name, value) in &head.headers {
        let mut bytes = value.as_bytes().to_vec();
        bytes.extend(b"\xff");
        let broken = HeaderValue::from_bytes(&bytes).unwrap();
        let mut cut = value.as_bytes().to_vec();
        cut.pop();
        let cut = HeaderValue::from_bytes(&cut).unwrap();
        let mut without = head.clone();
        without.headers.remove(name);
        let mut twice = head.clone();
        twice.headers.append(name, value.clone());
        heads.extend([without, twice]);
        for value in [broken, cut, HeaderValue::from_static("")] {
            let mut other = head.clone();
            other.headers.insert(name, value);
            heads.push(other);
        }
    }
    heads
}

#[tokio::test]
async fn every_scheme_comes_to_the_same_verdict_either_way() {
    for (scheme, id) in schemes() {
        let (head, _) = signed_with(&scheme, request(), BODY).into_parts();
        let body = Bytes::from_static(BODY.as_bytes());
        let delivery = Delivery {
            head: &head,
            body: &body,
            now: now(),
        };
        let Ok(Verdict::Verified(receipt)) = scheme.verify(&delivery) else {
            panic!("{:?} refuses its own", scheme.facts().source);
        };
        assert_eq!(receipt.event_id(), &id);
        let other = Bytes::from(BODY.replace("evt_1", "evt_2"));
        let mut refused = 0;
        for late in [Duration::ZERO, Duration::from_secs(100_000)] {
            for body in [&body, &other, &Bytes::new()] {
                for head in spoiled(&head).iter().chain([&head]) {
                    // What is wrong twice over is refused for the same of both.
                    let verdict = verdict(&scheme, head, body, late).await;
                    refused += u32::from(verdict.starts_with("Err"));
                }
            }
        }
        assert!(refused > 30, "{:?}: {refused}", scheme.facts().source);
    }
}

#[tokio::test]
async fn every_pair_of_wrongs_is_refused_for_the_same() {
    for (scheme, _) in schemes() {
        let (head, _) = signed_with(&scheme, request(), BODY).into_parts();
        for head in spoiled(&head) {
            for head in spoiled(&head) {
                verdict(&scheme, &head, &Bytes::from_static(b"{}"), Duration::ZERO).await;
            }
        }
    }
}

#[tokio::test]
async fn a_body_over_the_cap_is_not_hashed() {
    let scheme = standard_webhooks(KEY).unwrap().cap(BODY.len() - 1);
    let (head, _) = signed_with(&scheme, request(), BODY).into_parts();
    let delivery = Delivery {
        head: &head,
        body: &Bytes::from_static(BODY.as_bytes()),
        now: now(),
    };
    assert_eq!(scheme.verify(&delivery).unwrap_err(), Refused::TooLarge);
}
