//! A device made of packets.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{
    Codec, ConnAck, Connect, ConnectReturnCode, LastWill, Login, Packet, PubAck, Publish, Subscribe,
    SubscribeReasonCode,
};
use rustls::ClientConfig;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::codec::Framed;

use super::Place;
use super::people::Party;

pub(crate) const DPS_FILTER: &str = "$dps/registrations/res/#";
pub(crate) const REGISTER: &str = "$dps/registrations/PUT/iotdps-register/?$rid=1";

pub(crate) fn ca(emulator: &impl Place) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(emulator.ca_pem().as_bytes()).unwrap()
}

/// Makes a TLS connection to one of the emulator's ports, by a name that its certificate must have, with a client
/// certificate or without.
pub(crate) async fn tls(
    emulator: &impl Place,
    (name, address): (&str, SocketAddr),
    party: Option<&Party>,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(ca(emulator)).unwrap();
    let builder = ClientConfig::builder_with_provider(rustls::crypto::aws_lc_rs::default_provider().into())
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots);
    let config = match party {
        Some(party) => builder.with_client_auth_cert(party.chain(), party.key()).unwrap(),
        None => builder.with_no_client_auth(),
    };
    let tcp = TcpStream::connect(address).await?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, tcp).await
}

pub(crate) struct Device {
    framed: Framed<Box<dyn Line>, Codec>,
    packet_id: u16,
}

/// What carries packets.
pub(crate) trait Line: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Line for S {}

/// What a CONNECT holds.
pub(crate) struct Hello {
    pub(crate) connect: Connect,
}

impl Hello {
    pub(crate) fn dps(id: &str) -> Self {
        Self::new(id, &format!("0ne00EMULATOR/registrations/{id}/api-version=2019-03-31"))
    }

    pub(crate) fn hub(id: &str) -> Self {
        Self::new(
            id,
            &format!("localhost/{id}/?api-version=2021-04-12&model-id=dtmi%3Acom%3Aexample%3AThermostat%3B1"),
        )
    }

    pub(crate) fn new(client_id: &str, user_name: &str) -> Self {
        let mut connect = Connect::new(client_id);
        connect.keep_alive = 60;
        connect.login = Some(Login::new(user_name, ""));
        Self { connect }
    }

    pub(crate) fn keep_alive(mut self, seconds: u16) -> Self {
        self.connect.keep_alive = seconds;
        self
    }

    pub(crate) fn keep_session(mut self) -> Self {
        self.connect.clean_session = false;
        self
    }

    pub(crate) fn will(mut self, topic: &str, message: &str) -> Self {
        self.connect.last_will = Some(LastWill::new(topic, message, QoS::AtMostOnce, false));
        self
    }
}

impl Device {
    /// Makes the TLS connection, with a client certificate or without.
    pub(crate) async fn dial(emulator: &impl Place, party: Option<&Party>) -> Self {
        Self::dial_with(emulator, party, rustls::DEFAULT_VERSIONS).await
    }

    /// The same with an emulator that may be gone at any moment.
    pub(crate) async fn try_dial(emulator: &impl Place, party: &Party) -> io::Result<Self> {
        Self::try_dial_with(emulator, Some(party), rustls::DEFAULT_VERSIONS).await
    }

    pub(crate) async fn dial_with(
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
            tls(emulator, ("localhost", emulator.mqtt()), party, versions).await?,
        ))
    }

    /// A device that has its line already.
    pub(crate) fn over(line: impl Line + 'static) -> Self {
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
    pub(crate) async fn dial_with_key_of(
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
    pub(crate) async fn handshake(
        emulator: &impl Place,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        version: &'static rustls::SupportedProtocolVersion,
    ) -> io::Result<TlsStream<TcpStream>> {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let key = provider.key_provider.load_private_key(key).unwrap();
        let shown = rustls::sign::CertifiedKey::new(chain, key);
        let mut roots = rustls::RootCertStore::empty();
        roots.add(ca(emulator)).unwrap();
        let config = ClientConfig::builder_with_provider(provider.into())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(shown)));
        let tcp = TcpStream::connect(emulator.mqtt()).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, tcp).await
    }

    /// Dials, sends CONNECT and returns the answer.
    pub(crate) async fn greet(emulator: &impl Place, party: Option<&Party>, hello: Hello) -> (Self, ConnAck) {
        let mut device = Self::dial(emulator, party).await;
        let answer = device.hello(hello).await;
        (device, answer)
    }

    /// Sends CONNECT and returns the answer.
    pub(crate) async fn hello(&mut self, hello: Hello) -> ConnAck {
        self.send(Packet::Connect(hello.connect)).await;
        let Packet::ConnAck(answer) = self.next().await else {
            panic!("the answer to CONNECT is CONNACK")
        };
        answer
    }

    /// Connects, which must go well.
    pub(crate) async fn connect(emulator: &impl Place, party: &Party, hello: Hello) -> Self {
        let (device, answer) = Self::greet(emulator, Some(party), hello).await;
        assert_eq!(answer.code, ConnectReturnCode::Success);
        device
    }

    /// Registers and connects to the hub.
    pub(crate) async fn online(emulator: &impl Place, party: &Party, id: &str) -> Self {
        Self::register(emulator, party, id).await;
        Self::connect(emulator, party, Hello::hub(id)).await
    }

    /// Registers with DPS; gives the final answer.
    pub(crate) async fn register(emulator: &impl Place, party: &Party, id: &str) -> Value {
        let mut device = Self::connect(emulator, party, Hello::dps(id)).await;
        device.registration(id).await
    }

    /// Registers over a connection to DPS; gives the final answer.
    pub(crate) async fn registration(&mut self, id: &str) -> Value {
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

    pub(crate) async fn send(&mut self, packet: Packet) {
        self.framed.send(packet).await.unwrap();
    }

    /// Sends bytes as they are, whatever they are.
    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        self.try_send_bytes(bytes).await.unwrap();
    }

    /// The same to an emulator that may have closed.
    pub(crate) async fn try_send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        let stream = self.framed.get_mut();
        stream.write_all(bytes).await?;
        stream.flush().await
    }

    pub(crate) async fn next(&mut self) -> Packet {
        let next = tokio::time::timeout(Duration::from_secs(10), self.framed.next()).await;
        next.expect("a packet comes").expect("the connection is open").unwrap()
    }

    /// Sends a packet and waits for the next one; none if the emulator is gone.
    pub(crate) async fn ask(&mut self, packet: Packet) -> Option<Packet> {
        self.framed.send(packet).await.ok()?;
        let next = tokio::time::timeout(Duration::from_secs(10), self.framed.next()).await;
        next.expect("an answer comes")?.ok()
    }

    /// The next message; one with QoS 1 is acknowledged.
    pub(crate) async fn message(&mut self) -> (String, Value) {
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
    pub(crate) async fn subscribe(&mut self, filter: &str) {
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
    pub(crate) async fn publish(&mut self, topic: &str, body: impl Into<Vec<u8>>) {
        self.send_publish(topic, QoS::AtLeastOnce, body).await;
        let Packet::PubAck(ack) = self.next().await else {
            panic!("PUBACK comes first")
        };
        assert_eq!(ack.pkid, self.packet_id);
    }

    pub(crate) async fn send_publish(&mut self, topic: &str, qos: QoS, body: impl Into<Vec<u8>>) {
        let mut publish = Publish::new(topic, qos, body);
        if qos != QoS::AtMostOnce {
            self.packet_id += 1;
            publish.pkid = self.packet_id;
        }
        self.send(Packet::Publish(publish)).await;
    }

    /// The other side must close, without another packet.
    pub(crate) async fn is_closed(&mut self) {
        let end = tokio::time::timeout(Duration::from_secs(10), self.framed.next()).await;
        match end.expect("the connection is closed") {
            None | Some(Err(_)) => {}
            Some(Ok(packet)) => panic!("{packet:?} came instead of the end"),
        }
    }

    /// Whether the other side closes within a minute, whatever it sends before.
    pub(crate) async fn ends(&mut self) -> bool {
        let end = async { while let Some(Ok(_)) = self.framed.next().await {} };
        tokio::time::timeout(Duration::from_secs(60), end).await.is_ok()
    }

    pub(crate) async fn goodbye(mut self) {
        self.send(Packet::Disconnect).await;
        self.is_closed().await;
    }
}
