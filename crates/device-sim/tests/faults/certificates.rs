//! A device whose certificate has expired notices it before any service does.

use std::fs;
use std::time::Duration;

use fleet_protocol::lines::{Line, State};
use fleet_protocol::plan::Stage;
use fleet_protocol::reason::Reason;
use jiff::{SignedDuration, Timestamp};
use provisioning::certificate::inspect::CertificateFacts;
use provisioning::certificate::make::{KeyType, Validity};
use provisioning::identities::{GroupIdentities, Issuer};
use tokio::time::Instant;

use crate::common::{Running, World, assert_account_closes, counter};
use crate::relay::{Flow, Relay};

/// Puts another certificate into the place of the one that the device has.
fn replace(group: &GroupIdentities, id: &str, validity: Validity) {
    let authority = group.authority(Issuer::Intermediate).unwrap();
    let leaf = authority.leaf(id, KeyType::P256, validity).unwrap();
    let generation = group.folder.current_generation().unwrap().unwrap();
    let paths = group.folder.leaf_paths(generation, id);
    fs::write(paths.fullchain, leaf.fullchain_pem()).unwrap();
    fs::write(paths.key, leaf.key_pem()).unwrap();
}

/// The relay counts every attempt, also one that would be refused; two stats lines are time enough for a loop to be seen. A
/// certificate that expires under a connection is noticed when that breaks. Parked devices look again after minutes: the
/// order to reconnect only spares the test the wait.
#[tokio::test]
async fn a_device_with_an_expired_certificate_is_parked_and_leaves_the_network_alone() {
    let world = World::new().await;
    world.enroll_group(2).await;
    let group = world.make_group(2);
    let now = Timestamp::now();
    // Nothing outlives its issuer, and none of these is older than five minutes.
    let over = Validity {
        not_before: now - SignedDuration::from_mins(3),
        not_after: now - SignedDuration::from_mins(2),
    };
    replace(&group, "thermo-1", over);
    let relay = Relay::to(world.emulator.mqtt_addr());
    let mut plan = world.plan(2);
    plan.target.port = relay.port();
    let mut running = Running::start(plan, "0/1");
    running.device("thermo-2", State::Online).await;
    assert_eq!(
        relay.arrivals().len(),
        2,
        "thermo-2 at DPS and at its hub, and no other device"
    );

    replace(&group, "thermo-2", over);
    let cut = Instant::now();
    relay.all(Flow::Cut);
    let parked = running.device("thermo-2", State::Parked).await;
    assert_eq!(parked.reason, Some(Reason::CertificateExpired));
    let message = parked.message.unwrap();
    assert!(message.contains("expired"), "{message}");
    let seen = running.stats("a stats line", |_| true).await.t;
    let stats = running.stats("two more", |stats| stats.t >= seen + 2.0).await;
    assert_eq!(stats.states.get(&State::Parked), Some(&2), "{stats:?}");
    assert_eq!(relay.arrivals_after(cut), [], "while parked");
    assert!(cut.elapsed() >= Duration::from_secs(2));

    for id in ["thermo-1", "thermo-2"] {
        replace(&group, id, Validity::leaf(now));
    }
    running.control(r#"{"id":1,"do":"reconnect"}"#);
    running.online(2).await;
    running.stop();
    let (stats, ..) = running.end().await;
    assert_eq!(
        counter(&stats, "register_failed/certificate_expired"),
        1,
        "{:?}",
        stats.counters
    );
    assert_eq!(
        counter(&stats, "connect_failed/certificate_expired"),
        1,
        "{:?}",
        stats.counters
    );
    assert_account_closes(&stats);
}

/// What stands on disk for a device: the SHA-256 of its leaf.
fn current(group: &GroupIdentities, id: &str) -> String {
    let generation = group.folder.current_generation().unwrap().unwrap();
    let paths = group.folder.leaf_paths(generation, id);
    CertificateFacts::load(&paths.fullchain).unwrap().sha256
}

/// The hub has the leaf that was registered, so that is the one to connect with; each new connection looks anew.
#[tokio::test]
async fn a_device_connects_with_what_it_has_just_registered_and_looks_again_at_the_next_connect() {
    let world = World::new().await;
    world.enroll_group(1).await;
    let group = world.make_group(1);
    let registered = current(&group, "thermo-1");
    let mut plan = world.plan(1);
    let registered_only = Stage {
        share: 0.0,
        over_ms: 2_000,
    };
    plan.stages.insert(0, registered_only);
    let mut running = Running::start(plan, "0/1");
    let has_hub = |line| matches!(line, Line::Device(device) if device.hub.is_some()).then_some(());
    running.line("the device to be registered", has_hub).await;

    replace(&group, "thermo-1", Validity::leaf(Timestamp::now()));
    let online = running.device("thermo-1", State::Online).await;
    assert_eq!(online.leaf_sha256, Some(registered));

    running.control(r#"{"id":1,"do":"reconnect"}"#);
    let online = running.device("thermo-1", State::Online).await;
    assert_eq!(online.leaf_sha256, Some(current(&group, "thermo-1")));
    running.stop();
    let (stats, ..) = running.end().await;
    assert_account_closes(&stats);
}
