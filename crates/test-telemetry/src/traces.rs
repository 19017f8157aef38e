//! What is traced.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::OnceLock;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

thread_local! {
    static KEPT: RefCell<Option<Kept>> = const { RefCell::new(None) };
}

struct Kept {
    target: &'static str,
    lines: Vec<String>,
}

/// Keeps each event of this thread whose target begins with `target`, until the value is dropped.
///
/// # Panics
///
/// If the process has another subscriber for all of its threads.
#[must_use]
pub fn traces(target: &'static str) -> Traces {
    // One subscriber for the whole process: those of single threads race with each other for what a
    // callsite remembers of them.
    static INSTALLED: OnceLock<bool> = OnceLock::new();
    let installed =
        *INSTALLED.get_or_init(|| tracing::subscriber::set_global_default(ByThread).is_ok());
    assert!(installed, "this process has another subscriber");
    KEPT.set(Some(Kept {
        target,
        lines: Vec::new(),
    }));
    Traces(PhantomData)
}

/// What this thread has traced since [`traces`].
#[derive(Debug)]
pub struct Traces(PhantomData<*const ()>);

impl Traces {
    /// A line for each event: its level, then its fields by name.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        KEPT.with_borrow(|kept| kept.as_ref().map(|kept| kept.lines.clone()))
            .unwrap_or_default()
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        KEPT.set(None);
    }
}

struct ByThread;

impl Subscriber for ByThread {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        KEPT.with_borrow_mut(|kept| {
            if let Some(kept) = kept
                && event.metadata().target().starts_with(kept.target)
            {
                let mut fields = Fields::default();
                event.record(&mut fields);
                kept.lines
                    .push(format!("{}{fields}", event.metadata().level()));
            }
        });
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|(name, value)| write!(f, " {name}={value}"))
    }
}
