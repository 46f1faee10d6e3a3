//! What a device sends that its template does not have: taken, marked once, and shown.

use iot_emulator::{Emulator, Entry, Event};
use rumqttc::mqttbytes::QoS;
use serde_json::{Value, json};

use testing::device::{Device, Hello};
use testing::emulator::{config, emulator};
use testing::party::Party;
use testing::rest::Rest;

use crate::refusals::looked_at;

const PUMP: &str = "dtmi:contoso:pump;2";
const TWIN_ANSWERS: &str = "$iothub/twin/res/#";
const METHODS: &str = "$iothub/methods/POST/#";

fn template() -> Value {
    json!({
        "@type": ["ModelDefinition", "DeviceModel"],
        "@context": ["dtmi:iotcentral:context;2", "dtmi:dtdl:context;2"],
        "displayName": "Pump",
        "capabilityModel": {"@id": PUMP, "@type": "Interface", "contents": [
            {"@type": ["Telemetry", "Pressure"], "name": "pressure", "schema": "double", "unit": "bar"},
            {"@type": "Property", "name": "serial", "schema": "string"},
            {"@type": "Property", "name": "speed", "schema": "integer", "writable": true},
            {"@type": "Command", "name": "stop", "request": {"name": "delay", "schema": "duration"},
             "response": {"name": "at", "schema": "dateTime"}},
            {"@type": ["Property", "Cloud", "StringValue"], "name": "customer", "schema": "string"},
            {"@type": "Component", "name": "motor", "schema": {"@id": "dtmi:contoso:motor;1", "@type": "Interface",
             "contents": [{"@type": "Telemetry", "name": "current", "schema": "double"},
                          {"@type": "Property", "name": "limit", "schema": "double", "writable": true}]}},
        ]},
    })
}

/// A pump that is online, whose template the application has.
async fn pump(emulator: &Emulator, rest: &Rest) -> Device {
    let root = Party::root("root");
    rest.enroll_group("g", &root).await;
    let leaf = root.leaf("p-1");
    let (status, error) = rest.put(&format!("deviceTemplates/{PUMP}"), template()).await;
    assert_eq!(status, 200, "{error}");
    Device::register(emulator, &leaf, "p-1").await;
    rest.put("devices/p-1", json!({ "template": PUMP })).await;
    Device::connect(emulator, &leaf, Hello::hub("p-1")).await
}

fn topic(component: &str) -> String {
    format!("devices/p-1/messages/events/%24.ct=application%2Fjson&%24.ce=utf-8{component}")
}

fn marks(entries: &[Entry]) -> Vec<String> {
    let marks = entries.iter().filter_map(|entry| match &entry.event {
        Event::Unmodeled { of, why, name, detail } => Some(format!("{of} {why}: {name} {detail}")),
        _ => None,
    });
    marks.collect()
}

async fn report(device: &mut Device, number: u32, body: &Value) {
    let topic = format!("$iothub/twin/PATCH/properties/reported/?$rid={number}");
    device.send_publish(&topic, QoS::AtMostOnce, body.to_string()).await;
    let (answer, _) = device.message().await;
    assert!(answer.starts_with("$iothub/twin/res/204/"), "{answer}");
}

#[tokio::test]
async fn what_a_template_does_not_have_is_taken_and_marked_once_for_each_name() {
    let (emulator, view) = looked_at(config()).await;
    let rest = Rest::new(&emulator);
    let mut device = pump(&emulator, &rest).await;
    device.subscribe(TWIN_ANSWERS).await;
    device.publish(&topic(""), r#"{"pressure":4.2}"#).await;
    device.publish(&topic("&%24.sub=motor"), r#"{"current":1}"#).await;
    let good = json!({"serial": "a", "speed": {"value": 3, "ac": 200, "av": 1}, "motor": {"__t": "c", "limit": 4}});
    report(&mut device, 1, &good).await;
    assert_eq!(marks(&emulator.journal().since(0)), Vec::<String>::new());

    for _ in 0..3 {
        device.publish(&topic(""), r#"{"presure":4.2,"pressure":"high"}"#).await;
        device.publish(&topic("&%24.sub=moter"), r#"{"current":1}"#).await;
        device.publish(&topic(""), "4.2").await;
    }
    for number in 2..4 {
        let bad =
            json!({"speed": {"value": 2.5, "ac": 200, "av": 1}, "colour": "red", "motor": {"__t": "c", "limit": "x"}});
        report(&mut device, number, &bad).await;
    }
    assert_eq!(
        marks(&emulator.journal().since(0)),
        [
            "telemetry unmodeled: presure is not telemetry of the model; did you mean `pressure`?",
            "telemetry mismatch: pressure must be a number",
            "telemetry unmodeled: moter is not a component of the model; did you mean `motor`?",
            "telemetry mismatch: the message must be a JSON object of telemetry by name",
            "property mismatch: speed/value must be an integer of 4 bytes",
            "property unmodeled: colour is not a property of the model",
            "property mismatch: motor.limit must be a number",
        ]
    );
    let (_, shown) = rest.get("devices/p-1/telemetry/pressure").await;
    assert_eq!(shown["value"], "high", "it was taken all the same");
    let counts = || -> Vec<u64> {
        let application = view.application();
        let marks = application.device("p-1").unwrap().unmodeled();
        marks.iter().map(|mark| mark.count).collect()
    };
    assert_eq!(counts(), [3, 3, 3, 3, 2, 2, 2]);

    // A template that has them: what was marked is no more, in the middle of the session.
    let mut wider = template();
    let contents = wider["capabilityModel"]["contents"].as_array_mut().unwrap();
    contents.push(json!({"@type": "Telemetry", "name": "presure", "schema": "double"}));
    rest.put(&format!("deviceTemplates/{PUMP}"), wider).await;
    assert_eq!(counts(), Vec::<u64>::new());
    device.publish(&topic(""), r#"{"presure":4.2}"#).await;
    assert_eq!(counts(), Vec::<u64>::new());
    // Without a template nothing is unmodeled.
    rest.patch("devices/p-1", json!({ "template": null })).await;
    device.publish(&topic(""), r#"{"anything":4.2}"#).await;
    assert_eq!((counts(), marks(&emulator.journal().since(0)).len()), (vec![], 7));
}

#[tokio::test]
async fn what_does_not_fit_the_template_is_refused_on_its_way_to_the_device() {
    let emulator = emulator().await;
    let rest = Rest::new(&emulator);
    let mut device = pump(&emulator, &rest).await;
    device.subscribe(METHODS).await;
    let properties = "devices/p-1/properties";
    for (path, body, problem) in [
        (
            properties,
            json!({"speed": "fast"}),
            "speed: must be an integer of 4 bytes",
        ),
        (properties, json!({"serial": "b"}), "serial: is read-only"),
        (
            properties,
            json!({"speed": 1.5, "motor": {"limit": true}}),
            "speed: must be an integer of 4 bytes; motor.limit: must be a number",
        ),
        (
            "devices/p-1/components/motor/properties",
            json!({"limit": "x"}),
            "motor.limit: must be a number",
        ),
    ] {
        let (status, error) = rest.patch(path, body).await;
        assert_eq!((status.as_u16(), &error["error"]["message"]), (422, &json!(problem)));
        assert_eq!(error["error"]["code"], "InvalidBody");
    }
    let (status, error) = rest
        .patch(properties, json!({"speed": 3, "customer": "x", "motor": {"limit": 2}}))
        .await;
    assert_eq!(status, 202, "{error}");
    assert_eq!(rest.patch(properties, json!({"speed": null})).await.0, 202, "removed");

    let stop = "devices/p-1/commands/stop";
    let (status, error) = rest.post(stop, json!({"request": "soon"})).await;
    let message = error["error"]["message"].as_str().unwrap();
    assert_eq!(status, 422, "{error}");
    assert!(message.starts_with("request: must be a duration"), "{message}");
    let command = rest.post(stop, json!({"request": "PT5S"}));
    let answer = async {
        let (topic, _) = device.message().await;
        let number = topic.rsplit_once("$rid=").unwrap().1;
        let topic = format!("$iothub/methods/res/200/?$rid={number}");
        device.send_publish(&topic, QoS::AtMostOnce, "5").await;
    };
    let ((status, record), ()) = tokio::join!(command, answer);
    assert_eq!((status.as_u16(), &record["response"]), (201, &json!(5)), "{record}");
    let found = marks(&emulator.journal().since(0));
    assert!(
        found.len() == 1 && found[0].starts_with("response mismatch: stop must be a time"),
        "{found:?}"
    );
}
