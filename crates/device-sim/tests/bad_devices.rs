//! Devices that must be refused, and devices with faults of their own, against the emulator over real TLS and MQTT.
#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod common;

use common::{GROUP, Running, World, assert_account_closes, counter, with_reasons};
use fleet_protocol::lines::{DeviceLine, EndReason, Line, State};
use fleet_protocol::plan::{CredentialSource, DeviceFault, Devices, Group, Plan, Range, Stage};
use iot_emulator::{DisconnectReason, Event, Service};
use jiff::Timestamp;
use provisioning::certificate::make::KeyType;
use provisioning::identities::{Dates, GroupSpec, Issuer, Lifetime};
use serde_json::{Value, json};

const STRANGERS: &str = "strangers";

/// The plan of two devices that are enrolled, and of two more that must be refused as `expect` says, with leaves of these
/// dates below a CA that no enrollment has.
fn with_strangers(world: &World, expect: &str, dates: Dates) -> Plan {
    let spec = GroupSpec {
        key_type: KeyType::P256,
        lifetime: Lifetime::default().dated(dates),
        ..GroupSpec::new(&world.path().join("certs"), STRANGERS, Issuer::Intermediate)
    };
    spec.open_or_create(["stranger-1", "stranger-2"], Timestamp::now(), &|_, _| {})
        .unwrap();
    let mut plan = world.plan(2);
    plan.groups.push(Group {
        name: STRANGERS.into(),
        devices: Devices::Range(Range {
            prefix: "stranger-".into(),
            count: 2,
            first: 1,
            width: 0,
        }),
        credentials: CredentialSource::Group(world.path().join("certs").join(STRANGERS)),
        expect: Some(expect.parse().unwrap()),
        ..plan.groups[0].clone()
    });
    plan
}

/// The line with which each of the strangers is judged, and ends.
async fn judged(running: &mut Running) -> Vec<DeviceLine> {
    let mut judged = Vec::new();
    running
        .line("two judged devices", |line| {
            if let Line::Device(device) = line
                && device.negative
                && device.state == State::Stopped
            {
                judged.push(device);
            }
            (judged.len() == 2).then_some(())
        })
        .await;
    judged
}

#[tokio::test]
async fn strangers_are_refused_apart_from_the_others_and_do_not_come_again() {
    for dates in [Dates::Valid, Dates::Expired, Dates::NotYetValid] {
        let world = World::new().await;
        world.enroll_group(2).await;
        let plan = with_strangers(&world, "refused:mqtt_not_authorized", dates);
        let mut running = Running::start(plan, "0/1");
        let lines = judged(&mut running).await;
        assert!(
            lines
                .iter()
                .all(|line| line.reason == Some("mqtt_not_authorized".into())),
            "{lines:?}"
        );
        running
            .stats("two devices online", |stats| counter(stats, "devices_connected") == 2)
            .await;
        running.control(r#"{"id":1,"do":"reconnect"}"#);
        running
            .line("the order", |line| {
                (line == Line::Done { id: 1, devices: 2 }).then_some(())
            })
            .await;
        running.stop();
        let (stats, ..) = running.end().await;
        assert_account_closes(&stats);
        let counted = [
            "devices_negative",
            "devices_refused/mqtt_not_authorized",
            "devices_let_in",
        ];
        assert_eq!(counted.map(|name| counter(&stats, name)), [2, 2, 0]);
        // In none of the others' figures.
        let others = ["devices_wanted", "devices_registered"].map(|name| counter(&stats, name));
        assert_eq!(others, [2, 2]);
        for prefix in [
            "register_failed/",
            "connect_failed/",
            "devices_failed/",
            "devices_not_judged/",
        ] {
            assert_eq!(with_reasons(&stats, prefix), 0, "{prefix} {:?}", stats.counters);
        }
        // One try each, which is all that the service sees of them.
        let refused = counter(&stats, "registrations_begun");
        assert_eq!(refused, 4, "two that are let in, and two that are not");
    }
}

#[tokio::test]
async fn another_refusal_than_the_expected_one_is_counted_with_its_reason() {
    let world = World::new().await;
    world.enroll_group(2).await;
    let mut running = Running::start(with_strangers(&world, "refused:dps_disabled", Dates::Valid), "0/1");
    judged(&mut running).await;
    running.stop();
    let (stats, ..) = running.end().await;
    assert_eq!(counter(&stats, "devices_refused_otherwise/mqtt_not_authorized"), 2);
    assert_eq!(with_reasons(&stats, "devices_refused/"), 0);
}

#[tokio::test]
async fn one_that_gets_in_is_counted_and_does_not_connect() {
    let world = World::new().await;
    let mut plan = world.plan(2);
    world.enroll_group(2).await;
    plan.groups[0].expect = Some("refused".parse().unwrap());
    // The stages have nothing to do, and wait for no one.
    plan.stages = vec![
        Stage { share: 1.0, over_ms: 0 },
        Stage {
            share: 1.0,
            over_ms: 600_000,
        },
    ];
    let mut running = Running::start(plan, "0/1");
    let lines = judged(&mut running).await;
    assert!(
        lines
            .iter()
            .all(|line| line.message.as_ref().unwrap().contains("DPS assigned it to")),
        "{lines:?}"
    );
    running.stop();
    let (stats, _, reason) = running.end().await;
    assert_eq!(reason, EndReason::Stopped);
    assert_eq!(
        ["devices_let_in", "devices_connected", "devices_wanted"].map(|name| counter(&stats, name)),
        [2, 0, 0]
    );
    assert!(
        world
            .emulator
            .journal()
            .since(0)
            .iter()
            .all(|entry| { !matches!(&entry.event, Event::Connected { service: Service::Hub }) })
    );
}

#[tokio::test]
async fn one_that_no_one_judges_is_said_to_be_so() {
    let world = World::new().await;
    world.enroll_group(2).await;
    let mut plan = with_strangers(&world, "refused", Dates::Valid);
    // Its turn would come in an hour.
    plan.rates.register_per_s = 1.0 / 1800.0;
    let running = Running::start(plan, "0/1");
    running.stop();
    let (stats, ..) = running.end().await;
    assert_eq!(with_reasons(&stats, "devices_not_judged/"), 2, "{:?}", stats.counters);
}

fn faults(faults: Value) -> Vec<DeviceFault> {
    serde_json::from_value(faults).unwrap()
}

#[tokio::test]
async fn slow_devices_take_their_time_and_the_others_do_not() {
    let world = World::new().await;
    world.enroll_group(10).await;
    let mut plan = world.plan(10);
    plan.groups[0].faults =
        faults(json!([{ "share": 0.2, "fault": { "slow": { "latency_ms": 150, "bytes_per_s": 50_000 } } }]));
    let mut running = Running::start(plan, "0/1");
    let mut connects = Vec::new();
    running
        .line("ten connections", |line| {
            if let Line::Stats(stats) = &line
                && let Some(encoded) = stats.histograms.get(&format!("connect/{GROUP}"))
            {
                let histogram = fleet_protocol::histogram::decode(encoded).unwrap();
                connects.extend(
                    histogram
                        .iter_recorded()
                        .map(|value| (value.value_iterated_to(), value.count_at_value())),
                );
            }
            (connects.iter().map(|(_, count)| count).sum::<u64>() >= 10).then_some(())
        })
        .await;
    // TCP, TLS and MQTT are a round trip of 300 ms each. That the others are quicker is for an idle machine to show.
    let slow: u64 = connects
        .iter()
        .filter(|(micros, _)| *micros >= 850_000)
        .map(|(_, count)| count)
        .sum();
    assert!(slow >= 2, "{connects:?}");
    running.stop();
    let (stats, ..) = running.end().await;
    assert_account_closes(&stats);
    assert_eq!(counter(&stats, "devices_faulty/slow"), 2);
    assert_eq!(counter(&stats, "devices_failed/timeout_tls"), 0);
}

#[tokio::test]
async fn a_cut_connection_ends_without_a_disconnect_and_the_device_comes_back() {
    let world = World::new().await;
    world.enroll_group(3).await;
    let mut plan = world.plan(3);
    plan.groups[0].faults = faults(json!([{ "share": 1, "fault": { "cut": { "every_ms": 300 } } }]));
    let mut running = Running::start(plan, "0/1");
    running.returned(3).await;
    running.stop();
    let (stats, ..) = running.end().await;
    assert_account_closes(&stats);
    let reconnects = counter(&stats, "reconnects/cut_on_purpose");
    assert!(reconnects >= 3, "{:?}", stats.counters);
    let received = world.emulator.stats().telemetry_received_unique;
    assert!(received >= counter(&stats, "telemetry_acked"));
    let disconnects = world
        .emulator
        .journal()
        .since(0)
        .into_iter()
        .filter_map(|entry| match entry.event {
            Event::Disconnected {
                service: Service::Hub,
                reason,
            } => Some(reason),
            _ => None,
        });
    let broken = disconnects.filter(|reason| !matches!(reason, DisconnectReason::Disconnect));
    assert!(broken.count() as u64 >= reconnects.saturating_sub(1), "{reconnects}");
}

#[tokio::test]
async fn a_stalled_device_reads_late_what_came_meanwhile() {
    let world = World::new().await;
    world.enroll_group(1).await;
    let mut plan = world.plan(1);
    // For most of each three seconds nothing is read, so acknowledgements come late, and none is lost.
    plan.groups[0].faults =
        faults(json!([{ "share": 1, "fault": { "stalled": { "every_ms": 3000, "for_ms": 2500 } } }]));
    let mut running = Running::start(plan, "0/1");
    let mut longest = 0;
    running
        .line("an acknowledgement that comes late", |line| {
            if let Line::Stats(stats) = &line
                && let Some(encoded) = stats.histograms.get(&format!("publish_sent/{GROUP}"))
            {
                longest = longest.max(fleet_protocol::histogram::decode(encoded).unwrap().max());
            }
            (longest >= 1_500_000).then_some(())
        })
        .await;
    running.stop();
    let (stats, ..) = running.end().await;
    assert_account_closes(&stats);
    assert_eq!(with_reasons(&stats, "reconnects/"), 0, "{:?}", stats.counters);
}

#[tokio::test]
async fn a_clock_decides_which_server_certificates_are_valid_and_not_which_of_ones_own() {
    for (days, reason) in [
        (400, Some("tls_server_expired")),
        (-30, Some("tls_server_not_valid_yet")),
        (100, None),
    ] {
        let world = World::new().await;
        world.enroll_group(1).await;
        let mut plan = world.plan(1);
        plan.groups[0].faults = faults(json!([{ "share": 1, "fault": { "clock": { "ahead_s": days * 86_400 } } }]));
        let mut running = Running::start(plan, "0/1");
        match reason {
            Some(reason) => {
                let line = running.device("thermo-1", State::Parked).await;
                assert_eq!(line.reason, Some(reason.into()), "{line:?}");
            }
            None => running.online(1).await,
        }
        running.stop();
        running.end().await;
    }
}
