//! A sim that does what a test tells it to, over real TLS, and has no device.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

use fleet_protocol::collect::{ALPN, COLLECT_VERSION, Hello, Refusal, ToCollector, ToSim};
use fleet_protocol::histogram::Encoder;
use fleet_protocol::lines::{DeviceLine, EndReason, GroupStats, Line, Phase, State, Stats, counter};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};

/// A connection of a sim.
pub(super) struct Sim {
    stream: BufReader<StreamOwned<ClientConnection, TcpStream>>,
    /// The number of the last line that was written.
    n: u64,
}

/// The hello of shard `index` of three, of a run of six devices.
pub(super) fn hello(run_id: &str, index: u32, incarnation: u32) -> Hello {
    Hello {
        version: COLLECT_VERSION,
        run_id: run_id.to_owned(),
        index,
        count: NonZeroU32::new(3).unwrap(),
        incarnation: NonZeroU32::new(incarnation).unwrap(),
        devices: 2,
        host: format!("host-{index}"),
        stages_in_ms: None,
    }
}

/// The figures of a process with two devices that are online, and of which `acked` messages were acknowledged; so many of
/// them since the line before took `times` microseconds.
pub(super) fn stats(acked: u64, times: &[u64]) -> Stats {
    let counters: BTreeMap<String, u64> = [
        (counter::DEVICES_ASKED, 2),
        (counter::DEVICES_REGISTERED, 2),
        (counter::DEVICES_WANTED, 2),
        (counter::DEVICES_CONNECTED, 2),
        (counter::TELEMETRY_OFFERED, acked),
        (counter::TELEMETRY_SENT, acked),
        (counter::TELEMETRY_ACKED, acked),
    ]
    .map(|(name, count)| (name.to_owned(), count))
    .into();
    let states = BTreeMap::from([(State::Online, 2)]);
    let group = GroupStats {
        counters: counters.clone(),
        states: states.clone(),
        wanted_now: 2,
    };
    let mut histogram = Phase::histogram();
    times.iter().for_each(|time| histogram.record(*time).unwrap());
    let publish = Encoder::default().encode(&histogram);
    Stats {
        counters,
        states,
        groups: BTreeMap::from([("thermostats".to_owned(), group)]),
        histograms: BTreeMap::from([("publish/thermostats".to_owned(), publish)]),
        ..Stats::default()
    }
}

pub(super) fn device(id: &str) -> DeviceLine {
    serde_json::from_value(serde_json::json!({"id": id, "state": "online", "hub": "h.example"})).unwrap()
}

/// TLS with the certificate of a folder, trusting the CA there.
pub(super) fn tls(folder: &Path, alpn: &[u8]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(folder.join("ca.crt")).unwrap())
        .unwrap();
    let chain = CertificateDer::pem_file_iter(folder.join("sim.crt")).unwrap();
    let chain = chain.map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(folder.join("sim.key")).unwrap();
    let mut config = ClientConfig::builder_with_provider(rustls::crypto::aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .unwrap();
    config.alpn_protocols = vec![alpn.to_vec()];
    Arc::new(config)
}

impl Sim {
    /// Connects with the certificate of a folder, and says nothing yet.
    pub(super) fn reach(address: SocketAddr, folder: &Path) -> Self {
        Self::reach_with(address, tls(folder, ALPN))
    }

    pub(super) fn reach_with(address: SocketAddr, tls: Arc<ClientConfig>) -> Self {
        let tcp = TcpStream::connect(address).unwrap();
        tcp.set_read_timeout(Some(testing::PATIENCE)).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let tls = ClientConnection::new(tls, name).unwrap();
        Self {
            stream: BufReader::new(StreamOwned::new(tls, tcp)),
            n: 0,
        }
    }

    /// Introduces itself. The answer is the next message.
    pub(super) fn connect(address: SocketAddr, folder: &Path, hello: Hello) -> Self {
        let mut sim = Self::reach(address, folder);
        sim.send(&ToCollector::Hello(hello));
        sim
    }

    pub(super) fn send(&mut self, message: &ToCollector) {
        let mut line = serde_json::to_vec(message).unwrap();
        line.push(b'\n');
        self.write(&line).unwrap();
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let stream = self.stream.get_mut();
        stream.write_all(bytes)?;
        stream.flush()
    }

    /// The next message; nothing when the collector has closed the connection.
    pub(super) fn message(&mut self) -> Option<ToSim> {
        let mut line = String::new();
        match self.stream.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(serde_json::from_str(&line).unwrap()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => panic!("the collector writes nothing"),
            // It is gone, one way or another.
            Err(_) => None,
        }
    }

    /// The next message that is `wanted`, and what it holds.
    #[track_caller]
    pub(super) fn until<T>(&mut self, wanted: impl Fn(&ToSim) -> Option<T>) -> T {
        loop {
            let message = self.message().unwrap_or_else(|| panic!("the connection has ended"));
            if let Some(found) = wanted(&message) {
                return found;
            }
        }
    }

    /// The number in its welcome.
    #[track_caller]
    pub(super) fn welcome(&mut self) -> u64 {
        match self.message() {
            Some(ToSim::Welcome { taken }) => {
                self.n = taken;
                taken
            }
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    pub(super) fn refused(mut self) -> (Refusal, String) {
        let refused = match self.message() {
            Some(ToSim::Refused { why, message }) => (why, message),
            other => panic!("{other:?}"),
        };
        assert!(self.message().is_none(), "the connection ends with it");
        refused
    }

    #[track_caller]
    pub(super) fn go(&mut self) -> i64 {
        self.until(|message| match message {
            ToSim::Go { stages_in_ms } => Some(*stages_in_ms),
            _ => None,
        })
    }

    #[track_caller]
    pub(super) fn stop(&mut self) {
        self.until(|message| matches!(message, ToSim::Stop).then_some(()));
    }

    /// Waits until everything up to this number is taken.
    #[track_caller]
    pub(super) fn taken(&mut self, number: u64) {
        self.until(|message| matches!(message, ToSim::Taken { n } if *n >= number).then_some(()));
    }

    /// Its next line has the number after this one.
    pub(super) fn goes_on_after(&mut self, n: u64) {
        self.n = n;
    }

    /// Writes a line of its process.
    pub(super) fn line(&mut self, line: Line) {
        self.n += 1;
        let n = self.n;
        self.send(&ToCollector::Line { n, line });
    }

    /// Figures, and waits until they are taken.
    #[track_caller]
    pub(super) fn stats(&mut self, acked: u64, times: &[u64]) {
        self.line(Line::Stats(stats(acked, times)));
        self.taken(self.n);
    }

    /// Its process ends as it should.
    #[track_caller]
    pub(super) fn end(&mut self, reason: EndReason) {
        self.line(Line::End { reason });
        self.ended(None);
    }

    #[track_caller]
    pub(super) fn ended(&mut self, died: Option<&str>) {
        self.n += 1;
        self.send(&ToCollector::Ended {
            n: self.n,
            died: died.map(str::to_owned),
        });
        self.taken(self.n);
    }
}
