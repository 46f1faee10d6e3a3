//! The stored form of every record, as text. If one of these fails, don't change the test: folders of this form are out
//! there. Read the old form too, or count the version up.

use iot_protocol::dps::{Registration, Status};
use iot_protocol::hub::Subscription;
use iot_protocol::id::{DeviceId, HubHost, RegistrationId};
use rumqttc::mqttbytes::QoS;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::*;
use crate::attestation::Entry;
use crate::central::Central;
use crate::hub::{Hubs, Registry};
use crate::registrations::{Polled, Registrations};

/// A self-signed certificate for `t-1` with a P-256 key, valid for a hundred years.
const CERTIFICATE: &str = "MIIBczCCARmgAwIBAgIUJfHkLcNgSB1u4xbV9Z8nxR5atGwwCgYIKoZIzj0EAwIwDjEMMAoGA1UEAwwDdC0xMCAXDTI2MTEyMzIwMjMyOFoYDzIxMjYxMDMwMjAyMzI4WjAOMQwwCgYDVQQDDAN0LTEwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASiIIfqlK4NF64/LAOvgX+k0bR224B777WkygxgCA4OigeqQMS81KH7nWAgdYQeQ+x6gVB5LqKY/jkAAuE7py6bo1MwUTAdBgNVHQ4EFgQULaEvz8tKulgG2LmrUq2jcsT3lekwHwYDVR0jBBgwFoAULaEvz8tKulgG2LmrUq2jcsT3lekwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiEAlCxERsk6FJ6iqALpZlwSgxxZ1FipAxTW3E4EupEYvZQCIEzkGD4PDVqCCmCpCmpZD5Hx0k2fLRc9eYuZwJbjDIMj";

fn records() -> Vec<(Table, &'static str, Value)> {
    vec![
        (
            Table::Groups,
            "g",
            json!({
                "id": "g", "display_name": "Group", "enabled": true, "group_type": "iotEdge",
                "primary": {"certificate": CERTIFICATE, "verified": true, "code": null, "etag": "e1"},
                "secondary": {"certificate": CERTIFICATE, "verified": false, "code": "C0DE", "etag": "e2"},
                "etag": "e",
            }),
        ),
        (
            Table::Devices,
            "t-1",
            json!({
                "id": "T-1", "display_name": "Device", "template": "dtmi:a;1", "enabled": false, "provisioned": true,
                "simulated": true, "organizations": ["o"], "etag": "e",
                "attestation": {"primary": CERTIFICATE, "secondary": null},
            }),
        ),
        (
            Table::Devices,
            "t-2",
            json!({
                "id": "T-2", "display_name": "T-2", "template": null, "enabled": true, "provisioned": true,
                "simulated": false, "organizations": [], "etag": "e", "attestation": null, "group": "g",
            }),
        ),
        (
            Table::Templates,
            "dtmi:a;1",
            json!({"id": "dtmi:a;1", "document": {"@id": "dtmi:a;1"}, "etag": "e"}),
        ),
        (
            Table::Relationships,
            "t-1",
            json!({"id": "r-1", "name": "Behind", "source": "gw", "target": "T-1"}),
        ),
        (
            Table::Tokens,
            "ci",
            json!({"id": "ci", "role": "operator", "expiry": "2027-11-23T15:00:00Z", "hash": "AAAA"}),
        ),
        (
            Table::Registrations,
            "t-1",
            json!({"id": "4.a.b", "outcome": {
                "x509": {}, "registrationId": "t-1", "createdDateTimeUtc": "2026-11-23T15:00:00.1234567Z",
                "assignedHub": "localhost", "deviceId": "T-1", "status": "assigned", "substatus": "initialAssignment",
                "lastUpdatedDateTimeUtc": "2026-11-23T15:00:00.1234567Z", "etag": "e",
            }}),
        ),
        (
            Table::Identities,
            "T-1",
            json!({"enabled": true, "thumbprint": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}),
        ),
        (
            Table::Identities,
            "T-2",
            json!({
                "enabled": true, "thumbprint": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
                "hub": "gone", "next_hub": "hub-b",
            }),
        ),
        (
            Table::Sessions,
            "T-1",
            json!({
                "model_id": "dtmi:a;1", "kept": true, "messages": 1,
                "subscriptions": {"$iothub/methods/POST/#": 0},
            }),
        ),
        (
            Table::Twins,
            "T-1",
            json!({
                "document": {"desired": {"$version": 1}, "reported": {"$version": 3, "a": 0.1, "c": {"__t": "c", "b": 2}}},
                "desired": [],
                "reported": [
                    [[null, "a"], {"version": 2, "at": "2026-11-23T15:00:00Z"}],
                    [["c", "b"], {"version": 3, "at": "2026-11-23T15:00:00Z"}],
                ],
            }),
        ),
        (
            Table::Messages,
            "T-1/00000000000000000007",
            json!({"properties": [["a", "b"], ["flag", null]], "body": "b25l"}),
        ),
        (
            Table::Messages,
            "T-1/00000000000000000008",
            json!({"properties": [], "body": "b25l", "expires": "2026-11-23T15:00:00Z"}),
        ),
    ]
}

#[tokio::test]
async fn folders_of_this_form_are_understood_and_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let (store, _) = Store::open(&path).unwrap();
    let mut changes = store.changes();
    for (table, key, value) in records() {
        changes.push(table, key, Some(value.to_string().into_bytes()));
    }
    store.write(changes);
    store.close().await;

    let (_store, mut content) = Store::open(&path).unwrap();
    let central = Central::restore(&mut content).unwrap();
    let application = central.read();
    let group = &application.groups["g"];
    assert!(group.certificate(Entry::Primary).unwrap().verified);
    assert_eq!(
        group.certificate(Entry::Secondary).unwrap().code.as_deref(),
        Some("C0DE")
    );
    let device = application.device("T-1").unwrap();
    let certificate = &device.attestation.as_ref().unwrap().primary;
    assert!(application.is_enrolled_elsewhere(certificate, crate::central::Owner::Device("other")));

    let parent = application.parent(&DeviceId::new("T-1").unwrap()).unwrap();
    assert_eq!((parent.id.as_str(), parent.source.as_str()), ("r-1", "gw"));

    let id = RegistrationId::new("t-1").unwrap();
    let registrations = Registrations::restore(&mut content).unwrap();
    let Polled::Done(answer) = registrations.poll(&id, "4.a.b", Instant::now()) else {
        panic!("after a restart every operation is over")
    };
    let registration: Registration = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(registration.status, Status::Assigned);

    let hubs = ["hub-a", "hub-b"].map(|name| HubHost::new(name).unwrap());
    let registry = Registry::restore(Hubs::new(&hubs, &hubs[0]), &mut content).unwrap();
    let hub = |id: &str| {
        let device = registry.device(&DeviceId::new(id).unwrap()).unwrap();
        let state = device.lock();
        let next = state.next_hub.as_ref().map(ToString::to_string);
        (state.hub.to_string(), next)
    };
    assert_eq!(
        hub("T-1"),
        ("hub-a".into(), None),
        "the first version had one hub, without a name"
    );
    assert_eq!(hub("T-2"), ("gone".into(), Some("hub-b".into())));
    let hub_device = registry.device(&DeviceId::new("T-1").unwrap()).unwrap();
    let state = hub_device.lock();
    assert_eq!((state.thumbprint.unwrap()[1], state.queue.len()), (1, 2));
    let filters = |kept: &[(Subscription, QoS)]| -> Vec<(String, QoS)> {
        kept.iter().map(|(filter, qos)| (filter.to_string(), *qos)).collect()
    };
    assert_eq!(
        state.session.as_deref().map(filters),
        Some(vec![
            ("devices/T-1/messages/devicebound/#".into(), QoS::AtLeastOnce),
            ("$iothub/methods/POST/#".into(), QoS::AtMostOnce),
        ]),
        "`messages` is how the first version kept its one subscription"
    );
    assert_eq!(
        state.twin.reported_stamp(Some("c"), "b").map(|stamp| stamp.version),
        Some(3)
    );

    // And back again, where the records can be reached from here.
    let record = |table: Table| records().into_iter().find(|(of, ..)| *of == table).unwrap().2;
    for (table, written) in [
        (Table::Groups, serde_json::to_value(group).unwrap()),
        (Table::Devices, serde_json::to_value(device).unwrap()),
        (
            Table::Templates,
            serde_json::to_value(&application.templates["dtmi:a;1"]).unwrap(),
        ),
        (Table::Tokens, serde_json::to_value(&application.tokens["ci"]).unwrap()),
        (Table::Twins, serde_json::to_value(&state.twin).unwrap()),
    ] {
        assert_eq!(written, record(table), "{table:?}");
    }
}
