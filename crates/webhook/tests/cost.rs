//! What a verification allocates.

mod common;

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use buttress_body::Collected;
use buttress_webhook::{
    Delivery, HmacScheme, Scheme, WebhookVerifyLayer, github, lemonsqueezy, shopify, slack,
    standard_webhooks, stripe,
};
use bytes::Bytes;
use common::now;
use http::request::Parts;
use http::{Request, Response};
use tower::{Layer, Service};

/// Two labels of a counter are allocated where counters are asked for.
const COUNTED: u64 = if cfg!(feature = "metrics") { 2 } else { 0 };
const KEY: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const BODY: &str = r#"{"id":"evt_1","event_id":"Ev1"}"#;

fn signed(scheme: &HmacScheme) -> Request<String> {
    let mut request = Request::post("/hook")
        .header("webhook-id", "msg_1")
        .header("x-shopify-topic", "orders/create")
        .header("x-shopify-shop-domain", "a.myshopify.com")
        .header("x-shopify-api-version", "2026-10")
        .header("x-shopify-webhook-id", "w-1")
        .body(BODY.to_owned())
        .unwrap();
    scheme.sign(&mut request, now()).unwrap();
    request
}

fn poll<F: Future>(future: F) -> F::Output {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("pending"),
    }
}

fn verify(scheme: &HmacScheme, head: &Parts, body: &Bytes) -> bool {
    let mut progress = scheme.begin(head).unwrap();
    scheme.update(&mut progress, body);
    let now = now();
    poll(scheme.finish(progress, &Delivery { head, body, now })).is_ok()
}

fn allocations(scheme: &HmacScheme) -> u64 {
    let (head, body) = signed(scheme).into_parts();
    let body = Bytes::from(body);
    assert!(verify(scheme, &head, &body));
    let counted = allocation_counter::measure(|| assert!(verify(scheme, &head, &body)));
    counted.count_total
}

#[test]
fn verifying_allocates_for_nothing_but_the_names_in_the_receipt() {
    assert_eq!(allocations(&lemonsqueezy("secret").unwrap()), 0);
    assert_eq!(allocations(&lemonsqueezy(["1", "2", "3", "4"]).unwrap()), 0);
    // Its id; github and razorpay name none here.
    assert_eq!(allocations(&stripe("secret").unwrap()), 1);
    assert_eq!(allocations(&standard_webhooks(KEY).unwrap()), 1);
    assert_eq!(allocations(&slack("secret").unwrap()), 1);
    assert_eq!(allocations(&github("secret").unwrap()), 0);
    // Id, topic and shop.
    assert_eq!(allocations(&shopify("secret").unwrap()), 3);
}

#[test]
fn a_refusal_before_the_body_allocates_nothing() {
    let scheme = stripe("secret").unwrap();
    let (head, ()) = Request::post("/").body(()).unwrap().into_parts();
    let counted = allocation_counter::measure(|| assert!(scheme.begin(&head).is_err()));
    assert_eq!(counted.count_total, 0);
}

#[test]
fn handing_on_costs_six_allocations_at_most() {
    for (scheme, most) in [
        (stripe("secret").unwrap(), 4),
        (shopify("secret").unwrap(), 6),
    ] {
        let request = || {
            let (head, body) = signed(&scheme).into_parts();
            Request::from_parts(head, http_body_util::Full::new(Bytes::from(body)))
        };
        let requests = [request(), request()];
        let handler = tower::service_fn(|_: Request<Collected>| {
            std::future::ready(Ok::<_, Infallible>(Response::new(String::new())))
        });
        let mut service = WebhookVerifyLayer::new(scheme).clock(now).layer(handler);
        for (round, request) in requests.into_iter().enumerate() {
            let counted = allocation_counter::measure(|| {
                let response = poll(service.call(request)).unwrap();
                assert_eq!(response.status(), 200);
            });
            if round == 1 {
                assert!(
                    counted.count_total <= most + COUNTED,
                    "{}",
                    counted.count_total
                );
            }
        }
    }
}
