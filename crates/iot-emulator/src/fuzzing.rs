//! A door for the fuzz targets in `fuzz/` and for tests: what can be attacked, without sockets. Not part of the API.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use iot_protocol::id::{DeviceId, HubHost, IdScope, RegistrationId};
use iot_protocol::twin::TwinDocument;
use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::attestation::{self, Above, Authority, Enrollments, Individual, attest};
use crate::central::{Approval, Attestation, Central, Device};
use crate::certificate::{Certificate, Thumbprint};
use crate::faults::FaultRules;
use crate::gate::Gate;
use crate::hub::Reprovision;
use crate::hub::{self, Hubs, Registry};
use crate::journal::{Entry, Journal};
use crate::mqtt;
use crate::mqtt::Peer;
use crate::refused_devices::RefusedDevices;
use crate::registrations::Registrations;
use crate::runs::Runs;
use crate::services::Services;
use crate::stats::{Counters, Stats};
use crate::store::Store;
use crate::token::ApiToken;
use crate::{clock, rest};

/// What a connection may have sent that its client has not read yet.
const PIPE: usize = 1 << 20;

/// An emulator without listeners with one device, `t-1`, enrolled at DPS and registered with the hub by its
/// certificate.
#[derive(Debug)]
pub struct Tenant {
    pub(crate) services: Arc<Services>,
    leaf: Certificate,
}

/// The one enrollment that a chain is judged by.
#[derive(Debug, Clone, Copy)]
pub enum Enrolled<'a> {
    /// This certificate, for the registration id.
    Individually(&'a KnownCertificate),
    /// This authority, for a group.
    Below(&'a KnownCertificate),
}

impl Enrollments for Enrolled<'_> {
    fn individual(&self, leaf: &Thumbprint) -> Option<Individual> {
        let Self::Individually(enrolled) = self else {
            return None;
        };
        (enrolled.0.thumbprint() == *leaf).then(|| Individual {
            registration_id: enrolled.0.common_name.clone().unwrap_or_default().to_ascii_lowercase(),
            entry: attestation::Entry::Primary,
            enabled: true,
        })
    }

    fn individual_for(&self, _registration_id: &str) -> Option<(&Certificate, Option<&Certificate>)> {
        match self {
            Self::Individually(enrolled) => Some((&enrolled.0, None)),
            Self::Below(_) => None,
        }
    }

    fn authorities(&self) -> impl Iterator<Item = Authority<'_>> {
        let authority = match self {
            Self::Individually(_) => None,
            Self::Below(certificate) => Some(Authority {
                group: "group",
                entry: attestation::Entry::Primary,
                enabled: true,
                verified: true,
                certificate: &certificate.0,
            }),
        };
        authority.into_iter()
    }

    fn above(&self, _below: &Certificate) -> Option<Above> {
        None
    }
}

/// What DPS makes of a device that shows `chain` at `now`: nothing if it gets in, or the reason as the journal has it.
#[must_use]
pub fn refusal(
    enrolled: Enrolled<'_>,
    registration_id: &RegistrationId,
    chain: &[KnownCertificate],
    now: Timestamp,
) -> Option<String> {
    let chain: Vec<_> = chain.iter().map(|certificate| (*certificate.0).clone()).collect();
    let attested = attest(&enrolled, registration_id, &chain, now);
    attested.err().map(|refusal| refusal.to_string())
}

/// An answer of the REST interface.
#[derive(Debug)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The body, as it is.
    pub body: Vec<u8>,
}

/// A text or bytes that turned out to be a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownCertificate(Arc<Certificate>);

/// A device's twin.
#[derive(Debug)]
pub struct Twin(hub::Twin);

impl Default for Tenant {
    fn default() -> Self {
        Self::new()
    }
}

impl Tenant {
    /// A new one, in which nothing has happened.
    #[must_use]
    pub fn new() -> Self {
        static LEAF: OnceLock<Certificate> = OnceLock::new();
        let leaf = LEAF.get_or_init(|| {
            let mut parameters = rcgen::CertificateParams::new(vec![]).expect("no name is a valid list of names");
            parameters.distinguished_name.push(rcgen::DnType::CommonName, "t-1");
            let key = rcgen::KeyPair::generate().expect("keys can be made");
            let certificate = parameters.self_signed(&key).expect("the parameters are complete");
            Certificate::from_der(certificate.der()).expect("what was just made is a certificate")
        });
        let hostname = HubHost::new("localhost").expect("the constant is a host name");
        let services = Services {
            registry: Registry::new(Hubs::new(&[], &hostname)),
            hostname,
            id_scope: IdScope::new("0ne00EMULATOR").expect("the constant is a valid id scope"),
            dps_retry_after: Duration::ZERO,
            reprovision: Reprovision::Migrate,
            approval: Approval::Auto,
            token: ApiToken::generate(),
            central: Central::default(),
            registrations: Registrations::default(),
            store: Store::memory(),
            counters: Counters::default(),
            runs: Runs::default(),
            room: Arc::default(),
            journal: Journal::new(),
            refused: RefusedDevices::default(),
            sign_in: crate::sign_in::SignIn::default(),
            gate: Gate::new(None, FaultRules::default(), 0, CancellationToken::new()),
        };
        let id = DeviceId::new("t-1").expect("the constant is a device id");
        let mut changes = services.store.changes();
        let policy = services.reprovision;
        services
            .registry
            .enroll(&id, leaf.thumbprint(), policy, &services.store, &mut changes);
        {
            let mut application = services.central.write();
            application.devices.insert("t-1".into(), Box::new(Device::new(id)));
            let attestation = Attestation {
                primary: Arc::new(leaf.clone()),
                secondary: None,
            };
            application.set_attestation("t-1", Some(attestation));
        }
        Self {
            services: Arc::new(services),
            leaf: leaf.clone(),
        }
    }

    /// Lets a client that has shown the certificate of `t-1` send these bytes, so many at a time, and go. Gives what it
    /// was sent. The session must end by itself; its panic is one of the caller.
    pub async fn converse(&self, bytes: &[u8], at_a_time: usize) -> Vec<u8> {
        let (client, server) = duplex(PIPE);
        let peer = Peer {
            chain: vec![self.leaf.clone()],
            gateway: None,
        };
        let serving = mqtt::serve(server, peer, Arc::clone(&self.services), CancellationToken::new());
        let (mut reading, mut writing) = tokio::io::split(client);
        let mut answers = Vec::new();
        let talking = async {
            for chunk in bytes.chunks(at_a_time.max(1)) {
                // The session may have closed before everything was sent.
                if writing.write_all(chunk).await.is_err() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            drop(writing.shutdown().await);
        };
        let ((), (), _) = tokio::join!(serving, talking, reading.read_to_end(&mut answers));
        answers
    }

    /// Makes a request with the token. `None`: no HTTP client could make it.
    pub async fn request(&self, method: &str, target: &str, body: Vec<u8>) -> Option<Response> {
        let app = rest::in_memory(Arc::clone(&self.services));
        ask(app, method, target, Some(self.services.token.reveal()), body).await
    }

    /// Whether these certificates, leaf first, get their owner in as `t-1`, at DPS or at the hub.
    #[must_use]
    pub fn lets_in(&self, chain: &[KnownCertificate]) -> bool {
        let chain: Vec<_> = chain.iter().map(|certificate| (*certificate.0).clone()).collect();
        let id = RegistrationId::new("t-1").expect("the constant is a registration id");
        let at_hub = crate::attestation::authenticate(&self.leaf.thumbprint(), &chain, clock::now()).is_ok();
        at_hub || self.services.central.attest(&id, &chain, clock::now()).is_ok()
    }

    /// Totals.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.services.counters.read()
    }

    /// What happened.
    #[must_use]
    pub fn journal(&self) -> Vec<Entry> {
        self.services.journal.since(0)
    }
}

/// Asks a router without a socket.
pub(crate) async fn ask(
    app: Router,
    method: &str,
    target: &str,
    token: Option<&str>,
    body: Vec<u8>,
) -> Option<Response> {
    let mut request = Request::builder()
        .method(method)
        .uri(target)
        .header(CONTENT_TYPE, "application/json");
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, token);
    }
    let request = request.body(Body::from(body)).ok()?;
    let answer = match app.oneshot(request).await {
        Ok(answer) => answer,
        Err(never) => match never {},
    };
    Some(Response {
        status: answer.status().as_u16(),
        body: to_bytes(answer.into_body(), usize::MAX).await.ok()?.into(),
    })
}

/// The error for a file that is not PEM.
#[must_use]
pub fn pem_flaw(bytes: &[u8]) -> Option<String> {
    crate::pem::sections(bytes).err().map(|flaw| format!("{flaw} {flaw:?}"))
}

impl KnownCertificate {
    /// As a client shows it in a TLS handshake.
    #[must_use]
    pub fn from_der(der: &[u8]) -> Option<Self> {
        Certificate::from_der(der).ok().map(Arc::new).map(Self)
    }

    /// As a REST client sends it.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        Certificate::from_text(text).ok().map(Arc::new).map(Self)
    }

    /// As it is stored.
    #[must_use]
    pub fn stored(self) -> String {
        Arc::unwrap_or_clone(self.0).into()
    }

    /// Whether the other one is named as its issuer and has signed it.
    #[must_use]
    pub fn is_signed_by(&self, other: &Self) -> bool {
        self.0.is_signed_by(&other.0)
    }

    /// How the REST interface names it.
    #[must_use]
    pub fn sha1_thumbprint(&self) -> String {
        self.0.sha1_thumbprint()
    }
}

impl Default for Twin {
    fn default() -> Self {
        Self(hub::Twin::new())
    }
}

impl Twin {
    /// The device reports; the new version if that is accepted.
    pub fn report(&mut self, body: &[u8]) -> Option<u64> {
        self.0.report(body, clock::now()).ok()
    }

    /// The solution changes desired properties; the new version, and what the device is sent, if that is accepted.
    pub fn change_desired(&mut self, patch: Map<String, Value>) -> Option<(u64, Vec<u8>)> {
        let (version, body) = self.0.change_desired(patch, clock::now()).ok()?;
        Some((version, body.into()))
    }

    /// What the device gets when it asks for its twin.
    #[must_use]
    pub fn document(&self) -> TwinDocument {
        self.0.document()
    }

    /// The form in which it is stored.
    ///
    /// # Errors
    ///
    /// It can't be stored, which is a bug.
    pub fn stored(&self) -> serde_json::Result<Value> {
        serde_json::from_str(&serde_json::to_string(&self.0)?)
    }

    /// The twin from its stored form.
    ///
    /// # Errors
    ///
    /// It can't be restored, which is a bug.
    pub fn restored(stored: Value) -> serde_json::Result<Self> {
        serde_json::from_value(stored).map(Self)
    }
}
