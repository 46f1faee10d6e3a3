//! The floor: the fewest lines of tokio and tokio-rustls that open the same connections, each with the device's own leaf,
//! and write the same packets.
//!
//! Packets are encoded before they are needed, and of what comes back only as much is looked at as it takes to know that
//! it is the right kind of packet. One task per device, no buffers but those of TLS. Nothing that works can do much less.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use iot_protocol::dps::{RESPONSE_FILTER, RegistrationRequest, RequestTopic, ResponseTopic};
use iot_protocol::id::{DeviceId, HubHost, RegistrationId, RequestId};
use iot_protocol::username::{DpsUserName, HubUserName};
use rumqttc::QoS;
use rumqttc::mqttbytes::v4::SubscribeFilter;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep_until, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::wire::{self, Acknowledgements, Message};
use super::{Fleet, WINDOW};

/// As in device-sim, at DPS and at the hub.
const DPS_KEEP_ALIVE: u16 = 60;
const HUB_KEEP_ALIVE: u16 = 240;
/// How long a server may take to close its side, as in mqtt-link.
const FAREWELL: Duration = Duration::from_millis(500);

type Stream = TlsStream<TcpStream>;

/// A device's whole life.
pub(crate) async fn live(fleet: Arc<Fleet>, index: usize) -> anyhow::Result<()> {
    let device_id = &fleet.devices[index];
    fleet.register_turn(index).await;
    let tls = TlsConnector::from(fleet.device_tls(index)?);
    // On the heap, as in device-sim: a handshake's space is not to stay in the task.
    let hub = Box::pin(register(&fleet, device_id, &tls))
        .await
        .context("registration")?;
    fleet.registered();
    fleet.connect_turn(index).await?;
    let mut stream = Box::pin(connect(&fleet, device_id, hub, &tls))
        .await
        .context("connection")?;
    drop(tls);
    let mut message = Message::new(device_id, &fleet.plan.run_id)?;
    if fleet.window_full {
        window_full(&fleet, &mut stream, &mut message).await
    } else {
        paced(&fleet, index, &mut stream, &mut message).await
    }
}

async fn open(fleet: &Fleet, host: &str, tls: &TlsConnector, connect: &[u8]) -> anyhow::Result<Stream> {
    let tcp = TcpStream::connect((host, fleet.plan.target.port)).await?;
    tcp.set_nodelay(true)?;
    let mut stream = tls.connect(ServerName::try_from(host.to_owned())?, tcp).await?;
    stream.write_all(connect).await?;
    wire::packet(&mut stream, wire::CONNACK).await?;
    Ok(stream)
}

/// The conversation with DPS: register, poll until the answer is final, leave.
async fn register(fleet: &Fleet, device_id: &DeviceId, tls: &TlsConnector) -> anyhow::Result<HubHost> {
    let target = &fleet.plan.target;
    let id: RegistrationId = device_id.as_str().parse()?;
    let user_name = DpsUserName::new(target.id_scope.clone(), id.clone()).to_string();
    let connect = wire::connect(id.as_str(), user_name, DPS_KEEP_ALIVE, true)?;
    let mut stream = open(fleet, &target.dps_endpoint, tls, &connect).await?;
    let filter = SubscribeFilter::new(RESPONSE_FILTER.to_owned(), QoS::AtLeastOnce);
    stream.write_all(&wire::subscribe([filter])?).await?;
    wire::packet(&mut stream, wire::SUBACK).await?;

    let model_id = fleet.plan.groups[0].model.id();
    let mut body = serde_json::to_vec(&RegistrationRequest::new(&id, model_id.as_ref()))?;
    let mut request = RequestTopic::Register {
        request_id: RequestId::from_number(1),
    };
    for packet_id in 2u16.. {
        let publish = wire::publish(request.to_string(), std::mem::take(&mut body), Some(packet_id))?;
        stream.write_all(&publish).await?;
        wire::packet(&mut stream, wire::PUBACK).await?;
        let answer = wire::packet(&mut stream, wire::PUBLISH).await?;
        let (topic, rest) = wire::topic(&answer)?;
        let status = topic.parse::<ResponseTopic>()?.status;
        let (packet_id_of_answer, body) = rest.split_first_chunk().context("PUBLISH has no packet id")?;
        stream.write_all(&wire::puback(*packet_id_of_answer)).await?;
        let answer: serde_json::Value = serde_json::from_slice(body)?;
        if status == 200 {
            let hub = answer["registrationState"]["assignedHub"].as_str();
            let hub = hub.with_context(|| format!("not assigned: {answer}"))?.parse()?;
            leave(stream).await?;
            return Ok(hub);
        }
        request = RequestTopic::Poll {
            request_id: RequestId::from_number(packet_id.into()),
            operation_id: answer["operationId"].as_str().context("no operation id")?.to_owned(),
        };
    }
    anyhow::bail!("DPS never gave a final answer")
}

async fn leave(mut stream: Stream) -> anyhow::Result<()> {
    stream.write_all(&wire::DISCONNECT).await?;
    stream.shutdown().await?;
    // Whether the server closes in order, or at all, is its own business.
    let _ = timeout(FAREWELL, stream.read_u8()).await;
    Ok(())
}

/// A session with the hub, up to the point where telemetry begins.
async fn connect(fleet: &Fleet, device_id: &DeviceId, hub: HubHost, tls: &TlsConnector) -> anyhow::Result<Stream> {
    let host = hub.to_string();
    let user_name = HubUserName::new(hub, device_id.clone(), fleet.plan.groups[0].model.id()).to_string();
    let connect = wire::connect(device_id.as_str(), user_name, HUB_KEEP_ALIVE, false)?;
    let mut stream = open(fleet, &host, tls, &connect).await?;
    stream
        .write_all(&wire::subscribe(wire::hub_filters(device_id))?)
        .await?;
    wire::packet(&mut stream, wire::SUBACK).await?;
    let [get, report] = wire::twin_requests();
    stream.write_all(&wire::publish(get.to_string(), "", None)?).await?;
    wire::packet(&mut stream, wire::PUBLISH).await?;
    fleet.connected();
    stream
        .write_all(&wire::publish(report.to_string(), wire::REPORT, None)?)
        .await?;
    wire::packet(&mut stream, wire::PUBLISH).await?;
    Ok(stream)
}

/// A message per interval, and whatever comes back.
async fn paced(fleet: &Fleet, index: usize, stream: &mut Stream, message: &mut Message) -> anyhow::Result<()> {
    let mut acknowledgements = Acknowledgements::default();
    let mut buffer = [0; 64];
    let mut in_flight = 0;
    let mut timer = std::pin::pin!(sleep_until(fleet.first_due(index)));
    loop {
        tokio::select! {
            read = stream.read(&mut buffer) => {
                let count = acknowledgements.count(&buffer[..read?])?;
                in_flight -= count;
                fleet.acknowledged(count);
            }
            () = &mut timer => {
                // A message for which there is no room is left out.
                if in_flight < u64::from(WINDOW) {
                    stream.write_all(message.next()).await?;
                    in_flight += 1;
                }
                let due = fleet.next_due(timer.deadline());
                timer.as_mut().reset(due);
            }
        }
    }
}

/// As many messages in flight as the window lets; those of one wake-up leave in one write.
async fn window_full(fleet: &Fleet, stream: &mut Stream, message: &mut Message) -> anyhow::Result<()> {
    let mut acknowledgements = Acknowledgements::default();
    let mut buffer = [0; 512];
    let mut unsent = Vec::new();
    let mut room = u64::from(WINDOW);
    loop {
        for _ in 0..room {
            unsent.extend_from_slice(message.next());
        }
        stream.write_all(&unsent).await?;
        unsent.clear();
        let read = stream.read(&mut buffer).await?;
        room = acknowledgements.count(&buffer[..read])?;
        fleet.acknowledged(room);
    }
}
