//! What a device has sent and answered.

use testing::device::Device;
use testing::party::Party;
use testing::rest::Rest;

use crate::visitor::{Visitor, emulator, words};

#[tokio::test]
async fn raw_data_is_what_the_device_sent_and_nothing_of_it_is_markup() {
    let emulator = emulator().await;
    let root = Party::root("root");
    Rest::new(&emulator).enroll_group("g", &root).await;
    let visitor = Visitor::signed_in(&emulator).await;
    let mut device = Device::online(&emulator, &root.leaf("t-1"), "t-1").await;
    let (_, text) = visitor.get("/devices/t-1/raw").await;
    assert!(text.contains("No message has come"), "{text}");
    device
        .publish(
            "devices/t-1/messages/events/%24.ct=application%2Fjson&alert",
            r#"{"temperature": 1.5}"#,
        )
        .await;
    device
        .publish("devices/t-1/messages/events/", "<script>no JSON</script>")
        .await;
    device.publish("devices/t-1/messages/events/", vec![b'x'; 5000]).await;
    let (_, text) = visitor.get("/devices/t-1/raw").await;
    assert!(
        !text.contains("<script>no") && text.contains("&lt;script&gt;no JSON"),
        "{text}"
    );
    let shown = words(&text);
    assert!(
        shown.contains("$.ct application/json alert {&quot;temperature&quot;: 1.5}"),
        "{shown}"
    );
    assert!(shown.contains("5 000 bytes") && shown.contains("xxx…"), "{shown}");
    let order = ["xxx…", "no JSON", "1.5}"].map(|part| shown.find(part).unwrap());
    assert!(order.is_sorted(), "the newest first: {shown}");
    for number in 0..25 {
        device.publish("devices/t-1/messages/events/", number.to_string()).await;
    }
    let (_, text) = visitor.get("/devices/t-1/raw").await;
    assert_eq!(text.matches("data-label=\"Body\"").count(), 20, "{text}");
}

#[tokio::test]
async fn a_command_that_was_answered_stays_in_the_history() {
    let emulator = emulator().await;
    let root = Party::root("root");
    Rest::new(&emulator).enroll_group("g", &root).await;
    let visitor = Visitor::signed_in(&emulator).await;
    let mut device = Device::online(&emulator, &root.leaf("t-1"), "t-1").await;
    device.subscribe("$iothub/methods/POST/#").await;
    assert!(
        visitor
            .get("/devices/t-1/commands")
            .await
            .1
            .contains("It has answered no command")
    );
    let run = async {
        let form = "command=getMaxMinReport&component=&request=2026-11-28T08%3A00%3A00Z";
        visitor.post("/devices/t-1/command", Some(&visitor.base), form).await
    };
    let answer = async {
        let (topic, request) = device.message().await;
        let (_, id) = topic.split_once("$rid=").unwrap();
        device
            .publish(&format!("$iothub/methods/res/200/?$rid={id}"), r#"{"maxTemp":"<b>"}"#)
            .await;
        request
    };
    let ((status, text), request) = tokio::join!(run, answer);
    assert!(
        status == 201 && text.contains("answered <strong>200</strong>"),
        "{status} {text}"
    );
    assert_eq!(request, "2026-11-28T08:00:00Z");
    let (_, text) = visitor.get("/devices/t-1/commands").await;
    let shown = words(&text);
    assert!(shown.contains("getMaxMinReport 2026-11-28T08:00:00Z 200"), "{shown}");
    assert!(text.contains("&lt;b&gt;") && !text.contains("<b>"), "{text}");
}
