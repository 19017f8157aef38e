use std::fmt;
use std::sync::Arc;

use buttress_classify::{BoxError, DynError};

/// The error behind an answer, in the response's extensions.
///
/// For the layers outside, such as one that writes the access log. Nothing of it is sent.
#[derive(Clone)]
pub struct Cause(Arc<DynError>);

impl Cause {
    pub(crate) fn new(error: BoxError) -> Self {
        Self(Arc::from(error))
    }

    /// The error, as the inner service returned it.
    #[must_use]
    pub fn error(&self) -> &DynError {
        &*self.0
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cause").field(&self.0).finish()
    }
}
