//! A device that is nothing but packets, so that no client library of ours stands between a test and the wire.

use std::io;
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{
    Codec, ConnAck, Connect, ConnectReturnCode, LastWill, Login, Packet, PubAck, Publish, Subscribe,
    SubscribeReasonCode,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::codec::Framed;

use crate::emulator::Place;
use crate::party::Party;
use crate::{PATIENCE, soon, tls};

pub const DPS_FILTER: &str = "$dps/registrations/res/#";
pub const REGISTER: &str = "$dps/registrations/PUT/iotdps-register/?$rid=1";

pub struct Device {
    framed: Framed<Box<dyn Line>, Codec>,
    packet_id: u16,
}

/// What carries packets.
pub trait Line: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Line for S {}

/// What a CONNECT holds.
pub struct Hello {
    pub connect: Connect,
}

impl Hello {
    pub fn dps(id: &str) -> Self {
        Self::new(id, &format!("0ne00EMULATOR/registrations/{id}/api-version=2019-03-31"))
    }

    pub fn hub(id: &str) -> Self {
        Self::new(
            id,
            &format!("localhost/{id}/?api-version=2021-04-12&model-id=dtmi%3Acom%3Aexample%3AThermostat%3B1"),
        )
    }

    pub fn new(client_id: &str, user_name: &str) -> Self {
        let mut connect = Connect::new(client_id);
        connect.keep_alive = 60;
        connect.login = Some(Login::new(user_name, ""));
        Self { connect }
    }

    pub fn keep_alive(mut self, seconds: u16) -> Self {
        self.connect.keep_alive = seconds;
        self
    }

    pub fn keep_session(mut self) -> Self {
        self.connect.clean_session = false;
        self
    }

    pub fn will(mut self, topic: &str, message: &str) -> Self {
        self.connect.last_will = Some(LastWill::new(topic, message, QoS::AtMostOnce, false));
        self
    }
}

impl Device {
    /// Makes the TLS connection, with a client certificate or without.
    pub async fn dial(emulator: &impl Place, party: Option<&Party>) -> Self {
        Self::dial_with(emulator, party, rustls::DEFAULT_VERSIONS).await
    }

    /// The same with an emulator that may be gone at any moment.
    pub async fn try_dial(emulator: &impl Place, party: &Party) -> io::Result<Self> {
        Self::try_dial_with(emulator, Some(party), rustls::DEFAULT_VERSIONS).await
    }

    pub async fn dial_with(
        emulator: &impl Place,
        party: Option<&Party>,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> Self {
        Self::try_dial_with(emulator, party, versions).await.unwrap()
    }

    async fn try_dial_with(
        emulator: &impl Place,
        party: Option<&Party>,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> io::Result<Self> {
        Ok(Self::over(
            tls::connect(emulator, ("localhost", emulator.mqtt()), party, versions).await?,
        ))
    }

    /// A device that has its line already.
    pub fn over(line: impl Line + 'static) -> Self {
        let codec = Codec {
            max_incoming_size: 1 << 20,
            max_outgoing_size: 1 << 20,
        };
        Self {
            framed: Framed::new(Box::new(line), codec),
            packet_id: 0,
        }
    }

    /// Tries to make the TLS connection with a certificate whose key is another's.
    pub async fn dial_with_key_of(
        emulator: &impl Place,
        party: &Party,
        thief: &Party,
        version: &'static rustls::SupportedProtocolVersion,
    ) {
        let stream = Self::handshake(emulator, party.chain(), thief.key(), version).await;
        // With TLS 1.3 the client's side of the handshake is over before the server has looked at the signature.
        if let Ok(mut stream) = stream {
            let end = tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 1]).await;
            assert!(end.is_err(), "the server sends an alert");
        }
    }

    /// A handshake in which the client looks at neither its certificate nor its key.
    pub async fn handshake(
        emulator: &impl Place,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        version: &'static rustls::SupportedProtocolVersion,
    ) -> io::Result<TlsStream<TcpStream>> {
        let builder = tls::builder(emulator, &[version]);
        let key = builder.crypto_provider().key_provider.load_private_key(key).unwrap();
        let shown = rustls::sign::CertifiedKey::new(chain, key);
        let config = builder.with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(shown)));
        let tcp = TcpStream::connect(emulator.mqtt()).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, tcp).await
    }

    /// Dials, sends CONNECT and returns the answer.
    pub async fn greet(emulator: &impl Place, party: Option<&Party>, hello: Hello) -> (Self, ConnAck) {
        let mut device = Self::dial(emulator, party).await;
        let answer = device.hello(hello).await;
        (device, answer)
    }

    /// Sends CONNECT and returns the answer.
    pub async fn hello(&mut self, hello: Hello) -> ConnAck {
        self.send(Packet::Connect(hello.connect)).await;
        let Packet::ConnAck(answer) = self.next().await else {
            panic!("the answer to CONNECT is CONNACK")
        };
        answer
    }

    /// Connects, which must go well.
    pub async fn connect(emulator: &impl Place, party: &Party, hello: Hello) -> Self {
        let (device, answer) = Self::greet(emulator, Some(party), hello).await;
        assert_eq!(answer.code, ConnectReturnCode::Success);
        device
    }

    /// Registers and connects to the hub.
    pub async fn online(emulator: &impl Place, party: &Party, id: &str) -> Self {
        Self::register(emulator, party, id).await;
        Self::connect(emulator, party, Hello::hub(id)).await
    }

    /// Registers with DPS; gives the final answer.
    pub async fn register(emulator: &impl Place, party: &Party, id: &str) -> Value {
        let mut device = Self::connect(emulator, party, Hello::dps(id)).await;
        device.registration(id).await
    }

    /// Registers over a connection to DPS; gives the final answer.
    pub async fn registration(&mut self, id: &str) -> Value {
        self.subscribe(DPS_FILTER).await;
        let body = json!({"registrationId": id, "payload": {"modelId": "dtmi:com:example:Thermostat;1"}});
        self.publish(REGISTER, body.to_string()).await;
        let (topic, answer) = self.message().await;
        if !topic.contains("/202/") {
            return answer;
        }
        let operation = answer["operationId"].as_str().unwrap();
        let poll = format!("$dps/registrations/GET/iotdps-get-operationstatus/?$rid=2&operationId={operation}");
        self.publish(&poll, "").await;
        self.message().await.1
    }

    pub async fn send(&mut self, packet: Packet) {
        self.framed.send(packet).await.unwrap();
    }

    /// Sends bytes as they are, whatever they are.
    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        self.try_send_bytes(bytes).await.unwrap();
    }

    /// The same to an emulator that may have closed.
    pub async fn try_send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        let stream = self.framed.get_mut();
        stream.write_all(bytes).await?;
        stream.flush().await
    }

    pub async fn next(&mut self) -> Packet {
        let next = soon("a packet", self.framed.next()).await;
        next.expect("the connection is open").unwrap()
    }

    /// Sends a packet and waits for the next one; none if the emulator is gone.
    pub async fn ask(&mut self, packet: Packet) -> Option<Packet> {
        self.framed.send(packet).await.ok()?;
        soon("an answer", self.framed.next()).await?.ok()
    }

    /// The next message; one with QoS 1 is acknowledged.
    pub async fn message(&mut self) -> (String, Value) {
        let Packet::Publish(publish) = self.next().await else {
            panic!("a message comes")
        };
        if publish.qos == QoS::AtLeastOnce {
            self.send(Packet::PubAck(PubAck::new(publish.pkid))).await;
        }
        let body = if publish.payload.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&publish.payload)
                .unwrap_or_else(|_| String::from_utf8(publish.payload.to_vec()).unwrap().into())
        };
        (publish.topic, body)
    }

    /// Subscribes with QoS 1, which must be granted.
    pub async fn subscribe(&mut self, filter: &str) {
        self.packet_id += 1;
        let mut subscribe = Subscribe::new(filter, QoS::AtLeastOnce);
        subscribe.pkid = self.packet_id;
        self.send(Packet::Subscribe(subscribe)).await;
        let Packet::SubAck(ack) = self.next().await else {
            panic!("SUBACK comes")
        };
        assert_eq!(
            (ack.pkid, ack.return_codes),
            (self.packet_id, vec![SubscribeReasonCode::Success(QoS::AtLeastOnce)])
        );
    }

    /// Publishes with QoS 1; the acknowledgement comes before anything else.
    pub async fn publish(&mut self, topic: &str, body: impl Into<Vec<u8>>) {
        self.send_publish(topic, QoS::AtLeastOnce, body).await;
        let Packet::PubAck(ack) = self.next().await else {
            panic!("PUBACK comes first")
        };
        assert_eq!(ack.pkid, self.packet_id);
    }

    pub async fn send_publish(&mut self, topic: &str, qos: QoS, body: impl Into<Vec<u8>>) {
        let mut publish = Publish::new(topic, qos, body);
        if qos != QoS::AtMostOnce {
            self.packet_id += 1;
            publish.pkid = self.packet_id;
        }
        self.send(Packet::Publish(publish)).await;
    }

    /// The other side must close, without another packet.
    pub async fn is_closed(&mut self) {
        match soon("the end of the connection", self.framed.next()).await {
            None | Some(Err(_)) => {}
            Some(Ok(packet)) => panic!("{packet:?} came instead of the end"),
        }
    }

    /// Whether the other side closes within a minute, whatever it sends before.
    pub async fn ends(&mut self) -> bool {
        let end = async { while let Some(Ok(_)) = self.framed.next().await {} };
        tokio::time::timeout(PATIENCE, end).await.is_ok()
    }

    pub async fn goodbye(mut self) {
        self.send(Packet::Disconnect).await;
        self.is_closed().await;
    }
}
