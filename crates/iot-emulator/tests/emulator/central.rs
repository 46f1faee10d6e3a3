//! Templates, lists, components and prepared properties, as a script would use them.

use reqwest::Method;
use rumqttc::mqttbytes::QoS;
use serde_json::{Value, json};

use testing::device::{Device, Hello};
use testing::emulator::{Place, emulator, emulator_in};
use testing::party::Party;
use testing::rest::Rest;

const PREVIEW: &str = "api-version=2022-10-31-preview";

fn template(model: &str) -> Value {
    json!({
        "@type": ["ModelDefinition", "DeviceModel"],
        "@context": ["dtmi:iotcentral:context;2", "dtmi:dtdl:context;2"],
        "displayName": "Mine",
        "capabilityModel": {"@id": model, "@type": "Interface", "contents": [
            {"@type": ["Telemetry", "Temperature"], "name": "temperature", "schema": "double", "unit": "degreeCelsius"},
            {"@type": "Component", "name": "inner", "displayName": "Inner", "schema": {
                "@id": "dtmi:contoso:Inner;1", "@type": "Interface",
                "contents": [{"@type": "Property", "name": "target", "schema": "double", "writable": true}]}},
        ]},
    })
}

fn ids(page: &Value) -> Vec<&str> {
    let list = page["value"].as_array().unwrap_or_else(|| panic!("{page}"));
    list.iter().map(|thing| thing["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_template_is_checked_published_patched_and_removed() {
    let emulator = emulator().await;
    let rest = Rest::new(&emulator);
    let path = "deviceTemplates/dtmi:contoso:mine;1";
    let (status, error) = rest
        .put(path, json!({"capabilityModel": {"@id": "dtmi:x;1", "contents": 1}}))
        .await;
    assert_eq!(status, 422);
    let message = error["error"]["message"].as_str().unwrap();
    for place in [
        "@type: must be",
        "capabilityModel.@type: must be",
        "capabilityModel.contents: must be",
    ] {
        assert!(message.contains(place), "{message}");
    }
    let foreign = json!({"@id": "dtmi:contoso:other;1"});
    assert_eq!(rest.put(path, foreign).await.0, 422);
    assert_eq!(rest.put("deviceTemplates/mine", template("dtmi:a;1")).await.0, 400);
    assert_eq!(rest.patch(path, json!({})).await.0, 404);
    assert_eq!(rest.get("deviceTemplates").await.1, json!({"value": []}));

    let (status, made) = rest.put(path, template("dtmi:contoso:Model;1")).await;
    assert_eq!((status.as_u16(), &made["@id"]), (200, &json!("dtmi:contoso:mine;1")));
    let (status, patched) = rest
        .patch(
            path,
            json!({"displayName": "New", "etag": made["etag"], "description": "d"}),
        )
        .await;
    assert_eq!(status, 200, "{patched}");
    assert_eq!(
        (&patched["displayName"], &patched["capabilityModel"]),
        (&json!("New"), &made["capabilityModel"])
    );
    assert_eq!(
        rest.patch(path, json!({"displayName": "Old", "etag": made["etag"]}))
            .await
            .0,
        412
    );
    assert_eq!(rest.patch(path, json!({"capabilityModel": null})).await.0, 422);
    assert_eq!(rest.get(path).await.1, patched);

    rest.put("devices/t-1", json!({"template": "dtmi:contoso:mine;1"}))
        .await;
    let (_, components) = rest.get("devices/t-1/components").await;
    assert_eq!(
        components,
        json!({"value": [{"@type": ["Component"], "name": "inner", "displayName": "Inner"}]})
    );
    assert_eq!(rest.get("devices/t-1/modules").await.1, json!({"value": []}));
    for (path, reason) in [
        ("devices/none/components", "device"),
        ("devices/none/modules", "device"),
        ("devices/none/modules/m/properties", "device"),
        ("devices/t-1/modules/m/properties", "module"),
        ("devices/t-1/modules/m/components/c/telemetry/t", "module"),
    ] {
        let (status, error) = rest.get(path).await;
        assert_eq!(status, 404, "{path}");
        assert!(
            error["error"]["message"].as_str().unwrap().contains(reason),
            "{path}: {error}"
        );
    }
    assert_eq!(rest.delete(path).await, 204);
    assert!(
        rest.get("devices/t-1").await.1.get("template").is_none(),
        "the device is unassigned"
    );
    assert_eq!(rest.get("devices/t-1/components").await.1, json!({"value": []}));
    assert_eq!(
        rest.put("devices/t-2", json!({"template": "dtmi:contoso:mine;1"}))
            .await
            .0,
        422
    );
}

#[tokio::test]
async fn a_device_can_be_taken_from_its_template() {
    let emulator = emulator().await;
    let rest = Rest::new(&emulator);
    rest.put("deviceTemplates/dtmi:contoso:mine;1", template("dtmi:a;1"))
        .await;
    rest.put("devices/t-1", json!({"template": "dtmi:contoso:mine;1"}))
        .await;
    let (_, device) = rest.patch("devices/t-1", json!({"displayName": "T"})).await;
    assert_eq!(
        device["template"], "dtmi:contoso:mine;1",
        "what a patch does not name stays"
    );
    let (_, device) = rest.patch("devices/t-1", json!({"template": null})).await;
    assert!(device.get("template").is_none(), "{device}");
}

#[tokio::test]
async fn pages_neither_repeat_nor_skip_a_device_while_others_come_and_go() {
    let emulator = emulator().await;
    let rest = Rest::new(&emulator);
    for i in 0..6 {
        rest.put(&format!("devices/t-{i}"), json!({"displayName": format!("{}", 9 - i)}))
            .await;
    }
    for (order, expected) in [
        ("", ["t-0", "t-1", "t-2", "t-3", "t-4", "t-5"]),
        ("&orderby=displayName", ["t-5", "t-4", "t-3", "t-2", "t-1", "t-0"]),
        (
            "&orderby=displayName%20desc",
            ["t-0", "t-1", "t-2", "t-3", "t-4", "t-5"],
        ),
    ] {
        let mut seen: Vec<String> = Vec::new();
        let mut next = format!("/api/devices?{PREVIEW}{order}&maxpagesize=2&filter=contains(id,'T-')");
        loop {
            let (status, page) = rest.raw(Method::GET, &next, None).await;
            assert_eq!(status, 200, "{page}");
            seen.extend(ids(&page).into_iter().map(Into::into));
            let Some(link) = page["nextLink"].as_str() else { break };
            assert!(!link.contains("t-1"), "the place in the list is not shown: {link}");
            link.clone_into(&mut next);
            // Before and after the place, and the very device that the page ended with.
            rest.put("devices/a", json!({"displayName": "a"})).await;
            rest.put("devices/z", json!({"displayName": "z"})).await;
            let last = seen.last().unwrap().clone();
            assert_eq!(rest.delete(&format!("devices/{last}")).await, 204);
            let (_, page) = rest.raw(Method::GET, &next, None).await;
            assert!(!ids(&page).contains(&last.as_str()));
            let name = format!("{}", 9 - last[2..].parse::<u32>().unwrap());
            rest.put(&format!("devices/{last}"), json!({"displayName": name})).await;
        }
        assert_eq!(seen, expected, "{order}");
    }
    for bad in [
        "$skiptoken=t-1",
        "$skiptoken=%25",
        "maxpagesize=0",
        "maxpagesize=101",
        "$top=1&$top=2",
        "orderby=id",
    ] {
        let (status, _) = rest
            .raw(Method::GET, &format!("/api/devices?{PREVIEW}&{bad}"), None)
            .await;
        assert_eq!(status, 400, "{bad}");
    }
}

#[tokio::test]
async fn devices_and_templates_are_filtered_in_the_preview_only() {
    let emulator = emulator().await;
    let rest = Rest::new(&emulator);
    rest.put("deviceTemplates/dtmi:contoso:mine;1", template("dtmi:a;1"))
        .await;
    rest.put(
        "devices/lab",
        json!({"displayName": "Lab Thermostat", "template": "dtmi:contoso:mine;1"}),
    )
    .await;
    rest.put(
        "devices/attic",
        json!({"displayName": "Attic", "enabled": false, "organizations": ["seattle"]}),
    )
    .await;
    rest.put(
        "devices/fake",
        json!({"displayName": "Fake thermostat", "simulated": true}),
    )
    .await;
    for (filter, expected) in [
        ("id eq 'lab'", vec!["lab"]),
        ("enabled eq false or simulated eq true", vec!["attic", "fake"]),
        ("indexof(displayName, 'thermostat') ge 0", vec!["fake", "lab"]),
        ("contains(displayName, 'thermostat') and simulated ne true", vec!["lab"]),
        (
            "template eq 'dtmi:contoso:mine;1' and provisioned eq false",
            vec!["lab"],
        ),
        ("scopes eq 'seattle'", vec!["attic"]),
        ("id eq 'none'", vec![]),
        // What `az iot central device list --edge-only` asks.
        ("type eq 'GatewayDevice' or type eq 'EdgeDevice'", vec![]),
    ] {
        for name in ["filter", "$filter"] {
            let encoded = filter.replace(' ', "%20").replace('\'', "%27").replace(';', "%3B");
            let (status, page) = rest
                .raw(Method::GET, &format!("/api/devices?{PREVIEW}&{name}={encoded}"), None)
                .await;
            assert_eq!(status, 200, "{page}");
            assert_eq!(ids(&page), expected, "{filter}");
        }
    }
    for (path, status) in [
        (format!("/api/devices?{PREVIEW}&filter=color%20eq%201"), 400),
        (
            "/api/devices?api-version=2022-07-31&$filter=enabled%20eq%20true".into(),
            400,
        ),
        (
            format!("/api/deviceTemplates?{PREVIEW}&filter=contains(displayName,%27min%27)&orderby=displayName"),
            200,
        ),
        (
            format!("/api/enrollmentGroups?{PREVIEW}&filter=enabled%20eq%20true"),
            400,
        ),
    ] {
        assert_eq!(rest.raw(Method::GET, &path, None).await.0, status, "{path}");
    }
}

#[tokio::test]
async fn every_list_comes_in_pages() {
    let emulator = emulator().await;
    let rest = Rest::new(&emulator);
    for i in 0..3 {
        let group = json!({"displayName": "g", "type": "iot", "attestation": {"type": "x509"}});
        rest.put(&format!("enrollmentGroups/g{i}"), group).await;
        rest.put(&format!("deviceTemplates/dtmi:t{i};1"), template("dtmi:a;1"))
            .await;
        let role = json!({"roles": [{"role": "ae2c9854-393b-4f97-8c42-479d70ce626e"}]});
        rest.put(&format!("apiTokens/t{i}"), role).await;
    }
    for list in ["enrollmentGroups", "deviceTemplates", "apiTokens"] {
        let (_, first) = rest.get(&format!("{list}?$top=2")).await;
        assert_eq!(first["value"].as_array().unwrap().len(), 2, "{list}");
        let (_, second) = rest.raw(Method::GET, first["nextLink"].as_str().unwrap(), None).await;
        assert_eq!(second["value"].as_array().unwrap().len(), 1, "{list}");
        assert!(second.get("nextLink").is_none(), "{list}");
    }
    let (_, group) = rest.get("enrollmentGroups/g0").await;
    assert!(group.get("idScope").is_none(), "{group}");
    let (_, group) = rest
        .raw(Method::GET, &format!("/api/enrollmentGroups/g0?{PREVIEW}"), None)
        .await;
    assert_eq!(group["idScope"], "0ne00EMULATOR");
}

#[tokio::test]
async fn the_history_of_a_command_is_its_own_newest_first_and_in_pages() {
    let emulator = emulator().await;
    let rest = Rest::new(&emulator);
    let root = Party::root("root");
    rest.enroll_group("g", &root).await;
    let mut device = Device::online(&emulator, &root.leaf("t-1"), "t-1").await;
    device.subscribe("$iothub/methods/POST/#").await;
    for (at, path) in [
        "commands/a",
        "commands/b",
        "commands/a",
        "components/c/commands/a",
        "commands/a",
    ]
    .iter()
    .enumerate()
    {
        let path = format!("devices/t-1/{path}");
        let command = rest.post(&path, json!({"request": at}));
        let answer = async {
            let (topic, _) = device.message().await;
            let rid = topic.split("$rid=").nth(1).unwrap().to_owned();
            let answer = format!("$iothub/methods/res/200/?$rid={rid}");
            device.send_publish(&answer, QoS::AtMostOnce, "{}").await;
        };
        let ((status, _), ()) = tokio::join!(command, answer);
        assert_eq!(status, 201);
    }
    let (_, first) = rest.get("devices/t-1/commands/a?$top=2").await;
    let requests = |page: &Value| -> Vec<u64> {
        let list = page["value"].as_array().unwrap();
        list.iter()
            .map(|command| command["request"].as_u64().unwrap())
            .collect()
    };
    assert_eq!(requests(&first), [4, 2]);
    let (_, second) = rest.raw(Method::GET, first["nextLink"].as_str().unwrap(), None).await;
    assert_eq!((requests(&second), second.get("nextLink")), (vec![0], None));
    assert_eq!(requests(&rest.get("devices/t-1/components/c/commands/a").await.1), [3]);
}

#[tokio::test]
async fn properties_that_are_written_before_a_device_registers_wait_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = emulator_in(folder.path()).await;
    let rest = Rest::new(&emulator);
    let root = Party::root("root");
    rest.enroll_group("g", &root).await;
    rest.put("deviceTemplates/dtmi:contoso:mine;1", template("dtmi:a;1"))
        .await;
    rest.put("devices/t-1", json!({"template": "dtmi:contoso:mine;1"}))
        .await;
    let path = "devices/t-1/properties";
    assert_eq!(rest.get(path).await.1, json!({"$metadata": {}}));
    let (status, answer) = rest.patch(path, json!({"a": 1, "b": 2, "inner": {"target": 3}})).await;
    assert_eq!(status, 202);
    assert_eq!(
        answer["$metadata"],
        json!({"a": {"desiredValue": 1}, "b": {"desiredValue": 2}})
    );
    assert_eq!(rest.put(path, json!({"a": 4, "inner": {"target": 5}})).await.0, 202);
    assert_eq!(rest.patch(path, json!({"no.dots": 1})).await.0, 422);
    assert_eq!(rest.patch("devices/none/properties", json!({"a": 1})).await.0, 404);
    let (_, shown) = rest.get(path).await;
    assert_eq!(
        (&shown["a"], &shown["inner"]["target"], shown.get("b")),
        (&json!(4), &json!(5), None)
    );
    emulator.shutdown().await;

    let emulator = emulator_in(folder.path()).await;
    let rest = Rest::new(&emulator);
    assert_eq!(rest.get(path).await.1, shown);
    let leaf = root.leaf("t-1");
    Device::register(&emulator, &leaf, "t-1").await;
    assert_eq!(rest.get(path).await.1, shown);
    let twin = async |emulator: &_| {
        let mut device = Device::connect(emulator, &leaf, Hello::hub("t-1")).await;
        device.subscribe("$iothub/twin/res/#").await;
        device.publish("$iothub/twin/GET/?$rid=1", "").await;
        device.message().await.1["desired"].clone()
    };
    let expected = json!({"a": 4, "inner": {"__t": "c", "target": 5}, "$version": 3});
    assert_eq!(twin(&emulator).await, expected);
    // Another registration leaves the twin alone.
    assert_eq!(rest.patch(path, json!({"a": 6})).await.0, 202);
    Device::register(&emulator, &leaf, "t-1").await;
    assert_eq!(rest.get(path).await.1["a"], 6);
    emulator.shutdown().await;
    let emulator = emulator_in(folder.path()).await;
    assert_eq!(twin(&emulator).await["a"], 6);
}

/// What the Azure CLI asks, by its own choice of versions and paths (GitHub Azure/azure-iot-cli-extension).
#[tokio::test]
async fn the_azure_cli_finds_its_version_the_roles_and_the_failover() {
    let emulator = emulator().await;
    let rest = Rest::new(&emulator);
    let cli = "api-version=2022-06-30-preview";
    let (status, page) = rest.raw(Method::GET, &format!("/api/devices?{cli}"), None).await;
    assert_eq!((status.as_u16(), page), (200, json!({"value": []})));
    let (_, roles) = rest.get("roles").await;
    let names: Vec<_> = roles["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|role| &role["displayName"])
        .collect();
    assert_eq!(names, ["Administrator", "Builder", "Operator"]);
    let id = roles["value"][0]["id"].as_str().unwrap();
    assert_eq!(rest.get(&format!("roles/{id}")).await.1, roles["value"][0]);

    let fail_over = "/system/iothub/devices/t-1/manual-failover";
    let (status, answer) = rest.raw(Method::POST, fail_over, Some(json!({"ttl": 5}))).await;
    assert_eq!(
        (status.as_u16(), answer["error"]["code"].as_str()),
        (404, Some("NotFound"))
    );
    for path in [
        "/api/users?api-version=2022-07-31",
        "/system/iotedge/devices/t-1/modules",
    ] {
        let (status, answer) = rest.raw(Method::GET, path, None).await;
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(
            status == 404 && message.ends_with("of IoT Central is not emulated"),
            "{path}: {message}"
        );
    }
}

#[tokio::test]
async fn another_services_interface_is_named_before_any_token_is_asked_for() {
    let emulator = emulator().await;
    let client = testing::rest::client(&emulator, None);
    for (path, words) in [
        ("/devices/t-1/messages/events?api-version=2020-03-13", "IoT Hub itself"),
        ("/twins/t-1?api-version=2020-03-13", "IoT Hub itself"),
        ("/devices/t-1/files/notifications", "file upload"),
    ] {
        let answer = client
            .put(format!("http://{}{path}", emulator.http()))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 404);
        let text = answer.text().await.unwrap();
        assert!(text.contains(words) && text.contains("not emulated"), "{path}: {text}");
    }
}
