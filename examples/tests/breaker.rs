//! What a refusal of the shop's circuit means for its order.

use std::io;
use std::num::NonZeroU32;

use buttress_body::{Collected, ReplayBody};
use buttress_circuit_breaker::{CircuitBreakerLayer, Open, State};
use buttress_classify::{BoxError, find};
use buttress_key::Profile;
use buttress_retry::RetryLayer;
use bytes::Bytes;
use examples::checkout::shop::NewOrder;
use examples::checkout::shop::answer::{Answer, Charged, read};
use examples::checkout::shop::breaker::Breaker;
use http::{Request, Response};
use http_body_util::Full;
use tower::{ServiceBuilder, ServiceExt, service_fn};

/// A circuit that opens at the first failure.
fn breaker() -> Breaker {
    let settings = CircuitBreakerLayer::http().consecutive_failures(NonZeroU32::MIN);
    Breaker::new(settings, &Profile::stripe_v1()).unwrap()
}

/// One operation, through retry and circuit, against a peer that resets every connection.
async fn charge(breaker: &Breaker) -> Answer {
    let reset = |_: Request<ReplayBody<Full<Bytes>>>| async {
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        Err::<Response<Collected>, BoxError>(reset.into())
    };
    let request = Request::post("http://provider/v1/payment_intents")
        .header("idempotency-key", "k")
        .body(Full::default())
        .unwrap();
    ServiceBuilder::new()
        .layer(RetryLayer::new().profile(Profile::stripe_v1()))
        .layer(breaker.layer())
        .service(service_fn(reset))
        .oneshot(request)
        .await
}

fn meaning(answer: &Answer) -> Charged {
    let order = NewOrder {
        id: "o-1".into(),
        amount: 5,
        currency: "usd".into(),
    };
    read(answer, &Profile::stripe_v1(), &order)
}

#[tokio::test(start_paused = true)]
async fn an_order_of_which_nothing_was_sent_before_the_refusal_was_not_executed() {
    let breaker = breaker();
    breaker.layer().handle().force_open();
    let answer = charge(&breaker).await;
    assert!(find::<Open>(&**answer.as_ref().unwrap_err()).is_some());
    assert_eq!(meaning(&answer), Charged::NotExecuted);
}

#[tokio::test(start_paused = true)]
async fn an_order_of_which_an_attempt_was_sent_before_the_refusal_is_unknown() {
    let breaker = breaker();
    let answer = charge(&breaker).await;
    assert!(find::<Open>(&**answer.as_ref().unwrap_err()).is_some());
    assert_eq!(meaning(&answer), Charged::Unknown { stored: false });
    let standing = breaker.standing();
    assert_eq!((standing.state, standing.refused), (Some(State::Open), 1));
}
