//! What `ProblemLayer` does with errors that none of its own rows knows, whatever the features.

mod common;

use std::time::Duration;

use buttress_classify::{BoxError, Opinion, Verdict, find};
use buttress_problem::Problem;
use buttress_respond::{Cause, ProblemLayer};
use http::{Request, Response, StatusCode};
use tower::{Layer, Service, ServiceExt, service_fn};

use self::common::{Body, Failed, answer, read};

#[tokio::test]
async fn an_unknown_error_is_a_500_that_says_nothing_else() {
    let error = Failed(Some(Failed(None).into()));
    let (status, members, text) = read(answer(ProblemLayer::new(), error).await).await;
    assert_eq!(status, 500);
    assert_eq!(
        members,
        serde_json::json!({"type": "about:blank", "title": "Internal Server Error", "status": 500})
    );
    assert!(!text.contains("hunter2"));
}

#[tokio::test]
async fn the_error_itself_goes_along_for_layers_outside() {
    let response = answer(ProblemLayer::new(), Failed(None)).await;
    let cause = response.extensions().get::<Cause>().unwrap();
    assert!(cause.error().is::<Failed>());
}

#[tokio::test]
async fn a_row_of_ones_own_finds_its_error_at_any_depth() {
    #[derive(Debug)]
    struct Outer(Failed);
    impl std::fmt::Display for Outer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("outer")
        }
    }
    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }
    let layer = ProblemLayer::new().on(|_: &Failed| Problem::new(StatusCode::IM_A_TEAPOT));
    let (status, ..) = read(answer(layer, Outer(Failed(None))).await).await;
    assert_eq!(status, 418);
}

#[tokio::test]
async fn the_first_row_that_knows_the_error_answers() {
    let layer = ProblemLayer::new()
        .when(|_| None)
        .on(|_: &Failed| Problem::new(StatusCode::GONE))
        .when(|_| Some(Problem::new(StatusCode::CONFLICT)));
    assert_eq!(answer(layer.clone(), Failed(None)).await.status(), 410);
    assert_eq!(answer(layer, "another").await.status(), 409);
}

#[tokio::test]
async fn an_error_that_says_when_to_come_back_is_a_503_with_that_hint() {
    let verdict =
        Verdict::refused("rate_limit").with_retry_after(Some(Duration::from_millis(1200)));
    let error = Failed(Some(Opinion::new(verdict).into()));
    let response = answer(ProblemLayer::new(), error).await;
    assert_eq!(response.headers()["retry-after"], "2");
    let (status, members, text) = read(response).await;
    assert_eq!(status, 503);
    assert_eq!(members["type"], "urn:buttress:problem:unavailable");
    assert!(!text.contains("hunter2"));
}

#[tokio::test]
async fn an_opinion_without_a_hint_stays_a_500() {
    let error = Failed(Some(Opinion::new(Verdict::transient("odd")).into()));
    assert_eq!(answer(ProblemLayer::new(), error).await.status(), 500);
}

#[tokio::test]
async fn a_row_of_ones_own_goes_before_the_built_in_ones() {
    let verdict = Verdict::refused("rate_limit").with_retry_after(Some(Duration::from_secs(1)));
    let layer = ProblemLayer::new().on(|_: &Opinion| Problem::new(StatusCode::TOO_MANY_REQUESTS));
    let error = Failed(Some(Opinion::new(verdict).into()));
    assert_eq!(answer(layer, error).await.status(), 429);
}

#[tokio::test]
async fn a_response_passes_as_it_is() {
    let inner = service_fn(|_: Request<Body>| async {
        Ok::<_, BoxError>(
            Response::builder()
                .status(201)
                .body(Body::from("made"))
                .unwrap(),
        )
    });
    let service = ProblemLayer::new().layer(inner);
    let response = service.oneshot(Request::default()).await.unwrap();
    assert_eq!(response.status(), 201);
    assert!(!response.body().is_own());
    assert!(response.extensions().get::<Cause>().is_none());
}

/// Fails to become ready, once.
#[derive(Clone)]
struct Closed {
    failed: bool,
}

impl Service<()> for Closed {
    type Response = Response<Body>;
    type Error = Failed;
    type Future = std::future::Ready<Result<Response<Body>, Failed>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Failed>> {
        let failed = std::mem::replace(&mut self.failed, true);
        std::task::Poll::Ready(if failed { Ok(()) } else { Err(Failed(None)) })
    }

    fn call(&mut self, (): ()) -> Self::Future {
        std::future::ready(Ok(Response::default()))
    }
}

#[tokio::test]
async fn an_error_of_readiness_is_the_answer_of_the_next_call_alone() {
    let mut service = ProblemLayer::new().layer(Closed { failed: false });
    let response = service.ready().await.unwrap().call(()).await.unwrap();
    assert_eq!(response.status(), 500);
    let cause = response.extensions().get::<Cause>().unwrap();
    assert!(find::<Failed>(cause.error()).is_some());

    let response = service.ready().await.unwrap().call(()).await.unwrap();
    assert_eq!(response.status(), 200);
}

#[test]
fn debug_shows_how_many_rows_there_are() {
    let layer = ProblemLayer::new().when(|_| None);
    assert!(format!("{layer:?}").contains("rows: 1"));
}
