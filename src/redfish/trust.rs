//! Whether a BMC's certificate is believed.
//!
//! rustls refuses the usual self-signed certificate even where it is given as the authority
//! (`CaUsedAsEndEntity`), so the pinned fingerprint is the main way. The handshake's signature is
//! always verified: whoever shows a certificate also has its key.

use std::error::Error as StdError;
use std::sync::{Arc, Mutex};

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, OtherError,
    RootCertStore, SignatureScheme,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::certificate::{Shown, fingerprint_of};
use super::error::Error;
use crate::model::Trust;

/// The ring provider, explicitly: reqwest is built without one.
pub(super) fn provider() -> Arc<CryptoProvider> {
    // An error only says that a provider is already installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    CryptoProvider::get_default()
        .cloned()
        .unwrap_or_else(|| Arc::new(rustls::crypto::ring::default_provider()))
}

/// The TLS settings for a kind of trust; none where reqwest's own (the system's) are wanted.
pub(super) fn tls(trust: &Trust) -> Result<Option<ClientConfig>, Error> {
    let provider = provider();
    let check = match trust {
        Trust::System => return Ok(None),
        Trust::Authority(path) => {
            let unreadable =
                |source: Option<Arc<dyn StdError + Send + Sync>>| Error::AuthorityFile {
                    path: path.clone(),
                    source,
                };
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_file_iter(path)
                .map_err(|error| unreadable(Some(Arc::new(error))))?
            {
                let certificate = certificate.map_err(|error| unreadable(Some(Arc::new(error))))?;
                roots
                    .add(certificate)
                    .map_err(|error| unreadable(Some(Arc::new(error))))?;
            }
            if roots.is_empty() {
                return Err(unreadable(None));
            }
            return Ok(Some(frugal(
                builder(&provider)
                    .with_root_certificates(roots)
                    .with_no_client_auth(),
            )));
        }
        Trust::Pin(pin) => Check::Pin(normalise(pin)),
        Trust::Insecure => Check::Nothing,
    };
    Ok(Some(frugal(with_check(&provider, check))))
}

/// Remembers the sessions of one server: by default there is room for 256, which costs more than
/// all else that a BMC's client holds.
fn frugal(mut config: ClientConfig) -> ClientConfig {
    config.resumption = Resumption::in_memory_sessions(8);
    config
}

fn builder(
    provider: &Arc<CryptoProvider>,
) -> rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier> {
    ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .expect("the ring provider has cipher suites for TLS 1.2 and 1.3")
}

fn with_check(provider: &Arc<CryptoProvider>, check: Check) -> ClientConfig {
    builder(provider)
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier {
            check,
            provider: Arc::clone(provider),
        }))
        .with_no_client_auth()
}

/// `sha256:` and 64 lower-case hexadecimal digits, from what a person may have written.
pub fn normalise(pin: &str) -> String {
    let digits: String = pin
        .trim()
        .trim_start_matches(|letter: char| !letter.is_ascii_alphanumeric())
        .to_ascii_lowercase();
    let digits = digits
        .strip_prefix("sha256:")
        .or_else(|| digits.strip_prefix("sha256/"))
        .unwrap_or(&digits)
        .chars()
        .filter(char::is_ascii_hexdigit)
        .collect::<String>();
    format!("sha256:{digits}")
}

#[derive(Debug)]
enum Check {
    Pin(String),
    Nothing,
    /// Believes nobody for longer than it takes to note the certificate.
    Learn(Mutex<Option<Shown>>),
}

#[derive(Debug)]
struct Verifier {
    check: Check,
    provider: Arc<CryptoProvider>,
}

#[derive(Debug, thiserror::Error)]
#[error("certificate has fingerprint {got}")]
struct Differs {
    expected: String,
    got: String,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let got = fingerprint_of(certificate.as_ref());
        match &self.check {
            Check::Pin(expected) if *expected != got => Err(rustls::Error::InvalidCertificate(
                CertificateError::Other(OtherError(Arc::new(Differs {
                    expected: expected.clone(),
                    got,
                }))),
            )),
            Check::Learn(seen) => {
                *seen.lock().expect("no panic holds this lock") = Some(Shown::of(certificate));
                Ok(ServerCertVerified::assertion())
            }
            Check::Pin(_) | Check::Nothing => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// Learns the certificate that is shown at an address, without believing it and without sending
/// anything.
///
/// # Errors
/// [`Error::Address`], [`Error::Unreachable`], [`Error::TlsTooOld`].
pub async fn certificate(url: &str) -> Result<Shown, Error> {
    let base = super::transport::base(url)?;
    let address = |reason: &str| Error::Address {
        url: url.to_owned(),
        reason: reason.to_owned(),
    };
    if base.scheme() != "https" {
        return Err(address("only https has a certificate"));
    }
    let host = base.host_str().ok_or_else(|| address("it names no host"))?;
    let bare = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    let name = ServerName::try_from(bare.clone()).map_err(|_| address("it names no valid host"))?;
    let port = base.port_or_known_default().unwrap_or(443);
    let origin = base.origin().ascii_serialization();
    let verifier = Arc::new(Verifier {
        check: Check::Learn(Mutex::new(None)),
        provider: provider(),
    });
    let config = builder(&verifier.provider)
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&verifier) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let handshake = async {
        let stream = tokio::net::TcpStream::connect((bare.as_str(), port)).await?;
        connector.connect(name, stream).await
    };
    let limit = std::time::Duration::from_secs(10);
    let outcome = tokio::time::timeout(limit, handshake)
        .await
        .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
    let seen = match &verifier.check {
        Check::Learn(seen) => seen.lock().expect("no panic holds this lock").clone(),
        _ => None,
    };
    match (outcome, seen) {
        (_, Some(shown)) => Ok(shown),
        (Err(error), None) => Err(
            explain(&origin, &error).unwrap_or_else(|| Error::Unreachable {
                origin,
                reason: error.to_string(),
                arrival: super::error::Arrival::Impossible,
                source: Arc::new(error),
            }),
        ),
        (Ok(_), None) => Err(Error::Certificate {
            origin,
            reason: "no certificate was shown".into(),
            fingerprint: None,
        }),
    }
}

/// Whether something can be fetched from an address, whoever its server is: asked for its head
/// only.
///
/// # Errors
/// Why not.
pub async fn fetchable(url: &str) -> Result<(), String> {
    provider();
    let words = |error: &dyn StdError| {
        let mut last = error.to_string();
        let mut next = error.source();
        while let Some(cause) = next {
            last = cause.to_string();
            next = cause.source();
        }
        last
    };
    let limit = std::time::Duration::from_secs(10);
    let mut builder = reqwest::Client::builder().timeout(limit).no_proxy();
    if let Ok(Some(config)) = tls(&Trust::Insecure) {
        builder = builder.tls_backend_preconfigured(config);
    }
    let client = builder.build().map_err(|error| words(&error))?;
    let answer = client.head(url).send().await;
    let status = answer.map_err(|error| words(&error))?.status();
    // A server that knows no HEAD is there all the same.
    match status.is_success() || matches!(status.as_u16(), 405 | 501) {
        true => Ok(()),
        false => Err(format!("status {status}")),
    }
}

/// The TLS reason in a chain of causes, if that is what it was.
pub(super) fn explain(origin: &str, error: &(dyn StdError + 'static)) -> Option<Error> {
    let origin = origin.to_owned();
    let cause = rustls_cause(error)?;
    let reason = cause.to_string();
    Some(match cause {
        rustls::Error::AlertReceived(
            AlertDescription::HandshakeFailure
            | AlertDescription::ProtocolVersion
            | AlertDescription::InsufficientSecurity,
        )
        | rustls::Error::PeerIncompatible(_) => Error::TlsTooOld { origin, reason },
        rustls::Error::InvalidCertificate(CertificateError::Other(other)) => {
            match other.0.downcast_ref::<Differs>() {
                Some(differs) => Error::PinDiffers {
                    origin,
                    expected: differs.expected.clone(),
                    got: differs.got.clone(),
                },
                None => Error::Certificate {
                    origin,
                    reason: other.0.to_string(),
                    fingerprint: None,
                },
            }
        }
        rustls::Error::InvalidCertificate(_) => Error::Certificate {
            origin,
            reason,
            fingerprint: None,
        },
        rustls::Error::InvalidMessage(_) => Error::NotRedfish {
            origin,
            reason: "the port does not speak TLS".into(),
        },
        _ => return None,
    })
}

fn rustls_cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    let mut next: Option<&'a (dyn StdError + 'static)> = Some(error);
    while let Some(current) = next {
        if let Some(found) = current.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        // An io::Error hides what it wraps from `source`.
        let inner = current
            .downcast_ref::<std::io::Error>()
            .and_then(|io| io.get_ref());
        if let Some(found) = inner.and_then(|inner| rustls_cause(inner)) {
            return Some(found);
        }
        next = current.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_may_be_written_in_several_ways() {
        let expected = "sha256:00ffab";
        for pin in ["sha256:00ffab", "SHA256:00:FF:AB", "00ffab", " 00:ff:ab "] {
            assert_eq!(normalise(pin), expected);
        }
    }

    #[test]
    fn an_authority_file_without_certificates_is_named() {
        let error = tls(&Trust::Authority("/dev/null".into())).unwrap_err();
        assert!(error.to_string().contains("/dev/null"));
        assert!(!error.hint().is_empty());
    }
}
