//! What is said of retries: the fields of the conventions, and no more.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use buttress_backoff::{Backoff, Jitter};
use buttress_body::ReplayBody;
use buttress_retry::RetryLayer;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer, ServiceExt, service_fn};
use tracing::field::{Field, Visit};
use tracing::span;
use tracing::{Event, Level, Metadata, Subscriber};

type Fields = BTreeMap<&'static str, String>;

/// Keeps the fields of every event.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(Level, Fields)>>>);

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("buttress_retry")
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        struct Reader(Fields);
        impl Visit for Reader {
            fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
                self.0.insert(field.name(), format!("{value:?}"));
            }
        }
        let mut reader = Reader(Fields::new());
        event.record(&mut reader);
        let level = *event.metadata().level();
        self.0.lock().unwrap().push((level, reader.0));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// Sends a GET to a peer that answers with these statuses.
async fn send<const N: usize>(statuses: [u16; N]) {
    let mut statuses = statuses.into_iter();
    let peer = service_fn(move |_: Request<ReplayBody<Full<Bytes>>>| {
        let mut response = Response::new(Full::<Bytes>::default());
        *response.status_mut() = statuses.next().unwrap_or(200).try_into().unwrap();
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let backoff = Backoff::constant(Duration::from_millis(1500)).jitter(Jitter::None);
    let service = RetryLayer::new().backoff(backoff).layer(peer);
    let request = Request::new(Full::<Bytes>::default());
    service.oneshot(request).await.unwrap();
}

fn fields<const N: usize>(fields: [(&'static str, &str); N]) -> Fields {
    fields.map(|(name, value)| (name, value.to_owned())).into()
}

#[tokio::test(start_paused = true)]
async fn each_resend_and_a_refusal_are_told_at_debug_level() {
    let log = Log::default();
    let guard = tracing::subscriber::set_default(log.clone());
    send([503, 429, 500]).await;
    drop(guard);

    let resending = |count, reason| {
        fields([
            ("message", "resending"),
            ("http.request.resend_count", count),
            ("retry.reason", reason),
            ("retry.delay_s", "1.5"),
        ])
    };
    let refused = fields([
        ("message", "not resending"),
        ("http.request.resend_count", "2"),
        ("retry.reason", "\"500\""),
        ("outcome", "\"attempts\""),
    ]);
    let told = [
        resending("1", "\"503\""),
        resending("2", "\"429\""),
        refused,
    ];
    assert_eq!(
        *log.0.lock().unwrap(),
        told.map(|fields| (Level::DEBUG, fields))
    );
}

#[tokio::test(start_paused = true)]
async fn of_a_call_that_needs_no_retry_nothing_is_told() {
    let log = Log::default();
    let guard = tracing::subscriber::set_default(log.clone());
    send([200]).await;
    send([404]).await;
    drop(guard);
    assert_eq!(*log.0.lock().unwrap(), []);
}

#[cfg(feature = "metrics")]
mod counted {
    use metrics::{
        Counter, CounterFn, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    };

    use super::*;

    /// Keeps every increment by its name and labels.
    #[derive(Clone, Default)]
    struct Counts(Arc<Mutex<BTreeMap<String, u64>>>);

    struct One(String, Counts);

    impl CounterFn for One {
        fn increment(&self, value: u64) {
            *self.1.0.lock().unwrap().entry(self.0.clone()).or_default() += value;
        }

        fn absolute(&self, _: u64) {}
    }

    impl Recorder for Counts {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            let labels = key.labels();
            let labels = labels.map(|label| format!("{}={}", label.key(), label.value()));
            let labels = labels.collect::<Vec<_>>().join(" ");
            let name = format!("{} {labels}", key.name());
            Counter::from_arc(Arc::new(One(name, self.clone())))
        }

        fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::noop()
        }

        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::noop()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_that_failed_for_now_are_counted_by_reason_and_outcome() {
        let counts = Counts::default();
        let guard = metrics::set_default_local_recorder(&counts);
        send([503, 503, 500]).await;
        send([503]).await;
        send([200]).await;
        send([404]).await;
        drop(guard);

        let expected = [
            ("retry.attempts retry.reason=500 outcome=attempts", 1),
            ("retry.attempts retry.reason=503 outcome=resent", 3),
        ];
        let expected = expected.map(|(name, count)| (name.to_owned(), count));
        assert_eq!(*counts.0.lock().unwrap(), expected.into());
    }
}
