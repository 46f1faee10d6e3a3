//! The emulator as a whole: starts it, hands out what clients need, stops it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use iot_protocol::id::{DeviceId, HubHost, IdScope};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::authority::Authority;
use crate::central::Central;
use crate::config::Config;
use crate::error::StartError;
use crate::extension::{self, Listener};
use crate::gate::Gate;
use crate::gateway::Gateway;
use crate::hub::{Hubs, Registry};
use crate::journal::Journal;
use crate::mqtt::{Carrier, Port, listen};
use crate::refused_devices::RefusedDevices;
use crate::registrations::Registrations;
use crate::rest::{self, RestServer};
use crate::runs::Runs;
use crate::services::Services;
use crate::sign_in::SignIn;
use crate::state::StateFolder;
use crate::stats::{Counters, Stats};
use crate::store::{Content, Store};
use crate::token::ApiToken;
use crate::{clock, mqtt, tls};

/// A running emulator. Dropping it stops it at once; [`Emulator::shutdown`] lets its clients go in peace.
#[derive(Debug)]
pub struct Emulator {
    services: Arc<Services>,
    mqtt: SocketAddr,
    ws: Option<SocketAddr>,
    gateways: Vec<Gateway>,
    https: Option<RestServer>,
    http: Option<RestServer>,
    ca_pem: String,
    state: Option<StateFolder>,
    accepting: Vec<JoinHandle<()>>,
    connections: TaskTracker,
    stop: DropGuard,
}

impl Emulator {
    /// Starts an emulator on the runtime that this is called from.
    ///
    /// # Errors
    ///
    /// A port is not free, the state folder is not usable, or an option makes no sense.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        Self::start_with(config, extension::nothing).await
    }

    /// The same with an extension: its router is served on each REST listener, beside the REST interface, and
    /// its fallback answers for paths that nothing serves. A path that both have is a panic.
    ///
    /// # Errors
    ///
    /// As [`Self::start`].
    pub async fn start_with(config: Config, extend: impl Fn(Listener) -> Router) -> Result<Self, StartError> {
        if let Some(address) = config.http.filter(|address| !address.ip().is_loopback()) {
            return Err(StartError::HttpNotLoopback(address));
        }
        let hostname = HubHost::new(&config.hostname).map_err(StartError::Hostname)?;
        for (place, hub) in config.hubs.iter().enumerate() {
            let same = |other: &HubHost| other.as_str().eq_ignore_ascii_case(hub.as_str());
            if config.hubs[..place].iter().any(same) {
                return Err(StartError::HubTwice(hub.clone()));
            }
        }
        let hubs = Hubs::new(&config.hubs, &hostname);
        let now = clock::now();
        let state = config.state.as_deref().map(StateFolder::open).transpose()?;
        let (store, mut content, authority, token) = match &state {
            Some(state) => {
                // First of all, since the database's lock shows whether another emulator has the folder.
                let (store, content) = Store::open(&state.database())?;
                (store, content, state.authority(now)?, state.api_token()?)
            }
            None => (
                Store::memory(),
                Content::default(),
                Authority::generate(now)?,
                ApiToken::generate(),
            ),
        };
        let identity = authority.server_identity(hostname.as_str(), hubs.iter().map(HubHost::as_str), now)?;
        let device_tls = Arc::new(tls::device_config(&identity, config.tls13)?);
        let rest_tls = Arc::new(tls::rest_config(&identity)?);

        let port = |address, carrier| Port {
            address,
            tls: Arc::clone(&device_tls),
            carrier,
            gateway: None,
            require_sni: config.require_sni,
        };
        let (listener, mqtt) = listen("mqtt", config.mqtt)?;
        let mut ports = vec![(listener, port(mqtt, Carrier::Tls))];
        let mut ws = None;
        if let Some(address) = config.ws {
            let (listener, address) = listen("ws", address)?;
            ws = Some(address);
            ports.push((listener, port(address, Carrier::WebSocket)));
        }
        let edge_ca = |device: &DeviceId| config.edge_cas.iter().find(|edge_ca| edge_ca.device == *device);
        let stands_for = |device: &DeviceId| config.gateways.iter().any(|gateway| gateway.device == *device);
        if let Some(unused) = config.edge_cas.iter().find(|edge_ca| !stands_for(&edge_ca.device)) {
            return Err(StartError::EdgeCaWithoutGateway(unused.device.clone()));
        }
        let own = |gateway: &Gateway| edge_ca(&gateway.device).is_none();
        if let Some(state) = state.as_ref().filter(|_| config.gateways.iter().any(own))
            && !authority.may_have_authorities_below()
        {
            return Err(StartError::NoRoomForEdgeCa(state.ca_cert()));
        }
        let mut gateways = config.gateways.clone();
        for gateway in &mut gateways {
            let hostname = gateway.hostname.as_str();
            let identity = match edge_ca(&gateway.device) {
                Some(edge_ca) => edge_ca.gateway_identity(hostname, now)?,
                None => authority.gateway_identity(hostname, now)?,
            };
            let (listener, address) = listen("gateway", gateway.mqtt)?;
            gateway.mqtt = address;
            let port = Port {
                tls: Arc::new(tls::device_config(&identity, config.tls13)?),
                gateway: Some(Arc::new(gateway.clone())),
                ..port(address, Carrier::Tls)
            };
            ports.push((listener, port));
        }
        let https = config.https.map(|address| listen("https", address)).transpose()?;
        let http = config.http.map(|address| listen("http", address)).transpose()?;

        let stop = CancellationToken::new();
        let services = Arc::new(Services {
            hostname,
            id_scope: config.id_scope,
            dps_retry_after: config.dps_retry_after,
            reprovision: config.reprovision,
            approval: config.approval,
            token,
            central: Central::restore(&mut content)?,
            registrations: Registrations::restore(&mut content)?,
            registry: Registry::restore(hubs, &mut content)?,
            store,
            counters: Counters::default(),
            runs: Runs::default(),
            room: Arc::default(),
            journal: Journal::new(),
            refused: RefusedDevices::default(),
            sign_in: SignIn::default(),
            gate: Gate::new(config.quota, config.faults, config.seed, stop.clone()),
        });
        // From here on, a failure stops what runs already.
        let guard = stop.clone().drop_guard();
        let connections = TaskTracker::new();
        let accept = |(listener, port)| {
            let services = Arc::clone(&services);
            tokio::spawn(mqtt::accept(
                listener,
                port,
                services,
                connections.clone(),
                stop.clone(),
            ))
        };
        let accepting = ports.into_iter().map(accept).collect();
        let serve = |bound: Option<(TcpListener, SocketAddr)>, tls: Option<_>| {
            let (listener, address) = bound?;
            Some(rest::serve(
                listener,
                address,
                tls,
                Arc::clone(&services),
                &extend,
                &stop,
            ))
        };
        Ok(Self {
            https: serve(https, Some(rest_tls)),
            http: serve(http, None),
            services: Arc::clone(&services),
            mqtt,
            ws,
            gateways,
            ca_pem: authority.certificate_pem,
            state,
            accepting,
            connections,
            stop: guard,
        })
    }

    #[cfg(test)]
    pub(crate) fn services(&self) -> &Services {
        &self.services
    }

    /// Where devices connect.
    #[must_use]
    pub fn mqtt_addr(&self) -> SocketAddr {
        self.mqtt
    }

    /// Where devices connect with MQTT over WebSocket.
    #[must_use]
    pub fn ws_addr(&self) -> Option<SocketAddr> {
        self.ws
    }

    /// The transparent gateways, and where they listen.
    #[must_use]
    pub fn gateways(&self) -> &[Gateway] {
        &self.gateways
    }

    /// Where the REST interface listens with TLS.
    #[must_use]
    pub fn https_addr(&self) -> Option<SocketAddr> {
        self.https.as_ref().map(RestServer::address)
    }

    /// Where the REST interface listens without TLS.
    #[must_use]
    pub fn http_addr(&self) -> Option<SocketAddr> {
        self.http.as_ref().map(RestServer::address)
    }

    /// The certificate of the authority that clients must trust, as PEM.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The API token, a secret: the whole value of the `Authorization` header.
    #[must_use]
    pub fn api_token(&self) -> &str {
        self.services.token.reveal()
    }

    /// The id scope of the emulated DPS.
    #[must_use]
    pub fn id_scope(&self) -> &IdScope {
        &self.services.id_scope
    }

    /// The name that clients must use for this machine.
    #[must_use]
    pub fn hostname(&self) -> &str {
        self.services.hostname.as_str()
    }

    /// The names of the hubs, which are all in the server's certificate.
    pub fn hubs(&self) -> impl Iterator<Item = &HubHost> {
        self.services.registry.hubs().iter()
    }

    /// Where the authority's certificate is stored, if there is a state folder.
    #[must_use]
    pub fn ca_file(&self) -> Option<PathBuf> {
        self.state.as_ref().map(StateFolder::ca_cert)
    }

    /// Where the API token is stored, if there is a state folder.
    #[must_use]
    pub fn api_token_file(&self) -> Option<PathBuf> {
        self.state.as_ref().map(StateFolder::api_token_file)
    }

    /// A link to `/sign-in`, which an extension serves; a secret: it lets one person in, once, within ten minutes. It is that
    /// of the address without TLS where there is one, since browsers do not trust the authority, unless `base` is where
    /// people come from.
    #[must_use]
    pub fn sign_in_link(&self, base: Option<&str>) -> Option<String> {
        let base = match (base, self.http_addr(), self.https_addr()) {
            (Some(base), ..) => base.to_owned(),
            (None, Some(http), _) => format!("http://{http}"),
            (None, None, Some(https)) => format!("https://{}:{}", self.hostname(), https.port()),
            (None, None, None) => return None,
        };
        let path = self.services.sign_in.link(Instant::now());
        Some(format!("{base}{path}"))
    }

    /// Totals since the start.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.services.counters.read()
    }

    /// What happened.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.services.journal
    }

    /// Stops: no new connection is accepted, every session closes, requests that are being served are answered, and the
    /// state folder is free for another emulator.
    pub async fn shutdown(self) {
        drop(self.stop);
        for server in [self.https, self.http].into_iter().flatten() {
            server.stopped().await;
        }
        for accepting in self.accepting {
            if let Err(error) = accepting.await {
                tracing::error!(%error, "a listener for devices ended badly");
            }
        }
        self.connections.close();
        self.connections.wait().await;
        self.services.store.close().await;
    }
}
