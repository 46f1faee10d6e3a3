//! The fleet at one glance.

use reqwest::Method;
use serde_json::{Value, json};

use testing::device::{Device, Hello};
use testing::party::Party;
use testing::rest::Rest;
use testing::soon;

use crate::visitor::{Visitor, emulator, words};

#[tokio::test]
async fn each_device_is_a_dot_with_its_state_under_its_group() {
    let emulator = emulator().await;
    let (rest, root) = (Rest::new(&emulator), Party::root("root"));
    rest.enroll_group("g", &root).await;
    let online = Device::online(&emulator, &root.leaf("t-1"), "t-1").await;
    for id in ["t-2", "t-3"] {
        Device::online(&emulator, &root.leaf(id), id).await.goodbye().await;
    }
    rest.patch("devices/t-3", json!({"enabled": false})).await;
    rest.put("devices/new", json!({})).await;
    rest.put("devices/waits", json!({"enabled": false})).await;
    rest.enroll_individual("lab", &Party::self_signed("lab")).await;
    let stranger = Party::self_signed("who <b>");
    let (_, refused) = Device::greet(&emulator, Some(&stranger), Hello::dps("who")).await;
    assert_ne!(refused.code as u8, 0);

    let (_, text) = Visitor::signed_in(&emulator).await.get("/").await;
    for dot in [
        r#"<a class="o" href="/devices/t-1" title="t-1 — online""#,
        r#"<a class="f" href="/devices/t-2" title="t-2 — offline""#,
        r#"<a class="b" href="/devices/t-3" title="t-3 — blocked""#,
        r#"<a class="n" href="/devices/new" title="new — registered""#,
        r#"<a class="w" href="/devices/waits" title="waits — waiting""#,
        r#"<a class="n" href="/devices/lab" title="lab — registered""#,
        r#"<a class="r" href="/devices/who" title="who — refused""#,
        r#"<data value="ofbnnwr" data-of=""#,
    ] {
        assert!(text.contains(dot), "{dot}: {text}");
    }
    let shown = words(&text);
    for part in [
        "g 3",
        "Enrolled individually 1",
        "Not registered yet 2",
        "Refused, and not known 1",
        "online 1 offline 1 registered 2 waiting 1 refused 1 blocked 1",
        "now 1 device",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    online.goodbye().await;
}

#[tokio::test]
async fn a_change_of_state_sends_letters_and_a_new_device_sends_the_dots() {
    let emulator = emulator().await;
    let rest = Rest::new(&emulator);
    rest.put("devices/t-1", json!({})).await;
    let visitor = Visitor::signed_in(&emulator).await;
    let mut open = visitor.request(Method::GET, "/live").send().await.unwrap();
    let mut text = String::new();
    // The parts that came until one of them holds these words.
    let mut until = async |wanted: &str| -> Vec<String> {
        let parts = async {
            let mut ids = Vec::new();
            loop {
                while !text.contains("\n\n") {
                    text += &String::from_utf8_lossy(&open.chunk().await.unwrap().unwrap());
                }
                let (event, rest) = text.split_once("\n\n").unwrap();
                let news: Value = serde_json::from_str(event.strip_prefix("data: ").unwrap_or("[]")).unwrap();
                text = rest.to_owned();
                let news = news.as_array().unwrap();
                ids.extend(news.iter().map(|part| part["id"].as_str().unwrap().to_owned()));
                if news.iter().any(|part| part["html"].as_str().unwrap().contains(wanted)) {
                    return ids;
                }
            }
        };
        soon(wanted, parts).await
    };
    assert!(until(r#"<data value="n""#).await.contains(&"fleet".to_owned()));
    rest.patch("devices/t-1", json!({"enabled": false})).await;
    let ids = until(r#"<data value="w""#).await;
    assert!(!ids.contains(&"fleet".to_owned()), "the dots are there: {ids:?}");
    rest.put("devices/t-2", json!({})).await;
    assert!(until(r#"<data value="wn""#).await.contains(&"fleet".to_owned()));
}

#[tokio::test]
async fn reports_of_properties_do_not_push_out_what_happened() {
    let emulator = emulator().await;
    let root = Party::root("root");
    Rest::new(&emulator).enroll_group("g", &root).await;
    let mut device = Device::online(&emulator, &root.leaf("t-1"), "t-1").await;
    device.subscribe("$iothub/twin/res/#").await;
    for number in 0..20 {
        let topic = format!("$iothub/twin/PATCH/properties/reported/?$rid={number}");
        device.publish(&topic, json!({ "number": number }).to_string()).await;
        device.message().await;
    }
    let visitor = Visitor::signed_in(&emulator).await;
    let shown = words(&visitor.get("/").await.1);
    assert!(
        shown.contains("registered group g") && !shown.contains("reported version"),
        "{shown}"
    );
    assert!(words(&visitor.get("/journal").await.1).contains("reported version 21"));
    for curve in [
        "Online 1",
        "Messages per second 0",
        "Registrations per second",
        "Refusals per second 0",
    ] {
        assert!(shown.contains(curve), "{curve}: {shown}");
    }
}
