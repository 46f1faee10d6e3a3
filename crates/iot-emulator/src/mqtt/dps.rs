//! A client at DPS: one subscription, and two topics to publish to. Anything else ends the connection.

use std::convert::Infallible;

use iot_protocol::dps::{RESPONSE_FILTER, RequestTopic, ResponseTopic};
use iot_protocol::id::{RegistrationId, RequestId};
use iot_protocol::username::DpsUserName;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{
    Connect, ConnectReturnCode, Packet, PubAck, Publish, SubAck, Subscribe, SubscribeReasonCode, UnsubAck,
};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::gate::at_connect;
use super::packets::{Wire, granted_qos};
use super::peer::patience;
use super::refusal::{Refused, refuse};
mod gate;

use crate::certificate::Certificate;
use crate::clock;
use crate::documented::DPS_MESSAGE;
use crate::dps::request::{self, API_VERSIONS, Reply, Request};
use crate::journal::{DisconnectReason, Event, Service};
use crate::refusal_reason::RefusalReason;
use crate::services::Services;
use crate::stream::Stream;
use crate::unconfirmed::{BAD_CERTIFICATE, BAD_USER_NAME, DPS_IDLE, WRONG_TENANT};

/// Serves a client whose user name is one for DPS.
pub(crate) async fn serve<S: Stream>(
    wire: Wire<S>,
    connect: &Connect,
    user: &DpsUserName,
    chain: &[Certificate],
    services: &Services,
    stop: &CancellationToken,
) {
    let id = &user.registration_id;
    if let Err(refused) = admit(connect, user, chain, services) {
        return refuse(
            wire,
            services,
            Some(Service::Dps),
            Some(id.as_str()),
            Some(chain),
            refused,
        )
        .await;
    }
    let Some(mut wire) = at_connect(wire, services, Service::Dps, id.as_str()).await else {
        return;
    };
    services
        .journal
        .record(Some(id.as_str()), Event::Connected { service: Service::Dps });
    let mut session = Session {
        wire: &mut wire,
        id,
        chain,
        services,
        subscribed: None,
        packet_id: 0,
    };
    let Err(reason) = session.run(connect.keep_alive, stop).await;
    services.journal.record(
        Some(id.as_str()),
        Event::Disconnected {
            service: Service::Dps,
            reason,
        },
    );
    wire.close().await;
}

fn admit(connect: &Connect, user: &DpsUserName, chain: &[Certificate], services: &Services) -> Result<(), Refused> {
    if user.id_scope != services.id_scope {
        return Err(Refused::new(
            WRONG_TENANT,
            RefusalReason::UnknownIdScope,
            format!("unknown id scope `{}`", user.id_scope),
        ));
    }
    if !API_VERSIONS.contains(&user.api_version.as_str()) {
        return Err(Refused::new(
            BAD_USER_NAME,
            RefusalReason::UnknownApiVersion,
            format!("unknown api-version `{}`", user.api_version),
        ));
    }
    if !connect.client_id.eq_ignore_ascii_case(user.registration_id.as_str()) {
        return Err(Refused::new(
            ConnectReturnCode::BadClientId,
            RefusalReason::ClientId,
            "the client id is not the registration id",
        ));
    }
    // A client that is not enrolled gets no session. What counts for a registration is checked again at the PUT
    // (`dps/register.rs`), since a connection outlives what may change in the meantime.
    match services.central.attest(&user.registration_id, chain, clock::now()) {
        Ok(_) => Ok(()),
        Err(refusal) => Err(Refused::new(BAD_CERTIFICATE, refusal.reason(), refusal.to_string())),
    }
}

pub(super) struct Session<'a, S> {
    pub(super) wire: &'a mut Wire<S>,
    pub(super) id: &'a RegistrationId,
    chain: &'a [Certificate],
    pub(super) services: &'a Services,
    subscribed: Option<QoS>,
    packet_id: u16,
}

impl<S: Stream> Session<'_, S> {
    /// Ends only with a reason to end.
    async fn run(&mut self, keep_alive: u16, stop: &CancellationToken) -> Result<Infallible, DisconnectReason> {
        self.wire.accept(false).await?;
        let patience = patience(keep_alive, DPS_IDLE);
        loop {
            let packet = tokio::select! {
                () = stop.cancelled() => return Err(DisconnectReason::ShuttingDown),
                packet = timeout(patience, self.wire.next()) => {
                    packet.map_err(|_| DisconnectReason::KeepAliveExpired)??
                }
            };
            if self.services.gate.has_rules() {
                Box::pin(self.handle_through_gate(packet)).await?;
            } else {
                self.handle(packet).await?;
            }
        }
    }

    pub(super) async fn handle(&mut self, packet: Packet) -> Result<(), DisconnectReason> {
        match packet {
            Packet::Subscribe(subscribe) => self.subscribe(&subscribe).await?,
            Packet::Unsubscribe(unsubscribe) => {
                if unsubscribe.topics.iter().any(|topic| topic == RESPONSE_FILTER) {
                    self.subscribed = None;
                }
                self.wire
                    .send(Packet::UnsubAck(UnsubAck { pkid: unsubscribe.pkid }))
                    .await?;
            }
            Packet::Publish(publish) => self.publish(&publish).await?,
            Packet::PingReq => self.wire.send(Packet::PingResp).await?,
            Packet::PubAck(_) => {}
            Packet::Disconnect => return Err(DisconnectReason::Disconnect),
            _ => return Err(DisconnectReason::Violation("packet of an unexpected type".into())),
        }
        Ok(())
    }

    async fn subscribe(&mut self, subscribe: &Subscribe) -> Result<(), DisconnectReason> {
        let mut granted = Vec::with_capacity(subscribe.filters.len());
        for filter in &subscribe.filters {
            if filter.path != RESPONSE_FILTER {
                return Err(DisconnectReason::Violation(format!("subscribed to `{}`", filter.path)));
            }
            let qos = granted_qos(filter.qos);
            self.subscribed = Some(qos);
            granted.push(SubscribeReasonCode::Success(qos));
        }
        Ok(self
            .wire
            .send(Packet::SubAck(SubAck::new(subscribe.pkid, granted)))
            .await?)
    }

    async fn publish(&mut self, publish: &Publish) -> Result<(), DisconnectReason> {
        if publish.qos == QoS::ExactlyOnce {
            return Err(DisconnectReason::Violation("published with QoS 2".into()));
        }
        if publish.payload.len() > *DPS_MESSAGE {
            return Err(DisconnectReason::Violation(format!(
                "a message of {} bytes",
                publish.payload.len()
            )));
        }
        let topic: RequestTopic = publish
            .topic
            .parse()
            .map_err(|error: iot_protocol::TopicError| DisconnectReason::Violation(error.to_string()))?;
        // The C# SDK waits for the acknowledgement before it looks at answers.
        if publish.qos == QoS::AtLeastOnce {
            self.wire.send(Packet::PubAck(PubAck::new(publish.pkid))).await?;
        }
        let request = match &topic {
            RequestTopic::Register { .. } => Request::Register { body: &publish.payload },
            RequestTopic::Poll { operation_id, .. } => Request::Poll { operation_id },
        };
        let reply = request::serve(self.services, self.id, self.chain, request).await?;
        self.answer(topic.request_id(), reply).await
    }

    /// Answers a request, if the device has subscribed to answers.
    pub(super) async fn answer(&mut self, request_id: &RequestId, reply: Reply) -> Result<(), DisconnectReason> {
        let Some(qos) = self.subscribed else {
            return Ok(());
        };
        let topic = ResponseTopic {
            status: reply.status,
            request_id: request_id.clone(),
            retry_after: reply.retry_after,
        };
        let mut publish = Publish::new(topic.to_string(), qos, reply.body);
        if qos != QoS::AtMostOnce {
            self.packet_id = self.packet_id.checked_add(1).unwrap_or(1);
            publish.pkid = self.packet_id;
        }
        Ok(self.wire.send(Packet::Publish(publish)).await?)
    }
}
