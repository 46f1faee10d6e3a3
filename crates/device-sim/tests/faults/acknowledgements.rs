//! A message counts as delivered when it was acknowledged, and not otherwise.

use std::collections::{BTreeMap, BTreeSet};

use fleet_protocol::plan::Plan;

use crate::common::{Running, assert_account_closes, counter, with_reasons};
use crate::service::{Event, Fate, Rules, Service};

/// Both closes come within one run, so that the one is the other's control: it is the missing PUBACK, and not the broken
/// connection, which makes a message go out again. That ids are without a gap shows that nothing is lost between them.
#[tokio::test]
async fn a_message_is_sent_again_if_and_only_if_its_acknowledgement_is_missing() {
    let rules = Rules {
        telemetry: Box::new(|_, id, times| match (id, times) {
            ("test-3", 1) => Fate::Closed,
            ("test-8", 1) => Fate::AcknowledgedAndClosed,
            _ => Fate::Acknowledged,
        }),
        ..Rules::default()
    };
    let service = Service::start(1, rules).await;
    let mut plan = service.plan();
    plan.groups[0].telemetry.interval_ms = 50;
    let mut running = Running::start(plan, "0/1");
    service
        .until("twenty acknowledged messages", |events| {
            let acknowledged = events
                .iter()
                .filter(|(_, event)| matches!(event, Event::Acknowledged { .. }));
            acknowledged.count() >= 20
        })
        .await;
    running.returned(1).await;
    running.stop();
    let (stats, ..) = running.end().await;

    let mut received: BTreeMap<u64, Vec<_>> = BTreeMap::new();
    let mut acknowledged = BTreeSet::new();
    for event in service.events() {
        match event {
            Event::Received {
                id, duplicate, body, ..
            } => {
                received.entry(number(&id)).or_default().push((duplicate, body));
            }
            Event::Acknowledged { id, .. } => {
                assert!(acknowledged.insert(number(&id)), "{id} was acknowledged and came again");
            }
            _ => {}
        }
    }
    let [(false, first), (true, again)] = &received[&3][..] else {
        panic!("once as new and once as a duplicate: {:?}", received[&3])
    };
    assert_eq!(first, again, "the same message under the same id");
    assert_eq!(received[&8].len(), 1);
    let offered = counter(&stats, "telemetry_offered");
    assert_eq!(acknowledged, (1..=offered).collect());
    assert_eq!(counter(&stats, "telemetry_acked"), offered);
    assert_eq!(with_reasons(&stats, "reconnects/"), 2, "{:?}", stats.counters);
    assert_eq!(with_reasons(&stats, "telemetry_dropped/"), 0, "{:?}", stats.counters);
    assert_account_closes(&stats);
}

/// The second run is disturbed where the first is not: neither lost connections nor waits may shift the numbers. The third
/// has another seed, without which equal values could mean that they are constants.
#[tokio::test]
async fn the_same_plan_and_seed_measure_the_same_whatever_the_network_does() {
    let quiet = bodies(Rules::default(), |_| {}).await;
    let disturbed = Rules {
        telemetry: Box::new(|_, id, times| match (number(id) % 4, times) {
            (0, 1) => Fate::Closed,
            _ => Fate::Acknowledged,
        }),
        ..Rules::default()
    };
    assert_eq!(bodies(disturbed, |_| {}).await, quiet);
    assert_ne!(bodies(Rules::default(), |plan| plan.seed += 1).await, quiet);
}

/// The first messages of three devices, in the order of their ids.
async fn bodies(rules: Rules, change: impl Fn(&mut Plan)) -> BTreeMap<(String, u64), String> {
    const EACH: u64 = 9;
    let service = Service::start(3, rules).await;
    let mut plan = service.plan();
    plan.groups[0].telemetry.interval_ms = 50;
    change(&mut plan);
    let running = Running::start(plan, "0/1");
    let complete = |events: &[(_, Event)]| {
        let mut bodies = BTreeMap::new();
        for (_, event) in events {
            if let Event::Received { device, id, body, .. } = event
                && number(id) <= EACH
            {
                bodies.insert((device.clone(), number(id)), String::from_utf8_lossy(body).into_owned());
            }
        }
        bodies
    };
    service
        .until("the first messages of each device", |events| {
            complete(events).len() == 27
        })
        .await;
    running.stop();
    let (stats, ..) = running.end().await;
    assert_account_closes(&stats);
    complete(&service.timed())
}

/// The second half of a message id.
fn number(id: &str) -> u64 {
    id.strip_prefix("test-").unwrap().parse().unwrap()
}
