//! The step from an assigned hub to an open connection, and what follows when a session is over.

use std::sync::Arc;
use std::time::Duration;

use fleet_protocol::lines::{Phase, State, counter};
use iot_protocol::username::HubUserName;
use mqtt_link::{ConnectOptions, ConnectTimings, Credentials, Link};
use tokio::time::Instant;
use tracing::{debug, info};

use super::faults::Network;
use super::session::{Ended, Session};
use super::{Device, DeviceError, WELL_AFTER};
use crate::context::{Assigned, Context};
use crate::mailbox::Mailbox;
use crate::outcome::Step;

/// What the C SDK uses; telemetry keeps a busy connection alive without pings.
const KEEP_ALIVE: Duration = Duration::from_secs(240);
/// How long disconnecting may take.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

impl Device {
    /// Connects to the assigned hub and stays until the connection breaks, an order ends it or the device restarts.
    pub(super) async fn connect(&mut self) {
        // The memory for opening a connection is freed before the session begins.
        if let Some(session) = Box::pin(self.open_session()).await {
            self.attend(session).await;
        }
    }

    async fn open_session(&mut self) -> Option<Box<Session>> {
        let assigned = self.assigned.clone()?;
        self.move_to(State::Connecting);
        self.step = Step::ConnectTurn;
        let context = Arc::clone(&self.context);
        // A storm is what the rate is there to prevent, so it takes no turn.
        if !std::mem::take(&mut self.at_once) {
            self.alongside(context.connect_limiter.turn(), Mailbox::ends_session)
                .await?;
        }
        self.step = Step::Connection;
        let identity = match self.identity().await {
            Ok(identity) => identity,
            Err(error) => {
                self.connect_failed(error);
                return None;
            }
        };
        if identity.leaf.sha256 != assigned.leaf_sha256 {
            // The hub accepts only the leaf that it got from DPS.
            info!(device_id = %self.id, "has a new certificate and registers again");
            self.assigned = None;
            return None;
        }
        let credentials = Credentials::X509(identity.certified_key());
        drop(identity);
        let begun = Instant::now();
        let network = self.faults.as_mut().map(|faults| faults.network());
        let opening = open(&context, self.group, &assigned, &credentials, network);
        let opened = self.alongside(opening, Mailbox::ends_session).await;
        if opened.is_none() && !self.is_negative() {
            self.unfinished(Phase::Connect, Some(begun));
        }
        match opened? {
            Ok((link, _)) if self.is_negative() => {
                Box::pin(self.leave(link)).await;
                self.let_in(&format!("{} accepted its connection", assigned.hub));
                None
            }
            Ok((link, timings)) => {
                self.measure_connection(timings);
                let components = &context.groups[self.group].components;
                let properties = &context.load(self.group, self.profile).properties;
                let run_id = &context.run_id;
                Some(Session::new(link, assigned.device_id, components, properties, run_id))
            }
            Err(error) => {
                self.connect_failed(error);
                None
            }
        }
    }

    /// Runs the session, and handles what it leaves behind.
    async fn attend(&mut self, mut session: Box<Session>) {
        let begun = Instant::now();
        let ended = self.serve(&mut session).await;
        self.offline_since = Some(Instant::now());
        self.unfinished(Phase::TwinGet, session.twin_request.map(|(_, asked)| asked));
        self.never_answered(&session);
        self.outbox.connection_lost();
        self.reporter.connection_lost();
        match ended {
            Ok(Ended::Ordered) => {
                Box::pin(self.leave(session.link)).await;
                if !self.mailbox.wants_stop() {
                    self.move_to(State::Pending);
                }
            }
            Ok(Ended::Restarts) => {
                Box::pin(self.leave(session.link)).await;
                self.reboot();
            }
            // The socket closes without a word as it goes out of scope, and the order comes next.
            Ok(Ended::BrokenOff) => {}
            Err(error) => {
                if begun.elapsed() >= WELL_AFTER {
                    self.recovery.recovered();
                }
                self.context
                    .metrics
                    .count_reason(self.group, counter::RECONNECTS, error.reason);
                self.failed(error);
            }
        }
    }

    /// Disconnects. Whether that arrives does not matter: everything that had to be acknowledged has been.
    async fn leave(&mut self, link: Link) {
        let within = CLOSE_WITHIN.min(self.context.patience.drain);
        if let Err(error) = link.close(within).await {
            debug!(device_id = %self.id, "connection did not close in order: {error}");
        }
    }

    fn connect_failed(&mut self, error: DeviceError) {
        self.count_failure(counter::CONNECT_FAILED, error.reason);
        self.failed(error);
    }

    fn measure_connection(&self, timings: ConnectTimings) {
        let record = |phase, took| self.context.metrics.record(self.group, phase, took);
        record(Phase::Connect, timings.total());
        record(Phase::ConnectDns, timings.dns);
        record(Phase::ConnectTcp, timings.tcp);
        record(Phase::ConnectTls, timings.tls);
        record(Phase::ConnectMqtt, timings.mqtt);
    }
}

async fn open(
    context: &Context,
    group: usize,
    assigned: &Assigned,
    credentials: &Credentials,
    network: Option<Network>,
) -> Result<(Link, ConnectTimings), DeviceError> {
    let gateway = context.groups[group].gateway.as_ref();
    let endpoint = match gateway {
        Some(gateway) => gateway.endpoint.clone(),
        None => {
            let host = context.target.connect_host.as_deref();
            let way = context.way.to(host.unwrap_or(assigned.hub.as_str()));
            way.map_err(|error| DeviceError::operator("endpoint", &error))?
        }
    };
    let endpoint = match network {
        Some(network) => network.of(endpoint),
        None => endpoint,
    };
    let model_id = context.groups[group].model_id.clone();
    let user_name = HubUserName::new(assigned.hub.clone(), assigned.device_id.clone(), model_id);
    let options = ConnectOptions {
        user_name: Some(user_name.to_string()),
        // Cloud-to-device messages that were queued while the device was away are to be kept.
        clean_session: false,
        keep_alive: KEEP_ALIVE,
        timeout: context.patience.connect,
        answer_within: context.patience.answer,
        ..ConnectOptions::new(user_name.client_id())
    };
    Link::connect(&endpoint, credentials, &options)
        .await
        .map_err(|error| match gateway {
            Some(gateway) => DeviceError::at_gateway(&error, &gateway.device),
            None => DeviceError::connection(&error),
        })
}
