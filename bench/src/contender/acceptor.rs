//! The floor of a server: the fewest lines of tokio and tokio-rustls that take the floor's connections, check the same
//! certificates, and answer the same packets.
//!
//! Answers are encoded before anybody comes. Of what comes, only as much is looked at as it takes to choose the answer. One
//! task per connection, and no timeouts, no twins, no journal, nothing that is stored. Nothing that works can do much less.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, bail, ensure};
use bytes::{Buf, BytesMut};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio_rustls::rustls::version::TLS12;
use tokio_rustls::rustls::{
    DigitallySignedStruct, DistinguishedName, Error, RootCertStore, ServerConfig, SignatureScheme,
};
use tokio_rustls::server::TlsStream;

use super::stdin_ended;
use super::wire::{self, CONNACK, PUBACK, PUBLISH, SUBACK};

/// The name of this machine.
const HOST: &str = "localhost";
/// As in the emulator.
const BACKLOG: u32 = 4096;
/// Room for a packet of telemetry, as in the emulator.
const BUFFER: usize = 256;

const CONNECT: u8 = 1;
const SUBSCRIBE: u8 = 8;
const PINGREQ: u8 = 12;
const DISCONNECT: u8 = 14;

/// What the acceptor is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The authority of the devices' leaves
    #[arg(long)]
    root: PathBuf,
    /// Where to write the certificate that clients must trust
    #[arg(long)]
    ca: PathBuf,
}

/// Accepts until stdin ends. What it says first is the emulator's ready line, as far as a client needs it.
pub(crate) async fn run(args: &Args) -> anyhow::Result<()> {
    let judge = Arc::new(Judge::new(args)?);
    let tls = TlsAcceptor::from(Arc::new(server_config(args, Arc::clone(&judge))?));
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let listener = socket.listen(BACKLOG)?;
    let ready = serde_json::json!({
        "mqtt": listener.local_addr()?, "hostname": HOST, "id_scope": "0ne00ACCEPTOR", "ca": args.ca,
    });
    println!("{ready}");
    let answers = Arc::new(Answers::new()?);
    tokio::select! {
        accepted = accept(&listener, &tls, &judge, &answers) => accepted,
        ended = stdin_ended() => Ok(ended?),
    }
}

async fn accept(
    listener: &TcpListener,
    tls: &TlsAcceptor,
    judge: &Arc<Judge>,
    answers: &Arc<Answers>,
) -> anyhow::Result<()> {
    loop {
        let (tcp, _) = listener.accept().await?;
        let (tls, judge, answers) = (tls.clone(), Arc::clone(judge), Arc::clone(answers));
        tokio::spawn(async move {
            // Whatever a client does wrong ends its connection; it is the client that complains.
            let _ = serve(tcp, tls, judge, answers).await;
        });
    }
}

async fn serve(tcp: TcpStream, tls: TlsAcceptor, judge: Arc<Judge>, answers: Arc<Answers>) -> anyhow::Result<()> {
    tcp.set_nodelay(true)?;
    // On the heap, as in the emulator: a handshake's space is not to stay in the task.
    let mut stream = Box::pin(tls.accept(tcp)).await?;
    let mut unread = BytesMut::with_capacity(BUFFER);
    let mut answer = Vec::new();
    loop {
        while let Some(length) = packet_length(&unread) {
            if !take(&unread[..length], &stream, &judge, &answers, &mut answer)? {
                return Ok(stream.shutdown().await?);
            }
            unread.advance(length);
        }
        if !answer.is_empty() {
            stream.write_all(&answer).await?;
            answer = Vec::new();
        }
        if stream.read_buf(&mut unread).await? == 0 {
            return Ok(());
        }
    }
}

/// Answers one packet; says whether the client stays.
fn take(
    packet: &[u8],
    stream: &TlsStream<TcpStream>,
    judge: &Judge,
    answers: &Answers,
    answer: &mut Vec<u8>,
) -> anyhow::Result<bool> {
    let header = 1 + packet[1..].iter().take_while(|byte| **byte >= 0x80).count() + 1;
    let (kind, body) = (packet[0] >> 4, &packet[header..]);
    match kind {
        CONNECT => {
            judge.admit(body, stream)?;
            answer.extend_from_slice(&[CONNACK << 4, 2, 0, 0]);
        }
        // One filter at DPS, four at the hub; the same packet id everywhere.
        SUBSCRIBE => answer.extend_from_slice(match body.windows(4).any(|word| word == b"$dps") {
            true => &[SUBACK << 4, 3, 0, 1, 1],
            false => &[SUBACK << 4, 6, 0, 1, 1, 0, 0, 0],
        }),
        PUBLISH => {
            let (topic, rest) = wire::topic(body)?;
            if packet[0] & 0b110 != 0 {
                let id = rest.first_chunk().context("PUBLISH has no packet id")?;
                answer.extend_from_slice(&wire::puback(*id));
            }
            answer.extend_from_slice(answers.to(topic));
        }
        PINGREQ => answer.extend_from_slice(&[0xD0, 0]),
        PUBACK => {}
        DISCONNECT => return Ok(false),
        kind => bail!("packet of type {kind}"),
    }
    Ok(true)
}

/// The length of the packet that begins here, if all of it has come.
fn packet_length(bytes: &[u8]) -> Option<usize> {
    let (mut length, mut shift) = (0usize, 0);
    for (place, byte) in bytes.iter().enumerate().skip(1).take(4) {
        length |= usize::from(byte & 0x7F) << shift;
        shift += 7;
        if *byte < 0x80 {
            let all = place + 1 + length;
            return (all <= bytes.len()).then_some(all);
        }
    }
    None
}

/// What is published to a client, by the topic that asks for it.
struct Answers([(&'static str, Vec<u8>); 4]);

impl Answers {
    fn new() -> anyhow::Result<Self> {
        let operation = "4.0123456789abcdef.01234567-89ab-cdef-0123-456789abcdef";
        let assigning = format!(r#"{{"operationId":"{operation}","status":"assigning"}}"#);
        let assigned = format!(
            r#"{{"operationId":"{operation}","status":"assigned","registrationState":{{"x509":{{}},"registrationId":"bench-00000","createdDateTimeUtc":"2026-11-23T15:00:00.1234567Z","assignedHub":"{HOST}","deviceId":"bench-00000","status":"assigned","substatus":"initialAssignment","lastUpdatedDateTimeUtc":"2026-11-23T15:00:00.1234567Z","etag":"IjAxMjM0NTY3LTg5YWItY2RlZi0wMTIzLTQ1Njc4OWFiY2RlZiI="}}}}"#
        );
        let twin = r#"{"desired":{"$version":1},"reported":{"$version":1}}"#;
        let publish = |topic: &str, body: &str, packet_id| wire::publish(topic.to_owned(), body, packet_id);
        Ok(Self([
            (
                "$dps/registrations/PUT",
                publish("$dps/registrations/res/202/?$rid=1&retry-after=0", &assigning, Some(1))?,
            ),
            (
                "$dps/registrations/GET",
                publish("$dps/registrations/res/200/?$rid=2", &assigned, Some(2))?,
            ),
            ("$iothub/twin/GET", publish("$iothub/twin/res/200/?$rid=1", twin, None)?),
            (
                "$iothub/twin/PATCH",
                publish("$iothub/twin/res/204/?$rid=2&$version=2", "", None)?,
            ),
        ]))
    }

    /// Nothing for telemetry.
    fn to(&self, topic: &str) -> &[u8] {
        let asked = self.0.iter().find(|(begin, _)| topic.starts_with(begin));
        asked.map_or(&[], |(_, answer)| answer)
    }
}

/// Who may connect: at DPS, whose chain leads to the root; at the hub, who showed the same leaf at DPS.
#[derive(Debug)]
struct Judge {
    root: Arc<dyn ClientCertVerifier>,
    leaves: Mutex<HashMap<String, [u8; 32]>>,
}

impl Judge {
    fn new(args: &Args) -> anyhow::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&args.root)?)?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        Ok(Self {
            root: WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?,
            leaves: Mutex::default(),
        })
    }

    /// Judges the variable header and the payload of a CONNECT.
    fn admit(&self, connect: &[u8], stream: &TlsStream<TcpStream>) -> anyhow::Result<()> {
        // After protocol name and level, flags and keepalive: the client id, then the user name.
        let (client_id, rest) = wire::topic(connect.get(10..).context("CONNECT is too short")?)?;
        let (user_name, _) = wire::topic(rest)?;
        let (_, tls) = stream.get_ref();
        let [leaf, above @ ..] = tls.peer_certificates().unwrap_or_default() else {
            bail!("no certificate")
        };
        let thumbprint: [u8; 32] = Sha256::digest(leaf).into();
        if user_name.contains("/registrations/") {
            self.root.verify_client_cert(leaf, above, UnixTime::now())?;
            let mut leaves = self.leaves.lock().unwrap_or_else(PoisonError::into_inner);
            leaves.insert(client_id.to_owned(), thumbprint);
        } else {
            let leaves = self.leaves.lock().unwrap_or_else(PoisonError::into_inner);
            ensure!(
                leaves.get(client_id) == Some(&thumbprint),
                "not the leaf of `{client_id}`"
            );
        }
        Ok(())
    }
}

/// In the handshake, a client proves that it has the key of its leaf. Whether the leaf is a good one is judged at CONNECT,
/// as in the emulator.
impl ClientCertVerifier for Judge {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.root.verify_tls12_signature(message, leaf, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.root.verify_tls13_signature(message, leaf, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.root.supported_verify_schemes()
    }
}

/// TLS as the emulator does it, 1.2 only, with a certificate that is its own authority.
fn server_config(args: &Args, judge: Arc<Judge>) -> anyhow::Result<ServerConfig> {
    let own = rcgen::generate_simple_self_signed([HOST.to_owned()])?;
    std::fs::write(&args.ca, own.cert.pem())?;
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).map_err(anyhow::Error::msg)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS12])?
        .with_client_cert_verifier(judge)
        .with_single_cert(vec![own.cert.der().clone()], key)?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_found_only_when_all_of_it_has_come() {
        let long = wire::publish("t".to_owned(), vec![b'x'; 200], None).unwrap();
        for end in 0..long.len() {
            assert_eq!(packet_length(&long[..end]), None, "{end}");
        }
        assert_eq!(packet_length(&[&long[..], &[0xE0, 0]].concat()), Some(long.len()));
        assert_eq!(packet_length(&[0xE0, 0]), Some(2));
    }

    #[test]
    fn every_question_of_the_floor_has_its_answer_and_telemetry_none() {
        let answers = Answers::new().unwrap();
        for topic in wire::twin_requests() {
            assert!(!answers.to(&topic.to_string()).is_empty(), "{topic}");
        }
        let telemetry = wire::telemetry_topic(&"bench-00001".parse().unwrap(), "r1");
        assert!(answers.to(&telemetry).is_empty());
    }
}
