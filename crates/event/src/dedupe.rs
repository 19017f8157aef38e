use std::fmt;

use sha2::{Digest, Sha256};

use crate::{EventId, Verified};

/// The version of the fields and their order below.
const VERSION: u8 = 1;

/// What makes two deliveries the same event.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Dedupe {
    /// The same source, tenant, account, topic and body.
    ByBody,
    /// The same source, tenant and signed id; bodies may differ.
    ById,
    /// Nothing: every delivery counts.
    Never,
}

/// The name under which an event is remembered: a version byte and a SHA-256.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct DedupeKey([u8; 33]);

impl DedupeKey {
    /// The version byte and 32 bytes of hash.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 33] {
        &self.0
    }

    pub(crate) fn of(verified: &Verified, body: &[u8]) -> Option<Self> {
        let mut hash = Sha256::new();
        hash.update([VERSION]);
        match (verified.dedupe(), verified.event_id()) {
            (Dedupe::Never, _) => return None,
            (Dedupe::ById, EventId::Signed(id)) => {
                hash.update(b"i");
                field(&mut hash, verified.source().as_str());
                optional(&mut hash, verified.tenant().map(crate::Tenant::as_str));
                field(&mut hash, id);
            }
            _ => {
                hash.update(b"b");
                field(&mut hash, verified.source().as_str());
                optional(&mut hash, verified.tenant().map(crate::Tenant::as_str));
                optional(&mut hash, verified.account());
                optional(&mut hash, verified.topic());
                hash.update(Sha256::digest(body));
            }
        }
        let mut key = [VERSION; 33];
        key[1..].copy_from_slice(&hash.finalize());
        Some(Self(key))
    }
}

impl fmt::Debug for DedupeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DedupeKey({self})")
    }
}

/// 66 lower-case hex digits.
impl fmt::Display for DedupeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// Length first: what one field ends with can never be what the next begins with.
fn field(hash: &mut Sha256, text: &str) {
    hash.update((text.len() as u64).to_be_bytes());
    hash.update(text);
}

/// Absent and empty are different.
fn optional(hash: &mut Sha256, text: Option<&str>) {
    match text {
        None => hash.update([0]),
        Some(text) => {
            hash.update([1]);
            field(hash, text);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Source, Tenant};

    const GITHUB: Source = Source::from_static("github");

    #[test]
    fn golden_keys_stay_as_they_are() {
        let by_id = Verified::new(Source::from_static("stripe"))
            .with_tenant(Tenant::new("acme"))
            .with_event_id(EventId::signed("evt_1"));
        assert_eq!(
            by_id.dedupe_key(b"").unwrap().to_string(),
            "01ebcf1d811f55b8721007be984755c5425ebac8413708c3985a878d4400dfdee9"
        );
        let by_body = Verified::new(GITHUB).with_topic("push");
        assert_eq!(
            by_body.dedupe_key(b"{}").unwrap().to_string(),
            "012d8d2ab15ac7e59989ad4922592b0eaf44a498183fc48071c8df06fa43e5cee0"
        );
    }

    #[test]
    fn an_unsigned_id_changes_nothing() {
        let with = |id: &str| Verified::new(GITHUB).with_event_id(EventId::unsigned(id));
        assert_eq!(with("a").dedupe_key(b"{}"), with("b").dedupe_key(b"{}"));
    }

    #[test]
    fn an_event_that_is_never_deduplicated_has_no_key() {
        let verified = Verified::new(GITHUB).with_dedupe(Dedupe::Never);
        assert_eq!(verified.dedupe_key(b"{}"), None);
    }

    #[test]
    fn by_id_without_a_signed_id_falls_back_to_the_body() {
        let verified = Verified::new(GITHUB)
            .with_event_id(EventId::unsigned("a"))
            .with_dedupe(Dedupe::ById);
        assert_eq!(verified.dedupe(), Dedupe::ByBody);
        assert_ne!(verified.dedupe_key(b"a"), verified.dedupe_key(b"b"));
    }

    proptest! {
        #[test]
        fn no_two_sets_of_fields_share_a_key(
            one: (String, Option<String>, Option<String>, Option<String>, Vec<u8>),
            two: (String, Option<String>, Option<String>, Option<String>, Vec<u8>),
        ) {
            let key = |(source, tenant, account, topic, body): &(String, Option<String>, Option<String>, Option<String>, Vec<u8>)| {
                let mut verified = Verified::new(Source::from(source.clone()));
                if let Some(tenant) = tenant { verified = verified.with_tenant(Tenant::new(tenant.as_str())); }
                if let Some(account) = account { verified = verified.with_account(account.as_str()); }
                if let Some(topic) = topic { verified = verified.with_topic(topic.as_str()); }
                verified.dedupe_key(body)
            };
            prop_assert_eq!(one == two, key(&one) == key(&two));
        }

        #[test]
        fn text_moved_between_fields_makes_another_key(text in "[a-z]{2,12}", at in 0_usize..12) {
            let at = at.min(text.len() - 1);
            let split = |at: usize| Verified::new(GITHUB).with_account(&text[..at]).with_topic(&text[at..]);
            prop_assert_ne!(split(at).dedupe_key(b""), split(at + 1).dedupe_key(b""));
        }
    }
}
