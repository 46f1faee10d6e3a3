//! The step from an assigned hub to an open connection, and what follows when a session is over.

use std::sync::Arc;
use std::time::Duration;

use iot_protocol::username::HubUserName;
use mqtt_link::{ConnectOptions, ConnectTimings, Credentials, Link};
use tokio::time::Instant;
use tracing::{debug, info};

use super::session::{Ended, Session};
use super::{Device, Trouble, WELL_AFTER};
use crate::context::{Assigned, Context};
use crate::lines::{Phase, State, counter};
use crate::mailbox::Mailbox;

/// What the C SDK uses; telemetry keeps a busy connection alive without pings.
const KEEP_ALIVE: Duration = Duration::from_secs(240);
/// How long saying goodbye may take.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

impl Device {
    /// Connects to the assigned hub and stays until the connection breaks, an order ends it or the device restarts.
    pub(super) async fn connect(&mut self) {
        let Some(assigned) = self.assigned.clone() else { return };
        self.move_to(State::Connecting);
        let context = Arc::clone(&self.context);
        if self
            .alongside(context.connect_pacer.turn(), Mailbox::ends_session)
            .await
            .is_none()
        {
            return;
        }
        let identity = match self.load_identity().await {
            Ok(identity) => identity,
            Err(trouble) => return self.connect_failed(trouble),
        };
        if identity.leaf.sha256 != assigned.leaf_sha256 {
            // The hub knows only the leaf that DPS has told it.
            info!(device_id = %self.id, "has a new certificate and registers again");
            self.assigned = None;
            return;
        }
        let credentials = Credentials::X509(identity.certified_key());
        drop(identity);
        let opening = Box::pin(open(&context, self.group, &assigned, &credentials));
        match self.alongside(opening, Mailbox::ends_session).await {
            None => {}
            Some(Err(trouble)) => self.connect_failed(trouble),
            Some(Ok((link, timings))) => {
                drop(credentials);
                self.measure_connection(timings);
                let components = context.groups[self.group].components;
                self.attend(Session::new(link, assigned.device_id.clone(), components), &assigned)
                    .await;
            }
        }
    }

    /// Has the session, and sees to what it leaves behind.
    async fn attend(&mut self, mut session: Box<Session>, assigned: &Assigned) {
        let begun = Instant::now();
        let ended = self.serve(&mut session, assigned).await;
        self.offline_since = Some(Instant::now());
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
            Err(trouble) => {
                if begun.elapsed() >= WELL_AFTER {
                    self.recovery.recovered();
                }
                self.context.metrics.count_reason(counter::RECONNECTS, trouble.reason);
                self.failed(trouble);
            }
        }
    }

    /// Says goodbye. Whether it arrives does not matter: everything that had to be acknowledged has been.
    async fn leave(&mut self, link: Link) {
        if let Err(error) = link.close(CLOSE_WITHIN).await {
            debug!(device_id = %self.id, "connection did not close in order: {error}");
        }
    }

    fn connect_failed(&mut self, trouble: Trouble) {
        self.context
            .metrics
            .count_reason(counter::CONNECT_FAILED, trouble.reason);
        self.failed(trouble);
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
) -> Result<(Link, ConnectTimings), Trouble> {
    let target = &context.target;
    let host = target.connect_host.as_deref().unwrap_or(assigned.hub.as_str());
    let endpoint = context
        .way
        .to(host)
        .map_err(|error| Trouble::operator("endpoint", &error))?;
    let model_id = context.groups[group].model_id.clone();
    let user_name = HubUserName::new(assigned.hub.clone(), assigned.device_id.clone(), Some(model_id));
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
        .map_err(|error| Trouble::connection(&error))
}
