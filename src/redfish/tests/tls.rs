//! Certificates and what is no proper TLS, or nothing at all.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use super::super::testing::{Answer, Fake, Tree, swift};
use super::super::{Bmc, Error, Options, certificate};
use crate::model::{BmcQuery, Trust};

fn self_signed() -> (rustls::ServerConfig, String) {
    super::super::trust::provider();
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(vec!["bmc".into()]).unwrap();
    // As `openssl req -x509` makes them: an authority that is shown as the server's own.
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let certificate = parameters.self_signed(&key).unwrap();
    let pin = {
        use sha2::Digest;
        format!(
            "sha256:{}",
            hex::encode(sha2::Sha256::digest(certificate.der()))
        )
    };
    let key = rustls_pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    (config, pin)
}

#[tokio::test]
async fn a_self_signed_certificate_is_pinned_and_another_is_refused() {
    let tree = Tree::host();
    let served = Arc::clone(&tree);
    let (config, pin) = self_signed();
    let fake = Fake::tls(config, move |seen| served.serve(seen)).await;
    assert_eq!(certificate(&fake.url).await.unwrap().fingerprint, pin);
    let with = |trust: Trust| {
        let mut endpoint = fake.endpoint();
        endpoint.trust = trust;
        endpoint
    };
    let bmc = Bmc::connect(with(Trust::Pin(pin.to_uppercase())), swift())
        .await
        .unwrap();
    bmc.answer(&BmcQuery::System).await.unwrap();
    let other = format!("sha256:{}", "0".repeat(64));
    let error = Bmc::connect(with(Trust::Pin(other.clone())), swift())
        .await
        .err()
        .unwrap();
    assert!(
        matches!(&error, Error::PinDiffers { expected, got, .. } if *expected == other && *got == pin),
        "{error}"
    );
    let error = Bmc::connect(with(Trust::System), swift())
        .await
        .err()
        .unwrap();
    assert!(
        matches!(&error, Error::Certificate { fingerprint: Some(found), .. } if *found == pin),
        "{error}"
    );
    assert!(error.to_string().contains(&pin), "{error}");
    assert!(error.hint().contains("ra-deploy bmc pin"));
    Bmc::connect(with(Trust::Insecure), swift()).await.unwrap();
    assert!(
        fake.seen()
            .iter()
            .all(|seen| !seen.line().contains("login"))
    );
}

#[tokio::test]
async fn a_port_without_tls_or_without_anything_is_told() {
    let plain = Fake::start(|_| Answer::empty(200)).await;
    let mut endpoint = plain.endpoint();
    endpoint.url = plain.url.replace("http:", "https:");
    let error = Bmc::connect(endpoint.clone(), swift()).await.err().unwrap();
    assert!(matches!(error, Error::NotRedfish { .. }), "{error}");
    endpoint.url = "http://127.0.0.1:1".into();
    let error = Bmc::connect(endpoint, swift()).await.err().unwrap();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
}

/// A port that says these bytes to whoever greets it, and nothing more.
fn port_that_says(bytes: &'static [u8]) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 2000]);
            let _ = stream.write_all(bytes);
            kept.push(stream);
        }
    });
    url
}

#[tokio::test]
async fn tls_that_is_too_old_is_called_so() {
    // Fatal alerts: handshake failure (no common cipher), protocol version.
    for alert in [
        b"\x15\x03\x03\x00\x02\x02\x28",
        b"\x15\x03\x01\x00\x02\x02\x46",
    ] {
        let mut endpoint = Fake::start(|_| Answer::empty(200)).await.endpoint();
        endpoint.url = port_that_says(alert);
        let error = Bmc::connect(endpoint.clone(), swift()).await.err().unwrap();
        assert!(matches!(error, Error::TlsTooOld { .. }), "{error}");
        assert!(error.hint().contains("update its firmware"));
        let error = certificate(&endpoint.url).await.unwrap_err();
        assert!(matches!(error, Error::TlsTooOld { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_port_that_stays_silent_is_given_up() {
    let mut endpoint = Fake::start(|_| Answer::empty(200)).await.endpoint();
    endpoint.url = port_that_says(b"").replace("https:", "http:");
    let options = Options {
        read_timeout: Duration::from_millis(60),
        ..swift()
    };
    let error = Bmc::connect(endpoint, options).await.err().unwrap();
    assert!(error.to_string().contains("no answer in time"), "{error}");
}
