use std::{fmt, mem};

use buttress_key::{DerivationSecret, Profile};
use http::Request;
use http::request::Parts;

use super::rules::Chosen;
use super::{KeyRefused, Operation, Refusal};
use crate::telemetry::Origin;

type Name = dyn Fn(&Parts) -> Option<Operation> + Send + Sync;

/// How keys are made of what requests do.
pub(crate) struct Derivation {
    pub(crate) secret: DerivationSecret,
    pub(crate) namespace: String,
    pub(crate) name: Box<Name>,
}

impl Derivation {
    pub(super) fn derive<B>(
        &self,
        profile: &Profile,
        request: &mut Request<B>,
    ) -> Result<Option<Chosen>, Box<KeyRefused>> {
        let Some(Operation {
            name,
            entity,
            generation,
        }) = with_parts(request, &*self.name)
        else {
            return Ok(None);
        };
        let key = profile
            .derive(&self.secret, &self.namespace, &name, &entity, generation)
            .map_err(|why| KeyRefused::caused_by(Refusal::Misfit, why))?;
        let mut chosen = Chosen::new(key, Origin::Derived);
        chosen.owned = chosen.owned.with_generation(generation);
        Ok(Some(chosen))
    }
}

/// Shows `look` the head of a request that keeps its body.
fn with_parts<B, T>(request: &mut Request<B>, look: impl FnOnce(&Parts) -> T) -> T {
    let (mut head, ()) = Request::new(()).into_parts();
    exchange(&mut head, request);
    let seen = look(&head);
    exchange(&mut head, request);
    seen
}

fn exchange<B>(head: &mut Parts, request: &mut Request<B>) {
    mem::swap(&mut head.method, request.method_mut());
    mem::swap(&mut head.uri, request.uri_mut());
    mem::swap(&mut head.version, request.version_mut());
    mem::swap(&mut head.headers, request.headers_mut());
    mem::swap(&mut head.extensions, request.extensions_mut());
}

impl fmt::Debug for Derivation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Derivation")
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}
