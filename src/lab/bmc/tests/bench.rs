//! A BMC to try, and a client that trusts it by its fingerprint alone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::{Method, Response};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;

use crate::lab::bmc::{BmcConfig, EmulatorConfig, Fault, MediaAccess, Running, Timing, serve};
use crate::model::{Endpoint, Secret, Trust};
use crate::redfish;

pub struct Bench {
    pub client: reqwest::Client,
    pub base: String,
    pub folder: Arc<tempfile::TempDir>,
    config: EmulatorConfig,
    stop: Option<oneshot::Sender<()>>,
    running: Option<Running>,
}

impl Bench {
    pub async fn start(adjust: impl FnOnce(&mut BmcConfig)) -> Self {
        let mut bmc = BmcConfig::named("w01");
        bmc.timing = Timing::brisk();
        bmc.media_access = MediaAccess::Believed;
        adjust(&mut bmc);
        let folder = Arc::new(tempfile::tempdir().expect("a folder"));
        let config = EmulatorConfig {
            listen: "127.0.0.1".parse().expect("an address"),
            certificate: None,
            key: None,
            state_dir: folder.path().join("state"),
            seed: 1,
            bmcs: vec![bmc],
        };
        Self::run(config, folder).await
    }

    pub async fn with_faults(faults: &[&str]) -> Self {
        let faults: Vec<Fault> = faults
            .iter()
            .map(|fault| fault.parse().expect("a fault"))
            .collect();
        Self::start(|bmc| bmc.faults = faults).await
    }

    async fn run(config: EmulatorConfig, folder: Arc<tempfile::TempDir>) -> Self {
        let (stop, stopped) = oneshot::channel();
        let running = serve(config.clone(), async { drop(stopped.await) })
            .await
            .expect("it starts");
        let base = format!("https://{}", running.addresses["w01"]);
        let client = client(&running.fingerprint);
        Self {
            client,
            base,
            folder,
            config,
            stop: Some(stop),
            running: Some(running),
        }
    }

    /// Stops the emulator and starts it with the same state.
    pub async fn restart(mut self) -> Self {
        drop(self.stop.take());
        if let Some(mut running) = self.running.take() {
            running.stopped().await;
        }
        Self::run(self.config.clone(), Arc::clone(&self.folder)).await
    }

    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.base))
            .basic_auth("admin", Some("password"))
    }

    pub async fn get(&self, path: &str) -> Value {
        let response = self.request(Method::GET, path).send().await.expect(path);
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.expect(path)
    }

    pub async fn status(&self, path: &str) -> u16 {
        self.request(Method::GET, path)
            .send()
            .await
            .expect(path)
            .status()
            .as_u16()
    }

    pub async fn post(&self, path: &str, body: Value) -> Response {
        self.request(Method::POST, path)
            .json(&body)
            .send()
            .await
            .expect(path)
    }

    pub async fn patch(&self, path: &str, body: Value) -> Response {
        self.request(Method::PATCH, path)
            .json(&body)
            .send()
            .await
            .expect(path)
    }

    pub async fn delete(&self, path: &str) -> Response {
        self.request(Method::DELETE, path).send().await.expect(path)
    }

    /// The client of this crate, logged in.
    pub async fn connect(&self) -> redfish::Bmc {
        redfish::Bmc::connect(self.endpoint(), swift())
            .await
            .expect("it connects")
    }

    pub fn endpoint(&self) -> Endpoint {
        let running = self.running.as_ref().expect("it runs");
        Endpoint {
            url: self.base.clone(),
            user: "admin".into(),
            password: Secret::new("password"),
            first_password: None,
            trust: Trust::Pin(running.fingerprint.clone()),
        }
    }

    /// Asks until a property has a value; fails after ten seconds.
    pub async fn until(&self, path: &str, pointer: &str, wanted: &str) {
        let limit = Instant::now() + Duration::from_secs(10);
        let mut seen = Value::Null;
        while Instant::now() < limit {
            if let Ok(response) = self.request(Method::GET, path).send().await
                && let Ok(document) = response.json::<Value>().await
            {
                seen = document.pointer(pointer).cloned().unwrap_or_default();
                if seen == wanted {
                    return;
                }
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{path}{pointer} is {seen}, not {wanted}");
    }

    /// Presses the button and waits for the running system.
    pub async fn boot(&self, system: &str, kind: &str) {
        let answer = self
            .post(
                &format!("{system}/Actions/ComputerSystem.Reset"),
                serde_json::json!({"ResetType": kind}),
            )
            .await;
        assert_eq!(answer.status(), 204, "{kind}");
        // The old system runs until the reset begins.
        tokio::time::sleep(Duration::from_millis(20)).await;
        self.until(system, "/BootProgress/LastState", "OSRunning")
            .await;
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        drop(self.stop.take());
    }
}

/// Short pauses, and budgets that a brisk BMC never spends.
pub fn swift() -> redfish::Options {
    let milliseconds = Duration::from_millis;
    redfish::Options {
        pause: milliseconds(10),
        pause_cap: milliseconds(50),
        poll: milliseconds(20),
        boot_budget: milliseconds(2_000),
        read_back_budget: milliseconds(5_000),
        ..redfish::Options::default()
    }
}

/// A client that takes the certificate with that fingerprint and no other.
pub fn client(fingerprint: &str) -> reqwest::Client {
    let config = rustls::ClientConfig::builder()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Pin(fingerprint.to_owned())))
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(config)
        .no_proxy()
        .timeout(Duration::from_secs(20))
        .build()
        .expect("a client")
}

#[derive(Debug)]
struct Pin(String);

impl ServerCertVerifier for Pin {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let seen = format!("sha256:{}", hex::encode(Sha256::digest(certificate)));
        if seen == self.0 {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(rustls::Error::General(format!(
                "pinned {}, seen {seen}",
                self.0
            )))
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signature,
            &rustls::crypto::ring::default_provider().signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        rustls::crypto::ring::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// For tests that look at the bytes of a connection: takes any certificate.
pub fn any_certificate() -> Arc<dyn ServerCertVerifier> {
    #[derive(Debug)]
    struct Any(Pin);
    impl ServerCertVerifier for Any {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, rustls::Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signature: &rustls::DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            self.0
                .verify_tls12_signature(message, certificate, signature)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signature: &rustls::DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            self.0
                .verify_tls13_signature(message, certificate, signature)
        }

        fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
            self.0.supported_verify_schemes()
        }
    }
    Arc::new(Any(Pin(String::new())))
}
