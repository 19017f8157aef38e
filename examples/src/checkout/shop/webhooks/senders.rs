//! Who may send webhooks to the shop, as the environment says.

use std::env::VarError;

use buttress_classify::BoxError;
use buttress_key::IdempotencyKey;
use buttress_webhook::{BoxScheme, Fixed, PublicUrl, WebhookVerifyLayer};

use super::scheme::{self, NAMES, Terms};

/// The variables of this number and below are looked for, and one too many is told of.
const NUMBERED: u32 = 9;

/// Who may send webhooks; nobody by default.
#[derive(Clone, Debug, Default)]
pub struct Senders(Vec<Sender>);

/// One of them, and the layer that verifies it.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    pub(super) name: &'static str,
    pub(super) layer: WebhookVerifyLayer<Fixed<BoxScheme>>,
}

impl Sender {
    fn new(name: &'static str, terms: &Terms) -> Result<Self, BoxError> {
        let scheme = scheme::of(name, terms)?;
        Ok(Self {
            name,
            layer: WebhookVerifyLayer::new(scheme),
        })
    }
}

impl Senders {
    /// The shop's provider alone, which signs with this secret.
    ///
    /// # Errors
    /// When the secret is empty.
    pub fn provider(secret: &str) -> Result<Self, BoxError> {
        let terms = Terms {
            secrets: vec![secret.to_owned()],
            ..Terms::default()
        };
        Ok(Self(vec![Sender::new(super::PROVIDER, &terms)?]))
    }

    /// Those for whom there are secrets: `WEBHOOK_SECRET_<SOURCE>`, several between commas, and
    /// `WEBHOOK_SECRET_<SOURCE>_1` and so on, where a secret has a comma itself.
    ///
    /// # Errors
    /// Names the variable that cannot be used, and never shows what it holds.
    pub fn read(variable: &impl Fn(&str) -> Result<String, VarError>) -> Result<Self, BoxError> {
        let read = |name: &str| match variable(name) {
            Ok(value) if value.trim().is_empty() => Err(format!("{name} is empty")),
            Ok(value) => Ok(Some(value.trim().to_owned())),
            Err(VarError::NotPresent) => Ok(None),
            Err(VarError::NotUnicode(_)) => Err(format!("{name} is no text")),
        };
        let url = read("PUBLIC_URL")?;
        let sandbox = read("WEBHOOK_SANDBOX")?.unwrap_or_default();
        let verify_token = read("WEBHOOK_VERIFY_TOKEN_META")?;
        let mut senders = Vec::new();
        for source in NAMES {
            let name = format!(
                "WEBHOOK_SECRET_{}",
                source.to_ascii_uppercase().replace('-', "_")
            );
            let mut secrets = Vec::new();
            if let Some(list) = read(&name)? {
                secrets.extend(list.split(',').map(|secret| secret.trim().to_owned()));
            }
            for number in 1..=NUMBERED {
                secrets.extend(read(&format!("{name}_{number}"))?);
            }
            if secrets.is_empty() {
                continue;
            }
            let terms = Terms {
                secrets,
                url: match &url {
                    Some(url) => Some(public_url(url, source)?),
                    None => None,
                },
                is_sandbox: sandbox.split(',').any(|known| known.trim() == source),
                verify_token: match &verify_token {
                    Some(token) => token.clone(),
                    // One that nobody knows: Meta's question is never answered.
                    None => IdempotencyKey::generate()?.as_str().to_owned(),
                },
            };
            let sender = Sender::new(source, &terms);
            senders.push(sender.map_err(|error| format!("{name}: {error}"))?);
        }
        Ok(Self(senders))
    }

    pub(super) fn all(&self) -> &[Sender] {
        &self.0
    }
}

/// The URL under which this sender knows the shop.
fn public_url(base: &str, source: &str) -> Result<PublicUrl, String> {
    let wrong = || "PUBLIC_URL must be an absolute http or https URL without a query".to_owned();
    if base.contains('?') {
        return Err(wrong());
    }
    let base = base.trim_end_matches('/');
    PublicUrl::exact(&format!("{base}/webhooks/{source}")).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Vec<&'static str>, String> {
        let find = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found
                .map(|(_, value)| (*value).to_owned())
                .ok_or(VarError::NotPresent)
        };
        let senders = Senders::read(&find).map_err(|error| error.to_string())?;
        Ok(senders.all().iter().map(|sender| sender.name).collect())
    }

    #[test]
    fn a_sender_is_one_that_has_a_secret() {
        assert_eq!(read(&[]), Ok(vec![]));
        let several = [
            ("WEBHOOK_SECRET_STRIPE", "whsec_new, whsec_old"),
            ("WEBHOOK_SECRET_GITLAB_TOKEN_1", "with, comma"),
            (
                "WEBHOOK_SECRET_AWS_SNS",
                "arn:aws:sns:us-east-1:123456789012:T",
            ),
        ];
        assert_eq!(
            read(&several),
            Ok(vec!["aws-sns", "gitlab-token", "stripe"])
        );
    }

    #[test]
    fn a_variable_that_cannot_be_used_is_named_and_not_shown() {
        for (name, value, told) in [
            (
                "WEBHOOK_SECRET_STRIPE",
                " ",
                "WEBHOOK_SECRET_STRIPE is empty",
            ),
            (
                "WEBHOOK_SECRET_STRIPE",
                "hunter2,",
                "WEBHOOK_SECRET_STRIPE: secret 1 is empty",
            ),
            ("WEBHOOK_SECRET_SVIX", "hunter2", "WEBHOOK_SECRET_SVIX: "),
            (
                "WEBHOOK_SECRET_PAYPAL",
                "WEBHOOK_ID",
                "WEBHOOK_SECRET_PAYPAL: ",
            ),
            (
                "WEBHOOK_SECRET_SQUARE",
                "hunter2",
                "WEBHOOK_SECRET_SQUARE: PUBLIC_URL is not set",
            ),
            ("WEBHOOK_SECRET_PLAID", "hunter2", "WEBHOOK_SECRET_PLAID: "),
        ] {
            let error = read(&[(name, value)]).unwrap_err();
            assert!(error.starts_with(told), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn every_source_can_be_configured() {
        let secret = |source: &str| {
            match source {
            "adyen-payments" | "adyen-platform" => "00ff".to_owned(),
            "discord" => "26b40b8f93fff3d897112f7ebc582b232dbd72517d082fe83cfb30ddce43d1bb".to_owned(),
            "sendgrid" => "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lfw0EkjqF7xB4FivAxzic30tMM4GF+hR6Dxh71Z50VGGdldkkDXZCnTNnoXQ==".to_owned(),
            "standard-webhooks-v1a" => "whpk_JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=".to_owned(),
            "plaid" => "client:secret".to_owned(),
            "telegram" => "token".to_owned(),
            _ => "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=".to_owned(),
        }
        };
        let mut variables: Vec<_> = NAMES
            .iter()
            .map(|source| {
                let name = source.to_ascii_uppercase().replace('-', "_");
                (format!("WEBHOOK_SECRET_{name}"), secret(source))
            })
            .collect();
        variables.push((
            "PUBLIC_URL".to_owned(),
            "https://shop.example.com/a/".to_owned(),
        ));
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .collect();
        assert_eq!(read(&variables), Ok(NAMES.to_vec()));
    }
}
