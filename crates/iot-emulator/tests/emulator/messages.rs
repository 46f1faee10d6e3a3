//! Cloud-to-device messages: what they carry, and how long they wait. The rules are those of
//! [Cloud-to-device messages](https://learn.microsoft.com/azure/iot-hub/iot-hub-devguide-messages-c2d).

use std::time::Duration;

use iot_emulator::{Emulator, Event};
use reqwest::Method;
use serde_json::{Value, json};

use testing::device::{Device, Hello};
use testing::emulator::{emulator, emulator_in, event};
use testing::party::Party;
use testing::rest::Rest;

const MESSAGES: &str = "devices/t-1/messages/devicebound/#";
const LONG_AGO: &str = "2020-01-01T00:00:00Z";

async fn enrolled(emulator: &Emulator) -> (Rest, Party) {
    let (rest, root) = (Rest::new(emulator), Party::root("root"));
    rest.enroll_group("g", &root).await;
    let leaf = root.leaf("t-1");
    Device::register(emulator, &leaf, "t-1").await;
    (rest, leaf)
}

async fn send(rest: &Rest, message: Value) -> (u16, Value) {
    let path = "/emulator/devices/t-1/messages";
    let (status, answer) = rest.raw(Method::POST, path, Some(message)).await;
    (status.as_u16(), answer)
}

async fn waiting(rest: &Rest) -> Value {
    let (_, view) = rest.raw(Method::GET, "/emulator/devices/t-1", None).await;
    view["messages_waiting"].clone()
}

async fn has_expired(emulator: &Emulator, id: &str) {
    let message_id = Some(id.to_owned());
    event(emulator, "t-1", |event| {
        *event
            == Event::MessageExpired {
                message_id: message_id.clone(),
            }
    })
    .await;
}

#[tokio::test]
async fn a_message_carries_what_its_sender_says() {
    let emulator = emulator().await;
    let (rest, leaf) = enrolled(&emulator).await;
    let mut device = Device::connect(&emulator, &leaf, Hello::hub("t-1")).await;
    device.subscribe(MESSAGES).await;
    let message = json!({
        "body": {"on": true}, "messageId": "m-1", "correlationId": "c-1", "userId": "user-1", "ack": "full",
        "contentType": "application/json", "contentEncoding": "utf-8", "expiry": "2100-01-01T00:00:00Z",
        "properties": {"room": "a b"},
    });
    assert_eq!(send(&rest, message).await, (202, json!({"messageId": "m-1"})));
    let (topic, body) = device.message().await;
    assert_eq!(body, json!({"on": true}));
    let bag = topic.strip_prefix("devices/t-1/messages/devicebound/").unwrap();
    let mut properties: Vec<&str> = bag.split('&').collect();
    properties.sort_unstable();
    let expected = [
        "%24.ce=utf-8",
        "%24.cid=c-1",
        "%24.ct=application%2Fjson",
        "%24.exp=2100-01-01T00%3A00%3A00.0000000Z",
        "%24.mid=m-1",
        "%24.to=%2Fdevices%2Ft-1%2Fmessages%2Fdevicebound",
        "%24.uid=user-1",
        "iothub-ack=full",
        "room=a%20b",
    ];
    assert_eq!(properties, expected);
    event(&emulator, "t-1", |event| *event == Event::MessageCompleted).await;
}

#[tokio::test]
async fn the_queue_is_purged_with_what_is_on_its_way_and_stays_so_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = emulator_in(folder.path()).await;
    let (rest, leaf) = enrolled(&emulator).await;
    let path = "/system/iothub/devices/t-1/c2d";
    for body in ["a", "b"] {
        assert_eq!(send(&rest, json!({ "body": body })).await.0, 202);
    }
    let mut device = Device::connect(&emulator, &leaf, Hello::hub("t-1").keep_session()).await;
    device.subscribe(MESSAGES).await;
    assert_eq!(
        rest.raw(Method::DELETE, "/system/iothub/devices/t-2/c2d", None).await.0,
        404
    );
    let (status, answer) = rest.raw(Method::DELETE, path, None).await;
    assert_eq!(status, 200);
    let message = answer["message"].as_str().unwrap();
    assert!(
        message.starts_with("Cloud to device (C2D) message queue purged for device t-1."),
        "{message}"
    );
    assert_eq!(waiting(&rest).await, 0);
    let (_, again) = rest.raw(Method::DELETE, path, None).await;
    assert!(
        again["message"]
            .as_str()
            .unwrap()
            .ends_with("Total messages purged: 0.")
    );
    emulator.shutdown().await;
    let emulator = emulator_in(folder.path()).await;
    assert_eq!(waiting(&Rest::new(&emulator)).await, 0);
}

#[tokio::test]
async fn a_message_that_has_expired_is_not_delivered_but_recorded() {
    let emulator = emulator().await;
    let (rest, leaf) = enrolled(&emulator).await;
    send(&rest, json!({"body": "old", "messageId": "old", "expiry": LONG_AGO})).await;
    send(&rest, json!({"body": "new", "messageId": "new", "ttl": 172_800})).await;
    has_expired(&emulator, "old").await;
    assert_eq!(waiting(&rest).await, 1);
    let mut device = Device::connect(&emulator, &leaf, Hello::hub("t-1").keep_session()).await;
    device.subscribe(MESSAGES).await;
    assert_eq!(device.message().await.1, "new");

    // Also one that comes while the device is there.
    send(&rest, json!({"body": "late", "messageId": "late", "expiry": LONG_AGO})).await;
    has_expired(&emulator, "late").await;
    send(&rest, json!({"body": "last"})).await;
    assert_eq!(device.message().await.1, "last");
}

#[tokio::test]
async fn expired_messages_take_no_place() {
    let emulator = emulator().await;
    let (rest, _) = enrolled(&emulator).await;
    for number in 0..50 {
        let message = json!({"body": number, "expiry": if number == 7 { LONG_AGO } else { "2100-01-01T00:00:00Z" }});
        assert_eq!(send(&rest, message).await.0, 202);
    }
    assert_eq!(
        send(&rest, json!({"body": 50})).await.0,
        202,
        "in the place of the one that has expired"
    );
    assert_eq!(send(&rest, json!({"body": 51})).await.0, 403);
}

#[tokio::test]
async fn a_wish_that_makes_no_sense_is_refused_in_words() {
    let emulator = emulator().await;
    let (rest, _) = enrolled(&emulator).await;
    for (message, words) in [
        (json!({"body": 1, "ttl": 0}), "ttl is from 1 to 172800"),
        (json!({"body": 1, "ttl": 172_801}), "ttl is from 1 to 172800"),
        (json!({"body": 1, "ttl": 1, "expiry": LONG_AGO}), "not both"),
        (json!({"body": 1, "ack": "maybe"}), "maybe"),
        (json!({"body": 1, "tll": 1}), "tll"),
        (json!({"properties": {}}), "body"),
    ] {
        let (status, error) = send(&rest, message.clone()).await;
        let text = error["error"]["message"].as_str().unwrap();
        assert!(status == 422 && text.contains(words), "{message}: {status} {text}");
    }
    assert_eq!(send(&rest, json!({ "body": "x".repeat(64 * 1024) })).await.0, 413);
    assert_eq!(waiting(&rest).await, 0);
}

#[tokio::test]
async fn a_restart_keeps_how_long_a_message_waits() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = emulator_in(folder.path()).await;
    let (rest, leaf) = enrolled(&emulator).await;
    send(&rest, json!({"body": "short", "messageId": "short", "ttl": 1})).await;
    send(&rest, json!({"body": "long"})).await;
    emulator.shutdown().await;
    // The time that the message was given is the event here.
    tokio::time::sleep(Duration::from_secs(1)).await;

    let emulator = emulator_in(folder.path()).await;
    let mut device = Device::connect(&emulator, &leaf, Hello::hub("t-1").keep_session()).await;
    device.subscribe(MESSAGES).await;
    assert_eq!(device.message().await.1, "long");
    has_expired(&emulator, "short").await;
    event(&emulator, "t-1", |event| *event == Event::MessageCompleted).await;
    emulator.shutdown().await;

    let emulator = emulator_in(folder.path()).await;
    assert_eq!(waiting(&Rest::new(&emulator)).await, 0, "both are gone for good");
}

#[tokio::test]
async fn a_purge_forgets_what_waits() {
    let emulator = emulator().await;
    let (rest, _) = enrolled(&emulator).await;
    for id in ["m-1", "m-2"] {
        assert_eq!(send(&rest, json!({"body": "x", "messageId": id})).await.0, 202);
    }
    let purge = async |id: &str| {
        let path = format!("/system/iothub/devices/{id}/c2d");
        let (status, answer) = rest.raw(Method::DELETE, &path, None).await;
        (
            status.as_u16(),
            answer["message"].as_str().unwrap_or_default().to_owned(),
        )
    };
    for total in [2, 0] {
        let (status, message) = purge("t-1").await;
        assert_eq!(status, 200);
        assert!(
            message.ends_with(&format!("Total messages purged: {total}.")),
            "{message}"
        );
        assert_eq!(waiting(&rest).await, 0);
    }
    assert_eq!(purge("missing").await.0, 404);
}
