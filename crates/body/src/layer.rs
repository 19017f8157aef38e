use tower_layer::Layer;

use crate::Collect;

/// Reads a small response body before it hands the response on.
///
/// Inside an attempt's timeout and retry, a body that is cut short or stalls is then a failed call,
/// which both of them see; without it they have long been satisfied with the head.
#[derive(Clone, Copy, Debug)]
pub struct CollectLayer {
    cap: usize,
}

impl CollectLayer {
    /// Reads bodies of at most `cap` bytes; a larger one is handed on as a stream.
    #[must_use]
    pub const fn up_to(cap: usize) -> Self {
        Self { cap }
    }
}

impl<S> Layer<S> for CollectLayer {
    type Service = Collect<S>;

    fn layer(&self, inner: S) -> Collect<S> {
        Collect::new(inner, self.cap)
    }
}
