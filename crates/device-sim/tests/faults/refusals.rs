//! Hubs that do not take a device: which of them mean "later", and which mean "ask DPS".

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use device_sim::fleet::Settings;
use device_sim::patience::Patience;
use fleet_protocol::lines::{Line, State};
use rumqttc::mqttbytes::v4::ConnectReturnCode;
use tokio::time::Instant;

use crate::common::{Running, assert_account_closes, counter, with_reasons};
use crate::service::{Admission, Answer, Event, Fate, Rules, Service};

/// No backoff is shorter. It is written out here, so that a change of it does not pass unnoticed.
const FLOOR: Duration = Duration::from_millis(100);

fn connects(service: &Service, id: &str) -> Vec<Instant> {
    service.times(|event| matches!(event, Event::Connected { device, .. } if device == id))
}

fn registrations(service: &Service, id: &str) -> usize {
    service
        .times(|event| matches!(event, Event::Asked { device, registers: true } if device == id))
        .len()
}

/// One fleet, so that each device is the others' control: same service, same run, only the refusal differs. A gap below
/// the shortest backoff would be a busy loop.
#[tokio::test]
async fn an_unavailable_or_silent_hub_is_tried_again_and_one_that_refuses_sends_to_dps() {
    const PATIENCE: Duration = Duration::from_millis(500);
    let rules = Rules {
        connect: Box::new(|device, _, times| match (device, times) {
            ("thermo-1", 1..=2) => Admission::Refused(ConnectReturnCode::ServiceUnavailable),
            ("thermo-2", 1) => Admission::Refused(ConnectReturnCode::NotAuthorized),
            ("thermo-3", 1) => Admission::Refused(ConnectReturnCode::BadUserNamePassword),
            ("thermo-4", 1) => Admission::Silent,
            _ => Admission::Accepted,
        }),
        ..Rules::default()
    };
    let service = Service::start(4, rules).await;
    let patience = Patience {
        connect: PATIENCE,
        ..Patience::default()
    };
    let settings = Settings {
        patience,
        ..Settings::default()
    };
    let mut running = Running::start_with(service.plan(), "0/1", settings);
    running.online(4).await;
    running.stop();
    let (stats, ..) = running.end().await;

    for (id, tries, asked, wait) in [
        ("thermo-1", 3, 1, FLOOR),
        ("thermo-2", 2, 2, FLOOR),
        ("thermo-3", 2, 2, FLOOR),
        ("thermo-4", 2, 1, PATIENCE + FLOOR),
    ] {
        let connects = connects(&service, id);
        assert_eq!((connects.len(), registrations(&service, id)), (tries, asked), "{id}");
        let gaps: Vec<_> = connects.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps.iter().all(|gap| *gap >= wait), "{id}: {gaps:?}");
    }
    for (reason, count) in [
        ("mqtt_server_unavailable", 2),
        ("mqtt_not_authorized", 1),
        ("mqtt_bad_credentials", 1),
        ("timeout_mqtt", 1),
    ] {
        let name = format!("connect_failed/{reason}");
        assert_eq!(counter(&stats, &name), count, "{:?}", stats.counters);
    }
    assert_account_closes(&stats);
}

/// The two hubs differ in the name that DPS returns, which is what the device looks up, verifies and puts into its user name.
/// That it does not come back to the first one is seen at the end, when all its connections have been counted.
#[tokio::test]
async fn a_device_whose_hub_has_moved_follows_it() {
    let moved = Arc::new(AtomicBool::new(false));
    let (now, known) = (Arc::clone(&moved), Arc::clone(&moved));
    let rules = Rules {
        dps: Box::new(|_, _, times| Answer::Assigned(if times == 1 { "localhost" } else { "127.0.0.1" })),
        connect: Box::new(move |_, hub, _| match hub {
            "localhost" if known.load(Ordering::Relaxed) => Admission::Refused(ConnectReturnCode::NotAuthorized),
            _ => Admission::Accepted,
        }),
        telemetry: Box::new(move |_, id, times| match (id, times) {
            ("test-3", 1) => {
                now.store(true, Ordering::Relaxed);
                Fate::Closed
            }
            _ => Fate::Acknowledged,
        }),
    };
    let service = Service::start(1, rules).await;
    let mut running = Running::start(service.plan(), "0/1");
    let mut hubs = Vec::new();
    running
        .line("the device to be online at the other hub", |line| match line {
            Line::Device(device) if device.state == State::Online => {
                hubs.extend(device.hub);
                (hubs.len() == 2).then_some(())
            }
            _ => None,
        })
        .await;
    assert_eq!(hubs, ["localhost", "127.0.0.1"]);
    running
        .stats("telemetry at the other hub", |stats| {
            counter(stats, "telemetry_acked") >= 10
        })
        .await;
    running.stop();
    let (stats, ..) = running.end().await;

    let connected: Vec<_> = service
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::Connected { hub, .. } => Some(hub),
            _ => None,
        })
        .collect();
    assert_eq!(connected, ["localhost", "localhost", "127.0.0.1"]);
    assert_eq!(registrations(&service, "thermo-1"), 2);
    assert_eq!(with_reasons(&stats, "telemetry_dropped/"), 0, "{:?}", stats.counters);
    assert_account_closes(&stats);
}
