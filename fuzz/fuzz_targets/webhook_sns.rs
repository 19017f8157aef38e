//! No body makes the AWS SNS scheme panic, verify, or ask for a certificate from anywhere else.

#![no_main]

use std::future::Future;
use std::pin::pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};
use std::time::SystemTime;

use buttress_webhook::{
    KeyError, KeyFuture, SnsScheme, SnsSubscription, VerifyingKeySource, aws_sns, verify,
};
use bytes::Bytes;
use http::{Request, Uri};
use libfuzzer_sys::fuzz_target;

/// Looks at what it is asked for.
struct Asked;

impl VerifyingKeySource for Asked {
    fn key(&self, name: &str, _now: SystemTime) -> KeyFuture {
        let (host, path) = name
            .strip_prefix("https://")
            .unwrap()
            .split_once('/')
            .unwrap();
        assert!(host.starts_with("sns."), "{name}");
        assert!(
            host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn"),
            "{name}"
        );
        assert!(path.starts_with("SimpleNotificationService-"), "{name}");
        Box::pin(std::future::ready(Err(KeyError::Unknown)))
    }
}

static SCHEME: LazyLock<SnsScheme> = LazyLock::new(|| {
    let topic = "arn:aws:sns:us-east-1:123456789012:T";
    aws_sns([topic], Asked).unwrap().allow_sha1()
});

fuzz_target!(|data: &[u8]| {
    let (head, ()) = Request::post("/").body(()).unwrap().into_parts();
    let body = Bytes::copy_from_slice(data);
    let mut verifying = pin!(verify(&*SCHEME, &head, &body, SystemTime::UNIX_EPOCH));
    match verifying
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(verdict) => assert!(verdict.is_err()),
        Poll::Pending => panic!("nothing here waits"),
    }
    if let Some(offered) = SnsSubscription::of(&body)
        && let Ok(url) = offered.subscribe_url.parse::<Uri>()
    {
        // What a client would take for the host.
        let host = url.host().unwrap();
        assert!(host.starts_with("sns."), "{url}");
        assert!(
            host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn"),
            "{url}"
        );
    }
});
