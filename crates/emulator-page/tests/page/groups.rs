//! Device connection groups, as a person makes, proves, watches and removes them.

use reqwest::Method;
use serde_json::json;

use testing::device::{Device, Hello};
use testing::party::Party;
use testing::rest::Rest;

use crate::visitor::{Visitor, emulator, words};

fn code(text: &str) -> String {
    let (_, rest) = text.split_once(r#"<code id="code">"#).unwrap();
    rest.split('<').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_group_that_is_made_and_proved_by_hand_admits_devices_and_shows_them() {
    let emulator = emulator().await;
    let visitor = Visitor::signed_in(&emulator).await;
    assert!(visitor.get("/groups").await.1.contains("There is no group yet"));
    let (status, text) = visitor
        .submit("/new/group", &[("name", "My group"), ("id", ""), ("type", "iot")])
        .await;
    assert_eq!(status, 200);
    assert!(
        text.contains("The group is made") && text.contains("My-group"),
        "{text}"
    );

    let root = Party::root("mytestrootcert");
    let primary = "/groups/My-group/primary";
    let (status, text) = visitor.submit(primary, &[("certificate", &root.pem)]).await;
    assert_eq!(status, 200);
    let shown = words(&text);
    for part in [
        "not verified",
        "Subject CN=mytestrootcert",
        "a root: it has signed itself",
        "Generate verification code",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let leaf = root.leaf("sample-device-01");
    let (_, refused) = Device::greet(&emulator, Some(&leaf), Hello::dps("sample-device-01")).await;
    assert_ne!(refused.code as u8, 0);

    // A second code makes the first one worthless, and another certificate proves nothing.
    let (_, text) = visitor.submit(&format!("{primary}/code"), &[]).await;
    let first = code(&text);
    let (_, text) = visitor.submit(&format!("{primary}/code"), &[]).await;
    let verify = format!("{primary}/verify");
    for (proof, problem) in [
        (
            root.leaf(&first),
            "the common name of the verification certificate is not the verification code",
        ),
        (
            Party::root("other").leaf(&code(&text)),
            "is not signed by the certificate to verify",
        ),
    ] {
        let (status, text) = visitor.submit(&verify, &[("proof-text", &proof.pem)]).await;
        assert_eq!(status, 422);
        let (_, beside) = text
            .split_once(r#"<p class="notice" id="proof-problem" role="alert">"#)
            .unwrap();
        assert!(
            beside.starts_with("That was refused") && beside.contains(problem),
            "{text}"
        );
    }
    let (status, text) = visitor
        .submit(&verify, &[("proof", ""), ("proof-text", &root.leaf(&code(&text)).pem)])
        .await;
    assert!(status == 200 && text.contains("it admits devices"), "{text}");
    assert!(!text.contains("Prove that it is yours"), "{text}");

    let device = Device::online(&emulator, &leaf, "sample-device-01").await;
    // It is counted once a second, so the first look may be at what was before.
    visitor.sees("/live/groups/My-group", "1 of them online").await;
    let shown = words(&visitor.get("/groups").await.1);
    assert!(
        shown.contains("My group IoT devices enabled verified none 1 1"),
        "{shown}"
    );
    device.goodbye().await;

    let (status, text) = visitor
        .submit("/groups/My-group/enabled", &[("enabled", "false")])
        .await;
    assert!(status == 200 && text.contains("The group is disabled"), "{text}");
    let (status, text) = visitor.submit(&format!("{primary}/delete"), &[]).await;
    assert!(status == 200 && text.contains("The certificate is deleted"), "{text}");
    let (status, text) = visitor.submit("/groups/My-group/delete", &[]).await;
    assert!(status == 200 && text.contains("There is no group yet"), "{text}");
    for path in ["/groups/My-group", primary] {
        let (status, text) = visitor.get(path).await;
        assert!(status == 404 && text.contains("The application has no group"), "{text}");
    }
}

#[tokio::test]
async fn an_intermediate_is_shown_below_the_root_of_another_group() {
    let emulator = emulator().await;
    let (rest, root) = (Rest::new(&emulator), Party::root("root"));
    let (factory, elsewhere) = (
        root.intermediate("factory"),
        Party::root("elsewhere").intermediate("stage"),
    );
    rest.enroll_group("all", &root).await;
    let visitor = Visitor::signed_in(&emulator).await;
    let made = visitor
        .submit("/new/group", &[("name", "one"), ("type", "iotEdge")])
        .await;
    assert_eq!(made.0, 200);
    for (slot, party) in [("primary", &factory), ("secondary", &elsewhere)] {
        let fields = [("certificate", party.pem.as_str()), ("verified", "true")];
        let (status, text) = visitor.submit(&format!("/groups/one/{slot}"), &fields).await;
        assert!(status == 200 && text.contains("it admits devices"), "{text}");
    }
    let shown = words(&visitor.get("/groups/one").await.1);
    assert!(shown.contains("Chain CN=factory CN=root of all a root"), "{shown}");
    assert!(
        shown.contains("signed by CN=elsewhere, which is not enrolled"),
        "{shown}"
    );
    assert!(shown.contains("IoT Edge devices"), "{shown}");
}

#[tokio::test]
async fn what_is_wrong_with_a_form_stands_beside_its_field_and_the_rest_is_kept() {
    let emulator = emulator().await;
    let root = Party::root("root");
    Rest::new(&emulator).enroll_group("taken", &root).await;
    let visitor = Visitor::signed_in(&emulator).await;
    for (name, id, status, field, problem) in [
        ("", "g", 422, "name", "A group needs a name."),
        ("–", "", 422, "id", "needs an ID of its own"),
        (
            "a &lt;b&gt;",
            "taken",
            409,
            "id",
            "There is a group with the ID taken already.",
        ),
        (
            "a &lt;b&gt;",
            "no blanks",
            400,
            "id",
            "at most 255 letters, digits and dashes",
        ),
    ] {
        let sent = name.replace("&lt;", "<").replace("&gt;", ">");
        let answer = visitor
            .submit("/new/group", &[("name", &sent), ("id", id), ("type", "iotEdge")])
            .await;
        assert_eq!(answer.0, status, "{}", answer.1);
        let (_, beside) = answer
            .1
            .split_once(&format!(r#"id="{field}-problem" role="alert">"#))
            .unwrap();
        assert!(beside.split('<').next().unwrap().contains(problem), "{}", answer.1);
        assert!(answer.1.contains(&format!(r#"value="{name}""#)) && answer.1.contains("autofocus"));
        assert!(answer.1.contains(r#"value="iotEdge" selected"#), "{}", answer.1);
    }
    visitor.submit("/new/group", &[("name", "g"), ("type", "iot")]).await;
    let leaf = root.leaf("t-1");
    let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    for (field, text, problem) in [
        ("certificate", "", "Choose a file, or paste"),
        ("certificate-text", "no certificate", "not an X.509 certificate"),
        ("certificate-text", key, "There is a private key in it"),
        (
            "certificate",
            leaf.pem.as_str(),
            "is not one of a certificate authority",
        ),
        (
            "certificate",
            root.pem.as_str(),
            "another enrollment uses the certificate",
        ),
    ] {
        let (status, text) = visitor
            .submit("/groups/g/secondary", &[(field, text), ("verified", "true")])
            .await;
        assert!(status.is_client_error(), "{text}");
        let (_, beside) = text.split_once(r#"id="certificate-problem" role="alert">"#).unwrap();
        assert!(beside.split("</p>").next().unwrap().contains(problem), "{text}");
        assert!(!text.contains("AAAA"), "a key is not shown again");
    }
    let (status, text) = visitor
        .submit("/groups/g/primary", &[("certificate", &"x".repeat(100_000))])
        .await;
    assert!(
        status == 413 && text.contains("What was sent is too large."),
        "{status} {text}"
    );
    assert_eq!(visitor.submit("/groups/nowhere/primary/code", &[]).await.0, 404);
}

#[tokio::test]
async fn a_path_that_nothing_serves_is_a_page_to_a_person_and_json_to_a_script() {
    let emulator = emulator().await;
    let (rest, visitor) = (Rest::new(&emulator), Visitor::signed_in(&emulator).await);
    for path in [
        "/nowhere",
        "/groups/g/tertiary",
        "/devices/t-1/nothing/here",
        "/%3Cscript%3E",
    ] {
        let answer = visitor.request(Method::GET, path).send().await.unwrap();
        assert_eq!(answer.status(), 404, "{path}");
        assert!(answer.headers().contains_key("content-security-policy"));
        let text = answer.text().await.unwrap();
        assert!(
            text.contains("There is no such page") && !text.contains("<script>"),
            "{text}"
        );
        for method in [Method::GET, Method::POST] {
            let (status, answer) = rest.raw(method, path, Some(json!({}))).await;
            assert_eq!(
                (status.as_u16(), &answer["error"]["code"]),
                (404, &json!("NotFound")),
                "{path}"
            );
        }
        let (status, answer) = rest.clone().with_token("").raw(Method::GET, path, None).await;
        assert_eq!(
            (status.as_u16(), &answer["error"]["code"]),
            (401, &json!("Unauthorized")),
            "{path}"
        );
    }
}
