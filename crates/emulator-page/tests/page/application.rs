//! Templates and API tokens.

use serde_json::{Value, json};

use testing::device::Device;
use testing::party::Party;
use testing::rest::Rest;

use crate::visitor::{Visitor, emulator, words};

#[tokio::test]
async fn a_model_becomes_a_template_that_is_shown_replaced_and_deleted() {
    let emulator = emulator().await;
    let rest = Rest::new(&emulator);
    let visitor = Visitor::signed_in(&emulator).await;
    let interface = json!({
        "@context": "dtmi:dtdl:context;2", "@id": "dtmi:com:example:Lamp;1", "@type": "Interface", "displayName": "A <lamp>",
        "contents": [
            {"@type": "Property", "name": "brightness", "schema": "double", "writable": true},
            {"@type": "Command", "name": "blink", "request": {"name": "times", "schema": "integer"}},
        ],
    });
    let (status, text) = visitor
        .submit("/new/template", &[("model", &interface.to_string())])
        .await;
    assert!(
        status == 200 && text.contains("The template is saved and published"),
        "{text}"
    );
    let shown = words(&text);
    for part in [
        "A &lt;lamp&gt;",
        "brightness Property, writable double",
        "blink Command integer",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let (_, template) = rest.get("deviceTemplates/dtmi%3Acom%3Aexample%3ALamp%3B1").await;
    assert_eq!(template["capabilityModel"], interface);

    // As it was exported; it replaces only if it is told to.
    let text = template.to_string();
    let (status, shown) = visitor.submit("/new/template", &[("model-text", &text)]).await;
    assert!(
        status == 409 && shown.contains("There is a template dtmi:com:example:Lamp;1 already"),
        "{shown}"
    );
    assert!(
        shown.contains("&quot;blink&quot;"),
        "what was sent is there to be corrected: {shown}"
    );
    let (status, shown) = visitor
        .submit("/new/template", &[("model-text", &text), ("replace", "true")])
        .await;
    assert_eq!(status, 200, "{shown}");

    rest.put("devices/lamp-1", json!({"template": "dtmi:com:example:Lamp;1"}))
        .await;
    let shown = words(&visitor.get("/templates").await.1);
    assert!(shown.contains("A &lt;lamp&gt; dtmi:com:example:Lamp;1 1"), "{shown}");
    for (model, problem) in [
        ("", "Choose a file"),
        ("{", "That is no JSON"),
        ("[]", "It has no @id"),
        (r#"{"@id": "lamp", "@type": "Interface"}"#, "That was refused"),
        (
            r#"{"@id": "dtmi:a;1", "@type": "Interface", "contents": [{"@type": "Telemetry"}]}"#,
            "That was refused",
        ),
    ] {
        let (status, text) = visitor.submit("/new/template", &[("model-text", model)]).await;
        assert!(status.is_client_error(), "{text}");
        let (_, beside) = text.split_once(r#"id="model-problem" role="alert">"#).unwrap();
        assert!(beside.split("</p>").next().unwrap().contains(problem), "{text}");
    }
    let path = "/templates/dtmi%3Acom%3Aexample%3ALamp%3B1";
    let (status, text) = visitor.submit(&format!("{path}/delete"), &[]).await;
    assert!(status == 200 && text.contains("There is no template yet"), "{text}");
    assert_eq!(visitor.get(path).await.0, 404);
}

#[tokio::test]
async fn a_token_is_shown_once_and_opens_until_it_is_deleted() {
    let emulator = emulator().await;
    let rest = Rest::new(&emulator);
    let visitor = Visitor::signed_in(&emulator).await;
    let (_, roles) = rest.get("roles").await;
    let role = |name: &str| -> String {
        let roles = roles["value"].as_array().unwrap();
        let role = roles.iter().find(|role| role["displayName"] == name).unwrap();
        role["id"].as_str().unwrap().to_owned()
    };
    let fields = [("id", "ci"), ("role", &*role("Operator")), ("days", "30")];
    let (status, text) = visitor.submit("/new/token", &fields).await;
    assert!(status == 200 && text.contains("it is not shown again"), "{text}");
    let (_, secret) = text.split_once(r#"<code id="token">"#).unwrap();
    let secret = secret.split('<').next().unwrap().replace("&amp;", "&");
    let ci = rest.clone().with_token(&secret);
    assert_eq!(ci.get("devices").await.0, 200);
    assert_eq!(ci.get("apiTokens").await.0, 403, "an operator may not");
    let (_, shown) = visitor.get("/tokens").await;
    assert!(
        words(&shown).contains("ci Operator") && !shown.contains(&secret[..60]),
        "{shown}"
    );

    for (id, field, problem) in [
        ("", "id", "A token needs a name."),
        ("ci", "id", "there is such a token already"),
        ("a b", "id", "letters, digits and dashes"),
    ] {
        let (status, text) = visitor
            .submit("/new/token", &[("id", id), ("role", &role("Builder"))])
            .await;
        assert!(status.is_client_error(), "{text}");
        let (_, beside) = text
            .split_once(&format!(r#"id="{field}-problem" role="alert">"#))
            .unwrap();
        assert!(beside.split("</p>").next().unwrap().contains(problem), "{text}");
    }
    assert_eq!(
        visitor.submit("/new/token", &[("id", "x"), ("role", "none")]).await.0,
        422
    );
    let (_, text) = visitor.submit("/tokens/ci/delete", &[]).await;
    assert!(text.contains("it opens nothing any more"), "{text}");
    assert_eq!(ci.get("devices").await.0, 401);
    let left: Value = rest.get("apiTokens").await.1["value"].clone();
    assert_eq!(left, json!([]));
}

#[tokio::test]
async fn what_a_template_does_not_have_is_on_the_device_page_and_beside_its_raw_data() {
    let emulator = emulator().await;
    let rest = Rest::new(&emulator);
    let visitor = Visitor::signed_in(&emulator).await;
    let root = Party::root("root");
    rest.enroll_group("g", &root).await;
    // It announces the thermostat's model at its registration, and so gets that template.
    let mut device = Device::online(&emulator, &root.leaf("t-1"), "t-1").await;
    device
        .publish("devices/t-1/messages/events/", r#"{"temperature":20.5}"#)
        .await;
    let (_, shown) = visitor.get("/devices/t-1").await;
    assert!(!shown.contains("Not in its template"), "{shown}");
    for _ in 0..2 {
        device
            .publish("devices/t-1/messages/events/", r#"{"temprature":20.5}"#)
            .await;
    }
    for path in ["/devices/t-1", "/devices/t-1/raw"] {
        let shown = words(&visitor.get(path).await.1);
        let mark = "temprature is not telemetry of the model; did you mean `temperature`? telemetry, unmodeled 2";
        assert!(shown.contains("Not in its template") && shown.contains(mark), "{shown}");
    }
    let journal = words(&visitor.get("/journal").await.1);
    assert!(journal.contains("unmodeled of telemetry, unmodeled"), "{journal}");
}
