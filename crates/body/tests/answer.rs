//! Behaviour of `Answer`.

mod script;

use buttress_body::Answer;
use bytes::Bytes;
use http_body::Body;
use http_body_util::{BodyExt, Full};

use script::{Step, data, script, trailers};

#[tokio::test]
async fn the_layers_own_bytes_are_one_frame_of_known_length() {
    let body: Answer<Full<Bytes>> = Answer::own("no");
    assert!(body.is_own());
    assert_eq!(body.size_hint().exact(), Some(2));
    assert!(!body.is_end_stream());
    assert_eq!(body.collect().await.unwrap().to_bytes(), "no");
}

#[tokio::test]
async fn an_answer_without_content_has_ended() {
    let body: Answer<Full<Bytes>> = Answer::empty();
    assert!(body.is_end_stream());
    assert_eq!(body.size_hint().exact(), Some(0));
    assert!(body.collect().await.unwrap().to_bytes().is_empty());
}

#[tokio::test]
async fn the_inner_body_keeps_its_length_its_end_and_its_trailers() {
    let full = Full::new(Bytes::from("hello"));
    let body = Answer::inner(full.clone());
    assert!(!body.is_own());
    assert_eq!(body.size_hint().exact(), full.size_hint().exact());

    let mut body = Answer::inner(script([data("hello"), Step::Trailers]).knowing_its_end());
    assert_eq!(
        body.frame().await.unwrap().unwrap().into_data().unwrap(),
        "hello"
    );
    assert!(!body.is_end_stream());
    let frame = body.frame().await.unwrap().unwrap();
    assert_eq!(frame.into_trailers().unwrap(), trailers());
    assert!(body.is_end_stream());
}

#[tokio::test]
async fn an_error_of_the_inner_body_stays_its_own() {
    let body = Answer::inner(script([Step::Fail]));
    let error: std::io::Error = body.collect().await.unwrap_err();
    assert_eq!(error.to_string(), "scripted");
}
