//! A fleet over WebSocket: what works over MQTT on its own port works here, too, and through a proxy.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Running, World, assert_account_closes, counter, with_reasons};
use device_sim::fleet::Settings;
use device_sim::proxies::Proxies;
use fleet_protocol::plan::{Plan, Transport};
use iot_emulator::{Config, Event, Service};
use mqtt_link::testing::ConnectProxy;
use serde_json::json;

const DEVICES: u32 = 5;

/// A world whose emulator is called `hostname` and speaks WebSocket, and the plan for its devices.
async fn world(hostname: &str) -> (World, Plan) {
    let config = Config {
        ws: Some("127.0.0.1:0".parse().unwrap()),
        hostname: hostname.into(),
        ..Config::default()
    };
    let world = World::with(config).await;
    world.enroll_group(DEVICES).await;
    let mut plan = world.plan(DEVICES);
    plan.target.transport = Transport::WebSocket;
    plan.target.port = world.emulator.ws_addr().unwrap().port();
    plan.target.dps_endpoint = hostname.into();
    (world, plan)
}

/// Goes on until every device that is online has reported, and ends; nothing may be lost.
async fn report(world: &World, mut running: Running) {
    running
        .stats("telemetry of every device", |stats| {
            counter(stats, "telemetry_acked") >= 3 * u64::from(DEVICES)
        })
        .await;
    running.stop();
    let (stats, phases, _) = running.end().await;
    assert_account_closes(&stats);
    assert_eq!(with_reasons(&stats, "telemetry_dropped/"), 0);
    assert_eq!(with_reasons(&stats, "reconnects/"), 0);
    let received = world.emulator.stats().telemetry_received_unique;
    assert_eq!(received, counter(&stats, "telemetry_acked"));
    assert!(phases.contains_key("twin_get/thermostats"), "{phases:?}");
}

#[tokio::test]
async fn a_fleet_lives_over_websocket_and_is_reached_there() {
    let (world, plan) = world("localhost").await;
    let mut running = Running::start(plan, "0/1");
    running.online(DEVICES as usize).await;

    let since = json!("2020-01-01T00:00:00Z");
    let command = world.central.command("thermo-2", None, "getMaxMinReport", Some(&since));
    // Whatever is asked: without a reading yet, it has nothing to report.
    assert!(command.await.unwrap().response_code.is_some(), "the device answers");
    world.send("thermo-3", &json!({"body": "hello"})).await;
    let completed = world.emulator.journal().wait_for(0, |entry| {
        entry.device.as_deref() == Some("thermo-3") && entry.event == Event::MessageCompleted
    });
    common::soon("the message to be acknowledged", completed).await;
    report(&world, running).await;

    let farewells = world.emulator.journal().since(0).into_iter().filter(|entry| {
        matches!(
            &entry.event,
            Event::Disconnected {
                service: Service::Hub,
                reason: iot_emulator::DisconnectReason::Disconnect
            }
        )
    });
    assert_eq!(farewells.count(), DEVICES as usize, "every device disconnects in order");
}

#[tokio::test]
async fn a_fleet_over_websocket_passes_an_http_proxy() {
    let (world, plan) = world("emulator.test").await;
    let port = plan.target.port;
    let proxy = ConnectProxy::start().await;
    let address = format!("http://127.0.0.1:{}", proxy.port());
    let settings = Settings {
        proxies: Proxies::from_environment(|name| (name == "HTTPS_PROXY").then(|| address.clone())),
        ..Settings::default()
    };
    let mut running = Running::start_with(plan, "0/1", settings);
    running.online(DEVICES as usize).await;
    report(&world, running).await;
    world.emulator.shutdown().await;
    let tunnels = proxy.finish().await;
    assert_eq!(
        tunnels.len(),
        2 * DEVICES as usize,
        "one to DPS and one to the hub for each device"
    );
    for tunnel in tunnels {
        assert_eq!(
            (tunnel.target, tunnel.status),
            (format!("emulator.test:{port}"), Some(200))
        );
    }
}
