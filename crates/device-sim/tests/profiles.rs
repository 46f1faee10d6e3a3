//! Profiles against the emulator, over real TLS and MQTT: which device sends what, and how many messages.

mod common;

use std::collections::BTreeMap;

use common::{GROUP, Running, World, assert_account_closes, counter};
use device_sim::spread::profiles;
use fleet_protocol::lines::EndReason;
use fleet_protocol::plan::{Plan, Profile};
use reqwest::Method;
use serde_json::{Value, json};
use testing::rest::Rest;

/// A profile from its keys.
fn profile(name: &str, weight: u32, interval_ms: u64, keys: Value) -> Profile {
    let mut profile = json!({
        "name": name,
        "weight": f64::from(weight),
        "telemetry": { "interval_ms": interval_ms, "jitter": 0.1 },
    });
    for (key, value) in keys.as_object().expect("the keys are an object") {
        profile[key] = value.clone();
    }
    serde_json::from_value(profile).expect("the keys are a profile's")
}

/// Of each device, what the emulator shows of it.
async fn devices(world: &World, count: u32) -> BTreeMap<String, Value> {
    let rest = Rest::new(&world.emulator);
    let mut devices = BTreeMap::new();
    for number in 1..=count {
        let id = format!("thermo-{number}");
        let (status, device) = rest.raw(Method::GET, &format!("/emulator/devices/{id}"), None).await;
        assert!(status.is_success(), "{device}");
        devices.insert(id, device);
    }
    devices
}

fn received(device: &Value) -> u64 {
    device["telemetry_received"].as_u64().expect("it is a number")
}

/// How often it has reported properties: each report is a version.
fn reports(device: &Value) -> u64 {
    let version = &device["twin"]["reported"]["$version"];
    version.as_u64().unwrap_or_else(|| panic!("no version in {device}"))
}

/// Runs all shards of a plan to their ends. Returns how many messages they offered.
async fn run(plan: &Plan, shards: u32) -> u64 {
    let running: Vec<_> = (0..shards)
        .map(|index| Running::start(plan.clone(), &format!("{index}/{shards}")))
        .collect();
    let mut offered = 0;
    for one in running {
        let (stats, _, reason) = one.end().await;
        assert_eq!(reason, EndReason::MessagesSent);
        assert_account_closes(&stats);
        offered += counter(&stats, "telemetry_offered");
    }
    offered
}

#[tokio::test]
async fn a_number_of_messages_is_exact_and_each_device_has_the_same_part_however_many_shards_there_are() {
    let mut parts = Vec::new();
    for shards in [1, 3] {
        let world = World::new().await;
        world.enroll_group(10).await;
        let mut plan = world.plan(10);
        plan.messages = Some(333);
        plan.groups[0].profiles = vec![
            profile("often", 6, 50, json!({})),
            profile("seldom", 3, 200, json!({})),
            profile("bursts", 1, 500, json!({ "burst": 10 })),
        ];
        assert_eq!(run(&plan, shards).await, 333);
        let devices = devices(&world, 10).await;
        assert_eq!(devices.values().map(received).sum::<u64>(), 333);
        parts.push(devices.values().map(received).collect::<Vec<_>>());
    }
    assert_eq!(parts[0], parts[1]);
}

#[tokio::test]
async fn a_device_sends_the_bodies_and_the_properties_of_its_profile() {
    let world = World::new().await;
    world.enroll_group(6).await;
    let mut plan = world.plan(6);
    plan.messages = Some(60);
    let message = json!({
        "content_type": "application/vnd.contoso+json",
        "content_encoding": "utf-8",
        "properties": { "alert": "true", "site": "Zürich & Bern" },
    });
    let payload = json!({ "bytes": 261_120, "fields": { "building": "A", "floor": 3 } });
    plan.groups[0].profiles = vec![
        profile("plain", 2, 50, json!({})),
        profile("large", 1, 50, json!({ "message": message, "payload": payload })),
    ];
    let of = profiles(plan.seed, &plan.groups[0]);
    assert_eq!(run(&plan, 2).await, 60);
    let mut large = 0;
    for (number, device) in (1..).zip(0..6) {
        let id = format!("thermo-{number}");
        let shown = &devices(&world, 6).await[&id];
        let (properties, of) = (&shown["last_message"]["properties"], of[device]);
        if of == 1 {
            large += 1;
            assert_eq!(properties["$.ct"], "application/vnd.contoso+json", "{shown}");
            assert_eq!(properties["site"], "Zürich & Bern", "{shown}");
            let building = Rest::new(&world.emulator);
            let (status, value) = building.get(&format!("devices/{id}/telemetry/building")).await;
            assert!(status.is_success() && value["value"] == "A", "{value}");
        } else {
            assert_eq!(properties["$.ct"], "application/json", "{shown}");
            assert_eq!(properties.get("alert"), None, "{shown}");
        }
    }
    assert_eq!(large, 2, "a third of six");
}

/// A room hardly changes within seconds, so a device that sends only what changes by ten kelvin sends its first value.
#[tokio::test]
async fn what_has_not_changed_is_not_sent_and_properties_are_reported_as_asked() {
    let world = World::new().await;
    world.enroll_group(4).await;
    let mut plan = world.plan(4);
    let rule = json!({ "on_change": { "by": 10.0, "heartbeat_ms": 600_000 } });
    plan.groups[0].profiles = vec![
        profile("often", 1, 50, json!({ "properties_per_minute": 600.0 })),
        profile("quiet", 1, 50, rule),
    ];
    let of = profiles(plan.seed, &plan.groups[0]);
    let mut running = Running::start(plan, "0/1");
    let stats = running
        .stats("many messages", |stats| counter(stats, "telemetry_acked") > 200)
        .await;
    assert!(stats.groups.contains_key(GROUP));
    running.stop();
    let (stats, _, _) = running.end().await;
    assert_account_closes(&stats);
    for (device, of) in devices(&world, 4).await.values().zip(of) {
        match of {
            0 => assert!(received(device) > 20 && reports(device) > 15, "{device}"),
            // At first it reports its target and its maximum, and each higher maximum that follows.
            _ => assert!(received(device) == 1 && reports(device) < 15, "{device}"),
        }
    }
}

/// The days are two seconds long: within four of them, each device comes online four times.
#[tokio::test]
async fn devices_are_online_in_their_part_of_each_day() {
    let world = World::new().await;
    world.enroll_group(4).await;
    let mut plan = world.plan(4);
    let day = json!({ "day": { "shape": "flat", "online": 0.5, "length_ms": 2_000 } });
    plan.groups[0].profiles = vec![profile("part", 1, 100, day)];
    let mut running = Running::start(plan, "0/1");
    for _ in 0..3 {
        // Each of them has come back since the time before.
        running.returned_again(4).await;
    }
    running.stop();
    let (stats, _, _) = running.end().await;
    assert_account_closes(&stats);
    assert_eq!(counter(&stats, "devices_wanted"), 4);
    assert_eq!(
        common::with_reasons(&stats, "devices_failed/"),
        0,
        "{:?}",
        stats.counters
    );
}
