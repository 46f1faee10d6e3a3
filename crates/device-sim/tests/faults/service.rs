//! DPS and hubs on one port that do what a test wants of them, where the emulator would do the right thing.
//!
//! TLS is real: the server has a certificate for `localhost` and `127.0.0.1`, which serve as the names of two hubs, and
//! takes only devices that present a certificate of the group.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use fleet_protocol::plan::Plan;
use futures_util::{SinkExt, StreamExt};
use iot_protocol::dps::{Registration, RegistrationState, RequestTopic, ResponseTopic, ServiceError, Status};
use iot_protocol::hub::{FromHub, ToHub};
use iot_protocol::properties::MESSAGE_ID;
use iot_protocol::username::{DpsUserName, HubUserName};
use mqtt_link::testing::TestCa;
use provisioning::identities::Issuer;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{Codec, ConnAck, ConnectReturnCode, Packet, PubAck, Publish, SubAck, SubscribeReasonCode};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::codec::Framed;

use crate::common::{make_group, plan, soon};

type AskRule = Box<dyn Fn(&str, bool, usize) -> Answer + Send + Sync>;
type NameRule<T> = Box<dyn Fn(&str, &str, usize) -> T + Send + Sync>;

/// What the service does. Each rule gets the device and, counted from 1, how often this has happened with it.
pub(crate) struct Rules {
    /// DPS was asked to register (true) or how it is getting on (false).
    pub(crate) dps: AskRule,
    /// A device sends CONNECT to a hub of this name.
    pub(crate) connect: NameRule<Admission>,
    /// A message with this id came.
    pub(crate) telemetry: NameRule<Fate>,
}

impl Default for Rules {
    /// Everything goes well, at once.
    fn default() -> Self {
        Self {
            dps: Box::new(|_, _, _| Answer::Assigned("localhost")),
            connect: Box::new(|_, _, _| Admission::Accepted),
            telemetry: Box::new(|_, _, _| Fate::Acknowledged),
        }
    }
}

pub(crate) enum Answer {
    /// 200, with the hub.
    Assigned(&'static str),
    /// 202, with a time to wait.
    Assigning(u64),
    /// An error, perhaps with a time to wait.
    Error(u16, Option<u64>),
}

pub(crate) enum Admission {
    Accepted,
    Refused(ConnectReturnCode),
    /// There is never a CONNACK.
    Silent,
    /// Everything is answered but the request for the twin.
    WithoutTwin,
    /// CONNACK accepts, and SUBSCRIBE is answered by the end of the connection.
    ClosedAtSubscribe,
}

pub(crate) enum Fate {
    Acknowledged,
    /// There is never a PUBACK, and the connection stays.
    Withheld,
    /// The connection ends without PUBACK.
    Closed,
    /// PUBACK, and then the connection ends.
    AcknowledgedAndClosed,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Event {
    Asked {
        device: String,
        registers: bool,
    },
    Connected {
        device: String,
        hub: String,
    },
    Received {
        device: String,
        id: String,
        duplicate: bool,
        body: Bytes,
    },
    Acknowledged {
        device: String,
        id: String,
    },
}

type Log = watch::Sender<Vec<(Instant, Event)>>;

pub(crate) struct Service {
    port: u16,
    log: Arc<Log>,
    folder: TempDir,
    devices: u32,
}

impl Service {
    /// Makes a group of devices, and serves them.
    pub(crate) async fn start(devices: u32, rules: Rules) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ca = TestCa::new("the service");
        std::fs::write(folder.path().join("ca.pem"), ca.pem()).unwrap();
        let group = make_group(folder.path(), devices);
        let trusted = group.authority(Issuer::Root).unwrap().cert_pem().to_owned();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let log = Arc::new(Log::default());
        let acceptor = TlsAcceptor::from(tls(&ca, &trusted));
        tokio::spawn(accept(listener, acceptor, Arc::new(rules), Arc::clone(&log)));
        Self {
            port,
            log,
            folder,
            devices,
        }
    }

    /// A plan for all the devices.
    pub(crate) fn plan(&self) -> Plan {
        plan(self.path(), "0ne00SCRIPTED".parse().unwrap(), self.port, self.devices)
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// What has happened, and when.
    pub(crate) fn timed(&self) -> Vec<(Instant, Event)> {
        self.log.borrow().clone()
    }

    /// What has happened.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.timed().into_iter().map(|(_, event)| event).collect()
    }

    /// When what `is_it` looks for happened.
    pub(crate) fn times(&self, is_it: impl Fn(&Event) -> bool) -> Vec<Instant> {
        let events = self.timed().into_iter();
        events.filter(|(_, event)| is_it(event)).map(|(at, _)| at).collect()
    }

    /// Waits until what has happened is as `is_it` wants it.
    pub(crate) async fn until(&self, what: &str, is_it: impl Fn(&[(Instant, Event)]) -> bool) {
        let mut log = self.log.subscribe();
        soon(what, log.wait_for(|events| is_it(events))).await.unwrap();
    }
}

fn tls(ca: &TestCa, trusted: &str) -> Arc<ServerConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(trusted.as_bytes()).unwrap())
        .unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .unwrap();
    let (chain, key) = ca.server_der(&["localhost", "127.0.0.1"]);
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .unwrap();
    Arc::new(config)
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, rules: Arc<Rules>, log: Arc<Log>) {
    loop {
        let (tcp, _) = listener.accept().await.unwrap();
        let (acceptor, rules, log) = (acceptor.clone(), Arc::clone(&rules), Arc::clone(&log));
        tokio::spawn(async move {
            if let Ok(tls) = acceptor.accept(tcp).await {
                let codec = Codec {
                    max_incoming_size: 1 << 20,
                    max_outgoing_size: 1 << 20,
                };
                let packets = Framed::new(tls, codec);
                // `None` only means that a client has disconnected.
                let _ = Conversation { packets, rules, log }.lead().await;
            }
        });
    }
}

struct Conversation {
    packets: Framed<TlsStream<TcpStream>, Codec>,
    rules: Arc<Rules>,
    log: Arc<Log>,
}

impl Conversation {
    async fn lead(mut self) -> Option<()> {
        let Packet::Connect(connect) = self.next().await? else {
            panic!("a client begins with CONNECT");
        };
        let user = connect.login.unwrap().username;
        if let Ok(user) = user.parse::<DpsUserName>() {
            self.dps(user.registration_id.as_str()).await
        } else {
            let user: HubUserName = user.parse().unwrap();
            self.hub(user.device_id.as_str(), user.hub.as_str()).await
        }
    }

    async fn dps(&mut self, device: &str) -> Option<()> {
        self.accept().await?;
        loop {
            let publish = match self.next().await? {
                Packet::Publish(publish) => publish,
                other => {
                    self.routine(&other).await?;
                    continue;
                }
            };
            self.send(Packet::PubAck(PubAck::new(publish.pkid))).await?;
            let topic: RequestTopic = publish.topic.parse().unwrap();
            let registers = matches!(topic, RequestTopic::Register { .. });
            let asked = Event::Asked {
                device: device.to_owned(),
                registers,
            };
            let times = self.note(asked.clone(), |event| *event == asked);
            let answer = (self.rules.dps)(device, registers, times);
            let (status, retry_after, body) = answer.to_wire(device);
            let topic = ResponseTopic {
                status,
                request_id: topic.request_id().clone(),
                retry_after,
            };
            self.publish(topic.to_string(), body).await?;
        }
    }

    async fn hub(&mut self, device: &str, hub: &str) -> Option<()> {
        let connected = Event::Connected {
            device: device.to_owned(),
            hub: hub.to_owned(),
        };
        let times = self.note(
            connected,
            |event| matches!(event, Event::Connected { device: known, .. } if known == device),
        );
        let admission = (self.rules.connect)(device, hub, times);
        match admission {
            Admission::Accepted | Admission::WithoutTwin | Admission::ClosedAtSubscribe => self.accept().await?,
            Admission::Refused(code) => {
                self.send(Packet::ConnAck(ConnAck::new(code, false))).await?;
                return self.close().await;
            }
            Admission::Silent => return self.next().await.map(drop),
        }
        loop {
            match self.next().await? {
                Packet::Subscribe(_) if matches!(admission, Admission::ClosedAtSubscribe) => return self.close().await,
                Packet::Publish(publish) => match publish.topic.parse().unwrap() {
                    ToHub::TwinGet { .. } if matches!(admission, Admission::WithoutTwin) => {}
                    ToHub::TwinGet { request_id } => {
                        let answer = FromHub::TwinResponse {
                            status: 200,
                            request_id,
                            version: None,
                        };
                        let twin = r#"{"desired":{"$version":1},"reported":{"$version":1}}"#;
                        self.publish(answer.to_string(), twin.to_owned()).await?;
                    }
                    ToHub::TwinReport { request_id } => {
                        let answer = FromHub::TwinResponse {
                            status: 204,
                            request_id,
                            version: Some(2),
                        };
                        self.publish(answer.to_string(), String::new()).await?;
                    }
                    ToHub::Telemetry { properties, .. } => {
                        let id = properties.value(MESSAGE_ID).unwrap();
                        let fate = self.telemetry(device, id, &publish).await?;
                        if matches!(fate, Fate::Closed | Fate::AcknowledgedAndClosed) {
                            return self.close().await;
                        }
                    }
                    ToHub::MethodResponse { .. } => panic!("no method was called"),
                },
                other => self.routine(&other).await?,
            }
        }
    }

    async fn telemetry(&mut self, device: &str, id: &str, publish: &Publish) -> Option<Fate> {
        let received = Event::Received {
            device: device.to_owned(),
            id: id.to_owned(),
            duplicate: publish.dup,
            body: publish.payload.clone(),
        };
        let times = self.note(
            received,
            |event| matches!(event, Event::Received { device: d, id: i, .. } if d == device && i == id),
        );
        let fate = (self.rules.telemetry)(device, id, times);
        if !matches!(fate, Fate::Closed | Fate::Withheld) {
            // Before the client has the acknowledgement: what it counts as acknowledged must stand here.
            let acknowledged = Event::Acknowledged {
                device: device.to_owned(),
                id: id.to_owned(),
            };
            self.note(acknowledged, |_| false);
            self.send(Packet::PubAck(PubAck::new(publish.pkid))).await?;
        }
        Some(fate)
    }

    /// What is the same with DPS and hubs.
    async fn routine(&mut self, packet: &Packet) -> Option<()> {
        match packet {
            Packet::Subscribe(subscribe) => {
                let granted = subscribe
                    .filters
                    .iter()
                    .map(|filter| SubscribeReasonCode::Success(filter.qos));
                self.send(Packet::SubAck(SubAck::new(subscribe.pkid, granted.collect())))
                    .await
            }
            Packet::PingReq => self.send(Packet::PingResp).await,
            Packet::PubAck(_) => Some(()),
            Packet::Disconnect => self.close().await.and(None),
            other => panic!("{other:?}"),
        }
    }

    /// Notes what happened, and returns how often something like it now has.
    fn note(&self, event: Event, like: impl Fn(&Event) -> bool) -> usize {
        self.log.send_modify(|events| events.push((Instant::now(), event)));
        self.log.borrow().iter().filter(|(_, event)| like(event)).count()
    }

    async fn accept(&mut self) -> Option<()> {
        let accepted = ConnAck::new(ConnectReturnCode::Success, false);
        self.send(Packet::ConnAck(accepted)).await
    }

    async fn publish(&mut self, topic: String, body: String) -> Option<()> {
        self.send(Packet::Publish(Publish::new(topic, QoS::AtMostOnce, body)))
            .await
    }

    async fn next(&mut self) -> Option<Packet> {
        self.packets.next().await?.ok()
    }

    async fn send(&mut self, packet: Packet) -> Option<()> {
        self.packets.send(packet).await.ok()
    }

    /// Closes this side and waits for the other's, since a socket that is closed with something unread in it is reset.
    async fn close(&mut self) -> Option<()> {
        self.packets.get_mut().shutdown().await.ok()?;
        while self.next().await.is_some() {}
        Some(())
    }
}

impl Answer {
    fn to_wire(&self, device: &str) -> (u16, Option<u64>, String) {
        let registration = |status, state| Registration {
            operation_id: "4.d0a671905ea5b2c8.42d78160-4c78-479e-8be7-61d5e55dac0d".to_owned(),
            status,
            registration_state: state,
        };
        match *self {
            Self::Assigned(hub) => {
                let state = RegistrationState {
                    assigned_hub: Some(hub.parse().unwrap()),
                    device_id: Some(device.parse().unwrap()),
                    ..RegistrationState::new(Status::Assigned)
                };
                let body = registration(Status::Assigned, Some(state));
                (200, None, serde_json::to_string(&body).unwrap())
            }
            Self::Assigning(retry_after) => {
                let body = registration(Status::Assigning, None);
                (202, Some(retry_after), serde_json::to_string(&body).unwrap())
            }
            Self::Error(status, retry_after) => {
                let body = ServiceError {
                    error_code: u32::from(status) * 1000 + 1,
                    tracking_id: "8ad0463c-6427-4479-9dfa-3e8bb7003e9b".to_owned(),
                    message: "come back later".to_owned(),
                    timestamp_utc: None,
                };
                (status, retry_after, serde_json::to_string(&body).unwrap())
            }
        }
    }
}
