use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::Step;

/// A certificate for `localhost` that it signed itself, and its key.
#[derive(Debug)]
pub struct Identity {
    certificate: CertificateDer<'static>,
    config: Arc<ServerConfig>,
}

type Error = Box<dyn std::error::Error + Send + Sync>;

impl Identity {
    /// A new one.
    ///
    /// # Errors
    ///
    /// When the machine has no randomness to give.
    pub fn generate() -> Result<Self, Error> {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()])?;
        let certificate = cert.der().clone();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der())?;
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)?;
        Ok(Self {
            certificate,
            config: Arc::new(config),
        })
    }

    /// Shows this certificate in a handshake.
    #[must_use]
    pub fn handshake(&self) -> Step {
        Step::Tls(Arc::clone(&self.config))
    }

    /// A client's settings that trust this certificate alone.
    ///
    /// # Errors
    ///
    /// When the certificate cannot be read.
    pub fn trusted(&self) -> Result<ClientConfig, Error> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone())?;
        client(roots)
    }
}

/// A client's settings that trust nobody.
///
/// # Errors
///
/// When the provider lacks a version of TLS.
pub fn trusting_nobody() -> Result<ClientConfig, Error> {
    client(RootCertStore::empty())
}

fn client(roots: RootCertStore) -> Result<ClientConfig, Error> {
    Ok(ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
