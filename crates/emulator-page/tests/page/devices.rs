//! Devices, as a person makes, enrolls, finds and removes them.

use serde_json::json;

use testing::device::{Device, Hello};
use testing::emulator::{Place, event};
use testing::party::Party;
use testing::rest::Rest;

use iot_emulator::Event;

use crate::visitor::{Visitor, emulator, words};

/// Tries to get in, and is refused.
async fn refused(emulator: &impl Place, party: &Party, id: &str) {
    let (_, answer) = Device::greet(emulator, Some(party), Hello::dps(id)).await;
    assert_ne!(answer.code as u8, 0);
}

#[tokio::test]
async fn a_device_that_is_made_and_enrolled_by_hand_comes_online_until_it_is_deleted() {
    let emulator = emulator().await;
    let visitor = Visitor::signed_in(&emulator).await;
    let (_, text) = visitor
        .submit("/new/device", &[("id", "lab-1"), ("name", "In the <lab>")])
        .await;
    assert!(
        text.contains("The device is made") && text.contains("In the &lt;lab&gt;"),
        "{text}"
    );
    let shown = words(&visitor.get("/devices/lab-1/connect").await.1);
    for part in ["ID scope 0ne00EMULATOR", "Device ID lab-1", "Authentication None yet"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }

    // The first certificate is saved although the second is refused, and both are told apart.
    let (primary, secondary) = (Party::self_signed("lab-1"), Party::self_signed("lab-1"));
    let connect = "/devices/lab-1/connect";
    let fields = [("primary", primary.pem.as_str()), ("secondary-text", "garbage")];
    let (status, text) = visitor.submit(connect, &fields).await;
    assert_eq!(status, 422);
    let (_, beside) = text.split_once(r#"id="secondary-problem" role="alert">"#).unwrap();
    assert!(
        beside.starts_with("The primary certificate is saved. That was refused"),
        "{text}"
    );
    let (status, text) = visitor
        .submit(connect, &[("primary", ""), ("secondary", &secondary.pem)])
        .await;
    assert!(
        status == 200 && text.contains("The individual enrollment is saved"),
        "{text}"
    );
    let shown = words(&text);
    assert!(
        shown.contains("Authentication Individual enrollment, certificates (X.509)"),
        "{shown}"
    );
    assert_eq!(shown.matches("Subject CN=lab-1").count(), 2, "{shown}");

    let device = Device::online(&emulator, &secondary, "lab-1").await;
    visitor.sees("/live/devices/lab-1/connect", "online").await;
    device.goodbye().await;
    let (_, text) = visitor.submit("/devices/lab-1/connect/delete-secondary", &[]).await;
    assert!(text.contains("The secondary certificate is deleted"), "{text}");
    refused(&emulator, &secondary, "lab-1").await;
    Device::online(&emulator, &primary, "lab-1").await.goodbye().await;
    let (_, text) = visitor.submit("/devices/lab-1/connect/delete", &[]).await;
    assert!(text.contains("The individual enrollment is deleted"), "{text}");
    refused(&emulator, &primary, "lab-1").await;

    let (_, text) = visitor.submit("/devices/lab-1/delete", &[]).await;
    assert!(text.contains("The device is deleted"), "{text}");
    assert_eq!(visitor.get("/devices/lab-1").await.0, 404);
    assert_eq!(visitor.submit("/devices/lab-1/delete", &[]).await.0, 404);
}

#[tokio::test]
async fn what_is_wrong_with_a_device_stands_beside_its_field() {
    let emulator = emulator().await;
    let rest = Rest::new(&emulator);
    rest.enroll_individual("lab-1", &Party::self_signed("lab-1")).await;
    rest.put("devices/lab-2", json!({})).await;
    let visitor = Visitor::signed_in(&emulator).await;
    for (path, fields, field, problem) in [
        (
            "/new/device",
            [("id", ""), ("name", "n")],
            "id",
            "A device needs an ID.",
        ),
        (
            "/new/device",
            [("id", "LAB-1"), ("name", "n")],
            "id",
            "There is a device with the ID LAB-1 already.",
        ),
        ("/new/device", [("id", "a b"), ("name", "n")], "id", "That was refused"),
        (
            "/new/device",
            [("id", "a"), ("template", "dtmi:gone;1")],
            "template",
            "there is no device template",
        ),
        (
            "/devices/lab-2/connect",
            [("primary", ""), ("secondary", "x")],
            "primary",
            "Choose a file",
        ),
        (
            "/devices/lab-1/connect",
            [("primary", ""), ("secondary", "")],
            "primary",
            "Choose a file",
        ),
    ] {
        let (status, text) = visitor.submit(path, &fields).await;
        assert!(status.is_client_error(), "{path} {fields:?}");
        let (_, beside) = text
            .split_once(&format!(r#"id="{field}-problem" role="alert">"#))
            .unwrap();
        assert!(beside.split("</p>").next().unwrap().contains(problem), "{text}");
    }
    assert_eq!(
        visitor.submit("/devices/gone/connect", &[("primary", "x")]).await.0,
        404
    );
}

#[tokio::test]
async fn devices_are_found_by_group_template_and_refusal_and_put_in_order() {
    let emulator = emulator().await;
    let (rest, root) = (Rest::new(&emulator), Party::root("root"));
    rest.enroll_group("g", &root).await;
    rest.put("devices/alone", json!({})).await;
    for (id, temperature) in [("t-1", 20), ("t-2", 30), ("t-3", 25)] {
        let mut device = Device::online(&emulator, &root.leaf(id), id).await;
        let body = json!({ "temperature": temperature }).to_string();
        device.publish(&format!("devices/{id}/messages/events/"), body).await;
        device.goodbye().await;
    }
    let visitor = Visitor::signed_in(&emulator).await;
    let ids = async |query: &str| {
        let (status, text) = visitor.get(&format!("/devices?{query}")).await;
        assert_eq!(status, 200);
        let rows = text.split("<th scope=\"row\">").skip(1);
        let id = |row: &str| words(row).split(' ').next().unwrap().to_owned();
        rows.map(id).collect::<Vec<_>>().join(" ")
    };
    for (query, expected) in [
        ("", "alone t-1 t-2 t-3"),
        ("group=g", "t-1 t-2 t-3"),
        ("group=%7E", "alone"),
        ("template=dtmi%3Acom%3Aexample%3AThermostat%3B1&id=T-", "t-1 t-2 t-3"),
        ("template=%7E", "alone"),
        ("group=gone", ""),
        ("sort=warmest", "t-2 t-3 t-1 alone"),
        ("sort=coldest&group=g", "t-1 t-3 t-2"),
        ("sort=newest", "t-3 t-2 t-1 alone"),
        ("sort=oldest", "t-1 t-2 t-3 alone"),
        ("sort=nonsense", "alone t-1 t-2 t-3"),
        ("state=refused", ""),
    ] {
        assert_eq!(ids(query).await, expected, "{query}");
    }

    // A device with another's certificate, and one that nobody knows.
    refused(&emulator, &Party::self_signed("t-2"), "t-2").await;
    refused(&emulator, &Party::self_signed("Stranger"), "Stranger").await;
    for id in ["t-2", "Stranger"] {
        event(&emulator, id, |event| matches!(event, Event::Refused { .. })).await;
    }
    visitor.sees("/live/devices?state=refused", "Stranger").await;
    assert_eq!(ids("state=refused").await, "t-2 Stranger");
    assert_eq!(ids("state=refused&group=g").await, "t-2");
    let (status, text) = visitor.get("/devices/stranger").await;
    assert!(status == 404 && text.contains("has tried to get in"), "{text}");
    assert!(words(&text).contains("nobody has enrolled `CN=Stranger`"), "{text}");
    let device = Device::online(&emulator, &root.leaf("t-2"), "t-2").await;
    visitor.sees("/live/devices?state=refused", "1–1 of 1").await;
    device.goodbye().await;
}
