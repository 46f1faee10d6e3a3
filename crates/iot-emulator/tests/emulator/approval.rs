//! Which devices are let in, and what the others get as an answer. The states are those of
//! [Troubleshoot device connections](https://learn.microsoft.com/azure/iot-central/core/troubleshoot-connection).

use std::path::Path;

use iot_emulator::{Approval, Config, Emulator, Event, RefusalReason};
use rumqttc::mqttbytes::v4::ConnectReturnCode;
use serde_json::{Value, json};

use testing::device::{Device, Hello};
use testing::emulator::{config, emulator};
use testing::party::Party;
use testing::rest::Rest;

async fn strict(state: Option<&Path>) -> Emulator {
    let config = Config {
        approval: Approval::Manual,
        state: state.map(Into::into),
        ..config()
    };
    Emulator::start(config).await.unwrap()
}

/// DPS answers 400209, and the journal records why.
async fn is_not_approved(emulator: &Emulator, leaf: &Party, word: RefusalReason, words: &str) {
    let since = emulator.journal().last();
    let answer = Device::register(emulator, leaf, "t-1").await;
    let state = &answer["registrationState"];
    assert_eq!(
        (&answer["status"], &state["status"], &state["errorCode"]),
        (&json!("failed"), &json!("failed"), &json!(400_209)),
        "{answer}"
    );
    let refused = |event: &Event| matches!(event, Event::RegistrationRefused { why, reason } if *why == word && reason.contains(words));
    emulator.journal().wait_for(since, |entry| refused(&entry.event)).await;
}

async fn status(rest: &Rest) -> (Value, Value) {
    let (_, device) = rest.get("devices/t-1").await;
    (device["provisioned"].clone(), device["enabled"].clone())
}

#[tokio::test]
async fn a_device_that_was_not_created_waits_until_it_is_approved() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = strict(Some(folder.path())).await;
    let (rest, root) = (Rest::new(&emulator), Party::root("root"));
    rest.enroll_group("g", &root).await;
    let leaf = root.leaf("t-1");

    is_not_approved(&emulator, &leaf, RefusalReason::WaitsForApproval, "waits for approval").await;
    assert_eq!(
        status(&rest).await,
        (json!(false), json!(false)),
        "waiting for approval"
    );
    let (_, refused) = Device::greet(&emulator, Some(&leaf), Hello::hub("t-1")).await;
    assert_eq!(refused.code, ConnectReturnCode::NotAuthorized);
    emulator.shutdown().await;

    let emulator = strict(Some(folder.path())).await;
    let rest = Rest::new(&emulator);
    assert_eq!(status(&rest).await, (json!(false), json!(false)), "and it waits still");
    is_not_approved(&emulator, &leaf, RefusalReason::WaitsForApproval, "waits for approval").await;
    assert_eq!(rest.patch("devices/t-1", json!({"enabled": true})).await.0, 200);
    assert_eq!(Device::register(&emulator, &leaf, "t-1").await["status"], "assigned");
    assert_eq!(status(&rest).await, (json!(true), json!(true)));

    rest.patch("devices/t-1", json!({"enabled": false})).await;
    is_not_approved(&emulator, &leaf, RefusalReason::DeviceBlocked, "is blocked").await;
}

#[tokio::test]
async fn who_was_made_before_needs_no_approval() {
    let emulator = strict(None).await;
    let (rest, root, lab) = (Rest::new(&emulator), Party::root("root"), Party::self_signed("lab"));
    rest.enroll_group("g", &root).await;
    rest.enroll_individual("lab", &lab).await;
    rest.put("devices/t-1", json!({})).await;
    for (id, party) in [("lab", &lab), ("t-1", &root.leaf("t-1"))] {
        assert_eq!(
            Device::register(&emulator, party, id).await["status"],
            "assigned",
            "{id}"
        );
    }
}

#[tokio::test]
async fn a_disabled_individual_enrollment_is_refused_as_such_even_if_its_group_would_let_it_in() {
    let emulator = emulator().await;
    let (rest, root) = (Rest::new(&emulator), Party::root("root"));
    rest.enroll_group("g", &root).await;
    let leaf = root.leaf("t-1");
    rest.enroll_individual("t-1", &leaf).await;
    rest.patch("devices/t-1", json!({"enabled": false})).await;
    let answer = Device::register(&emulator, &leaf, "t-1").await;
    let disabled = json!({"operationId": "", "status": "disabled",
        "registrationState": {"registrationId": "t-1", "status": "disabled"}});
    assert_eq!(answer, disabled);
    let other = Device::register(&emulator, &root.leaf("t-2"), "t-2").await;
    assert_eq!(other["status"], "assigned");
}
