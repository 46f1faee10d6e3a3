//! The first packet of a connection: it must be CONNECT, and its user name decides which service is wanted.

use std::sync::Arc;
use std::time::Duration;

use iot_protocol::UserNameError;
use iot_protocol::username::UserName;
use rumqttc::mqttbytes::v4::{Connect, ConnectReturnCode, Packet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::gate::at_connect;
use super::packets::{Wire, WireError};
use super::peer::Peer;
use super::refusal::{Refused, refuse};
use super::{dps, hub};
use crate::journal::{Event, Service};
use crate::refusal_reason::RefusalReason;
use crate::services::Services;
use crate::stream::Stream;
use crate::unconfirmed::{BAD_USER_NAME, NOT_DOWNSTREAM};

mod protocol;

use protocol::{OtherProtocol, Spoken, protocol};

/// A client that has not sent CONNECT by then won't.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// Serves one connection until either side ends it.
pub(crate) async fn serve<S: Stream>(stream: S, peer: Peer, services: Arc<Services>, stop: CancellationToken) {
    // On a heap of its own, like the handshake: what comes before is over soon, and a session with the hub stays.
    if let Some(session) = Box::pin(arrive(stream, peer, &services, &stop)).await {
        hub::serve(session).await;
    }
}

/// Reads the CONNECT, and returns the session of a client that the hub admits. All others have been served or refused.
async fn arrive<'a, S: Stream>(
    stream: S,
    peer: Peer,
    services: &'a Services,
    stop: &CancellationToken,
) -> Option<Box<hub::Session<'a, S>>> {
    let mut wire = Wire::new(stream);
    let first = tokio::select! {
        () = stop.cancelled() => return None,
        first = timeout(CONNECT_LIMIT, first_packet(&mut wire)) => first,
    };
    if let Ok(Ok(Err(protocol))) = first {
        let refused = Refused::new(
            ConnectReturnCode::RefusedProtocolVersion,
            RefusalReason::ProtocolVersion,
            format!("{protocol}; this hub speaks 3.1.1"),
        );
        refuse(wire, services, None, None, None, refused).await;
        return None;
    }
    let no_connect = match first {
        Ok(Ok(Ok(Packet::Connect(connect)))) => Ok(connect),
        Ok(Ok(_)) => Err("the first packet is not CONNECT".into()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("no CONNECT in time".into()),
    };
    let connect = match no_connect {
        Ok(connect) => connect,
        Err(reason) => {
            services.journal.record(None, Event::Dropped { reason });
            wire.close().await;
            return None;
        }
    };
    match user(&connect) {
        // The user name alone decides between the services: SDKs use one port and may name any server in SNI.
        Ok(UserName::Dps(user)) if peer.gateway.is_none() => {
            dps::serve(wire, &connect, &user, &peer.chain, services, stop).await;
        }
        Ok(UserName::Dps(user)) => {
            let id = Some(user.registration_id.as_str());
            let refused = Refused::new(
                NOT_DOWNSTREAM,
                RefusalReason::Gateway,
                "no registration through a gateway",
            );
            refuse(wire, services, Some(Service::Dps), id, Some(&peer.chain), refused).await;
        }
        Ok(UserName::Hub(user)) => match hub::admit(connect, &user, &peer, services) {
            Ok(admitted) => {
                // Quotas and faults come after the admission: they are for devices, and a stranger uses up no quota.
                let wire = at_connect(wire, services, Service::Hub, user.device_id.as_str()).await?;
                return Some(hub::begin(wire, admitted, services, stop));
            }
            Err(refused) => {
                let device = Some(user.device_id.as_str());
                refuse(wire, services, Some(Service::Hub), device, Some(&peer.chain), refused).await;
            }
        },
        Err(refused) => refuse(wire, services, None, Some(&connect.client_id), None, refused).await,
    }
    None
}

/// The first packet, or the protocol that the client speaks instead of MQTT 3.1.1. It is recognised by the CONNECT's
/// first bytes: the rest of one of another version would only be malformed.
async fn first_packet<S: Stream>(wire: &mut Wire<S>) -> Result<Result<Packet, OtherProtocol>, WireError> {
    loop {
        match protocol(wire.unread()) {
            Spoken::Unknown => wire.fill().await?,
            Spoken::Other(protocol) => return Ok(Err(protocol)),
            Spoken::Ours => return wire.next().await.map(Ok),
        }
    }
}

fn user(connect: &Connect) -> Result<UserName, Refused> {
    let login = connect
        .login
        .as_ref()
        .ok_or_else(|| Refused::new(BAD_USER_NAME, RefusalReason::UserName, "no user name"))?;
    login
        .username
        .parse()
        .map_err(|error: UserNameError| Refused::new(BAD_USER_NAME, RefusalReason::UserName, error.to_string()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rumqttc::mqttbytes::QoS;
    use rumqttc::mqttbytes::v4::{Login, Publish, Subscribe};

    use super::*;
    use crate::fuzzing::Tenant;

    const USERS: [&str; 2] = [
        "0ne00EMULATOR/registrations/t-1/api-version=2019-03-31",
        "localhost/t-1/?api-version=2021-04-12",
    ];

    fn connect(user: &str) -> Packet {
        let mut connect = Connect::new("t-1");
        connect.login = Some(Login::new(user, ""));
        Packet::Connect(connect)
    }

    /// Topics that are nearly right, which goes deeper than noise would.
    fn topic() -> impl Strategy<Value = String> {
        let starts = prop::sample::select(vec![
            "$dps/registrations/res/#",
            "$dps/registrations/PUT/iotdps-register/?",
            "$dps/registrations/GET/iotdps-get-operationstatus/?",
            "$iothub/twin/GET/?",
            "$iothub/twin/PATCH/properties/reported/?",
            "$iothub/methods/res/",
            "$iothub/twin/res/#",
            "$iothub/methods/POST/#",
            "devices/t-1/messages/events/",
            "devices/t-1/messages/devicebound/#",
        ]);
        (starts, r"(\$rid=1)?[a-z0-9$%&=/?.\u{e4}]{0,12}").prop_map(|(start, end)| format!("{start}{end}"))
    }

    fn packet() -> impl Strategy<Value = Packet> {
        let body = prop_oneof![
            any::<Vec<u8>>(),
            r#"\{("[a-z$]{1,3}":(1|null|"x"|\{\}))?\}"#.prop_map(String::into_bytes)
        ];
        let publish = (topic(), body, 0u8..3, any::<bool>()).prop_map(|(topic, body, qos, retain)| {
            let qos = rumqttc::mqttbytes::qos(qos).unwrap();
            let mut publish = Publish::new(topic, qos, body);
            (publish.pkid, publish.retain) = (1, retain);
            Packet::Publish(publish)
        });
        let subscribe = topic().prop_map(|topic| {
            let mut subscribe = Subscribe::new(topic, QoS::AtLeastOnce);
            subscribe.pkid = 1;
            Packet::Subscribe(subscribe)
        });
        prop_oneof![6 => publish, 3 => subscribe, 1 => Just(Packet::PingReq), 1 => connect_again()]
    }

    fn connect_again() -> impl Strategy<Value = Packet> {
        prop::sample::select(USERS.to_vec()).prop_map(connect)
    }

    /// Lets a client send these bytes and go; the session must end by itself.
    fn talk(bytes: &[u8]) -> Arc<Services> {
        let tenant = Tenant::new();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(tenant.converse(bytes, bytes.len().max(1)));
        tenant.services
    }

    proptest! {
        #[test]
        fn a_session_survives_whatever_comes_first(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            talk(&bytes);
        }

        #[test]
        fn a_session_survives_packets_in_any_order_and_noise_after_them(
            user in prop::sample::select(USERS.to_vec()),
            packets in prop::collection::vec(packet(), 0..12),
            noise in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let mut bytes = bytes::BytesMut::new();
            connect(user).write(&mut bytes, 1 << 20).unwrap();
            for packet in packets {
                packet.write(&mut bytes, 1 << 20).unwrap();
            }
            bytes.extend_from_slice(&noise);
            let journal = talk(&bytes).journal.since(0);
            prop_assert!(matches!(journal[0].event, Event::Connected { .. }), "{journal:?}");
        }
    }
}
