//! Orders that are faults on purpose: a power cut, a storm, a churn; and the one that ends a wait.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fleet_protocol::lines::{Line, State};
use fleet_protocol::plan::Model;
use iot_emulator::{DisconnectReason, Event};
use rumqttc::mqttbytes::v4::ConnectReturnCode;
use serde_json::Value;

use crate::common::{Running, World, assert_account_closes, counter, soon, with_reasons};
use crate::relay::{Flow, Relay};
use crate::service::{self, Admission, Rules, Service};

/// No backoff is shorter. It is written out here, so that a change of it does not pass unnoticed.
const FLOOR: Duration = Duration::from_millis(100);

async fn done(running: &mut Running, id: u64) -> u32 {
    let what = format!("the answer to line {id}");
    running
        .line(&what, |line| match line {
            Line::Done { id: done, devices } if done == id => Some(devices),
            Line::Refused { message, .. } => panic!("{message}"),
            _ => None,
        })
        .await
}

/// How the sessions of devices at the hub have ended since `mark`.
fn ends(world: &World, mark: u64) -> Vec<(String, DisconnectReason)> {
    let hub = |event| match event {
        Event::Disconnected {
            service: iot_emulator::Service::Hub,
            reason,
        } => Some(reason),
        _ => None,
    };
    let entries = world.emulator.journal().since(mark).into_iter();
    entries
        .filter_map(|entry| Some((entry.device?, hub(entry.event)?)))
        .collect()
}

/// The acknowledgements are held back first, so that there is something in memory which a power cut can take.
#[tokio::test]
async fn a_reboot_breaks_off_loses_what_was_in_memory_and_starts_up_as_a_new_device_does() {
    let world = World::new().await;
    world.enroll_group(2).await;
    let relay = Relay::to(world.emulator.mqtt_addr());
    let mut plan = world.plan(2);
    plan.target.port = relay.port();
    plan.groups[0].model = Model::TemperatureController;
    let mut running = Running::start(plan, "0/1");
    running.online(2).await;
    let serial = |properties: &Value| {
        let since = &properties["$metadata"]["serialNumber"]["lastUpdateTime"];
        (properties["serialNumber"].clone(), since.as_str().map(str::to_owned))
    };
    let reported = |mark| {
        world
            .emulator
            .journal()
            .wait_for(mark, |entry| matches!(entry.event, Event::Reported { .. }))
    };
    soon("the first report", reported(0)).await;
    let before = serial(&world.central.properties("thermo-1", None).await.unwrap());
    assert!(before.0.is_string() && before.1.is_some(), "{before:?}");

    relay.all(Flow::Swallowed);
    let offered = running.stats("a second of silence", |_| true).await;
    let offered = counter(&offered, "telemetry_offered");
    running
        .stats("messages that wait", |stats| {
            counter(stats, "telemetry_offered") >= offered + 10
        })
        .await;
    let mark = world.emulator.journal().last();
    running.control(r#"{"id":1,"do":"reboot"}"#);
    assert_eq!(done(&mut running, 1).await, 2);
    let restarts = running.device("thermo-1", State::Pending).await;
    assert_eq!(restarts.reason, Some("reboot".into()));
    running.returned(2).await;
    soon("a report after the restart", reported(mark)).await;
    let after = soon("the serial number anew", async {
        loop {
            let after = serial(&world.central.properties("thermo-1", None).await.unwrap());
            if after.1 != before.1 {
                return after;
            }
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(after.await.0, before.0, "it is the same device");

    running.stop();
    let (stats, ..) = running.end().await;
    assert!(
        counter(&stats, "telemetry_dropped/rebooted") >= 10,
        "{:?}",
        stats.counters
    );
    assert_eq!(
        with_reasons(&stats, "telemetry_dropped/"),
        counter(&stats, "telemetry_dropped/rebooted"),
        "{:?}",
        stats.counters
    );
    assert_eq!(
        with_reasons(&stats, "reconnects/"),
        0,
        "it was ordered: {:?}",
        stats.counters
    );
    assert_account_closes(&stats);
    assert_eq!(
        world.emulator.stats().registrations,
        2,
        "the assignment was in the cache"
    );
    assert_eq!(counter(&stats, "devices_assignment_reused"), 0, "not of an earlier run");
}

/// A device in its first session reboots without anything between it and the hub: the hub sees no DISCONNECT.
#[tokio::test]
async fn a_device_that_loses_its_power_sends_no_disconnect() {
    let world = World::new().await;
    world.enroll_group(2).await;
    let mut running = Running::start(world.plan(2), "0/1");
    running.online(2).await;
    let mark = world.emulator.journal().last();
    running.control(r#"{"id":1,"do":"reboot","devices":["thermo-2"]}"#);
    assert_eq!(done(&mut running, 1).await, 1);
    running.returned(1).await;
    assert_eq!(
        ends(&world, mark),
        [("thermo-2".to_owned(), DisconnectReason::ConnectionLost)]
    );
    running.stop();
    let (stats, ..) = running.end().await;
    assert_account_closes(&stats);
}

/// At this rate only the first device would ever get its turn, so the storm alone can have brought the others.
#[tokio::test]
async fn a_storm_passes_over_the_rate_of_connections_and_sends_again_what_was_on_its_way() {
    const DEVICES: u32 = 20;
    let world = World::new().await;
    world.enroll_group(DEVICES).await;
    let mut plan = world.plan(DEVICES);
    plan.rates.connect_per_s = 0.001;
    let mut running = Running::start(plan, "0/1");
    running.online(1).await;
    running.control(r#"{"id":1,"do":"storm"}"#);
    assert_eq!(done(&mut running, 1).await, DEVICES);
    running.online(DEVICES as usize).await;

    let mark = world.emulator.journal().last();
    running.control(r#"{"id":2,"do":"storm","devices":{"share":1.0}}"#);
    let mut gone = BTreeSet::new();
    let all_gone = world.emulator.journal().wait_for(mark, |entry| {
        if matches!(entry.event, Event::Disconnected { .. }) {
            gone.extend(entry.device.clone());
        }
        gone.len() == DEVICES as usize
    });
    soon("the end of all sessions", all_gone).await;
    running.returned(DEVICES as usize).await;
    let ends = ends(&world, mark);
    let broken =
        |reason: &DisconnectReason| matches!(reason, DisconnectReason::ConnectionLost | DisconnectReason::Replaced);
    assert!(ends.iter().all(|(_, reason)| broken(reason)), "{ends:?}");
    running.stop();
    let (stats, ..) = running.end().await;
    assert_eq!(with_reasons(&stats, "telemetry_dropped/"), 0, "{:?}", stats.counters);
    assert_eq!(with_reasons(&stats, "reconnects/"), 0, "{:?}", stats.counters);
    assert_account_closes(&stats);
    assert_eq!(
        world.emulator.stats().telemetry_received_unique,
        counter(&stats, "telemetry_acked")
    );
}

#[tokio::test]
async fn a_device_that_fails_in_a_storm_backs_off_as_ever() {
    let rules = Rules {
        connect: Box::new(|device, _, times| match (device, times) {
            ("thermo-1", 2) => Admission::Refused(ConnectReturnCode::ServiceUnavailable),
            _ => Admission::Accepted,
        }),
        ..Rules::default()
    };
    let service = Service::start(1, rules).await;
    let mut running = Running::start(service.plan(), "0/1");
    running.online(1).await;
    running.control(r#"{"id":1,"do":"storm"}"#);
    running.device("thermo-1", State::BackingOff).await;
    running.online(1).await;
    running.stop();
    let (stats, ..) = running.end().await;
    let connects = service.times(|event| matches!(event, service::Event::Connected { .. }));
    assert_eq!(connects.len(), 3);
    assert!(connects[2] - connects[1] >= FLOOR, "{connects:?}");
    assert_account_closes(&stats);
}

/// Each device leaves once in three seconds, for half of the time.
#[tokio::test]
async fn in_a_churn_devices_say_goodbye_and_all_are_back_at_its_end() {
    const DEVICES: u32 = 4;
    let world = World::new().await;
    world.enroll_group(DEVICES).await;
    let mut running = Running::start(world.plan(DEVICES), "0/1");
    running.online(DEVICES as usize).await;
    let mark = world.emulator.journal().last();
    running.control(r#"{"id":1,"do":"churn","share_per_minute":20,"for":"3s","away":"1500ms"}"#);
    let mut states = BTreeMap::new();
    let devices = running
        .line("the end of the churn", |line| match line {
            Line::Device(device) => {
                states.insert(device.id, device.state);
                None
            }
            Line::Done { id: 1, devices } => Some(devices),
            _ => None,
        })
        .await;
    assert_eq!(devices, DEVICES);
    // The last one has its order to come back, and may still be on its way.
    let mut missing = states.values().filter(|state| **state != State::Online).count();
    while missing > 0 {
        running
            .line("a device that comes back", |line| match line {
                Line::Device(device) if device.state == State::Online => Some(()),
                _ => None,
            })
            .await;
        missing -= 1;
    }
    let ends = ends(&world, mark);
    let left: BTreeSet<_> = ends.iter().map(|(device, _)| device).collect();
    assert_eq!(left.len(), DEVICES as usize, "{ends:?}");
    assert!(
        ends.iter().all(|(_, reason)| *reason == DisconnectReason::Disconnect),
        "{ends:?}"
    );
    running.stop();
    let (stats, ..) = running.end().await;
    assert_account_closes(&stats);
}

/// An enrollment that is missing parks a device for minutes; whoever has made it need not wait.
#[tokio::test]
async fn parked_devices_try_again_on_an_order_and_the_others_are_not_reached() {
    let world = World::new().await;
    let group = world.make_group(3);
    let mut running = Running::start(world.plan(3), "0/1");
    let mut parked = BTreeSet::new();
    running
        .line("three parked devices", |line| {
            if let Line::Device(device) = line
                && device.state == State::Parked
            {
                parked.insert(device.id);
            }
            (parked.len() == 3).then_some(())
        })
        .await;
    world.enroll_made(&group).await;
    running.control(r#"{"id":1,"do":"retry","devices":["thermo-2"]}"#);
    assert_eq!(done(&mut running, 1).await, 1);
    running.device("thermo-2", State::Online).await;
    running.control(r#"{"id":2,"do":"retry"}"#);
    assert_eq!(done(&mut running, 2).await, 2, "the other one is online");
    running
        .stats("all to be online", |stats| stats.states.get(&State::Online) == Some(&3))
        .await;
    running.control(r#"{"id":3,"do":"retry"}"#);
    assert_eq!(done(&mut running, 3).await, 0);
    running.stop();
    let (stats, ..) = running.end().await;
    assert_account_closes(&stats);
}
