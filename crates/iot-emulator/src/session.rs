//! The first packet of a connection: it must be CONNECT, and its user name tells which service is wanted.

use std::sync::Arc;
use std::time::Duration;

use iot_protocol::UserNameError;
use iot_protocol::username::UserName;
use rumqttc::mqttbytes::Protocol;
use rumqttc::mqttbytes::v4::{Connect, ConnectReturnCode, Packet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::certificate::Certificate;
use crate::journal::{Event, Service, Why};
use crate::services::Services;
use crate::stats::count;
use crate::unconfirmed::BAD_USER_NAME;
use crate::wire::{Stream, Wire, WireError};
use crate::{dps, hub};

/// A client that has not said CONNECT by then won't.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// Why a CONNECT is refused.
pub(crate) struct Refused {
    pub(crate) code: ConnectReturnCode,
    pub(crate) reason: String,
}

impl Refused {
    pub(crate) fn new(code: ConnectReturnCode, reason: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.into(),
        }
    }
}

/// Serves one connection of a client that showed `chain` in the handshake, until either side ends it.
pub(crate) async fn serve<S: Stream>(
    stream: S,
    chain: Vec<Certificate>,
    services: Arc<Services>,
    stop: CancellationToken,
) {
    let mut wire = Wire::new(stream);
    let first = tokio::select! {
        () = stop.cancelled() => return,
        first = timeout(CONNECT_LIMIT, wire.next()) => first,
    };
    let dropped = |reason: String| services.journal.record(None, Event::Dropped { reason });
    let connect = match first {
        Ok(Ok(Packet::Connect(connect))) => connect,
        Ok(Ok(_)) => return dropped("the first packet is not CONNECT".into()),
        Ok(Err(error)) => return dropped(error.to_string()),
        Err(_) => return dropped("no CONNECT in time".into()),
    };
    match user(&connect) {
        Ok(UserName::Dps(user)) => dps::serve(wire, &connect, &user, &chain, &services, &stop).await,
        Ok(UserName::Hub(user)) => hub::serve(wire, connect, &user, &chain, &services, &stop).await,
        Err(refused) => refuse(wire, &services, None, Some(&connect.client_id), refused).await,
    }
}

fn user(connect: &Connect) -> Result<UserName, Refused> {
    if connect.protocol != Protocol::V4 {
        return Err(Refused::new(
            ConnectReturnCode::RefusedProtocolVersion,
            "not MQTT 3.1.1",
        ));
    }
    let login = connect
        .login
        .as_ref()
        .ok_or_else(|| Refused::new(BAD_USER_NAME, "no user name"))?;
    login
        .username
        .parse()
        .map_err(|error: UserNameError| Refused::new(BAD_USER_NAME, error.to_string()))
}

/// Says no to a CONNECT, and writes it down.
pub(crate) async fn refuse<S: Stream>(
    wire: Wire<S>,
    services: &Services,
    service: Option<Service>,
    device: Option<&str>,
    Refused { code, reason }: Refused,
) {
    count(&services.counters.refused);
    services.journal.record(
        device,
        Event::Refused {
            service,
            code: code as u8,
            reason,
        },
    );
    wire.refuse(code).await;
}

/// How long a client may be silent: 1.5 times its keepalive, but no longer than the service's own limit.
pub(crate) fn patience(keep_alive: u16, limit: Duration) -> Duration {
    match keep_alive {
        0 => limit,
        seconds => (Duration::from_secs(seconds.into()) * 3 / 2).min(limit),
    }
}

impl From<WireError> for Why {
    fn from(error: WireError) -> Self {
        match error {
            WireError::Lost => Self::ConnectionLost,
            WireError::TooSlow => Self::TooSlow,
            WireError::Malformed(_) => Self::Violation(error.to_string()),
        }
    }
}
