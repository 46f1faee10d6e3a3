//! A client at DPS: one subscription, and two topics to publish to. Anything else ends the connection.

use std::convert::Infallible;

use iot_protocol::dps::{RESPONSE_FILTER, RequestTopic, ResponseTopic, ServiceError};
use iot_protocol::id::{RegistrationId, RequestId};
use iot_protocol::username::DpsUserName;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{
    Connect, ConnectReturnCode, Packet, PubAck, Publish, SubAck, Subscribe, SubscribeReasonCode, UnsubAck,
};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::register::{error, register};
use super::registrations::{Answer, Polled};
use crate::certificate::Certificate;
use crate::clock;
use crate::journal::{Event, Service, Why};
use crate::services::Services;
use crate::session::{Refused, patience, refuse};
use crate::unconfirmed::{
    BAD_CERTIFICATE, BAD_USER_NAME, DPS_IDLE, DPS_THROTTLED, DPS_UNKNOWN_OPERATION, WRONG_TENANT,
};
use crate::weather::at_connect;
use crate::wire::{Stream, Wire, granted_qos};

/// The published versions of the device interface that SDKs in use name.
const API_VERSIONS: [&str; 3] = ["2019-03-31", "2021-06-01", "2021-10-01"];
/// Largest message that DPS takes.
const MAX_MESSAGE: usize = 96 * 1024;

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
        return refuse(wire, services, Some(Service::Dps), Some(id.as_str()), refused).await;
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
    let Err(why) = session.run(connect.keep_alive, stop).await;
    services.journal.record(
        Some(id.as_str()),
        Event::Disconnected {
            service: Service::Dps,
            why,
        },
    );
    wire.close().await;
}

fn admit(connect: &Connect, user: &DpsUserName, chain: &[Certificate], services: &Services) -> Result<(), Refused> {
    if user.id_scope != services.id_scope {
        return Err(Refused::new(
            WRONG_TENANT,
            format!("unknown id scope `{}`", user.id_scope),
        ));
    }
    if !API_VERSIONS.contains(&user.api_version.as_str()) {
        return Err(Refused::new(
            BAD_USER_NAME,
            format!("unknown api-version `{}`", user.api_version),
        ));
    }
    if !connect.client_id.eq_ignore_ascii_case(user.registration_id.as_str()) {
        return Err(Refused::new(
            ConnectReturnCode::BadClientId,
            "the client id is not the registration id",
        ));
    }
    match services.central.attest(&user.registration_id, chain, clock::now()) {
        Ok(_) => Ok(()),
        Err(refusal) => Err(Refused::new(BAD_CERTIFICATE, refusal.to_string())),
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
    async fn run(&mut self, keep_alive: u16, stop: &CancellationToken) -> Result<Infallible, Why> {
        self.wire.accept(false).await?;
        let patience = patience(keep_alive, DPS_IDLE);
        loop {
            let packet = tokio::select! {
                () = stop.cancelled() => return Err(Why::ShuttingDown),
                packet = timeout(patience, self.wire.next()) => packet.map_err(|_| Why::KeepAliveExpired)??,
            };
            if self.services.weather.is_calm() {
                self.handle(packet).await?;
            } else {
                Box::pin(self.handle_in_weather(packet)).await?;
            }
        }
    }

    pub(super) async fn handle(&mut self, packet: Packet) -> Result<(), Why> {
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
            Packet::Disconnect => return Err(Why::Disconnect),
            _ => return Err(Why::Violation("packet of an unexpected type".into())),
        }
        Ok(())
    }

    async fn subscribe(&mut self, subscribe: &Subscribe) -> Result<(), Why> {
        let mut granted = Vec::with_capacity(subscribe.filters.len());
        for filter in &subscribe.filters {
            if filter.path != RESPONSE_FILTER {
                return Err(Why::Violation(format!("subscribed to `{}`", filter.path)));
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

    async fn publish(&mut self, publish: &Publish) -> Result<(), Why> {
        if publish.qos == QoS::ExactlyOnce {
            return Err(Why::Violation("published with QoS 2".into()));
        }
        if publish.payload.len() > MAX_MESSAGE {
            return Err(Why::Violation(format!("a message of {} bytes", publish.payload.len())));
        }
        let topic: RequestTopic = publish
            .topic
            .parse()
            .map_err(|error: iot_protocol::TopicError| Why::Violation(error.to_string()))?;
        // The C# SDK waits for the acknowledgement before it looks at answers.
        if publish.qos == QoS::AtLeastOnce {
            self.wire.send(Packet::PubAck(PubAck::new(publish.pkid))).await?;
        }
        let answer = match &topic {
            RequestTopic::Register { .. } => {
                let registered = register(self.services, self.id, self.chain, &publish.payload);
                self.services.store.settled().await?;
                registered.map(|registration| Answer::from(&registration))
            }
            RequestTopic::Poll { operation_id, .. } => self.poll(operation_id),
        };
        let retry_after = self.services.dps_retry_after.as_secs();
        self.answer(topic.request_id(), answer, Some(retry_after)).await
    }

    fn poll(&self, operation_id: &str) -> Result<Answer, ServiceError> {
        let now = clock::now();
        match self.services.registrations.poll(self.id, operation_id, Instant::now()) {
            Polled::Done(answer) | Polled::Assigning(answer) => Ok(answer),
            Polled::Throttled => Err(error(DPS_THROTTLED, "Operations are limited to 5 in 10 seconds.", now)),
            Polled::Unknown => Err(error(DPS_UNKNOWN_OPERATION, "Operation not found.", now)),
        }
    }

    /// Answers a request. `retry_after` is said only where there is something to come back for.
    pub(super) async fn answer(
        &mut self,
        request_id: &RequestId,
        answer: Result<Answer, ServiceError>,
        retry_after: Option<u64>,
    ) -> Result<(), Why> {
        let Some(qos) = self.subscribed else {
            return Ok(());
        };
        let (status, body) = match answer {
            Ok(Answer { status, body }) => (status, Ok(body)),
            Err(error) => (error.status(), serde_json::to_vec(&error)),
        };
        let retry_after = retry_after.filter(|_| matches!(status, 202 | 429 | 500..));
        let topic = ResponseTopic {
            status,
            request_id: request_id.clone(),
            retry_after,
        };
        let body = body.map_err(|error| Why::Violation(error.to_string()))?;
        let mut publish = Publish::new(topic.to_string(), qos, body);
        if qos != QoS::AtMostOnce {
            self.packet_id = self.packet_id.checked_add(1).unwrap_or(1);
            publish.pkid = self.packet_id;
        }
        Ok(self.wire.send(Packet::Publish(publish)).await?)
    }
}
