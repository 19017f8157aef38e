use std::time::Duration;

use buttress_event::Source;

use super::{base64_key, header};
use crate::ed25519::{Form, Key};
use crate::scheme::{Covered, IdKind};
use crate::secret::Fault;
use crate::{Ed25519Scheme, Facts, InvalidSecret, Part, Secrets};

/// Standard Webhooks, version 1a (Ed25519).
///
/// | | |
/// |---|---|
/// | Signed | `webhook-id`, `.`, `webhook-timestamp`, `.`, body |
/// | Signature | `webhook-signature`: `v1a,` and base64, several between spaces |
/// | Key | `whpk_` and base64 of 32 bytes; public, so nobody can sign with it |
/// | Window | 5 minutes in either direction |
/// | Event id | `webhook-id`, signed |
///
/// Only `v1a` signatures count, for a key of one kind must never verify the other: an HMAC under the
/// public key could be made by anybody. Keys and signatures of small order are refused.
///
/// Source: the Standard Webhooks specification, `github.com/standard-webhooks/standard-webhooks`,
/// checked against the vector in the tests of `github.com/svix/svix-webhooks`.
///
/// # Errors
/// [`InvalidSecret`] when a key is not in this form, or there are more than four.
pub fn standard_webhooks_v1a(keys: impl Into<Secrets>) -> Result<Ed25519Scheme, InvalidSecret> {
    let keys = keys.into().parse(|key| {
        let text = key
            .strip_prefix(b"whpk_")
            .ok_or(Fault::WrongKind("a public key (whpk_)"))?;
        Key::new(&base64_key(text)?)
    })?;
    let form = v1a_form();
    Ok(Ed25519Scheme {
        keys,
        facts: Facts {
            window: Some(Duration::from_secs(300)),
            covers: vec![
                Covered::Header(header("webhook-id")),
                Covered::Header(form.timestamp.clone()),
                Covered::Body,
            ],
            id: IdKind::Signed,
            ..Facts::new(Source::from_static("standard-webhooks-v1a"))
        },
        form,
    })
}

pub(crate) fn v1a_form() -> Form {
    Form {
        signature: header("webhook-signature"),
        timestamp: header("webhook-timestamp"),
        before: vec![
            Part::Header(header("webhook-id")),
            Part::text("."),
            Part::Timestamp,
            Part::text("."),
        ],
        versions: true,
        id: crate::ed25519::Id::Header(header("webhook-id")),
        answer: |_| None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use bytes::Bytes;
    use http::Request;

    use super::*;
    use crate::{Refused, StandardWebhooksV1aSigner, Verdict, verify};

    const SEED: &str = "whsk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    async fn check(
        request: &Request<Bytes>,
        key: &str,
        now: SystemTime,
    ) -> Result<Verdict, Refused> {
        let (mut head, ()) = Request::new(()).into_parts();
        head.headers.clone_from(request.headers());
        verify(
            &standard_webhooks_v1a(key).unwrap(),
            &head,
            request.body(),
            now,
        )
        .await
    }

    #[tokio::test]
    async fn what_the_signer_signs_verifies_and_nothing_else() {
        let signer = StandardWebhooksV1aSigner::new(SEED).unwrap();
        let key = signer.public_key();
        let now = UNIX_EPOCH + Duration::from_secs(1_790_000_000);
        let mut request = Request::post("/")
            .header("webhook-id", "msg_1")
            .body(Bytes::from_static(b"{}"))
            .unwrap();
        signer.sign(&mut request, now).unwrap();
        assert!(matches!(
            check(&request, &key, now).await,
            Ok(Verdict::Verified(_))
        ));
        assert_eq!(
            check(&request, &key, now + Duration::from_secs(301))
                .await
                .unwrap_err(),
            Refused::Stale
        );
        *request.body_mut() = Bytes::from_static(b"{ }");
        assert_eq!(
            check(&request, &key, now).await.unwrap_err(),
            Refused::Mismatch
        );
    }

    #[test]
    fn an_id_with_a_dot_cannot_be_signed() {
        let signer = StandardWebhooksV1aSigner::new(SEED).unwrap();
        let mut request = Request::post("/")
            .header("webhook-id", "msg.1")
            .body("")
            .unwrap();
        assert!(signer.sign(&mut request, UNIX_EPOCH).is_err());
    }

    #[test]
    fn keys_of_another_kind_are_refused() {
        for key in [
            SEED,
            "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
            "whpk_AAAA",
            "",
        ] {
            assert!(standard_webhooks_v1a(key).is_err(), "{key}");
        }
        assert!(StandardWebhooksV1aSigner::new("whpk_AAAA").is_err());
        assert!(StandardWebhooksV1aSigner::new("whsk_AAAA").is_err());
    }
}
