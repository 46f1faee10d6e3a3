//! Rules of the two services that need no story: each with what breaks it. Sources:
//! [MQTT at DPS](https://learn.microsoft.com/azure/iot/iot-mqtt-connect-to-iot-dps),
//! [MQTT at a hub](https://learn.microsoft.com/azure/iot/iot-mqtt-connect-to-iot-hub),
//! [device twins](https://learn.microsoft.com/azure/iot-hub/iot-hub-devguide-device-twins),
//! [direct methods](https://learn.microsoft.com/azure/iot-hub/iot-hub-devguide-direct-methods).

use iot_emulator::{DisconnectReason, Emulator, Event};
use reqwest::Method;
use rumqttc::mqttbytes::v4::ConnectReturnCode::{NotAuthorized, RefusedProtocolVersion, Success};
use rumqttc::mqttbytes::v4::{Packet, Subscribe, SubscribeReasonCode, Unsubscribe};
use rumqttc::mqttbytes::{Protocol, QoS};
use serde_json::{Value, json};

use testing::device::{DPS_FILTER, Device, Hello, REGISTER};
use testing::emulator::{emulator, event};
use testing::party::Party;
use testing::rest::Rest;

const METHODS: &str = "$iothub/methods/POST/#";
const TWIN_RESPONSES: &str = "$iothub/twin/res/#";

async fn with_group() -> (Emulator, Rest, Party) {
    let emulator = emulator().await;
    let (rest, root) = (Rest::new(&emulator), Party::root("root"));
    rest.enroll_group("g", &root).await;
    (emulator, rest, root)
}

fn violated(words: &str) -> impl Fn(&Event) -> bool {
    move |event| {
        matches!(event, Event::Disconnected { reason: DisconnectReason::Violation(detail), .. }
            if detail.contains(words))
    }
}

#[tokio::test]
async fn a_registration_id_is_compared_without_case_and_a_device_id_with_it() {
    let (emulator, _, root) = with_group().await;
    let leaf = root.leaf("Thermo-1");
    for id in ["thermo-1", "THERMO-1"] {
        let answer = Device::register(&emulator, &leaf, id).await;
        assert_eq!(answer["registrationState"]["deviceId"], "thermo-1", "the first to come");
    }
    for (id, code) in [("THERMO-1", NotAuthorized), ("thermo-1", Success)] {
        let (_, answer) = Device::greet(&emulator, Some(&leaf), Hello::hub(id)).await;
        assert_eq!(answer.code, code, "{id}");
    }
}

#[tokio::test]
async fn dps_takes_three_versions_an_empty_body_and_keeps_no_session() {
    let (emulator, _, root) = with_group().await;
    let leaf = root.leaf("t-1");
    for version in ["2019-03-31", "2021-06-01", "2021-10-01"] {
        let user = format!("0ne00EMULATOR/registrations/t-1/api-version={version}&ClientVersion=a%2F1");
        let hello = Hello::new("t-1", &user).keep_session();
        let (mut device, answer) = Device::greet(&emulator, Some(&leaf), hello).await;
        assert_eq!((answer.code, answer.session_present), (Success, false), "{version}");
        device.subscribe(DPS_FILTER).await;
        device.publish(REGISTER, "").await;
        assert!(device.message().await.0.starts_with("$dps/registrations/res/202/"));
        device.goodbye().await;
    }
}

#[tokio::test]
async fn dps_takes_96_kb_and_not_a_byte_more() {
    let (emulator, _, root) = with_group().await;
    let mut device = Device::connect(&emulator, &root.leaf("t-1"), Hello::dps("t-1")).await;
    device.subscribe(DPS_FILTER).await;
    let body = |size: usize| {
        let frame = r#"{"payload":""}"#.len();
        format!(r#"{{"payload":"{}"}}"#, "x".repeat(size - frame))
    };
    device.publish(REGISTER, body(96 * 1024)).await;
    assert!(device.message().await.0.starts_with("$dps/registrations/res/202/"));
    device
        .send_publish(REGISTER, QoS::AtLeastOnce, body(96 * 1024 + 1))
        .await;
    device.is_closed().await;
    event(&emulator, "t-1", violated("a message of 98305 bytes")).await;
}

#[tokio::test]
async fn mqtt_5_is_refused_as_the_wrong_version() {
    let emulator = emulator().await;
    let mut hello = Hello::hub("t-1");
    hello.connect.protocol = Protocol::V5;
    let (mut device, answer) = Device::greet(&emulator, None, hello).await;
    assert_eq!(answer.code, RefusedProtocolVersion);
    device.is_closed().await;
}

#[tokio::test]
async fn who_asks_for_qos_2_is_granted_1() {
    let (emulator, _, root) = with_group().await;
    let leaf = root.leaf("t-1");
    Device::register(&emulator, &leaf, "t-1").await;
    for (hello, filter) in [(Hello::dps("t-1"), DPS_FILTER), (Hello::hub("t-1"), METHODS)] {
        let mut device = Device::connect(&emulator, &leaf, hello).await;
        let mut subscribe = Subscribe::new(filter, QoS::ExactlyOnce);
        subscribe.pkid = 1;
        device.send(Packet::Subscribe(subscribe)).await;
        let Packet::SubAck(ack) = device.next().await else {
            panic!("SUBACK comes")
        };
        assert_eq!(
            ack.return_codes,
            [SubscribeReasonCode::Success(QoS::AtLeastOnce)],
            "{filter}"
        );
    }
}

#[tokio::test]
async fn who_unsubscribes_is_asked_no_more() {
    let (emulator, rest, root) = with_group().await;
    let mut device = Device::online(&emulator, &root.leaf("t-1"), "t-1").await;
    device.subscribe(METHODS).await;
    let mut unsubscribe = Unsubscribe::new(METHODS);
    unsubscribe.topics.push("never/subscribed".into());
    unsubscribe.pkid = 9;
    device.send(Packet::Unsubscribe(unsubscribe)).await;
    let Packet::UnsubAck(ack) = device.next().await else {
        panic!("UNSUBACK comes")
    };
    assert_eq!(ack.pkid, 9);
    assert_eq!(rest.post("devices/t-1/commands/reboot", json!({})).await.0, 404);
}

#[tokio::test]
async fn a_module_is_refused_by_name() {
    let (emulator, _, root) = with_group().await;
    let leaf = root.leaf("t-1");
    let mut device = Device::online(&emulator, &leaf, "t-1").await;
    let hello = Hello::new("t-1/m", "localhost/t-1/m/?api-version=2021-04-12");
    let (_, answer) = Device::greet(&emulator, Some(&leaf), hello).await;
    assert_eq!(answer.code, NotAuthorized);
    let refused = |event: &Event| matches!(event, Event::Refused { reason, .. } if reason.contains("modules"));
    event(&emulator, "t-1", refused).await;
    // Its own device stays, but may not speak for it.
    device.publish("devices/t-1/messages/events/", "{}").await;
    let topic = "devices/t-1/modules/m/messages/events/";
    device.send_publish(topic, QoS::AtLeastOnce, "{}").await;
    device.is_closed().await;
    event(&emulator, "t-1", violated(topic)).await;
}

#[tokio::test]
async fn a_report_beyond_a_limit_is_400_and_changes_nothing() {
    let (emulator, _, root) = with_group().await;
    let mut device = Device::online(&emulator, &root.leaf("t-1"), "t-1").await;
    device.subscribe(TWIN_RESPONSES).await;
    let nested = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!({ "a": inner }));
    let section: Value = (0..8)
        .map(|n| (format!("k{n}"), json!("x".repeat(4090))))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let mut version = 1;
    for (body, status) in [
        (json!([]), 400),
        (nested(10), 204),
        (nested(11), 400),
        (json!({"a.b": 1}), 400),
        (json!({"a b": 1}), 400),
        (json!({"a": {"$b": 1}}), 400),
        (json!({ "k".repeat(1024): null }), 204),
        (json!({ "k".repeat(1025): null }), 400),
        (json!({"a": "x".repeat(4096)}), 204),
        (json!({"a": "x".repeat(4097)}), 400),
        (json!({"a": -4_503_599_627_370_496_i64}), 204),
        (json!({"a": -4_503_599_627_370_497_i64}), 400),
        (json!({"a": null}), 204),
        (section, 204),
        (json!({"b": "x".repeat(40)}), 400),
    ] {
        let topic = "$iothub/twin/PATCH/properties/reported/?$rid=r";
        device.send_publish(topic, QoS::AtMostOnce, body.to_string()).await;
        let (topic, answer) = device.message().await;
        let mut expected = format!("$iothub/twin/res/{status}/?$rid=r");
        if status == 204 {
            version += 1;
            expected += &format!("&$version={version}");
        }
        let shown: String = body.to_string().chars().take(40).collect();
        assert_eq!(topic, expected, "{shown}: {answer}");
    }
    device
        .send_publish("$iothub/twin/GET/?$rid=g", QoS::AtMostOnce, "")
        .await;
    assert_eq!(device.message().await.1["reported"]["$version"], version);
}

#[tokio::test]
async fn a_method_is_answered_or_reports_why_not() {
    let (emulator, rest, root) = with_group().await;
    let leaf = root.leaf("t-1");
    Device::register(&emulator, &leaf, "t-1").await;
    let call = |body: Value| rest.raw(Method::POST, "/emulator/devices/t-1/methods", Some(body));
    let reboot = json!({"methodName": "reboot", "payload": {"delay": 1}});

    let (status, error) = call(reboot.clone()).await;
    assert_eq!(
        (status.as_u16(), &error["errorCode"]),
        (404, &json!(404_103)),
        "it is not online"
    );
    let mut device = Device::connect(&emulator, &leaf, Hello::hub("t-1")).await;
    let (status, error) = call(reboot.clone()).await;
    assert_eq!(
        (status.as_u16(), &error["errorCode"]),
        (404, &json!(404_103)),
        "it takes no methods"
    );

    device.subscribe(METHODS).await;
    let ((status, answer), ()) = tokio::join!(call(reboot.clone()), async {
        let (topic, body) = device.message().await;
        assert_eq!(
            (topic.as_str(), body),
            ("$iothub/methods/POST/reboot/?$rid=1", json!({"delay": 1}))
        );
        let topic = "$iothub/methods/res/207/?$rid=1";
        device.send_publish(topic, QoS::AtMostOnce, r#"{"done":true}"#).await;
    });
    assert_eq!(
        (status.as_u16(), answer),
        (200, json!({"status": 207, "payload": {"done": true}}))
    );

    let ((status, error), ()) = tokio::join!(call(reboot), async {
        device.message().await;
        device.goodbye().await;
    });
    assert_eq!(
        (status.as_u16(), &error["errorCode"]),
        (504, &json!(504_101)),
        "it went instead"
    );

    let (status, _) = call(json!({"methodName": "reboot", "responseTimeoutInSeconds": 4})).await;
    assert_eq!(status, 422);
}
