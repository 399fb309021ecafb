//! The certificate that BMCs serve with: made once and kept, so that its fingerprint can be pinned.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::answer::{Answer, Message, refuse};
use super::config::EmulatorConfig;
use super::error::BmcError;
use super::machine::Bmc;

/// A certificate ready to serve with.
#[derive(Debug, Clone)]
pub struct Served {
    pub pem: String,
    pub config: Arc<ServerConfig>,
    /// `sha256:` and the digest of the DER form in lower-case hex.
    pub fingerprint: String,
}

impl Served {
    pub fn from_pem(
        certificate: &str,
        key: &str,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let chain: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(certificate.as_bytes()).collect::<Result<_, _>>()?;
        let first = chain.first().ok_or("no certificate in it")?;
        let fingerprint = format!("sha256:{}", hex::encode(Sha256::digest(first)));
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes())?;
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()?
                .with_no_client_auth()
                .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // A thousand BMCs in one process: no cache of sessions each.
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Self {
            pem: certificate.to_owned(),
            config: Arc::new(config),
            fingerprint,
        })
    }
}

/// The configured certificate, or the one in the state folder, made where there is none.
pub fn load(config: &EmulatorConfig) -> Result<Served, BmcError> {
    let path = |given: &Option<PathBuf>, name: &str| {
        given.clone().unwrap_or_else(|| config.state_dir.join(name))
    };
    let certificate_path = path(&config.certificate, "certificate.pem");
    let key_path = path(&config.key, "key.pem");
    if !certificate_path.exists() && !key_path.exists() {
        make(config, &certificate_path, &key_path)?;
    }
    let read = |path: &Path| {
        std::fs::read_to_string(path).map_err(|source| BmcError::Read {
            path: path.into(),
            source,
        })
    };
    let certificate = read(&certificate_path)?;
    let key = read(&key_path)?;
    Served::from_pem(&certificate, &key).map_err(|source| BmcError::CertificateFile {
        path: certificate_path,
        source,
    })
}

fn make(config: &EmulatorConfig, certificate: &Path, key: &Path) -> Result<(), BmcError> {
    let mut names = vec!["localhost".to_owned(), config.listen.to_string()];
    names.extend(
        config
            .bmcs
            .iter()
            .filter_map(|bmc| bmc.address)
            .map(|address| address.to_string()),
    );
    names.sort();
    names.dedup();
    let mut parameters = CertificateParams::new(names).map_err(BmcError::Certificate)?;
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, "emulated BMC");
    parameters.distinguished_name = subject;
    let pair = KeyPair::generate().map_err(BmcError::Certificate)?;
    let made = parameters
        .self_signed(&pair)
        .map_err(BmcError::Certificate)?;
    let write = |path: &Path, text: &str| {
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;
        std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|source| BmcError::Write {
                path: path.into(),
                source,
            })
    };
    write(key, &pair.serialize_pem())?;
    write(certificate, &made.pem())
}

impl Bmc {
    /// `CertificateService.GenerateCSR`: the key stays in the BMC.
    pub fn generate_request(&self, body: &Value) -> Answer {
        let common_name = body["CommonName"].as_str().unwrap_or_default();
        let collection = body["CertificateCollection"]["@odata.id"].as_str();
        if common_name.is_empty() || collection.is_none() {
            let missing = if common_name.is_empty() {
                "CommonName"
            } else {
                "CertificateCollection"
            };
            return refuse(
                400,
                Message::new("ActionParameterMissing")
                    .arguments(["CertificateService.GenerateCSR", missing]),
            );
        }
        let mut names = vec![common_name.to_owned()];
        names.extend(
            body["AlternativeNames"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|name| name.as_str().map(str::to_owned)),
        );
        let made = KeyPair::generate().and_then(|pair| {
            let mut parameters = CertificateParams::new(names)?;
            let mut subject = DistinguishedName::new();
            for (property, kind) in [
                ("CommonName", DnType::CommonName),
                ("Organization", DnType::OrganizationName),
                ("OrganizationalUnit", DnType::OrganizationalUnitName),
                ("City", DnType::LocalityName),
                ("State", DnType::StateOrProvinceName),
                ("Country", DnType::CountryName),
            ] {
                if let Some(value) = body[property].as_str().filter(|value| !value.is_empty()) {
                    subject.push(kind, value);
                }
            }
            parameters.distinguished_name = subject;
            Ok((
                parameters.serialize_request(&pair)?.pem()?,
                pair.serialize_pem(),
            ))
        });
        match made {
            Ok((request, key)) => {
                self.lock().signing_request_key = Some(key);
                Answer::json(
                    200,
                    json!({"CSRString": request, "CertificateCollection": {"@odata.id": collection}}),
                )
            }
            Err(_) => refuse(
                400,
                Message::new("ActionParameterValueTypeError").arguments([
                    common_name,
                    "CommonName",
                    "CertificateService.GenerateCSR",
                ]),
            ),
        }
    }

    /// `CertificateService.ReplaceCertificate`: with its key in the same text, or for the last
    /// signing request. New connections get the new certificate.
    pub fn replace_certificate(&self, body: &Value) -> Answer {
        let Some(text) = body["CertificateString"].as_str() else {
            return refuse(
                400,
                Message::new("ActionParameterMissing")
                    .arguments(["CertificateService.ReplaceCertificate", "CertificateString"]),
            );
        };
        let kept = self.lock().signing_request_key.clone();
        let key = if text.contains("PRIVATE KEY") {
            Some(text.to_owned())
        } else {
            kept
        };
        let served = key
            .ok_or_else(|| "no key".into())
            .and_then(|key| Served::from_pem(text, &key).map(|served| (served, key)));
        match served {
            Ok((served, key)) => {
                let mut inner = self.lock();
                inner.state.certificate = Some((served.pem.clone(), key));
                inner.state.note("OK", "the HTTPS certificate was replaced");
                self.save(&inner);
                drop(inner);
                self.serve_with(served);
                Answer::empty(204)
            }
            Err(_) => refuse(
                400,
                Message::new("ActionParameterValueConflict")
                    .arguments(["CertificateString", "the given certificate"]),
            ),
        }
    }
}
