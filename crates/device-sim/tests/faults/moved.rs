//! Devices that are given to another hub while they run: their own drops and refuses them, and DPS assigns the new one.

use iot_emulator::{Config, Entry, Event};
use iot_protocol::id::HubHost;

use crate::common::{Running, World, assert_account_closes, counter, soon};

/// The hub of the first registration of `id` after event number `since`.
async fn registered(world: &World, id: &str, since: u64) -> String {
    let is_it = |entry: &Entry| entry.device.as_deref() == Some(id) && matches!(entry.event, Event::Registered { .. });
    let entry = soon("a registration", world.emulator.journal().wait_for(since, is_it)).await;
    match entry.event {
        Event::Registered { hub, .. } => hub,
        other => panic!("{other:?} is no registration"),
    }
}

#[tokio::test]
async fn devices_follow_to_another_hub_and_every_message_arrives() {
    // Names that lead nowhere by themselves.
    let hubs = ["hub-a.example", "hub-b.example"].map(|name| HubHost::new(name).unwrap());
    let config = Config {
        hubs: hubs.into(),
        ..Config::default()
    };
    let world = World::with(config).await;
    world.enroll_group(2).await;
    let mut plan = world.plan(2);
    plan.target.connect_host = Some("localhost".into());
    let mut running = Running::start(plan, "0/1");
    running.online(2).await;
    for id in ["thermo-1", "thermo-2"] {
        let old = registered(&world, id, 0).await;
        let since = world.emulator.journal().last();
        world.reassign(id).await;
        assert_ne!(registered(&world, id, since).await, old, "{id}");
    }
    running.returned(2).await;
    let now = world.emulator.stats().telemetry_received_unique;
    running
        .stats("telemetry to the other hubs", |stats| {
            counter(stats, "telemetry_acked") >= now + 4
        })
        .await;
    running.stop();
    let (stats, ..) = running.end().await;
    assert_account_closes(&stats);
    let received = world.emulator.stats().telemetry_received_unique;
    assert_eq!(counter(&stats, "telemetry_acked"), received);
}
