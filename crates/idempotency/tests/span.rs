//! What goes along into the handler's own task: scenario 41. A binary of its own, for the subscriber
//! is the whole process's.

use std::convert::Infallible;

use buttress_idempotency::IdempotencyKeyLayer;
use buttress_store::OrphanPolicy;
use buttress_store_memory::MemoryStore;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tower::{Layer, ServiceExt};
use tracing::{Instrument, Metadata, Span};

#[derive(Clone)]
struct User(&'static str);

#[tokio::test]
async fn s41_span_and_extensions_reach_the_detached_handler() {
    tracing::subscriber::set_global_default(tracing_subscriber::registry()).unwrap();
    let layer = IdempotencyKeyLayer::inbound(MemoryStore::default())
        .single_tenant()
        .orphan_policy(OrphanPolicy::ReExecute)
        .build()
        .unwrap();
    let service = layer.layer(tower::service_fn(|request: Request<_>| async move {
        let User(user) = request.extensions().get().unwrap();
        let span = Span::current().metadata().map_or("none", Metadata::name);
        let answer = Full::<Bytes>::from(format!("{user} in {span}"));
        Ok::<_, Infallible>(Response::new(answer))
    }));
    let request = Request::post("/orders")
        .header("idempotency-key", "k")
        .extension(User("ada"));
    let call = service.oneshot(request.body(Full::<Bytes>::default()).unwrap());
    let response = call.instrument(tracing::info_span!("request")).await;
    let seen = response.unwrap().into_body().collect().await.unwrap();
    assert_eq!(seen.to_bytes(), "ada in request");
}
