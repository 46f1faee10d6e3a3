//! An emulator with short waits, in this process or in one of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use iot_emulator::{Config, Emulator, Entry, Event};
use serde_json::Value;

use crate::PATIENCE;

/// Where clients go: an emulator in this process, or one in a process of its own.
pub trait Place {
    fn ca_pem(&self) -> String;
    fn mqtt(&self) -> SocketAddr;
    fn https(&self) -> SocketAddr;
    fn http(&self) -> SocketAddr;
    fn token(&self) -> String;
}

impl Place for Emulator {
    fn ca_pem(&self) -> String {
        self.ca_pem().into()
    }

    fn mqtt(&self) -> SocketAddr {
        self.mqtt_addr()
    }

    fn https(&self) -> SocketAddr {
        self.https_addr().unwrap()
    }

    fn http(&self) -> SocketAddr {
        self.http_addr().unwrap()
    }

    fn token(&self) -> String {
        self.api_token().into()
    }
}

/// The line that an emulator prints when it is ready: its addresses, and the files that clients need.
#[derive(Debug)]
pub struct Ready(pub Value);

impl Ready {
    pub fn parse(line: &str) -> Self {
        Self(serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
    }

    /// Where a service listens: `mqtt`, `ws`, `https` or `http`.
    pub fn address(&self, service: &str) -> SocketAddr {
        address(&self.0[service])
    }

    /// Where the gateway of this number listens.
    pub fn gateway(&self, number: usize) -> SocketAddr {
        address(&self.0["gateways"][number]["mqtt"])
    }

    /// The text of a file that it names.
    pub fn read(&self, key: &str) -> String {
        std::fs::read_to_string(self.0[key].as_str().unwrap()).unwrap()
    }
}

fn address(value: &Value) -> SocketAddr {
    value.as_str().unwrap().parse().unwrap()
}

impl Place for Ready {
    fn ca_pem(&self) -> String {
        self.read("ca")
    }

    fn mqtt(&self) -> SocketAddr {
        self.address("mqtt")
    }

    fn https(&self) -> SocketAddr {
        self.address("https")
    }

    fn http(&self) -> SocketAddr {
        self.address("http")
    }

    fn token(&self) -> String {
        self.read("api_token_file")
    }
}

/// An emulator on free ports that lets a device poll at once.
pub async fn emulator() -> Emulator {
    Emulator::start(config()).await.unwrap()
}

/// The same with a state folder.
pub async fn emulator_in(state: &Path) -> Emulator {
    let config = Config {
        state: Some(state.into()),
        ..config()
    };
    Emulator::start(config).await.unwrap()
}

/// How tests start an emulator.
pub fn config() -> Config {
    Config {
        dps_retry_after: Duration::ZERO,
        ..Config::default()
    }
}

/// Waits, not for ever, until an event of `device` is the one looked for.
pub async fn event(emulator: &Emulator, device: &str, is_it: impl Fn(&Event) -> bool) -> Entry {
    let found = emulator.journal().wait_for(0, |entry| {
        entry.device.as_deref() == Some(device) && is_it(&entry.event)
    });
    match tokio::time::timeout(PATIENCE, found).await {
        Ok(entry) => entry,
        Err(_) => panic!("no such event of {device} in {:#?}", emulator.journal().since(0)),
    }
}
