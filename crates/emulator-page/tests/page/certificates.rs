//! Which certificates a device came in with, by which CA, and why another was refused: as a person sees it.

use serde_json::json;
use testing::device::{Device, Hello};
use testing::party::Party;
use testing::rest::{Rest, encode};

use crate::visitor::{Visitor, emulator};

#[tokio::test]
async fn a_device_shows_its_leaf_its_chain_and_the_ca_that_let_it_in_and_the_group_counts_both() {
    let emulator = emulator().await;
    let rest = Rest::new(&emulator);
    let (root, next) = (Party::root("my_root"), Party::root("next"));
    rest.enroll_group("g", &root).await;
    let factory = root.intermediate("factory");
    Device::register(&emulator, &factory.leaf("t-1"), "t-1").await;
    Device::register(&emulator, &root.leaf("t-2"), "t-2").await;
    let visitor = Visitor::signed_in(&emulator).await;
    let (_, text) = visitor.get("/devices/t-1").await;
    for part in [
        "<dd>CN=t-1</dd>",
        "<dd>CN=factory</dd>",
        "1 January 2040",
        "It sent 2 more with it",
        "<dd>CN=my_root</dd>",
        "group <strong>g</strong>, primary CA CN=my_root",
        "<dt>Different leaves</dt><dd>1</dd>",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(visitor.get("/").await.1.contains("2 came through CN=my_root (primary)"));

    let secondary = json!({"certificate": encode(&next.pem), "verified": true});
    let path = "enrollmentGroups/g/certificates/secondary";
    assert_eq!(rest.put(path, secondary).await.0, 200);
    Device::register(&emulator, &next.leaf("t-1"), "t-1").await;
    let (_, text) = visitor.get("/devices/t-1").await;
    assert!(text.contains("secondary CA CN=next"), "{text}");
    assert!(text.contains("<dt>Different leaves</dt><dd>2</dd>"), "{text}");
}

#[tokio::test]
async fn a_refused_device_has_a_page_with_the_reason_and_what_it_sent() {
    let emulator = emulator().await;
    let rest = Rest::new(&emulator);
    let root = Party::root("factory_root");
    let body = json!({"displayName": "u", "type": "iot", "attestation": {"type": "x509", "x509": {
        "signingCertificates": {"primary": {"certificate": encode(&root.pem), "verified": false}}}}});
    assert_eq!(rest.put("enrollmentGroups/u", body).await.0, 200);
    let leaf = root.leaf("t-1");
    let stranger = Visitor::new(&emulator);
    for path in ["/refused", "/refused/t-1", "/live/refused", "/live/refused/t-1"] {
        assert_eq!(stranger.get(path).await.0, 401, "{path}");
    }
    let visitor = Visitor::signed_in(&emulator).await;
    assert!(visitor.get("/refused").await.1.contains("No device has been refused"));
    assert_eq!(visitor.get("/refused/t-1").await.0, 404);

    Device::greet(&emulator, Some(&leaf), Hello::dps("t-1")).await;
    let words =
        "the chain leads to `CN=factory_root`, the primary CA of enrollment group `u`, and that CA is not verified";
    for path in ["/refused", "/refused/t-1", "/refused/T-1", "/devices/t-1", "/journal"] {
        let (_, text) = visitor.get(path).await;
        assert!(text.contains(words), "{path}: {text}");
    }
    let (_, text) = visitor.get("/refused/t-1").await;
    assert!(
        text.contains("ca not verified") && text.contains("<dd>CN=t-1</dd>"),
        "{text}"
    );
    assert!(
        text.contains("It sent 1 more with it") && text.contains("nothing"),
        "{text}"
    );

    rest.enroll_group("u", &root).await;
    Device::register(&emulator, &leaf, "t-1").await;
    assert!(visitor.get("/refused").await.1.contains("admitted"));

    // What a client sends is text, never markup.
    Device::greet(&emulator, Some(&Party::self_signed("<b>")), Hello::dps("t-3")).await;
    let (_, text) = visitor.get("/refused/t-3").await;
    assert!(text.contains("CN=&lt;b&gt;") && !text.contains("<b>"), "{text}");
}
