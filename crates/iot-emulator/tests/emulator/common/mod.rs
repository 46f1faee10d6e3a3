//! What the tests share: an emulator with short waits, certificates, a REST caller, and a device that is nothing but
//! packets, so that no client library of ours stands between a test and the wire.

pub(crate) mod device;
pub(crate) mod people;
pub(crate) mod rest;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use iot_emulator::{Config, Emulator, Entry, Event};

/// Where clients go: an emulator in this process, or one in a process of its own.
pub(crate) trait Place {
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

/// An emulator on free ports that lets a device poll at once.
pub(crate) async fn emulator() -> Emulator {
    Emulator::start(config()).await.unwrap()
}

/// The same with a state folder.
pub(crate) async fn emulator_in(state: &Path) -> Emulator {
    let config = Config {
        state: Some(state.into()),
        ..config()
    };
    Emulator::start(config).await.unwrap()
}

/// How tests start an emulator.
pub(crate) fn config() -> Config {
    Config {
        dps_retry_after: Duration::ZERO,
        ..Config::default()
    }
}

/// Waits, not for ever, until an event of `device` is the one looked for.
pub(crate) async fn event(emulator: &Emulator, device: &str, is_it: impl Fn(&Event) -> bool) -> Entry {
    let found = emulator.journal().wait_for(0, |entry| {
        entry.device.as_deref() == Some(device) && is_it(&entry.event)
    });
    match tokio::time::timeout(Duration::from_secs(10), found).await {
        Ok(entry) => entry,
        Err(_) => panic!("no such event of {device} in {:#?}", emulator.journal().since(0)),
    }
}
