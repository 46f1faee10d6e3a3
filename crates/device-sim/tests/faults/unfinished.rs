//! What had no end when the run ended is counted, with its reason and its age.

use fleet_protocol::lines::{State, Stats, Unfinished};
use fleet_protocol::plan::Stage;

use crate::common::{Running, assert_account_closes, counter, with_reasons};
use crate::service::{Admission, Event, Fate, Rules, Service};

fn unfinished(stats: &Stats, phase: &str) -> Unfinished {
    let name = format!("{phase}/thermostats");
    stats.unfinished.get(&name).copied().unwrap_or_default()
}

/// Of four devices three are wanted, one of them gets its turn, and nothing has failed until the end.
#[tokio::test]
async fn a_wanted_device_that_waits_for_its_turn_at_the_end_has_failed_and_an_unwanted_one_has_not() {
    let service = Service::start(4, Rules::default()).await;
    let mut plan = service.plan();
    plan.rates.connect_per_s = 0.001;
    plan.stages = [0, 600_000].map(|over_ms| Stage { share: 0.75, over_ms }).into();
    let mut running = Running::start(plan, "0/1");
    running.online(1).await;
    running.stop();
    let (stats, phases, _) = running.end().await;
    for (name, count) in [
        ("devices_asked", 4),
        ("devices_registered", 4),
        ("devices_wanted", 3),
        ("devices_connected", 1),
        ("devices_failed/waiting_for_connect_rate", 2),
    ] {
        assert_eq!(counter(&stats, name), count, "{name} in {:?}", stats.counters);
    }
    assert_eq!(with_reasons(&stats, "devices_failed/"), 2, "{:?}", stats.counters);
    assert!(phases.contains_key("time_to_online/thermostats"), "{phases:?}");
    assert_eq!(unfinished(&stats, "time_to_online").count, 2);
}

#[tokio::test]
async fn a_device_whose_hub_has_not_answered_by_the_end_has_failed() {
    let rules = Rules {
        connect: Box::new(|_, _, _| Admission::Silent),
        ..Rules::default()
    };
    let service = Service::start(1, rules).await;
    let mut running = Running::start(service.plan(), "0/1");
    running.device("thermo-1", State::Connecting).await;
    service
        .until("the device at the hub", |events| {
            events.iter().any(|(_, event)| matches!(event, Event::Connected { .. }))
        })
        .await;
    running.stop();
    let (stats, ..) = running.end().await;
    assert_eq!(
        counter(&stats, "devices_failed/still_connecting"),
        1,
        "{:?}",
        stats.counters
    );
    assert_eq!(with_reasons(&stats, "connect_failed/"), 0, "{:?}", stats.counters);
    for phase in ["connect", "time_to_online"] {
        assert_eq!(unfinished(&stats, phase).count, 1, "{phase}");
    }
}

/// The first two messages are acknowledged and no other, as long as the device waits for them.
#[tokio::test]
async fn messages_that_were_never_acknowledged_are_counted_beside_those_that_were() {
    let rules = Rules {
        telemetry: Box::new(|_, id, _| match id {
            "test-1" | "test-2" => Fate::Acknowledged,
            _ => Fate::Withheld,
        }),
        ..Rules::default()
    };
    let service = Service::start(1, rules).await;
    let mut plan = service.plan();
    plan.groups[0].telemetry.interval_ms = 50;
    let mut running = Running::start(plan, "0/1");
    running.online(1).await;
    service
        .until("messages without acknowledgement", |events| {
            let received = events
                .iter()
                .filter(|(_, event)| matches!(event, Event::Received { .. }));
            received.count() >= 5
        })
        .await;
    running.stop();
    let (stats, ..) = running.end().await;
    assert_account_closes(&stats);
    let (offered, acked) = (counter(&stats, "telemetry_offered"), counter(&stats, "telemetry_acked"));
    assert_eq!(acked, 2);
    let (publish, publish_sent) = (unfinished(&stats, "publish"), unfinished(&stats, "publish_sent"));
    assert_eq!(publish.count, offered - acked);
    assert_eq!(publish_sent.count, counter(&stats, "telemetry_sent") - acked);
    // A device that is to leave waits ten seconds for its last acknowledgements.
    assert!(publish.oldest_ms >= 10_000, "{publish:?}");
}
