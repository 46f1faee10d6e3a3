//! Quotas and faults before a session has begun: at the arrival of a connection, at its TLS handshake, and at CONNECT.

use rumqttc::mqttbytes::v4::ConnectReturnCode;
use tokio::io::{AsyncRead, AsyncReadExt, DuplexStream};

use super::packets::Wire;
use super::refusal::{Refused, refuse};
use crate::faults::slow_line;
use crate::journal::{DisconnectReason, Service};
use crate::phase::Phase;
use crate::refusal_reason::RefusalReason;
use crate::services::{Decision, Services};
use crate::stream::Stream;

/// A connection that may go on.
pub(crate) enum Arrival<S, L> {
    /// As it is.
    Straight(S),
    /// Over a slow line, whose future has to run beside it.
    Slow(DuplexStream, L),
}

impl Services {
    /// Asks at [`Phase::Accept`]. None if the connection has ended.
    pub(crate) async fn arrive<S: Stream>(&self, mut stream: S) -> Option<Arrival<S, impl Future<Output = ()> + Send>> {
        let (decision, slow) = self.apply_rules(Phase::Accept, None).await;
        match decision {
            Decision::Pass => {}
            Decision::Silence { reads } => {
                self.left_alone(discard(&mut stream, reads)).await;
                return None;
            }
            _ => return None,
        }
        Some(match slow {
            None => Arrival::Straight(stream),
            Some((by, rule)) => {
                let (near, line) = slow_line(stream, by, self.gate.seed, rule, self.gate.slowed());
                Arrival::Slow(near, line)
            }
        })
    }

    /// Asks at [`Phase::Tls`], where a client has shown a certificate with this common name. Returns the stream if the
    /// client may go on.
    pub(crate) async fn handshake<S: Stream>(&self, mut stream: S, name: Option<&str>) -> Option<S> {
        match self.pass_gate(Phase::Tls, name).await {
            Decision::Pass => Some(stream),
            Decision::Silence { reads } => {
                Box::pin(self.left_alone(discard(&mut stream, reads))).await;
                None
            }
            _ => None,
        }
    }
}

/// Reads and discards until the client is gone; or does not even read, which has no end.
async fn discard(stream: &mut (impl AsyncRead + Unpin), reads: bool) {
    if !reads {
        std::future::pending::<()>().await;
    }
    let mut buffer = [0; 1024];
    while matches!(stream.read(&mut buffer).await, Ok(1..)) {}
}

/// Leaves a client without an answer; returns the reason for which the connection ended.
pub(crate) async fn silence<S: Stream>(wire: &mut Wire<S>, services: &Services, reads: bool) -> DisconnectReason {
    let quiet = async {
        if !reads {
            std::future::pending::<()>().await;
        }
        while wire.next().await.is_ok() {}
    };
    services.left_alone(quiet).await
}

/// Asks about a CONNECT that is admitted otherwise. Returns the connection if the client may come in.
pub(crate) async fn at_connect<S: Stream>(
    mut wire: Wire<S>,
    services: &Services,
    service: Service,
    device: &str,
) -> Option<Wire<S>> {
    let phase = match service {
        Service::Dps => Phase::DpsConnect,
        Service::Hub => Phase::HubConnect,
    };
    let refused = |why, reason: &str| Refused::new(ConnectReturnCode::NotAuthorized, why, reason);
    let refusal = match services.pass_gate(phase, Some(device)).await {
        Decision::Pass => return Some(wire),
        Decision::Refuse(code) => {
            let why = RefusalReason::QuotaOrRule;
            Refused::new(code, why, "too many connects, or a rule refuses it")
        }
        Decision::Close(DisconnectReason::Disabled) => refused(RefusalReason::DeviceBlocked, "the device is disabled"),
        Decision::Close(DisconnectReason::Deleted) => {
            refused(RefusalReason::UnknownDevice, "the hub has no such device")
        }
        Decision::Close(DisconnectReason::Moved) => {
            refused(RefusalReason::AnotherHub, "the device was moved to another hub")
        }
        Decision::Close(DisconnectReason::Expired) => refused(RefusalReason::Expired, "the certificate has expired"),
        Decision::Silence { reads } => {
            silence(&mut wire, services, reads).await;
            return None;
        }
        Decision::CloseAfterAck(_) => {
            if wire.accept(false).await.is_ok() {
                wire.close().await;
            }
            return None;
        }
        _ => {
            wire.close().await;
            return None;
        }
    };
    // What a rule does to a device is not about its certificates.
    refuse(wire, services, Some(service), Some(device), None, refusal).await;
    None
}
