use std::sync::Arc;

use buttress_store::IdempotencyStore;
use tower_layer::Layer;

use super::settings::Settings;
use super::{Executions, InboundBuilder, InboundIdempotencyKey};
use crate::IdempotencyKeyLayer;

/// The receiver's side of [`IdempotencyKeyLayer`].
#[derive(Clone, Debug)]
pub struct Inbound {
    settings: Arc<Settings>,
}

impl Inbound {
    pub(crate) const fn new(settings: Arc<Settings>) -> Self {
        Self { settings }
    }
}

impl IdempotencyKeyLayer<Inbound> {
    /// Executes a request with a key once, and answers its repeats from `store`.
    ///
    /// The builder wants a scope and a policy for lost executions; everything else has a default.
    pub fn inbound(store: impl IdempotencyStore) -> InboundBuilder {
        InboundBuilder::new(Arc::new(store))
    }

    /// The executions that go on without their clients: drain them before the runtime ends.
    ///
    /// Clones of the layer, and all services that they make, share them.
    #[must_use]
    pub fn executions(&self) -> &Executions {
        &self.side.settings.executions
    }
}

impl<S> Layer<S> for IdempotencyKeyLayer<Inbound> {
    type Service = InboundIdempotencyKey<S>;

    fn layer(&self, inner: S) -> InboundIdempotencyKey<S> {
        InboundIdempotencyKey::new(inner, Arc::clone(&self.side.settings))
    }
}
