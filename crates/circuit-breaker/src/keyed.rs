use std::hash::Hash;
use std::marker::PhantomData;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::task::{Context, Poll};

use buttress_classify::{BoxError, Classify, HttpClassifier};
use http::uri::Authority;
use tower_layer::Layer;
use tower_service::Service;

use crate::circuit::Circuit;
use crate::inner::Inner;
use crate::judge::judge;
use crate::layer::Builder;
use crate::pass::Pass;
use crate::permit::Permit;
use crate::registry::Registry;
use crate::{
    BuildError, CircuitHandles, CircuitKey, HttpDeadline, PerAuthority, ReadDeadline,
    ResponseFuture,
};

/// Refuses calls to those parts of a service that keep failing: each key has a circuit of its own.
///
/// The circuits belong to the layer: all services that it makes share them, and so do its clones.
#[derive(Debug)]
pub struct KeyedCircuitBreakerLayer<K, F, C = HttpClassifier, D = HttpDeadline> {
    registry: Arc<Registry<K>>,
    key: F,
    classifier: C,
    deadline: D,
}

impl<K: Clone + Eq + Hash, F, C, D> KeyedCircuitBreakerLayer<K, F, C, D> {
    /// Hands on the circuits.
    #[must_use]
    pub fn handles(&self) -> CircuitHandles<K> {
        CircuitHandles::new(Arc::clone(&self.registry))
    }
}

impl<K: Clone + Eq + Hash, F: Clone, C: Clone, D: Clone> KeyedCircuitBreakerLayer<K, F, C, D> {
    /// A layer with the same settings and listeners, and circuits of its own.
    #[must_use]
    pub fn isolated(&self) -> Self {
        Self {
            registry: Arc::new(self.registry.isolated()),
            key: self.key.clone(),
            classifier: self.classifier.clone(),
            deadline: self.deadline.clone(),
        }
    }
}

impl<K, F: Clone, C: Clone, D: Clone> Clone for KeyedCircuitBreakerLayer<K, F, C, D> {
    fn clone(&self) -> Self {
        Self {
            registry: Arc::clone(&self.registry),
            key: self.key.clone(),
            classifier: self.classifier.clone(),
            deadline: self.deadline.clone(),
        }
    }
}

impl<S, K, F: Clone, C: Clone, D: Clone> Layer<S> for KeyedCircuitBreakerLayer<K, F, C, D> {
    type Service = KeyedCircuitBreaker<S, K, F, C, D>;

    fn layer(&self, inner: S) -> Self::Service {
        KeyedCircuitBreaker {
            inner: Inner::new(inner),
            unready: None,
            layer: self.clone(),
        }
    }
}

/// The service made by [`KeyedCircuitBreakerLayer`].
///
/// It is always ready: which circuit decides is known with the request, so a call waits for the
/// inner service in its future, if it has to. Clones share the circuits.
#[derive(Debug)]
pub struct KeyedCircuitBreaker<S, K, F, C = HttpClassifier, D = HttpDeadline> {
    inner: Inner<S>,
    /// The inner service said so, and the next call fails of it.
    unready: Option<BoxError>,
    layer: KeyedCircuitBreakerLayer<K, F, C, D>,
}

impl<S, K, F, C, D, Req> Service<Req> for KeyedCircuitBreaker<S, K, F, C, D>
where
    S: Service<Req> + Clone,
    S::Error: Into<BoxError>,
    K: Clone + Eq + Hash,
    F: CircuitKey<Req, Key = K>,
    C: Classify<S::Response> + Clone,
    D: ReadDeadline<Req>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S, Req, C>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.unready = match self.inner.poll_ready(cx) {
            Poll::Ready(Err(error)) => Some(error.into()),
            Poll::Ready(Ok(())) | Poll::Pending => None,
        };
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let layer = &self.layer;
        let classifier = layer.classifier.clone();
        let (anchor, watched) = layer.registry.anchor(layer.key.key(&request));
        if let Some(error) = self.unready.take() {
            if watched {
                anchor.record_unready(judge(&classifier, Err(&*error)));
            }
            let permit = Permit::new(anchor, Pass::UNTRACKED, None);
            return ResponseFuture::waiting(Err(error), classifier, permit);
        }
        let admitted = if watched {
            anchor.admit()
        } else {
            Ok(Pass::UNTRACKED)
        };
        let deadline = layer.deadline.deadline(&request);
        match admitted {
            Ok(pass) if self.inner.is_readied() => self
                .inner
                .call(request, classifier, deadline, &anchor, pass),
            admitted => {
                let (parked, permit) = self.inner.call_later(request, deadline, &anchor, admitted);
                ResponseFuture::waiting(parked, classifier, permit)
            }
        }
    }
}

impl<S: Clone, K, F: Clone, C: Clone, D: Clone> Clone for KeyedCircuitBreaker<S, K, F, C, D> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            unready: None,
            layer: self.layer.clone(),
        }
    }
}

/// Settings of a [`KeyedCircuitBreakerLayer`], complete but for [`build`](Self::build).
#[derive(Debug)]
#[must_use]
pub struct KeyedBuilder<K, F, C, D> {
    builder: Builder<C, D>,
    key: F,
    max: NonZeroUsize,
    keys: PhantomData<fn() -> K>,
}

impl<C, D> Builder<C, D> {
    /// Keeps one circuit for each key, at most `max` of them.
    ///
    /// When another is needed, the least recently used one makes room that has no call in flight and
    /// no handle held; where each has, the calls of the new key pass unwatched.
    pub fn per<Req, K, F>(self, key: F, max: NonZeroUsize) -> KeyedBuilder<K, F, C, D>
    where
        F: Fn(&Req) -> K,
    {
        KeyedBuilder {
            builder: self,
            key,
            max,
            keys: PhantomData,
        }
    }

    /// Keeps one circuit for each authority in the URIs of HTTP requests; see [`per`](Self::per).
    pub fn per_authority(
        self,
        max: NonZeroUsize,
    ) -> KeyedBuilder<Option<Authority>, PerAuthority, C, D> {
        KeyedBuilder {
            builder: self,
            key: PerAuthority,
            max,
            keys: PhantomData,
        }
    }
}

impl<K: Clone + Eq + Hash, F, C, D> KeyedBuilder<K, F, C, D> {
    /// The layer, without a circuit yet.
    ///
    /// # Errors
    ///
    /// [`BuildError`] names the first settings found that do not go together.
    pub fn build(self) -> Result<KeyedCircuitBreakerLayer<K, F, C, D>, BuildError> {
        let Builder {
            classifier,
            deadline,
            name,
            draft,
            audience,
        } = self.builder;
        let settings = draft.settings()?;
        // One lane each: many circuits, and a look-up in front of them, leave it little to win.
        let model = Circuit::new(settings, name, draft.random, audience, 1);
        Ok(KeyedCircuitBreakerLayer {
            registry: Arc::new(Registry::new(model, self.max)),
            key: self.key,
            classifier,
            deadline,
        })
    }
}
