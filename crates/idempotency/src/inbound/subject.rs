//! Whether a request has a key, and which record and share it belongs to.

use buttress_event::Verified;
use buttress_key::IdempotencyKey;
use buttress_store::{Fingerprint, RecordKey};
use http::StatusCode;
use http::request::Parts;

use super::identity;
use super::problems::Refused;
use super::settings::{Scope, Settings};

/// What is known of a request before its body is read.
pub(crate) enum Subject {
    Event(Verified),
    Key {
        key: IdempotencyKey,
        scope: Option<Vec<u8>>,
    },
    /// It passes as it is.
    None,
}

/// What is known once it has been read.
pub(crate) struct Identity {
    pub(crate) record: RecordKey,
    pub(crate) fingerprint: Fingerprint,
    /// Whose executions are counted together; `None` where there is one tenant alone.
    pub(crate) share: Option<RecordKey>,
    pub(crate) key: Option<IdempotencyKey>,
    /// What tells the sender of an event that all is well.
    pub(crate) success: StatusCode,
}

impl Subject {
    pub(crate) fn of(settings: &Settings, head: &Parts) -> Result<Self, Refused> {
        if settings.is_for_events() {
            let verified = Verified::of(&head.extensions).ok_or(Refused::Unscoped)?;
            return Ok(match verified.dedupe() {
                buttress_event::Dedupe::Never => Self::None,
                _ => Self::Event(verified.clone()),
            });
        }
        let terms = &settings.terms;
        if !terms.methods.contains(&head.method) {
            return Ok(Self::None);
        }
        let key = match read_key(settings, head)? {
            Some(key) => key,
            None if terms.required => return Err(Refused::MissingKey),
            None => return Ok(Self::None),
        };
        if terms.accepts.as_ref().is_some_and(|accepts| !accepts(&key)) {
            return Err(Refused::InvalidKey);
        }
        let scope = match &settings.scope {
            Scope::Of(scope) => Some(scope(head).ok_or(Refused::Unscoped)?),
            Scope::Events | Scope::Single => None,
        };
        Ok(Self::Key { key, scope })
    }

    /// `None` for what has no record.
    pub(crate) fn identify(
        self,
        settings: &Settings,
        head: &Parts,
        body: &[u8],
    ) -> Option<Identity> {
        let terms = &settings.terms;
        match self {
            Self::None => None,
            Self::Event(verified) => {
                let tenant = verified.tenant().map_or("", |tenant| tenant.as_str());
                let source = verified.source().as_str();
                Some(Identity {
                    record: identity::event_record(&terms.namespace, &verified.dedupe_key(body)?),
                    fingerprint: identity::no_fingerprint(),
                    share: Some(identity::share(&[source.as_bytes(), tenant.as_bytes()])),
                    key: None,
                    success: verified.success(),
                })
            }
            Self::Key { key, scope } => {
                let route = terms.route.as_ref().map(|route| route(head));
                let route = route.as_deref().unwrap_or_else(|| head.uri.path());
                let method = head.method.as_str();
                let content = match &terms.canonical {
                    Some(canonical) => identity::canonical_content(&canonical(head, body)),
                    None => identity::content(head, body),
                };
                Some(Identity {
                    record: identity::record(
                        &terms.namespace,
                        scope.as_deref(),
                        method,
                        route,
                        &key,
                    ),
                    fingerprint: identity::fingerprint(&settings.secret, head, content),
                    share: scope.map(|scope| identity::share(&[&scope])),
                    key: Some(key),
                    success: StatusCode::OK,
                })
            }
        }
    }
}

/// The key that an outer layer put into the extensions, or the one header line.
fn read_key(settings: &Settings, head: &Parts) -> Result<Option<IdempotencyKey>, Refused> {
    if let Some(key) = head.extensions.get::<IdempotencyKey>() {
        return Ok(Some(key.clone()));
    }
    let mut lines = head.headers.get_all(&settings.terms.header).iter();
    match (lines.next(), lines.next()) {
        (None, _) => Ok(None),
        (Some(line), None) => IdempotencyKey::parse(line)
            .map(Some)
            .map_err(|_| Refused::InvalidKey),
        (Some(_), Some(_)) => Err(Refused::InvalidKey),
    }
}
