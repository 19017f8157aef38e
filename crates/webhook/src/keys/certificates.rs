use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage};

use super::cache::{Cache, Fetched};
use super::der;
use super::fetch::{KeyClient, is_absent};
use crate::hmac::since_epoch;
use crate::{BoxError, KeyError, KeyFuture, VerifyingKey, VerifyingKeySource};

/// How long a certificate is kept without asking again, should it be valid for longer.
const KEEP: Duration = Duration::from_secs(24 * 60 * 60);

/// Fetches the certificates of AWS SNS or PayPal with your own HTTP client, and keeps them for a day.
///
/// It fetches over HTTPS, from the sender's own hosts and paths alone, and never follows a redirect. One
/// fetch runs at a time, at most 30 in a minute; names that do not exist are remembered for a minute.
/// A certificate counts only while it is valid.
///
/// A clone shares everything with its origin.
pub struct CertificateSource<C> {
    client: Arc<Mutex<C>>,
    cache: Cache,
    issuer: Issuer,
}

#[derive(Clone)]
enum Issuer {
    PayPal(Arc<[TrustAnchor<'static>]>),
    Sns,
}

impl<C: KeyClient> CertificateSource<C> {
    /// Certificates of AWS SNS: `https://sns.<region>.amazonaws.com/SimpleNotificationService-<32 hex>.pem`.
    ///
    /// The file holds no chain, so the TLS connection vouches for it: your client must verify
    /// servers.
    pub fn aws_sns(client: C) -> Self {
        Self::new(client, Issuer::Sns)
    }

    /// Certificates of PayPal, whose chain must lead to a public root, and which must be issued to
    /// `messageverificationcerts.paypal.com` (or `.sandbox.paypal.com`, from the sandbox's host).
    pub fn paypal(client: C) -> Self {
        Self::new(
            client,
            Issuer::PayPal(webpki_roots::TLS_SERVER_ROOTS.into()),
        )
    }

    /// As [`paypal`](Self::paypal), with roots of your own.
    pub fn paypal_with_roots(
        client: C,
        roots: impl IntoIterator<Item = TrustAnchor<'static>>,
    ) -> Self {
        Self::new(client, Issuer::PayPal(roots.into_iter().collect()))
    }

    fn new(client: C, issuer: Issuer) -> Self {
        Self {
            client: Arc::new(Mutex::new(client)),
            cache: Cache::default(),
            issuer,
        }
    }
}

impl<C> Clone for CertificateSource<C> {
    fn clone(&self) -> Self {
        Self {
            client: Arc::clone(&self.client),
            cache: self.cache.clone(),
            issuer: self.issuer.clone(),
        }
    }
}

impl<C> fmt::Debug for CertificateSource<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let issuer = match self.issuer {
            Issuer::PayPal(_) => "PayPal",
            Issuer::Sns => "AWS SNS",
        };
        f.debug_tuple("CertificateSource").field(&issuer).finish()
    }
}

impl<C: KeyClient> VerifyingKeySource for CertificateSource<C> {
    fn key(&self, url: &str, now: SystemTime) -> KeyFuture {
        if !self.issuer.publishes(url) {
            return Box::pin(std::future::ready(Err(KeyError::Unknown)));
        }
        if let Some(known) = self.cache.known(url, now) {
            return Box::pin(std::future::ready(known));
        }
        let client = self
            .client
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let (cache, issuer, url) = (self.cache.clone(), self.issuer.clone(), url.to_owned());
        Box::pin(async move {
            let fetch = fetch(client, issuer, url.clone(), now);
            cache.get(url, now, fetch).await
        })
    }
}

async fn fetch<C: KeyClient>(
    client: C,
    issuer: Issuer,
    url: String,
    now: SystemTime,
) -> Result<Fetched, BoxError> {
    let request = Request::get(&url).body(Full::<Bytes>::default())?;
    let (status, pem) = client.fetch(request).await?;
    if is_absent(status) {
        return Ok(Fetched { key: None });
    }
    if status != StatusCode::OK {
        return Err(format!("status {} for a certificate", status.as_u16()).into());
    }
    let key = issuer.key(&url, &pem, now);
    Ok(Fetched { key })
}

impl Issuer {
    /// Whether the sender publishes certificates under this URL.
    fn publishes(&self, url: &str) -> bool {
        match self {
            Self::PayPal(_) => {
                is_paypal_certificate(url, false) || is_paypal_certificate(url, true)
            }
            Self::Sns => is_sns_certificate(url, true),
        }
    }

    /// The key of a certificate that counts now, and until when it does.
    fn key(&self, url: &str, pem: &[u8], now: SystemTime) -> Option<(VerifyingKey, SystemTime)> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<_, _>>()
            .ok()?;
        let (first, intermediates) = chain.split_first()?;
        let (from, until) = der::validity(first)?;
        if now < from || until < now {
            return None;
        }
        if let Self::PayPal(roots) = self {
            let sandbox = is_paypal_certificate(url, true);
            is_issued_to_paypal(first, intermediates, roots, sandbox, now)?;
        }
        let key = VerifyingKey::from_certificate(first).ok()?;
        Some((key, until.min(now.checked_add(KEEP)?)))
    }
}

fn is_issued_to_paypal(
    certificate: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    roots: &[TrustAnchor<'_>],
    sandbox: bool,
    now: SystemTime,
) -> Option<()> {
    let name = if sandbox {
        "messageverificationcerts.sandbox.paypal.com"
    } else {
        "messageverificationcerts.paypal.com"
    };
    let certificate = EndEntityCert::try_from(certificate).ok()?;
    let time = UnixTime::since_unix_epoch(since_epoch(now));
    certificate
        .verify_for_usage(
            ALL_VERIFICATION_ALGS,
            roots,
            intermediates,
            time,
            KeyUsage::server_auth(),
            None,
            None,
        )
        .ok()?;
    let name = ServerName::try_from(name).ok()?;
    certificate.verify_is_valid_for_subject_name(&name).ok()
}

/// Host and path of an HTTPS URL that has nothing else: no user, port, query, fragment or escape.
fn split(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix("https://")?;
    let (host, path) = rest.split_at(rest.find('/')?);
    let host_fits =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    let path_fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/".contains(&byte);
    let fits = host.bytes().all(host_fits) && path.bytes().all(path_fits) && !path.contains("..");
    fits.then_some((host, path))
}

/// Whether this is a host of AWS SNS: `sns.<region>.amazonaws.com`, or that of China.
///
/// A region is words and a number, as in `us-gov-west-1`. That it has only their characters keeps out a user
/// or a fragment, and that its first word has no digit keeps out `s3-us-west-2`: the host is a bucket then.
pub(crate) fn is_sns_host(host: &str) -> bool {
    let region = host.strip_prefix("sns.").and_then(|rest| {
        rest.strip_suffix(".amazonaws.com")
            .or_else(|| rest.strip_suffix(".amazonaws.com.cn"))
    });
    let Some((words, number)) = region.and_then(|region| region.rsplit_once('-')) else {
        return false;
    };
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
    let is_number = (1..=2).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
    is_number && words.contains('-') && words.split('-').all(is_word)
}

/// Whether AWS SNS publishes certificates under this URL; `strict` asks for the form of name that it uses.
pub(crate) fn is_sns_certificate(url: &str, strict: bool) -> bool {
    let Some((host, path)) = split(url) else {
        return false;
    };
    let name = path
        .strip_prefix("/SimpleNotificationService-")
        .and_then(|name| name.strip_suffix(".pem"));
    let fits = |name: &str| {
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if strict {
            name.len() == 32 && name.bytes().all(hex)
        } else {
            (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
        }
    };
    is_sns_host(host) && name.is_some_and(fits)
}

/// Whether PayPal publishes certificates under this URL, for the sandbox or for money.
pub(crate) fn is_paypal_certificate(url: &str, sandbox: bool) -> bool {
    let Some((host, path)) = split(url) else {
        return false;
    };
    let hosts = if sandbox {
        ["api.sandbox.paypal.com", "api-m.sandbox.paypal.com"]
    } else {
        ["api.paypal.com", "api-m.paypal.com"]
    };
    let name = path.strip_prefix("/v1/notifications/certs/");
    hosts.contains(&host)
        && name.is_some_and(|name| (1..=128).contains(&name.len()) && !name.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_aws_publishes_is_fetched() {
        let good = "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem";
        assert!(is_sns_certificate(good, true));
        assert!(is_sns_certificate(&good.replace(".com/", ".com.cn/"), true));
        for url in [
            good.replace("https", "http"),
            good.replace("sns.us-east-1", "sns.us-east-1.evil"),
            good.replace("amazonaws.com", "amazonaws.com.evil.example"),
            good.replace("sns.", "sns.x@evil.example/"),
            good.replace("amazonaws.com/", "amazonaws.com:8443/"),
            good.replace("amazonaws.com/", "amazonaws.com/bucket/"),
            good.replace(".pem", ".pem?x"),
            good.replace(".pem", ".pem#x"),
            good.replace("0123456789abcdef0", ""),
            good.replace("SimpleNotificationService", "Other"),
            good.replace("us-east-1", "US-EAST-1"),
            good.replace("us-east-1", ""),
            // A bucket by the name of `sns`.
            good.replace("us-east-1", "s3-us-west-2"),
            good.replace("us-east-1", "s3"),
            good.replace("us-east-1", "s3-accelerate"),
            good.replace("us-east-1", "s3-external-1"),
            good.replace("us-east-1", "s3-website-us-east-1"),
            good.replace("us-east-1", "us-east"),
            good.replace("us-east-1", "us-1"),
            good.replace("us-east-1", "us--1"),
            "https://evil.example/sns.us-east-1.amazonaws.com".to_owned(),
            String::new(),
        ] {
            assert!(!is_sns_certificate(&url, true), "{url}");
        }
    }

    #[test]
    fn regions_of_every_partition_are_hosts() {
        for region in [
            "us-east-1",
            "ap-southeast-5",
            "us-gov-west-1",
            "us-isob-east-1",
            "eu-isoe-west-1",
            "mx-central-1",
        ] {
            assert!(
                is_sns_host(&format!("sns.{region}.amazonaws.com")),
                "{region}"
            );
        }
        assert!(is_sns_host("sns.cn-northwest-1.amazonaws.com.cn"));
    }

    #[test]
    fn only_what_paypal_publishes_is_fetched() {
        let good = "https://api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-a5cafa77";
        assert!(is_paypal_certificate(good, false));
        assert!(!is_paypal_certificate(good, true));
        assert!(is_paypal_certificate(
            &good.replace("api.", "api-m.sandbox."),
            true
        ));
        for url in [
            good.replace("https", "http"),
            good.replace("api.paypal.com", "api.paypal.com.evil.example"),
            good.replace("api.paypal.com", "www.paypal.com"),
            good.replace("api.paypal.com", "evil@api.paypal.com"),
            good.replace("api.paypal.com", "api.paypal.com:444"),
            good.replace("certs/", "certs/../"),
            good.replace("certs/", "certs/%2e%2e/"),
            good.replace("CERT-360caa42-fca2a594-a5cafa77", ""),
            good.replace("/v1", ""),
            format!("{good}?redirect=evil"),
        ] {
            assert!(!is_paypal_certificate(&url, false), "{url}");
        }
    }
}
