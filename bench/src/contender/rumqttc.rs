//! rumqttc's event loop: the client that a Rust program would take, tuned and with its defaults.
//!
//! Only the session with the hub: the devices must have been registered before. One task per device polls the event loop
//! and sends when a message is due. That is kinder than the usual second task, which would cost memory of its own.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use iot_protocol::hub::ToHub;
use iot_protocol::id::{DeviceId, HubHost};
use iot_protocol::username::HubUserName;
use rumqttc::{
    AsyncClient, ConnectReturnCode, Event, EventLoop, MqttOptions, NetworkOptions, Packet, QoS, TlsConfiguration,
    Transport,
};
use tokio::time::sleep_until;
use tokio_rustls::rustls::crypto::aws_lc_rs;

use super::{Fleet, WINDOW, wire};
use crate::case::BRISKEST;

/// What rumqttc's own documentation gives `AsyncClient::new`.
const USUAL_CAPACITY: usize = 10;
/// Enough for a device that sends now and then. The event loop has memory for every message that may be in flight.
const SMALL: u16 = 4;

/// With the TLS configuration shared but for the leaf, no session resumption, and no more memory than the traffic needs.
pub(crate) async fn tuned(fleet: Arc<Fleet>, index: usize) -> anyhow::Result<()> {
    // Where speed is measured, it gets as much in flight as the others; otherwise memory is what it is tuned for.
    let for_speed = fleet.window_full || fleet.interval() <= BRISKEST;
    let in_flight = if for_speed { WINDOW } else { SMALL };
    fleet.registered();
    fleet.connect_turn(index).await?;
    let mut options = options(&fleet, index)?;
    options
        .set_transport(Transport::Tls(TlsConfiguration::Rustls(fleet.device_tls(index)?)))
        .set_keep_alive(Duration::from_secs(240))
        .set_clean_session(false)
        .set_inflight(in_flight);
    let (client, mut events) = AsyncClient::new(options, in_flight.into());
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    events.set_network_options(network);
    session(&fleet, index, &client, &mut events).await
}

/// As its documentation starts it: PEM in, the rest is its own affair. Every device then has roots, a configuration and a
/// store of TLS sessions of its own.
pub(crate) async fn defaults(fleet: Arc<Fleet>, index: usize) -> anyhow::Result<()> {
    // It asks for the process's provider, which the first device sets; the others find it set.
    let _ = aws_lc_rs::default_provider().install_default();
    fleet.registered();
    fleet.connect_turn(index).await?;
    let paths = fleet.leaf_paths(index);
    let leaf = (std::fs::read(paths.fullchain)?, std::fs::read(paths.key)?);
    let mut options = options(&fleet, index)?;
    options.set_transport(Transport::tls(fleet.ca_pem.clone(), Some(leaf), None));
    let (client, mut events) = AsyncClient::new(options, USUAL_CAPACITY);
    session(&fleet, index, &client, &mut events).await
}

/// What a hub insists on. The emulator's only hub has the host of its DPS.
fn options(fleet: &Fleet, index: usize) -> anyhow::Result<MqttOptions> {
    let target = &fleet.plan.target;
    let device_id = fleet.devices[index].clone();
    let hub: HubHost = target.dps_endpoint.parse()?;
    let user_name = HubUserName::new(hub, device_id, fleet.plan.groups[0].model.id());
    let mut options = MqttOptions::new(user_name.client_id(), &target.dps_endpoint, target.port);
    options.set_credentials(user_name.to_string(), "");
    Ok(options)
}

async fn session(fleet: &Fleet, index: usize, client: &AsyncClient, events: &mut EventLoop) -> anyhow::Result<()> {
    let device_id = &fleet.devices[index];
    take_up(fleet, device_id, client, events).await.context("connection")?;
    let messages = Messages {
        client,
        topic: wire::telemetry_topic(device_id, &fleet.plan.run_id),
        number: 0,
    };
    if fleet.window_full {
        window_full(fleet, messages, events).await
    } else {
        paced(fleet, index, messages, events).await
    }
}

/// From CONNECT up to the point where telemetry begins.
async fn take_up(
    fleet: &Fleet,
    device_id: &DeviceId,
    client: &AsyncClient,
    events: &mut EventLoop,
) -> anyhow::Result<()> {
    let Packet::ConnAck(ack) = incoming(events).await? else {
        bail!("no CONNACK");
    };
    ensure!(
        ack.code == ConnectReturnCode::Success,
        "CONNECT was refused: {:?}",
        ack.code
    );
    client.try_subscribe_many(wire::hub_filters(device_id))?;
    let Packet::SubAck(_) = incoming(events).await? else {
        bail!("no SUBACK");
    };
    let [get, report] = wire::twin_requests();
    ask(client, events, &get, "").await?;
    fleet.connected();
    ask(client, events, &report, wire::REPORT).await
}

async fn ask(client: &AsyncClient, events: &mut EventLoop, request: &ToHub, body: &str) -> anyhow::Result<()> {
    client.try_publish(request.to_string(), QoS::AtMostOnce, false, body)?;
    match incoming(events).await? {
        Packet::Publish(_) => Ok(()),
        packet => bail!("{packet:?} instead of an answer from the twin"),
    }
}

async fn incoming(events: &mut EventLoop) -> anyhow::Result<Packet> {
    loop {
        if let Event::Incoming(packet) = events.poll().await? {
            return Ok(packet);
        }
    }
}

/// A device's messages. The client owns topic and body of each, as its interface wants it.
struct Messages<'a> {
    client: &'a AsyncClient,
    topic: String,
    number: u64,
}

impl Messages<'_> {
    fn send(&mut self) -> Result<(), rumqttc::ClientError> {
        let topic = format!("{}{}", self.topic, self.number + 1);
        self.client.try_publish(topic, QoS::AtLeastOnce, false, wire::BODY)?;
        self.number += 1;
        Ok(())
    }
}

/// A message per interval, and whatever comes back.
async fn paced(fleet: &Fleet, index: usize, mut messages: Messages<'_>, events: &mut EventLoop) -> anyhow::Result<()> {
    let mut timer = std::pin::pin!(sleep_until(fleet.first_due(index)));
    loop {
        tokio::select! {
            // What it was doing when the timer comes first, it takes up at the next call.
            event = events.poll() => count(fleet, &event?),
            () = &mut timer => {
                // A message for which there is no room is left out; that the loop has ended, it says itself.
                let _ = messages.send();
                let due = fleet.next_due(timer.deadline());
                timer.as_mut().reset(due);
            }
        }
    }
}

/// As many messages as its channel takes, at any time.
async fn window_full(fleet: &Fleet, mut messages: Messages<'_>, events: &mut EventLoop) -> anyhow::Result<()> {
    loop {
        while messages.send().is_ok() {}
        count(fleet, &events.poll().await?);
    }
}

fn count(fleet: &Fleet, event: &Event) {
    if matches!(event, Event::Incoming(Packet::PubAck(_))) {
        fleet.acknowledged(1);
    }
}
