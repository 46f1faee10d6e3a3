//! Another client with the device's identity: the hub serves the last one that connected, so that each disconnects the
//! other.

use fleet_protocol::lines::{DeviceLine, Line, State};
use fleet_protocol::reason::Reason;
use iot_emulator::{Event, Service as Of};
use iot_protocol::username::HubUserName;
use mqtt_link::{ConnectOptions, Credentials, Endpoint, Link, Tls, TrustRoots};
use provisioning::certificate::load::certificates_in;
use provisioning::identities::GroupFolder;

use crate::common::{Running, World, assert_account_closes, counter, with_reasons};
use crate::relay::{Flow, Relay};
use crate::service::{Admission, Rules, Service};

/// So many sessions that the hub closes soon are enough.
const SESSIONS: u64 = 5;

/// The device's word about the end of a session.
async fn thrown_out(running: &mut Running) -> DeviceLine {
    let end = |line| match line {
        Line::Device(device) if matches!(device.state, State::BackingOff | State::Parked) => Some(device),
        _ => None,
    };
    running.line("the device to be thrown out", end).await
}

/// Sends the device back to its hub at once: the waits between its tries are another test's matter, and add up to a quarter
/// of a minute.
fn send_back(running: &Running) {
    running.control(r#"{"id":1,"do":"reconnect"}"#);
}

/// Sends the device back until it is parked.
async fn until_parked(running: &mut Running) -> DeviceLine {
    for _ in 1..SESSIONS {
        let line = thrown_out(running).await;
        if line.state == State::Parked {
            return line;
        }
        send_back(running);
    }
    thrown_out(running).await
}

fn assert_gave_way(parked: &DeviceLine) {
    assert_eq!(parked.reason, Some(Reason::Replaced), "{parked:?}");
    let message = parked.message.as_deref().unwrap();
    assert!(message.contains("same device id"), "{message}");
}

/// The newcomer comes back as fast as it can, wherever the device is at that moment: subscribing, fetching its twin, or
/// sending. Two stats lines are time enough for a device that does not really give way to be seen.
#[tokio::test]
async fn a_device_gives_way_to_a_newcomer_that_keeps_coming() {
    let world = World::new().await;
    world.enroll_group(1).await;
    let mut plan = world.plan(1);
    plan.groups[0].telemetry.interval_ms = 20;
    let mut running = Running::start(plan, "0/1");
    running
        .stats("some telemetry", |stats| counter(stats, "telemetry_acked") >= 3)
        .await;

    let identity = GroupFolder::at(world.path().join("certs/thermostats"))
        .load_current("thermo-1")
        .unwrap();
    let trusted = certificates_in(world.emulator.ca_pem().as_bytes(), "the CA").unwrap();
    let tls = Tls::new(TrustRoots::Certificates(trusted)).unwrap();
    let endpoint = Endpoint::new("localhost", world.emulator.mqtt_addr().port(), tls).unwrap();
    let name = HubUserName::new("localhost".parse().unwrap(), "thermo-1".parse().unwrap(), None);
    let options = ConnectOptions {
        user_name: Some(name.to_string()),
        ..ConnectOptions::new("thermo-1")
    };
    let newcomer = tokio::spawn(async move {
        let credentials = Credentials::X509(identity.certified_key());
        loop {
            let (mut link, _) = Link::connect(&endpoint, &credentials, &options).await.unwrap();
            while link.next().await.is_ok() {}
        }
    });
    let parked = until_parked(&mut running).await;
    assert_gave_way(&parked);

    let mark = world.emulator.journal().last();
    let seen = running.stats("a stats line", |_| true).await.t;
    running.stats("two more", |stats| stats.t >= seen + 2.0).await;
    let came = world.emulator.journal().since(mark);
    let connected = Event::Connected { service: Of::Hub };
    assert!(
        came.iter().filter(|entry| entry.event == connected).count() <= 1,
        "only the newcomer, disconnected once more: {came:?}"
    );
    newcomer.abort();
    running.stop();
    let (stats, ..) = running.end().await;
    assert_eq!(with_reasons(&stats, "reconnects/"), SESSIONS, "{:?}", stats.counters);
    assert_account_closes(&stats);
}

/// The other may be so fast that the device never gets beyond its subscriptions.
#[tokio::test]
async fn a_session_that_is_closed_while_it_begins_is_a_short_one_too() {
    let rules = Rules {
        connect: Box::new(|_, _, _| Admission::ClosedAtSubscribe),
        ..Rules::default()
    };
    let service = Service::start(1, rules).await;
    let mut running = Running::start(service.plan(), "0/1");
    assert_gave_way(&until_parked(&mut running).await);
    running.stop();
    let (stats, ..) = running.end().await;
    assert_eq!(counter(&stats, "reconnects/closed"), SESSIONS, "{:?}", stats.counters);
}

/// A hub that closes its socket while telemetry lies unread in it resets the connection. The busier a device is, the more of
/// the closed sessions it sees in this way.
#[tokio::test]
async fn a_session_that_the_hub_resets_is_a_short_one_too() {
    let world = World::new().await;
    world.enroll_group(1).await;
    let relay = Relay::to(world.emulator.mqtt_addr());
    let mut plan = world.plan(1);
    plan.target.port = relay.port();
    let mut running = Running::start(plan, "0/1");
    for session in 1..=SESSIONS {
        running.device("thermo-1", State::Online).await;
        assert_eq!(relay.all(Flow::Reset), 1);
        let line = thrown_out(&mut running).await;
        if session < SESSIONS {
            send_back(&running);
        } else {
            assert_gave_way(&line);
        }
    }
    running.stop();
    let (stats, ..) = running.end().await;
    assert_eq!(with_reasons(&stats, "reconnects/"), SESSIONS, "{:?}", stats.counters);
    assert_account_closes(&stats);
}
