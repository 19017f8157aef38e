//! Keys that must not be sent again: too old for the provider, or used for something else.

mod common;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use buttress_idempotency::{IdempotencyKeyLayer, Operation, Outbound, OutboundKey, Refusal};
use buttress_key::{DerivationSecret, Fingerprint, Profile};
use bytes::Bytes;
use common::{Clock, DAY, key, owned, post, refusal, request, secret, send, with, with_header};
use futures_util::stream;
use http::{Method, Request, Uri};
use http_body::Frame;
use http_body_util::StreamBody;

const TICK: Duration = Duration::from_nanos(1);
const MARGIN: Duration = Duration::from_secs(5 * 60);
const HORIZON: Duration = DAY.saturating_sub(MARGIN);

fn stripe() -> IdempotencyKeyLayer<Outbound> {
    IdempotencyKeyLayer::outbound(Profile::stripe_v1())
}

fn first_sent(at: SystemTime) -> OutboundKey {
    OutboundKey::new(key("order-17"), at)
}

#[tokio::test]
async fn a_key_is_sent_up_to_its_horizon_and_not_past_it() {
    for (margin, horizon) in [
        (None, HORIZON),
        (Some(DAY / 2), DAY / 2),
        (Some(TICK), DAY.saturating_sub(TICK)),
    ] {
        let clock = Clock::default();
        let layer = stripe().clock(clock.reader());
        let layer = margin.map_or(layer.clone(), |margin| layer.margin(margin));

        clock.set(DAY + horizon);
        let row = || with(post("a=1"), first_sent(UNIX_EPOCH + DAY));
        assert!(send(&layer, row()).await.is_ok());

        clock.set(DAY + horizon + TICK);
        let age = horizon + TICK;
        assert_eq!(
            refusal(&layer, row()).await,
            Refusal::Expired { age, horizon }
        );
    }
}

#[tokio::test]
async fn the_horizon_holds_in_a_new_process_too() {
    let clock = Clock::default();
    clock.set(3 * DAY);
    let fresh = stripe().clock(clock.reader());
    let refused = refusal(&fresh, with(post("a=1"), first_sent(UNIX_EPOCH))).await;
    assert!(matches!(refused, Refusal::Expired { age, .. } if age == 3 * DAY));
}

#[tokio::test]
async fn the_horizon_is_the_profiles() {
    let clock = Clock::default();
    clock.set(3 * DAY);
    let adyen = IdempotencyKeyLayer::outbound(Profile::adyen()).clock(clock.reader());
    assert!(
        send(&adyen, with(post("a=1"), first_sent(UNIX_EPOCH)))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_first_sending_is_no_further_ahead_than_the_margin_for_clocks_allows() {
    let clock = Clock::default();
    clock.set(DAY);
    let layer = stripe().clock(clock.reader());
    let row = |ahead| with(post("a=1"), first_sent(UNIX_EPOCH + DAY + ahead));
    assert!(send(&layer, row(MARGIN)).await.is_ok());
    // Its real age could be any, and past the retention the provider would execute it again.
    let ahead = MARGIN + TICK;
    assert_eq!(
        refusal(&layer, row(ahead)).await,
        Refusal::Postdated { ahead }
    );
}

#[tokio::test]
async fn a_margin_beyond_the_retention_lets_no_key_be_sent_twice() {
    let clock = Clock::default();
    clock.set(DAY);
    let layer = stripe().margin(2 * DAY).clock(clock.reader());
    let row = || with(post("a=1"), first_sent(UNIX_EPOCH + DAY));
    assert!(send(&layer, row()).await.is_ok());
    clock.set(DAY + TICK);
    assert!(matches!(
        refusal(&layer, row()).await,
        Refusal::Expired { .. }
    ));
}

#[tokio::test]
async fn a_key_that_nobody_dated_is_dated_by_the_layer() {
    let clock = Clock::default();
    let name = |_: &http::request::Parts| Some(Operation::new("charge", "17"));
    let derived = stripe()
        .clock(clock.reader())
        .derive(secret(), "shop", name);
    let accepted = stripe().clock(clock.reader()).accept_header();
    let header = || with_header(post("a=1"), "mine");

    clock.set(DAY);
    assert!(send(&derived, post("a=1")).await.is_ok());
    assert!(send(&accepted, header()).await.is_ok());
    clock.set(DAY + HORIZON);
    assert!(send(&derived, post("a=1")).await.is_ok());
    assert!(send(&accepted, header()).await.is_ok());
    clock.set(DAY + HORIZON + TICK);
    assert!(matches!(
        refusal(&derived, post("a=1")).await,
        Refusal::Expired { .. }
    ));
    assert!(matches!(
        refusal(&accepted, header()).await,
        Refusal::Expired { .. }
    ));
}

#[tokio::test]
async fn a_caller_who_dates_each_sending_anew_is_held_to_the_first() {
    let clock = Clock::default();
    let layer = stripe().clock(clock.reader());
    clock.set(DAY);
    assert!(
        send(&layer, with(post("a=1"), first_sent(clock.read())))
            .await
            .is_ok()
    );
    clock.set(2 * DAY);
    let again = with(post("a=1"), first_sent(clock.read()));
    assert!(matches!(
        refusal(&layer, again).await,
        Refusal::Expired { .. }
    ));
}

#[tokio::test]
async fn the_same_key_with_another_request_is_refused() {
    let layer = stripe();
    assert!(send(&layer, with(post("a=1"), owned("k"))).await.is_ok());
    assert!(send(&layer, with(post("a=1"), owned("k"))).await.is_ok());
    let others = [
        post("a=2"),
        post(""),
        request(Method::POST, "https://api.example/v1/refunds", "a=1"),
        request(Method::POST, "https://api.example/v1/charges?x", "a=1"),
    ];
    for other in others {
        assert_eq!(
            refusal(&layer, with(other, owned("k"))).await,
            Refusal::Reused
        );
    }
    assert!(send(&layer, with(post("a=2"), owned("l"))).await.is_ok());
    let moved = request(Method::POST, "http://10.0.0.1/v1/charges", "a=1");
    assert!(
        send(&layer, with(moved, owned("k"))).await.is_ok(),
        "another host is no other request"
    );
}

#[tokio::test]
async fn an_empty_body_is_a_body() {
    let layer = stripe();
    assert!(send(&layer, with(post(""), owned("k"))).await.is_ok());
    assert!(send(&layer, with(post(""), owned("k"))).await.is_ok());
    assert_eq!(
        refusal(&layer, with(post("a=1"), owned("k"))).await,
        Refusal::Reused
    );
}

#[tokio::test]
async fn what_one_clone_sent_the_others_know() {
    let layer = stripe();
    let clone = layer.clone().margin(MARGIN);
    let alone = layer.isolated();
    assert!(send(&layer, with(post("a=1"), owned("k"))).await.is_ok());
    assert_eq!(
        refusal(&clone, with(post("a=2"), owned("k"))).await,
        Refusal::Reused
    );
    assert!(send(&alone, with(post("a=2"), owned("k"))).await.is_ok());
}

#[tokio::test]
async fn a_persisted_fingerprint_is_checked_in_a_new_process() {
    let uri = Uri::from_static("https://api.example/v1/charges");
    let row = || {
        let fingerprint = Fingerprint::new(&secret(), &Method::POST, &uri, b"a=1");
        owned("k").with_fingerprint(Fingerprint::from_bytes(fingerprint.as_bytes()).unwrap())
    };
    let process = || stripe().fingerprints(secret());
    assert!(send(&process(), with(post("a=1"), row())).await.is_ok());
    assert_eq!(
        refusal(&process(), with(post("a=2"), row())).await,
        Refusal::Reused
    );

    let elsewhere = request(Method::POST, "https://api.example/v1/refunds", "a=1");
    assert_eq!(
        refusal(&process(), with(elsewhere, row())).await,
        Refusal::Reused
    );
    let stranger = stripe().fingerprints(DerivationSecret::new([8; 32]).unwrap());
    assert_eq!(
        refusal(&stranger, with(post("a=1"), row())).await,
        Refusal::Reused
    );
    assert_eq!(
        refusal(&stripe(), with(post("a=1"), row())).await,
        Refusal::NoSecret
    );
}

#[tokio::test]
async fn a_body_that_is_not_at_hand_is_not_compared() {
    let streamed = |text: &'static str| {
        let frames = [Ok::<_, String>(Frame::data(Bytes::from_static(
            text.as_bytes(),
        )))];
        let request = Request::post("https://api.example/v1/charges");
        request.body(StreamBody::new(stream::iter(frames))).unwrap()
    };
    let layer = stripe();
    assert!(
        send(&layer, with(streamed("a=1"), owned("k")))
            .await
            .is_ok()
    );
    assert!(
        send(&layer, with(streamed("a=2"), owned("k")))
            .await
            .is_ok()
    );
    // The first body at hand is what the key was used for, as far as anyone can tell.
    assert!(send(&layer, with(post("a=3"), owned("k"))).await.is_ok());
    assert!(
        send(&layer, with(streamed("a=4"), owned("k")))
            .await
            .is_ok()
    );
    assert_eq!(
        refusal(&layer, with(post("a=4"), owned("k"))).await,
        Refusal::Reused
    );
}

#[tokio::test]
async fn the_oldest_key_is_forgotten_first_and_never_more_are_kept_than_asked() {
    let layer = stripe().capacity(NonZeroUsize::new(3).unwrap());
    for name in ["k1", "k2", "k3", "k1"] {
        assert!(send(&layer, with(post("a=1"), owned(name))).await.is_ok());
    }
    assert_eq!(
        refusal(&layer, with(post("a=2"), owned("k1"))).await,
        Refusal::Reused
    );

    assert!(send(&layer, with(post("a=1"), owned("k4"))).await.is_ok());
    for name in ["k2", "k3", "k4"] {
        assert_eq!(
            refusal(&layer, with(post("a=2"), owned(name))).await,
            Refusal::Reused,
            "{name}"
        );
    }
    assert!(
        send(&layer, with(post("a=2"), owned("k1"))).await.is_ok(),
        "forgotten"
    );
    assert!(
        send(&layer, with(post("a=2"), owned("k2"))).await.is_ok(),
        "made room for k1"
    );
}

#[test]
fn of_many_threads_with_one_key_only_those_with_the_first_body_send() {
    const THREADS: usize = 8;
    const KEYS: usize = 200;
    let layer = stripe();
    let sent: Arc<Vec<[AtomicUsize; 2]>> =
        Arc::new((0..KEYS).map(|_| Default::default()).collect());
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (layer, sent) = (layer.clone(), Arc::clone(&sent));
            scope.spawn(move || {
                let body = thread % 2;
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .build()
                    .unwrap();
                for (number, sent) in sent.iter().enumerate() {
                    let request = with(post(["a=0", "a=1"][body]), owned(&format!("k{number}")));
                    if runtime.block_on(send(&layer, request)).is_ok() {
                        sent[body].fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
    });
    for sent in sent.iter() {
        let mut counts = sent.each_ref().map(|count| count.load(Ordering::SeqCst));
        counts.sort_unstable();
        assert_eq!(counts, [0, THREADS / 2]);
    }
}
