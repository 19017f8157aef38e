use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

use http::request::Parts;

use crate::{Delivery, Facts, Refused, Reply, Scheme, Verdict};

type Finish = Pin<Box<dyn Future<Output = Result<Verdict, Refused>> + Send>>;

/// A scheme of any kind, so that a program can choose its schemes while it runs.
///
/// Costs two allocations for each delivery. Made by [`Scheme::boxed`].
pub struct BoxScheme(Box<dyn Erased>);

impl BoxScheme {
    pub(crate) fn new(scheme: impl Scheme) -> Self {
        Self(Box::new(scheme))
    }
}

impl fmt::Debug for BoxScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BoxScheme").field(self.0.facts()).finish()
    }
}

/// [`Scheme`] with its types boxed.
trait Erased: Send + Sync {
    fn facts(&self) -> &Facts;
    fn greet(&self, head: &Parts) -> Result<Option<Reply>, Refused>;
    fn begin(&self, head: &Parts) -> Result<Box<dyn Any + Send>, Refused>;
    fn update(&self, progress: &mut (dyn Any + Send), piece: &[u8]);
    fn finish(&self, progress: Box<dyn Any + Send>, delivery: &Delivery<'_>) -> Finish;
}

impl<S: Scheme> Erased for S {
    fn facts(&self) -> &Facts {
        Scheme::facts(self)
    }

    fn greet(&self, head: &Parts) -> Result<Option<Reply>, Refused> {
        Scheme::greet(self, head)
    }

    fn begin(&self, head: &Parts) -> Result<Box<dyn Any + Send>, Refused> {
        Ok(Box::new(Scheme::begin(self, head)?))
    }

    fn update(&self, progress: &mut (dyn Any + Send), piece: &[u8]) {
        if let Some(progress) = progress.downcast_mut() {
            Scheme::update(self, progress, piece);
        }
    }

    fn finish(&self, progress: Box<dyn Any + Send>, delivery: &Delivery<'_>) -> Finish {
        match progress.downcast() {
            Ok(progress) => Box::pin(Scheme::finish(self, *progress, delivery)),
            // Progress of another scheme proves nothing.
            Err(_) => Box::pin(std::future::ready(Err(Refused::Mismatch))),
        }
    }
}

impl Scheme for BoxScheme {
    type Progress = Box<dyn Any + Send>;
    type Finish = Finish;

    fn facts(&self) -> &Facts {
        self.0.facts()
    }

    fn greet(&self, head: &Parts) -> Result<Option<Reply>, Refused> {
        self.0.greet(head)
    }

    fn begin(&self, head: &Parts) -> Result<Self::Progress, Refused> {
        self.0.begin(head)
    }

    fn update(&self, progress: &mut Self::Progress, piece: &[u8]) {
        self.0.update(&mut **progress, piece);
    }

    fn finish(&self, progress: Self::Progress, delivery: &Delivery<'_>) -> Finish {
        self.0.finish(progress, delivery)
    }

    fn boxed(self) -> Self {
        self
    }
}
