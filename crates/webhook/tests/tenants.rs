//! A secret for each tenant: who is known, who is not, and what a stranger can tell.

mod common;

use std::sync::Arc;

use buttress_event::{EventId, Source};
use buttress_webhook::{
    BoxError, Delivery, Facts, Refused, Scheme, Verdict, WebhookVerifyLayer, stripe,
};
use bytes::Bytes;
use common::{Calls, now, send, signed_with};
use http::Request;
use http::request::Parts;
use http_body_util::Full;

const BODY: &str = r#"{"id":"evt_1"}"#;

fn layer() -> WebhookVerifyLayer<impl buttress_webhook::Resolve> {
    let acme = Arc::new(stripe("acme's").unwrap());
    let decoy = stripe("nobody's").unwrap();
    WebhookVerifyLayer::per_tenant(decoy, move |head: &Parts| {
        let path = head.uri.path().to_owned();
        let acme = Arc::clone(&acme);
        async move {
            tokio::task::yield_now().await;
            match path.as_str() {
                "/acme" => Ok(Some((buttress_event::Tenant::new("acme"), acme))),
                "/broken" => Err(BoxError::from("the database is away")),
                _ => Ok(None),
            }
        }
    })
    .clock(now)
}

fn delivery(path: &str, secret: &str) -> Request<Full<Bytes>> {
    signed_with(&stripe(secret).unwrap(), Request::post(path), BODY)
}

#[tokio::test]
async fn a_tenants_own_secret_lets_its_deliveries_in() {
    let outcome = send(&layer(), delivery("/acme", "acme's")).await;
    let (verified, _) = outcome.handled.unwrap();
    assert_eq!(verified.tenant().unwrap().as_str(), "acme");
    assert_eq!(verified.event_id(), &EventId::signed("evt_1"));
}

#[tokio::test]
async fn a_stranger_cannot_tell_an_unknown_tenant_from_a_wrong_secret() {
    let wrong = send(&layer(), delivery("/acme", "wrong")).await;
    let unknown = send(&layer(), delivery("/other", "acme's")).await;
    assert_eq!(wrong.status, 401);
    assert_eq!(unknown.status, 401);
    assert_eq!(wrong.headers, unknown.headers);
    assert_eq!(wrong.body, unknown.body);
}

#[tokio::test]
async fn not_even_the_decoys_secret_lets_anybody_in() {
    let outcome = send(&layer(), delivery("/other", "nobody's")).await;
    assert_eq!(outcome.status, 401);
    assert!(outcome.handled.is_none());
}

#[tokio::test]
async fn a_resolver_that_fails_asks_the_sender_to_try_again() {
    let outcome = send(&layer(), delivery("/broken", "acme's")).await;
    assert_eq!(outcome.status, 503);
    assert_eq!(outcome.headers["retry-after"], "30");
    assert!(!outcome.body.windows(8).any(|window| window == b"database"));
}

/// A scheme that accepts everything and counts its work.
struct Counted {
    begun: Calls,
    pieces: Calls,
    finished: Calls,
    facts: Facts,
}

impl Counted {
    fn new(begun: &Calls, pieces: &Calls, finished: &Calls) -> Self {
        Self {
            begun: begun.clone(),
            pieces: pieces.clone(),
            finished: finished.clone(),
            facts: Facts::new(Source::from_static("counted")),
        }
    }
}

impl Scheme for Counted {
    type Progress = ();
    type Finish = std::future::Ready<Result<Verdict, Refused>>;

    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn begin(&self, _: &Parts) -> Result<(), Refused> {
        self.begun.add();
        Ok(())
    }

    fn update(&self, (): &mut (), _: &[u8]) {
        self.pieces.add();
    }

    fn finish(&self, (): (), _: &Delivery<'_>) -> Self::Finish {
        self.finished.add();
        std::future::ready(Ok(Verdict::Verified(self.facts.receipt())))
    }
}

#[tokio::test]
async fn an_unknown_tenant_costs_the_same_work() {
    let (begun, pieces, finished) = (Calls::default(), Calls::default(), Calls::default());
    let decoy = Counted::new(&begun, &pieces, &finished);
    let nobody = |_: &Parts| async { Ok::<Option<(_, Arc<Counted>)>, BoxError>(None) };
    let layer = WebhookVerifyLayer::per_tenant(decoy, nobody);
    let request = Request::post("/").body(Full::<Bytes>::from(BODY)).unwrap();
    // The decoy accepts, and the answer is no all the same.
    let outcome = send(&layer, request).await;
    assert_eq!(outcome.status, 401);
    assert_eq!((begun.count(), pieces.count(), finished.count()), (1, 1, 1));
}

#[tokio::test]
async fn a_bodys_size_tells_nobody_who_is_known() {
    let small = Arc::new(stripe("acme's").unwrap().cap(1));
    let layer = WebhookVerifyLayer::per_tenant(stripe("nobody's").unwrap(), move |head: &Parts| {
        let known = head.uri.path() == "/acme";
        let found = known.then(|| (buttress_event::Tenant::new("acme"), Arc::clone(&small)));
        async move { Ok::<_, BoxError>(found) }
    })
    .clock(now);
    for path in ["/acme", "/other"] {
        assert_eq!(send(&layer, delivery(path, "wrong")).await.status, 401);
        let large =
            delivery(path, "wrong").map(|_| Full::<Bytes>::from(vec![b' '; 1024 * 1024 + 1]));
        assert_eq!(send(&layer, large).await.status, 413);
    }
}

#[tokio::test]
async fn a_handshake_is_not_answered_for_an_unknown_tenant() {
    let decoy = buttress_webhook::dropbox("nobody's").unwrap();
    let nobody =
        |_: &Parts| async { Ok::<Option<(_, Arc<buttress_webhook::HmacScheme>)>, BoxError>(None) };
    let layer = WebhookVerifyLayer::per_tenant(decoy, nobody);
    let request = Request::get("/?challenge=abc")
        .body(Full::<Bytes>::default())
        .unwrap();
    assert_eq!(send(&layer, request).await.status, 401);
}

#[tokio::test]
async fn schemes_of_different_kinds_stand_side_by_side() {
    let boxed = |name: &str| match name {
        "/stripe" => stripe("secret").unwrap().boxed(),
        _ => buttress_webhook::telegram("secret").unwrap().boxed(),
    };
    let layer = WebhookVerifyLayer::per_tenant(boxed("decoy"), move |head: &Parts| {
        let scheme = Arc::new(boxed(head.uri.path()));
        let tenant = buttress_event::Tenant::new(head.uri.path());
        async move { Ok::<_, BoxError>(Some((tenant, scheme))) }
    })
    .clock(now);
    assert_eq!(
        send(&layer, delivery("/stripe", "secret")).await.status,
        204
    );
    let telegram = Request::post("/telegram").header("x-telegram-bot-api-secret-token", "secret");
    let telegram = telegram.body(Full::<Bytes>::from("{}")).unwrap();
    assert_eq!(send(&layer, telegram).await.status, 204);
}
