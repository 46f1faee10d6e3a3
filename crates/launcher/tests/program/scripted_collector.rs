//! A collector that does what a test says, with rustls alone: none of our code decides what is right on the wire.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::num::NonZeroU16;
use std::path::Path;
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use testing::PATIENCE;

/// It listens, and accepts when it is asked to.
pub(crate) struct ScriptedCollector {
    listener: TcpListener,
    tls: Arc<ServerConfig>,
}

/// Connections of sims that wait until they are accepted.
const WAITING: &str = "a sim to connect";

impl ScriptedCollector {
    /// With the credentials in a folder.
    pub(crate) fn new(credentials: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let tls = Arc::new(config(credentials));
        Self { listener, tls }
    }

    /// The same port, with other credentials.
    pub(crate) fn with(&self, credentials: &Path) -> Self {
        let listener = self.listener.try_clone().unwrap();
        let tls = Arc::new(config(credentials));
        Self { listener, tls }
    }

    /// How sims reach it.
    pub(crate) fn address(&self) -> String {
        let port = NonZeroU16::new(self.listener.local_addr().unwrap().port()).unwrap();
        format!("localhost:{port}")
    }

    /// The next connection, without TLS.
    pub(crate) fn accept_socket(&self) -> TcpStream {
        let patience = Timespec::try_from(PATIENCE).unwrap();
        let mut sockets = [PollFd::new(&self.listener, PollFlags::IN)];
        assert!(
            poll(&mut sockets, Some(&patience)).unwrap() > 0,
            "waited in vain for {WAITING}"
        );
        let (socket, _) = self.listener.accept().unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket
    }

    /// The next connection and the hello on it.
    pub(crate) fn accept(&self) -> (Sim, Value) {
        let connection = ServerConnection::new(Arc::clone(&self.tls)).unwrap();
        let stream = StreamOwned::new(connection, self.accept_socket());
        let mut sim = Sim {
            stream: BufReader::new(stream),
            last: 0,
        };
        let hello = sim.read();
        assert_eq!(hello["type"], "hello", "{hello}");
        assert_eq!(sim.tls().alpn_protocol(), Some(&b"fleet-collect/1"[..]));
        (sim, hello)
    }

    /// The same, and the sim is welcome with `taken`.
    pub(crate) fn welcome(&self, taken: u64) -> (Sim, Value) {
        let (mut sim, hello) = self.accept();
        sim.send(&json!({"type": "welcome", "taken": taken}));
        sim.last = taken;
        (sim, hello)
    }

    /// One handshake that has to fail.
    pub(crate) fn refused_handshake(&self) {
        let connection = ServerConnection::new(Arc::clone(&self.tls)).unwrap();
        let mut stream = StreamOwned::new(connection, self.accept_socket());
        stream.read_exact(&mut [0]).unwrap_err();
    }
}

fn config(credentials: &Path) -> ServerConfig {
    let pem = |name: &str| std::fs::read(credentials.join(name)).unwrap();
    let certificate = |name: &str| CertificateDer::from_pem_slice(&pem(name)).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate("ca.crt")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider));
    let key = PrivateKeyDer::from_pem_slice(&pem("collector.key")).unwrap();
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(vec![certificate("collector.crt")], key)
        .unwrap();
    config.alpn_protocols = vec![b"fleet-collect/1".to_vec()];
    config
}

/// The connection of a sim.
pub(crate) struct Sim {
    stream: BufReader<StreamOwned<ServerConnection, TcpStream>>,
    /// The number of the last message that was read.
    pub(crate) last: u64,
}

impl Sim {
    pub(crate) fn tls(&self) -> &ServerConnection {
        &self.stream.get_ref().conn
    }

    pub(crate) fn send(&mut self, message: &Value) {
        self.write(&format!("{message}\n"));
    }

    pub(crate) fn write(&mut self, text: &str) {
        let stream = self.stream.get_mut();
        stream.write_all(text.as_bytes()).unwrap();
        stream.flush().unwrap();
    }

    pub(crate) fn take(&mut self) {
        let message = json!({"type": "taken", "n": self.last});
        self.send(&message);
    }

    pub(crate) fn read(&mut self) -> Value {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("no message: `{line}`"))
    }

    /// The next message with a number, which has to follow on the one before.
    pub(crate) fn next(&mut self) -> Value {
        let message = self.read();
        let n = message["n"].as_u64().unwrap();
        match message["type"] == "snapshot" {
            true => assert!(n > self.last, "{n} after {}", self.last),
            false => assert_eq!(n, self.last + 1),
        }
        self.last = n;
        message
    }

    /// The next message that is as it should be. Those before are read too.
    pub(crate) fn read_until(&mut self, is_it: impl Fn(&Value) -> bool) -> Value {
        loop {
            let message = self.next();
            if is_it(&message) {
                return message;
            }
        }
    }

    /// Reads until so many devices are online, and takes all until then.
    pub(crate) fn read_until_online(&mut self, devices: u64) -> Value {
        let online = |message: &Value| message["line"]["states"]["online"] == devices;
        let message = self.read_until(online);
        self.take();
        message
    }

    /// Reads until the process has ended, takes it, and returns the last figures before.
    pub(crate) fn read_to_the_end(&mut self) -> Value {
        let mut figures = Value::Null;
        loop {
            let message = self.next();
            match message["type"].as_str().unwrap() {
                "ended" => break assert!(message.get("died").is_none(), "{message}"),
                "line" if message["line"]["type"] == "stats" => figures = message["line"].clone(),
                _ => {}
            }
        }
        self.take();
        figures
    }

    /// Waits until the sim has closed the connection.
    pub(crate) fn wait_for_close(mut self) {
        let mut rest = Vec::new();
        // A sim that is killed does not say goodbye.
        let _ = self.stream.read_to_end(&mut rest);
    }
}
