//! What the tests share: an emulator with short waits, certificates, a REST caller, and a device that is nothing but
//! packets, so that no client library of ours stands between a test and the wire.

pub(crate) mod device;
pub(crate) mod people;
pub(crate) mod rest;

use std::time::Duration;

use iot_emulator::{Config, Emulator, Entry, Event};

/// An emulator on free ports that lets a device poll at once.
pub(crate) async fn emulator() -> Emulator {
    let config = Config {
        dps_retry_after: Duration::ZERO,
        ..Config::default()
    };
    Emulator::start(config).await.unwrap()
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
