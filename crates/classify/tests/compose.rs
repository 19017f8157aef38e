//! Closures and tuples as classifiers, and what the compiler infers of them.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use buttress_classify::{
    BoxError, Class, Classify, Health, HttpClassifier, HttpOutcome, Sent, Verdict, classify_fn,
    http,
};
use http::{Response, StatusCode};

/// Stands for a layer's builder, which names the response but not the classifier.
fn judge<Res, C: Classify<Res>>(classifier: &C, outcome: Result<Res, BoxError>) -> Verdict {
    match outcome {
        Ok(response) => classifier.verdict(Ok(&response)),
        Err(error) => classifier.verdict(Err(&*error)),
    }
}

fn head(status: u16) -> Result<Response<()>, BoxError> {
    Ok(Response::builder().status(status).body(())?)
}

fn reset() -> BoxError {
    io::Error::from(ErrorKind::ConnectionReset).into()
}

/// A body that nobody outside this file can name.
struct Unnamed;

#[test]
fn a_closure_over_http_names_no_type_at_all() {
    let classifier = http(|outcome| match outcome {
        HttpOutcome::Head(StatusCode::CONFLICT, headers) if headers.contains_key("x-busy") => {
            Some(Verdict::transient("busy"))
        }
        HttpOutcome::Head(..) => None,
        HttpOutcome::Error(error) => Some(Verdict::permanent(if error.source().is_some() {
            "caused"
        } else {
            "bare"
        })),
    });

    let busy = Response::builder()
        .status(409)
        .header("x-busy", "1")
        .body(Unnamed)
        .unwrap();
    assert_eq!(judge(&classifier, Ok(busy)), Verdict::transient("busy"));
    assert_eq!(
        judge(&classifier, head(200)),
        Verdict::rejected("unclassified")
    );
    assert_eq!(
        judge::<Response<Unnamed>, _>(&classifier, Err(reset())),
        Verdict::permanent("bare")
    );
}

#[test]
fn a_closure_over_any_response_names_no_type_either() {
    let classifier = classify_fn(|outcome| match outcome {
        Ok(0) => Some(Verdict::transient("empty")),
        Ok(_) => Some(Verdict::success()),
        Err(_) => None,
    });
    assert_eq!(judge(&classifier, Ok(0_usize)), Verdict::transient("empty"));
    assert_eq!(judge(&classifier, Ok(1_usize)), Verdict::success());
    assert_eq!(
        judge(&classifier, Err(reset())),
        Verdict::permanent("unclassified")
    );
}

#[test]
fn in_a_tuple_the_first_opinion_wins() {
    let classifier = (
        http(|outcome| match outcome {
            HttpOutcome::Head(StatusCode::NOT_FOUND, _) => {
                Some(Verdict::transient("not yet there"))
            }
            _ => None,
        }),
        HttpClassifier,
        classify_fn(|_| Some(Verdict::refused("never asked for a response"))),
    );
    assert_eq!(
        judge(&classifier, head(404)),
        Verdict::transient("not yet there")
    );
    assert_eq!(judge(&classifier, head(503)), Verdict::transient("503"));
    let unknown: BoxError = "unknown".into();
    assert_eq!(
        judge::<Response<()>, _>(&classifier, Err(unknown)),
        Verdict::refused("never asked for a response")
    );
}

#[test]
fn nobodys_opinion_is_a_permanent_failure() {
    let silent = classify_fn(|_: Result<&(), _>| None);
    let answered = silent.verdict(Ok(&()));
    assert_eq!(
        (answered.class, answered.health),
        (Class::Permanent, Health::Good)
    );
    let failed = silent.verdict(Err(&*reset()));
    assert_eq!(
        (failed.class, failed.health, failed.sent),
        (Class::Permanent, Health::Bad, Sent::Maybe)
    );
}

#[test]
fn a_shared_classifier_is_one_too() {
    let shared: Arc<dyn Classify<Response<()>> + Send + Sync> = Arc::new(HttpClassifier);
    assert_eq!(judge(&shared, head(429)), Verdict::throttled("429"));
    assert_eq!(
        judge(&(shared, HttpClassifier), head(500)),
        Verdict::transient("500")
    );
}
