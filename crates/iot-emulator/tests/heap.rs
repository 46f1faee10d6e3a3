//! What the emulator keeps, counted on the heap: resident memory depends on the allocator and on what else runs.

use std::alloc::System;

use cap::Cap;
use iot_emulator::{Emulator, Event};
use rumqttc::mqttbytes::QoS;
use testing::device::Device;
use testing::emulator::{emulator, event};
use testing::party::Party;
use testing::rest::Rest;

#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, usize::MAX);

const DEVICES: usize = 40;
/// So many bytes per device may be new after everybody has come once more. In the journal, longer events take the place of
/// shorter ones.
const NEW_EACH: usize = 512;
/// Events that the journal keeps.
const JOURNAL: u64 = 10_000;

/// Fills the journal, so that it grows no more.
async fn fill_journal(emulator: &Emulator, leaf: &Party, id: &str) {
    let mut device = Device::online(emulator, leaf, id).await;
    for number in 0..JOURNAL {
        let topic = format!("$iothub/twin/PATCH/properties/reported/?$rid={number}");
        device
            .send_publish(&topic, QoS::AtMostOnce, format!(r#"{{"a":{number}}}"#))
            .await;
    }
    let is_last = |found: &Event| matches!(found, Event::Reported { version } if *version > JOURNAL);
    event(emulator, id, is_last).await;
    device.goodbye().await;
}

/// Registers everybody, has everybody send something, and counts while all are online.
async fn everybody_online(emulator: &Emulator, leaves: &[(String, Party)], round: usize) -> usize {
    let mut online = Vec::new();
    for (id, leaf) in leaves {
        let mut device = Device::online(emulator, leaf, id).await;
        for number in 0..3 {
            let topic = format!("devices/{id}/messages/events/%24.ct=application%2Fjson&%24.mid=r{round}-{number}");
            device.publish(&topic, r#"{"temperature":21.4}"#).await;
        }
        online.push(device);
    }
    let counted = HEAP.allocated();
    for device in online {
        device.goodbye().await;
    }
    counted
}

#[tokio::test]
async fn a_device_that_comes_again_needs_no_more_than_before() {
    let emulator = emulator().await;
    let root = Party::root("root");
    Rest::new(&emulator).enroll_group("g", &root).await;
    let leaves: Vec<_> = (0..DEVICES)
        .map(|index| format!("t-{index}"))
        .map(|id| (id.clone(), root.leaf(&id)))
        .collect();
    fill_journal(&emulator, &leaves[0].1, &leaves[0].0).await;
    let mut counted = Vec::new();
    for round in 0..6 {
        counted.push(everybody_online(&emulator, &leaves, round).await);
    }
    // The first rounds make what is made once, up to the four runs whose ids are known.
    let grown = counted[5].saturating_sub(counted[4]);
    assert!(grown <= DEVICES * NEW_EACH, "{grown} bytes more: {counted:?}");
}
