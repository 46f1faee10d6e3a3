//! Networks that are slow, or swallow what is written, without an error.

use std::time::Duration;

use device_sim::fleet::Settings;
use device_sim::outbox::CAPACITY;
use device_sim::patience::Patience;
use fleet_protocol::lines::{Line, State};
use fleet_protocol::reason::Reason;
use tokio::time::Instant;

use crate::common::{Running, World, assert_account_closes, counter, with_reasons};
use crate::relay::{Flow, Relay, Slow};
use crate::service::{Admission, Rules, Service};

fn patience(answer: Duration) -> Settings {
    Settings {
        patience: Patience {
            answer,
            ..Patience::default()
        },
        ..Settings::default()
    }
}

/// With messages every 50 ms something is outstanding at any time, so the silence begins within one of them. The keepalive
/// is minutes away: only the watch on the peer can be what ended the connection.
#[tokio::test]
async fn a_half_open_connection_is_noticed_within_the_bound_and_nothing_is_lost() {
    const ANSWER: Duration = Duration::from_secs(1);
    const MARGIN: Duration = Duration::from_millis(500);
    let world = World::new().await;
    world.enroll_group(1).await;
    let relay = Relay::to(world.emulator.mqtt_addr());
    let mut plan = world.plan(1);
    plan.target.port = relay.port();
    plan.groups[0].telemetry.interval_ms = 50;
    let mut running = Running::start_with(plan, "0/1", patience(ANSWER));
    running
        .stats("some telemetry", |stats| counter(stats, "telemetry_acked") >= 3)
        .await;

    let begun = Instant::now();
    assert_eq!(relay.all(Flow::Swallowed), 1);
    let noticed = running.device("thermo-1", State::BackingOff).await;
    let took = begun.elapsed();
    assert_eq!(noticed.reason, Some(Reason::PeerSilent));
    assert!(took > ANSWER / 2 && took < ANSWER + MARGIN, "{took:?}");

    running.returned(1).await;
    running.stop();
    let (stats, ..) = running.end().await;
    assert_eq!(counter(&stats, "reconnects/peer_silent"), 1, "{:?}", stats.counters);
    assert_eq!(with_reasons(&stats, "telemetry_dropped/"), 0, "{:?}", stats.counters);
    assert!(counter(&stats, "telemetry_resent") > 0, "{:?}", stats.counters);
    assert_eq!(
        world.emulator.stats().telemetry_received_unique,
        counter(&stats, "telemetry_acked")
    );
    assert_account_closes(&stats);
}

/// The default is half a minute: only the shorter patience can end the wait so soon.
#[tokio::test]
async fn a_twin_that_never_comes_is_waited_for_as_long_as_any_other_answer() {
    let rules = Rules {
        connect: Box::new(|_, _, times| match times {
            1 => Admission::WithoutTwin,
            _ => Admission::Accepted,
        }),
        ..Rules::default()
    };
    let service = Service::start(1, rules).await;
    let begun = Instant::now();
    let mut running = Running::start_with(service.plan(), "0/1", patience(Duration::from_secs(1)));
    let given_up = running.device("thermo-1", State::BackingOff).await;
    assert_eq!(given_up.reason, Some(Reason::TimeoutTwin));
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    running.device("thermo-1", State::Online).await;
    running.stop();
    let (stats, ..) = running.end().await;
    assert_eq!(counter(&stats, "twin_get_failed/timeout"), 1, "{:?}", stats.counters);
    assert_account_closes(&stats);
}

/// In the two seconds until the device gives up, a hundred messages are due and [`CAPACITY`] of them have room. If the rest
/// were kept anywhere, offered − acknowledged − dropped, which is all that a device holds, would show it in some stats line.
#[tokio::test]
async fn a_hub_that_stops_reading_cannot_make_a_device_grow() {
    let world = World::new().await;
    world.enroll_group(1).await;
    let relay = Relay::to(world.emulator.mqtt_addr());
    let mut plan = world.plan(1);
    plan.target.port = relay.port();
    plan.groups[0].telemetry.interval_ms = 20;
    let mut running = Running::start_with(plan, "0/1", patience(Duration::from_secs(2)));
    running
        .stats("some telemetry", |stats| counter(stats, "telemetry_acked") >= 3)
        .await;

    assert_eq!(relay.all(Flow::Unread), 1);
    let mut most = 0;
    let mut given_up = None;
    running
        .line("an overflow, and the device back online", |line| match line {
            Line::Stats(stats) => {
                let gone = counter(&stats, "telemetry_acked") + with_reasons(&stats, "telemetry_dropped/");
                most = most.max(counter(&stats, "telemetry_offered") - gone);
                None
            }
            Line::Device(device) if device.state == State::BackingOff => {
                given_up = device.reason;
                None
            }
            Line::Device(device) => (device.state == State::Online).then_some(()),
            _ => None,
        })
        .await;
    running.stop();
    let (stats, ..) = running.end().await;
    let given_up = given_up.unwrap();
    assert!(
        [Reason::PeerSilent, Reason::PeerNotReading].contains(&given_up),
        "{given_up}"
    );
    assert!(most <= CAPACITY as u64, "{most}");
    assert!(
        counter(&stats, "telemetry_dropped/outbox_full") > 0,
        "{:?}",
        stats.counters
    );
    assert_eq!(
        counter(&stats, "telemetry_dropped/outbox_full"),
        with_reasons(&stats, "telemetry_dropped/"),
        "{:?}",
        stats.counters
    );
    assert!(world.emulator.stats().telemetry_received_unique >= counter(&stats, "telemetry_acked"));
    assert_account_closes(&stats);
}

/// A stall is shorter than the patience for an answer, so no device may be given up; and every message passes several
/// reads, so hardly one goes unhurt. A message that is sent again without need would be received more often than
/// acknowledged.
#[tokio::test]
async fn a_network_that_stalls_three_of_ten_reads_costs_time_and_nothing_else() {
    const DEVICES: u32 = 20;
    let world = World::new().await;
    world.enroll_group(DEVICES).await;
    let relay = Relay::to(world.emulator.mqtt_addr());
    relay.slow(Some(Slow {
        of_ten: 3,
        by: Duration::from_millis(200),
    }));
    let mut plan = world.plan(DEVICES);
    plan.target.port = relay.port();
    let mut running = Running::start_with(plan, "0/1", patience(Duration::from_secs(5)));
    running.online(DEVICES as usize).await;
    running
        .stats("telemetry from all devices", |stats| {
            counter(stats, "telemetry_acked") >= 400
        })
        .await;
    relay.slow(None);
    let last = running
        .stats("all devices online", |stats| {
            stats.states.get(&State::Online) == Some(&u64::from(DEVICES))
        })
        .await;
    running
        .stats("more telemetry", |stats| {
            counter(stats, "telemetry_acked") > counter(&last, "telemetry_acked")
        })
        .await;
    running.stop();
    let (stats, ..) = running.end().await;
    for name in [
        "reconnects/",
        "connect_failed/",
        "telemetry_dropped/",
        "telemetry_resent",
    ] {
        assert_eq!(with_reasons(&stats, name), 0, "{name}: {:?}", stats.counters);
    }
    let received = world.emulator.stats();
    assert_eq!(
        (received.telemetry_received, received.telemetry_received_unique),
        (counter(&stats, "telemetry_acked"), counter(&stats, "telemetry_acked"))
    );
    assert_account_closes(&stats);
}
