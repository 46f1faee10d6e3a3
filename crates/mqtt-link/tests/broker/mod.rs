//! A private Mosquitto with mutual TLS, for the duration of one test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use mqtt_link::Endpoint;
use mqtt_link::testing::TestCa;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Another process may take the free port before the broker does.
const ATTEMPTS: usize = 5;

/// A running broker; it is killed when this is dropped.
pub(crate) struct Broker {
    pub(crate) ca: TestCa,
    port: u16,
    _process: Child,
    _folder: TempDir,
}

impl Broker {
    /// Starts a broker with this access list, or prints that there is none on this machine.
    pub(crate) async fn start(access: &str) -> Option<Self> {
        let Some(program) = installed() else {
            let missing = "no `mosquitto` on PATH nor in /usr/sbin";
            // CI sets this: there, a missing referee is a failure.
            assert!(std::env::var_os("FLEET_REQUIRE_REFEREES").is_none(), "{missing}");
            eprintln!("skipped: {missing}");
            return None;
        };
        let ca = TestCa::new("test root");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (certificate, key) = ca.server_pem(&["localhost"]);
        for (name, text) in [
            ("ca.pem", ca.pem().as_str()),
            ("cert.pem", &certificate),
            ("key.pem", &key),
            ("access", access),
        ] {
            fs::write(folder.path().join(name), text).expect("the folder is writable");
        }
        for _ in 0..ATTEMPTS {
            if let Some((process, port)) = run(&program, folder.path()).await {
                return Some(Self {
                    ca,
                    port,
                    _process: process,
                    _folder: folder,
                });
            }
        }
        panic!("mosquitto did not start {ATTEMPTS} times in a row");
    }

    /// How to reach it.
    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::new("localhost", self.port, self.ca.tls())
            .expect("localhost is a name")
            .via("127.0.0.1")
    }
}

fn installed() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|folder| folder.join("mosquitto"))
        .find(|program| program.is_file())
}

/// Starts the broker on a port that was free a moment ago, and waits until it reports that it runs.
async fn run(program: &Path, folder: &Path) -> Option<(Child, u16)> {
    // Mosquitto can't choose a free port itself.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port on loopback");
    let port = listener.local_addr().expect("a bound socket has an address").port();
    drop(listener);

    let configuration = folder.join("mosquitto.conf");
    let at = folder.display();
    // Started by root it would become another user, which may not read the folder.
    let text = format!(
        "user root\nlistener {port} 127.0.0.1\ncafile {at}/ca.pem\ncertfile {at}/cert.pem\nkeyfile {at}/key.pem\n\
         set_tcp_nodelay true\nrequire_certificate true\nuse_identity_as_username true\nacl_file {at}/access\n\
         persistence false\nlog_dest stderr\n"
    );
    fs::write(&configuration, text).expect("the folder is writable");
    let mut process = Command::new(program)
        .arg("-c")
        .arg(&configuration)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("mosquitto can be started");
    let mut lines = BufReader::new(process.stderr.take().expect("stderr is piped")).lines();
    let runs = async {
        while let Ok(Some(line)) = lines.next_line().await {
            eprintln!("mosquitto: {line}");
            if line.contains("running") {
                return true;
            }
        }
        false
    };
    if !timeout(Duration::from_secs(10), runs).await.unwrap_or(false) {
        return None;
    }
    // The pipe has to be read on, or the broker blocks when it is full.
    tokio::spawn(async move {
        while let Ok(Some(line)) = lines.next_line().await {
            eprintln!("mosquitto: {line}");
        }
    });
    Some((process, port))
}
