//! What is said of a circuit: its changes, its refusals, late answers, and nothing of a good call.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use tokio::time::advance;
use tower::{Service, ServiceExt};
use tracing::field::{Field, Visit};
use tracing::span;
use tracing::{Event, Level, Metadata, Subscriber};

use crate::peer::{Do, calls, consecutive, guarded, secs};

/// Keeps every event: its level, then its fields.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("buttress_circuit_breaker")
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        struct Reader(BTreeMap<&'static str, String>);
        impl Visit for Reader {
            fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
                self.0.insert(field.name(), format!("{value:?}"));
            }
        }
        let mut reader = Reader(BTreeMap::new());
        event.record(&mut reader);
        let fields = reader
            .0
            .iter()
            .map(|(name, value)| format!(" {name}={value}"));
        let line: String = fields.collect();
        let level: Level = *event.metadata().level();
        self.0.lock().unwrap().push(format!("{level}{line}"));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[tokio::test(start_paused = true)]
async fn changes_refusals_and_late_answers_are_told_and_good_calls_are_not() {
    let log = Log::default();
    let guard = tracing::subscriber::set_default(log.clone());
    let (mut service, _circuit) = guarded(consecutive(1).name("ledger"));
    calls(&mut service, Do::Succeed, 3).await;
    assert_eq!(*log.0.lock().unwrap(), [""; 0]);

    let late = service.ready().await.unwrap().call(Do::Fail);
    calls(&mut service, Do::Fail, 1).await;
    calls(&mut service, Do::Succeed, 1).await;
    drop(late.await);
    advance(secs(30)).await;
    calls(&mut service, Do::Succeed, 1).await;
    drop(guard);

    let change = |from, to, cause, open| {
        format!(
            "INFO breaker.cause=\"{cause}\" breaker.name=\"ledger\"{open} \
             breaker.previous_state=\"{from}\" breaker.state=\"{to}\" message=circuit changed"
        )
    };
    let expected = [
        change(
            "closed",
            "open",
            "consecutive_failures",
            " breaker.open_s=30.0",
        ),
        "DEBUG breaker.name=\"ledger\" breaker.shadow=false message=call refused".to_owned(),
        "DEBUG breaker.name=\"ledger\" message=late outcome ignored".to_owned(),
        change("open", "half_open", "cool_down_over", ""),
        change("half_open", "closed", "probes_succeeded", ""),
    ];
    assert_eq!(*log.0.lock().unwrap(), expected);
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
            let labels = labels.map(|label| format!(" {}={}", label.key(), label.value()));
            let name = format!("{}{}", key.name(), labels.collect::<String>());
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
    async fn changes_and_refusals_are_counted() {
        let counts = Counts::default();
        let guard = metrics::set_default_local_recorder(&counts);
        let (mut service, circuit) = guarded(consecutive(1).name("ledger"));
        calls(&mut service, Do::Succeed, 10).await;
        calls(&mut service, Do::Fail, 4).await;
        circuit.shadow();
        calls(&mut service, Do::Fail, 2).await;
        drop(guard);

        let expected = [
            (
                "breaker.rejections breaker.name=ledger breaker.enforced=false",
                2,
            ),
            (
                "breaker.rejections breaker.name=ledger breaker.enforced=true",
                3,
            ),
            (
                "breaker.transitions breaker.name=ledger breaker.state=open",
                1,
            ),
        ];
        let expected = expected.map(|(name, count)| (name.to_owned(), count));
        assert_eq!(*counts.0.lock().unwrap(), expected.into());
    }
}
