//! Devices behind a transparent gateway, which shows a certificate below the fleet's own Edge CA.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Running, World, assert_account_closes, counter, make_group};
use fleet_protocol::lines::State;
use fleet_protocol::plan::{CredentialSource, Devices, Gateway, Group, Plan};
use fleet_protocol::reason::Reason;
use iot_emulator::{Config, Event, Service};
use iot_protocol::id::RegistrationId;
use jiff::Timestamp;
use provisioning::certificate::make::KeyType;

const NAME: &str = "gw-1.gw.local";

/// An emulator with the gateway of the Edge device `gw-1`, which its application knows, and a plan for two devices of a
/// group and an individual one behind it.
async fn world() -> (World, Plan) {
    let folder = tempfile::tempdir().unwrap();
    let group = make_group(folder.path(), 2);
    let edge_ca = group.edge_ca("gw-1", KeyType::P256, Timestamp::now()).unwrap();
    let root = edge_ca.paths.trust_bundle.clone();
    let edge_ca = format!("gw-1={}", edge_ca.paths.folder().display());
    let config = Config {
        gateways: vec![format!("gw-1@{NAME}=127.0.0.1:0").parse().unwrap()],
        edge_cas: vec![edge_ca.parse().unwrap()],
        ..Config::default()
    };
    let world = World::within(folder, config).await;
    world.enroll_group(2).await;
    world.enroll_individual("lab").await;
    for id in ["gw-1", "thermo-1", "thermo-2"] {
        let device = provisioning::central::NewDevice {
            display_name: id,
            template: None,
            enabled: true,
        };
        world.central.put_device(id, &device).await.unwrap();
    }
    let mut plan = world.plan(2);
    plan.groups[0].hub = Some("localhost".parse().unwrap());
    plan.groups[0].gateway = Some(Gateway {
        device: "gw-1".parse().unwrap(),
        connect_host: "127.0.0.1".into(),
        port: world.emulator.gateways()[0].mqtt.port(),
        server_name: NAME.into(),
        ca: Some(root),
    });
    let lab = Group {
        name: "individual".into(),
        devices: Devices::Ids(vec![RegistrationId::new("lab").unwrap()]),
        credentials: CredentialSource::Individual(world.path().join("certs/individual")),
        ..plan.groups[0].clone()
    };
    plan.groups.push(lab);
    (world, plan)
}

#[tokio::test]
async fn children_live_behind_their_gateway_without_dps() {
    let (world, plan) = world().await;
    for id in ["thermo-1", "thermo-2", "lab"] {
        world.central.put_relationship("gw-1", id).await.unwrap();
    }
    let children = world.central.relationships("gw-1").await.unwrap();
    assert_eq!(children.len(), 3, "{children:?}");
    let mut running = Running::start(plan, "0/1");
    running.online(3).await;
    running
        .stats("telemetry", |stats| counter(stats, "telemetry_acked") >= 9)
        .await;
    running.stop();
    let (stats, ..) = running.end().await;
    assert_account_closes(&stats);
    let received = world.emulator.stats().telemetry_received_unique;
    assert_eq!(received, counter(&stats, "telemetry_acked"));
    let journal = world.emulator.journal().since(0);
    let through = |event: &Event| matches!(event, Event::ThroughGateway { gateway } if gateway == "gw-1");
    assert_eq!(journal.iter().filter(|entry| through(&entry.event)).count(), 3);
    let at_dps = |event: &Event| matches!(event, Event::Connected { service: Service::Dps });
    assert!(!journal.iter().any(|entry| at_dps(&entry.event)), "{journal:#?}");
}

#[tokio::test]
async fn a_device_that_is_no_child_of_the_gateway_is_parked_with_the_reason() {
    let (world, plan) = world().await;
    world.central.put_relationship("gw-1", "thermo-1").await.unwrap();
    let mut running = Running::start(plan, "0/1");
    for id in ["thermo-2", "lab"] {
        let parked = running.device(id, State::Parked).await;
        assert_eq!(parked.reason, Some(Reason::GatewayRefused));
        let message = parked.message.unwrap();
        assert!(message.contains("it has to be a child of gw-1"), "{message}");
    }
    // The one that is a child may come online after the others were refused.
    running
        .stats("the child online", |stats| counter(stats, "devices_connected") == 1)
        .await;
    running.stop();
    let (stats, ..) = running.end().await;
    assert_eq!(counter(&stats, "devices_connected"), 1);
    assert_eq!(counter(&stats, "connect_failed/gateway_refused"), 2);
}

#[tokio::test]
async fn the_identity_of_an_edge_device_stays_connected_and_sends_nothing() {
    let world = World::new().await;
    world.enroll_group(1).await;
    let mut plan = world.plan(1);
    plan.groups[0].model = fleet_protocol::plan::Model::EdgeIdentity;
    let mut running = Running::start(plan, "0/1");
    running.online(1).await;
    let answer = world.central.command("thermo-1", None, "getMaxMinReport", None).await;
    assert_eq!(answer.unwrap().response_code, Some(404));
    running.stop();
    let (stats, ..) = running.end().await;
    assert_eq!(counter(&stats, "telemetry_offered"), 0);
    assert_eq!(world.central.device("thermo-1").await.unwrap().template, None);
}
