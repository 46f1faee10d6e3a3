//! What hits all devices at once.

use std::time::Duration;

use fleet_protocol::lines::State;
use iot_emulator::Event;
use serde_json::json;
use tokio::time::Instant;

use crate::common::{Running, World, assert_account_closes, counter, soon, with_reasons};
use crate::relay::{Door, Flow, Relay};

/// In two seconds without a server, waits of half a second, one, two… on average leave room for two or three tries per
/// device. Four as the mean of twenty devices is far from chance, and a loop without waiting would make thousands.
#[tokio::test]
async fn devices_outlive_a_restart_of_the_server_without_besieging_it() {
    const DEVICES: u32 = 20;
    const TRIES: u32 = 4;
    let world = World::lasting().await;
    world.enroll_group(DEVICES).await;
    let relay = Relay::to(world.emulator.mqtt_addr());
    let mut plan = world.plan(DEVICES);
    plan.target.port = relay.port();
    // Slow enough for the outbox to hold what is measured while the server is away.
    plan.groups[0].telemetry.interval_ms = 250;
    let mut running = Running::start(plan, "0/1");
    running.online(DEVICES as usize).await;
    let before = running
        .stats("some telemetry", |stats| counter(stats, "telemetry_acked") >= 20)
        .await;

    relay.door(Door::Refusing);
    let begun = Instant::now();
    let stopped = world.stopped().await;
    running
        .stats("two seconds without a server", |stats| stats.t >= before.t + 2.0)
        .await;
    let (tries, away) = (relay.arrivals_after(begun).len(), begun.elapsed());
    let bound = (f64::from(DEVICES * TRIES) * away.as_secs_f64().max(2.0) / 2.0) as usize;
    assert!(
        (DEVICES as usize..=bound).contains(&tries),
        "{tries} tries of {DEVICES} devices in {away:?}"
    );

    let world = stopped.start().await;
    relay.lead_to(world.emulator.mqtt_addr());
    relay.door(Door::Open);
    running.returned(DEVICES as usize).await;
    running
        .stats("all devices online", |stats| {
            stats.states.get(&State::Online) == Some(&u64::from(DEVICES))
        })
        .await;
    assert_eq!(
        world.emulator.stats().registrations,
        0,
        "no device had to register again"
    );
    running.stop();
    let (stats, ..) = running.end().await;
    assert_eq!(with_reasons(&stats, "telemetry_dropped/"), 0, "{:?}", stats.counters);
    assert_account_closes(&stats);
}

/// The pace at which the plan lets devices connect is set out of the way, so that nothing but jitter can hold them apart.
/// First waits are spread over nine tenths of a second: a tenth of the fleet is due in 100 ms. Half leaves room for
/// chance and for a busy machine, and a herd would be all of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_that_is_dropped_at_once_comes_back_one_by_one() {
    const DEVICES: u32 = 1_000;
    const WINDOW: Duration = Duration::from_millis(100);
    let world = World::new().await;
    world.enroll_group(DEVICES).await;
    let relay = Relay::to(world.emulator.mqtt_addr());
    let mut plan = world.plan(DEVICES);
    plan.target.port = relay.port();
    plan.rates.connect_per_s = 1e6;
    plan.groups[0].telemetry.interval_ms = 1_000;
    let mut running = Running::start(plan, "0/1");
    running.online(DEVICES as usize).await;

    let begun = Instant::now();
    assert_eq!(relay.all(Flow::Cut), DEVICES as usize);
    running.returned(DEVICES as usize).await;
    let arrivals = relay.arrivals_after(begun);
    assert_eq!(arrivals.len(), DEVICES as usize);
    let most = arrivals
        .iter()
        .map(|first| {
            arrivals
                .iter()
                .filter(|other| *other >= first && **other < *first + WINDOW)
                .count()
        })
        .max();
    assert!(most <= Some(DEVICES as usize / 2), "{most:?} within {WINDOW:?}");

    running.stop();
    let (stats, ..) = running.end().await;
    assert_eq!(with_reasons(&stats, "reconnects/"), u64::from(DEVICES));
    assert_eq!(with_reasons(&stats, "telemetry_dropped/"), 0, "{:?}", stats.counters);
    assert_eq!(
        world.emulator.stats().telemetry_received_unique,
        counter(&stats, "telemetry_acked")
    );
    assert_account_closes(&stats);
}

/// Nothing is queued for a device that is away: only the twin, fetched again, can have brought it.
#[tokio::test]
async fn a_property_that_was_changed_meanwhile_is_applied_and_acknowledged() {
    let world = World::new().await;
    world.enroll_group(1).await;
    let relay = Relay::to(world.emulator.mqtt_addr());
    let mut plan = world.plan(1);
    plan.target.port = relay.port();
    let mut running = Running::start(plan, "0/1");
    running
        .stats("some telemetry", |stats| counter(stats, "telemetry_acked") >= 3)
        .await;

    let mark = world.emulator.journal().last();
    relay.door(Door::Refusing);
    relay.all(Flow::Cut);
    let gone = world
        .emulator
        .journal()
        .wait_for(mark, |entry| matches!(entry.event, Event::Disconnected { .. }));
    soon("the end of the connection", gone).await;
    let patch = json!({"targetTemperature": 26.5});
    world.central.patch_properties("thermo-1", None, &patch).await.unwrap();
    let mark = world.emulator.journal().last();
    relay.door(Door::Open);
    running.returned(1).await;
    let reported = world
        .emulator
        .journal()
        .wait_for(mark, |entry| matches!(entry.event, Event::Reported { .. }));
    soon("the first report after that", reported).await;
    let properties = world.central.properties("thermo-1", None).await.unwrap();
    let about = &properties["$metadata"]["targetTemperature"];
    assert_eq!(properties["targetTemperature"], json!(26.5), "{properties}");
    assert_eq!(about["ackVersion"], about["desiredVersion"], "{properties}");
    assert_eq!(about["ackCode"], json!(200), "{properties}");

    running.stop();
    let (stats, ..) = running.end().await;
    assert_account_closes(&stats);
}
