//! However a delivery is verified, and however it was tampered with, the verdict is the same.

mod common;

use std::convert::Infallible;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use buttress_event::EventId;
use buttress_webhook::{
    Delivery, HmacScheme, Refused, Scheme, Verdict, WebhookVerifyLayer, verify,
};
use bytes::Bytes;
use common::schemes::{BODY, request, rotating, schemes};
use common::{NOW, send};
use futures_util::{FutureExt, stream};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request};
use http_body::Frame;
use http_body_util::StreamBody;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// What happens to a header on its way, or before it is signed.
#[derive(Clone, Debug)]
enum Change {
    Append(Vec<u8>),
    Flip(Index),
    Insert(Index, u8),
    Remove,
    Replace(Vec<u8>),
    Truncate(Index),
    Twice,
}

impl Change {
    fn apply(&self, head: &mut Parts, name: &HeaderName) {
        let Some(old) = head.headers.get(name).cloned() else {
            return;
        };
        let mut bytes = old.as_bytes().to_vec();
        match self {
            Self::Append(value) => {
                if let Ok(value) = HeaderValue::from_bytes(value) {
                    head.headers.append(name, value);
                }
                return;
            }
            Self::Flip(at) if !bytes.is_empty() => {
                let bit = at.index(bytes.len() * 8);
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
            Self::Flip(_) => {}
            Self::Insert(at, byte) => bytes.insert(at.index(bytes.len() + 1), *byte),
            Self::Remove => {
                head.headers.remove(name);
                return;
            }
            Self::Replace(value) => bytes.clone_from(value),
            Self::Truncate(at) => bytes.truncate(at.index(bytes.len() + 1)),
            Self::Twice => {
                head.headers.append(name, old);
                return;
            }
        }
        // What is no header value cannot arrive.
        if let Ok(value) = HeaderValue::from_bytes(&bytes) {
            head.headers.insert(name, value);
        }
    }
}

/// Texts that stand at the ends of what is read: times, ids, lists of signatures.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let odd = select(vec![
        "",
        "0",
        "00",
        "01790000000",
        "+1790000000",
        "-1",
        "1790000000.0",
        "1790000000000",
        "99999999",
        "100000000",
        "999999999999999999",
        "1000000000000000000",
        "18446744073709551615",
        "18446744073709551616",
        "v1,",
        "v1, v1,",
        "v1,AAAA,AAAA",
        "t=1790000000",
        "t=1790000000,v1=00,t=1790000000",
        "ts=1790000000;h1=",
        "sha256=",
        "msg_1.1790000000",
        "\u{e9}",
    ]);
    let long = "[a-z]{47,50}".prop_map(String::into_bytes);
    let any = prop::collection::vec(0x20_u8..=0xff, 0..60);
    prop_oneof![odd.prop_map(|text| text.as_bytes().to_vec()), long, any]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        text().prop_map(Change::Append),
        any::<Index>().prop_map(Change::Flip),
        (any::<Index>(), select(b"\t ,.;=0a\x80\xff".to_vec()))
            .prop_map(|(at, byte)| Change::Insert(at, byte)),
        Just(Change::Remove),
        text().prop_map(Change::Replace),
        any::<Index>().prop_map(Change::Truncate),
        Just(Change::Twice),
    ]
}

/// How far the clocks of sender and receiver are apart, in seconds.
fn skew() -> impl Strategy<Value = i64> {
    let near = select(vec![0_i64, 59, 60, 61, 179, 180, 181, 299, 300, 301]);
    (near, any::<bool>()).prop_map(|(skew, ahead)| if ahead { skew } else { -skew })
}

fn at(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW.checked_add_signed(seconds).unwrap())
}

/// By the methods of [`Scheme`], with the body in these pieces.
fn in_pieces(
    scheme: &HmacScheme,
    delivery: &Delivery<'_>,
    pieces: &[&[u8]],
) -> Result<Verdict, Refused> {
    if let Some(reply) = scheme.greet(delivery.head)? {
        return Ok(Verdict::Handshake(reply));
    }
    let mut progress = scheme.begin(delivery.head)?;
    for piece in pieces {
        scheme.update(&mut progress, piece);
    }
    let finish = scheme.finish(progress, delivery);
    finish.into_inner()
}

/// By the layer: the status, and the receipt or the answer.
fn in_layer(
    scheme: HmacScheme,
    head: &Parts,
    pieces: &[&[u8]],
    now: SystemTime,
) -> (u16, Option<String>) {
    let frames: Vec<_> = pieces
        .iter()
        .map(|piece| Ok::<_, Infallible>(Frame::data(Bytes::copy_from_slice(piece))))
        .collect();
    let request = Request::from_parts(head.clone(), StreamBody::new(stream::iter(frames)));
    let layer = WebhookVerifyLayer::new(scheme).clock(move || now);
    let outcome = send(&layer, request).now_or_never().unwrap();
    let shown = match outcome.handled {
        Some((receipt, body)) => {
            assert_eq!(body, pieces.concat());
            Some(format!("{receipt:?}"))
        }
        None if outcome.status == 200 => Some(format!("{:?}", outcome.body)),
        None => None,
    };
    (outcome.status, shown)
}

fn pieces<'a>(body: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
    cuts.sort_unstable();
    let mut pieces = Vec::new();
    let mut from = 0;
    for to in cuts {
        pieces.push(&body[from..to]);
        from = to;
    }
    pieces.push(&body[from..]);
    pieces
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn every_way_comes_to_the_same_verdict(
        which in any::<Index>(),
        is_rotating: bool,
        // Of headers that a sender signs, before it does.
        before in prop::collection::vec((any::<Index>(), change()), 0..2),
        // Of any header, on its way.
        after in prop::collection::vec((any::<Index>(), change()), 0..3),
        other_body in prop::option::weighted(0.2, prop::collection::vec(any::<u8>(), 0..200)),
        padding in 0_usize..200,
        cuts in prop::collection::vec(any::<Index>(), 0..5),
        more_headers in prop_oneof![Just(0_usize), 0_usize..40],
        skew in skew(),
    ) {
        let which = which.index(schemes().len());
        let all = || if is_rotating { rotating() } else { schemes() };
        let (scheme, id) = all().swap_remove(which);
        let (signer, _) = schemes().swap_remove(which);

        let (mut head, ()) = request().body(()).unwrap().into_parts();
        for number in 0..more_headers {
            let name = HeaderName::try_from(format!("x-{number}")).unwrap();
            head.headers.insert(name, HeaderValue::from_static("x"));
        }
        let names: Vec<_> = head.headers.keys().cloned().collect();
        for (at, change) in &before {
            change.apply(&mut head, at.get(&names));
        }
        let body = format!("{BODY}{}", " ".repeat(padding));
        let mut request = Request::from_parts(head, body);
        // What cannot be signed need not be verified.
        prop_assume!(signer.sign(&mut request, at(0)).is_ok());
        let (mut head, body) = request.into_parts();
        // Those that signing wrote, as often as all others.
        let written: Vec<_> = head.headers.keys().filter(|name| !names.contains(name)).cloned().collect();
        for (number, (at, change)) in after.iter().enumerate() {
            let names = if number == 0 { &written } else { &names };
            change.apply(&mut head, at.get(names));
        }
        let body = Bytes::from(other_body.clone().unwrap_or(body.into_bytes()));

        let now = at(skew);
        let delivery = Delivery { head: &head, body: &body, now };
        let at_once = scheme.verify(&delivery);
        let shown = format!("{at_once:?}");
        let pieces = pieces(&body, &cuts);
        let in_steps = verify(&scheme, &head, &body, now).now_or_never().unwrap();
        prop_assert_eq!(&shown, &format!("{in_steps:?}"));
        prop_assert_eq!(&shown, &format!("{:?}", in_pieces(&scheme, &delivery, &pieces)));

        let is_untouched = before.is_empty() && after.is_empty() && other_body.is_none();
        let window = scheme.facts().window;
        // Linear signs the time in its body.
        let is_late = window.is_some_and(|window| skew.unsigned_abs() > window.as_secs());
        let (status, told) = in_layer(scheme, &head, &pieces, now);
        match at_once {
            Ok(Verdict::Verified(receipt)) => {
                prop_assert!(!is_late);
                prop_assert_eq!(receipt.secret_index(), Some(usize::from(is_rotating)));
                if before.is_empty() && receipt.event_id().is_signed() {
                    prop_assert_eq!(receipt.event_id(), &id);
                }
                if is_untouched {
                    prop_assert_eq!(receipt.event_id(), &id);
                }
                prop_assert_eq!((status, told), (204, Some(format!("{receipt:?}"))));
            }
            Ok(Verdict::Handshake(reply)) => {
                prop_assert_eq!((status, told), (200, Some(format!("{:?}", reply.body()))));
            }
            Err(refused) => {
                if is_untouched {
                    prop_assert!(is_late);
                    prop_assert_eq!(refused, Refused::Stale);
                }
                prop_assert_eq!((status, told), (refused.status().as_u16(), None));
            }
        }
    }
}

#[test]
fn an_id_of_any_length_is_found_and_one_that_is_no_text_is_none() {
    let text = |len: usize| "x".repeat(len).into_bytes();
    let broken = |len: usize| [&text(len - 1)[..], "\u{e9}".as_bytes().split_at(1).0].concat();
    for (scheme, _) in schemes() {
        let facts = scheme.facts().clone();
        let Some(name) = ["webhook-id", "svix-id"].into_iter().find(|name| {
            let name = HeaderName::from_static(name);
            facts
                .covers
                .contains(&buttress_webhook::Covered::Header(name))
        }) else {
            continue;
        };
        for len in [1, 47, 48, 49, 500] {
            for (id, is_text) in [(text(len), true), (broken(len), false)] {
                let mut request = request().body(BODY.to_owned()).unwrap();
                request
                    .headers_mut()
                    .insert(name, HeaderValue::from_bytes(&id).unwrap());
                scheme.sign(&mut request, at(0)).unwrap();
                let (head, body) = request.into_parts();
                let body = Bytes::from(body);
                let now = at(0);
                let delivery = Delivery {
                    head: &head,
                    body: &body,
                    now,
                };
                let in_steps = in_pieces(&scheme, &delivery, &[&body]);
                for verdict in [scheme.verify(&delivery), in_steps] {
                    let Ok(Verdict::Verified(receipt)) = verdict else {
                        panic!("{name}, {len}: {verdict:?}");
                    };
                    let expected = if is_text {
                        EventId::signed(str::from_utf8(&id).unwrap())
                    } else {
                        EventId::None
                    };
                    assert_eq!(receipt.event_id(), &expected, "{name}, {len}");
                }
            }
        }
    }
}
