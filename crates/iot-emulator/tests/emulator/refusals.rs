//! Each kind of refusal has a word and a sentence of its own in the journal, while the device gets the same answer for
//! all of them, as from Azure; and what came in, and what did not, can be looked at.

use std::sync::{Arc, Mutex};

use axum::Router;
use iot_emulator::view::{Through, View};
use iot_emulator::{Config, Emulator, Event};
use rumqttc::mqttbytes::v4::ConnectReturnCode;
use serde_json::json;
use testing::device::{Device, Hello};
use testing::emulator::config;
use testing::party::Party;
use testing::rest::{Rest, encode};

/// Sends the first `count` certificates of a party's chain to DPS.
async fn at_dps(emulator: &Emulator, party: &Party, count: usize, id: &str) -> ConnectReturnCode {
    let chain = party.chain().into_iter().take(count).collect();
    let stream = Device::handshake(emulator, chain, party.key(), &rustls::version::TLS12).await;
    Device::over(stream.unwrap()).hello(Hello::dps(id)).await.code
}

/// The word and the sentence of the last refusal.
fn last(emulator: &Emulator) -> (String, String) {
    let refusal = |event: &Event| match event {
        Event::Refused { why, reason, .. } | Event::RegistrationRefused { why, reason } => Some((
            serde_json::to_value(why).unwrap().as_str().unwrap().to_owned(),
            reason.clone(),
        )),
        _ => None,
    };
    let journal = emulator.journal().since(0);
    journal.iter().rev().find_map(|entry| refusal(&entry.event)).unwrap()
}

/// An emulator, and what may be read of it.
async fn emulator() -> (Emulator, View) {
    looked_at(config()).await
}

/// An emulator of this kind, and what may be read of it.
pub(crate) async fn looked_at(config: Config) -> (Emulator, View) {
    let kept = Arc::new(Mutex::new(None));
    let emulator = Emulator::start_with(config, |listener| {
        kept.lock().unwrap().replace(listener.view());
        Router::new()
    })
    .await;
    let view = kept.lock().unwrap().take().unwrap();
    (emulator.unwrap(), view)
}

async fn group(rest: &Rest, id: &str, ca: &Party, is_verified: bool) {
    let body = json!({"displayName": id, "type": "iot", "attestation": {"type": "x509", "x509": {
        "signingCertificates": {"primary": {"certificate": encode(&ca.pem), "verified": is_verified}}}}});
    assert_eq!(rest.put(&format!("enrollmentGroups/{id}"), body).await.0, 200);
}

#[tokio::test]
async fn every_refusal_of_dps_has_a_word_and_a_sentence_and_the_device_gets_one_answer() {
    let (emulator, _) = emulator().await;
    let rest = Rest::new(&emulator);
    let (root, unverified, stranger) = (Party::root("root"), Party::root("unver root"), Party::root("stranger"));
    group(&rest, "g", &root, true).await;
    group(&rest, "unver", &unverified, false).await;
    let (primary, secondary) = (Party::self_signed("lab"), Party::self_signed("lab"));
    rest.enroll_individual("lab", &primary).await;
    rest.attest("lab", &primary, Some(&secondary)).await;
    let misnamed = Party::self_signed("t-1");
    rest.enroll_individual("lab-2", &misnamed).await;
    let thumbprint = async |path: &str, slot: &str| {
        let (_, answer) = rest.get(path).await;
        answer["x509"]["clientCertificates"][slot]["info"]["sha1Thumbprint"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let [first, second] = [
        thumbprint("devices/lab/attestation", "primary").await,
        thumbprint("devices/lab/attestation", "secondary").await,
    ];

    let factory = root.intermediate("factory");
    let (below, forged) = (factory.leaf("t-1"), Party::root("root").leaf("t-1"));
    let all = 9;
    let enrolled = format!(", not {first} (primary) or {second} (secondary)");
    let table: [(&str, &Party, usize, &str, &str); 13] = [
        (
            "t-1",
            &root.leaf("t-2"),
            all,
            "common_name",
            "is `t-2`, not the id `t-1`",
        ),
        (
            "t-1",
            &unverified.leaf("t-1"),
            all,
            "ca_not_verified",
            "the chain leads to `CN=unver root`, the primary CA of enrollment group `unver`, and that CA is not verified",
        ),
        (
            "t-1",
            &unverified.leaf("t-1"),
            1,
            "ca_not_verified",
            "the primary CA of enrollment group `unver`",
        ),
        (
            "t-1",
            &stranger.leaf("t-1"),
            all,
            "unknown_ca",
            "the chain ends at `CN=stranger`, which no enrollment group has as its CA",
        ),
        (
            "t-1",
            &below,
            1,
            "issuer_missing",
            "the chain ends at `CN=t-1`: its issuer `CN=factory` was not sent, and no enrollment group has it as its CA",
        ),
        (
            "t-9",
            &Party::self_signed("t-9"),
            all,
            "not_enrolled",
            "nobody has enrolled `CN=t-9`: it signed itself, and no individual enrollment has its thumbprint",
        ),
        ("lab", &root.leaf("lab"), all, "enrolled_individually", &enrolled),
        (
            "t-1",
            &misnamed,
            all,
            "enrolled_for_another",
            "the certificate is enrolled individually, for device `lab-2`",
        ),
        (
            "t-1",
            &root.expired_leaf("t-1"),
            all,
            "expired",
            "the certificate `CN=t-1` has expired: it was valid until 2021-01-01T00:00:00Z",
        ),
        (
            "t-1",
            &root.future_leaf("t-1"),
            all,
            "not_yet_valid",
            "the certificate `CN=t-1` is not valid yet: it is valid from 2039-01-01T00:00:00Z on",
        ),
        (
            "t-1",
            &forged,
            all,
            "another_issuer",
            "but by another certificate of that name",
        ),
        (
            "t-1",
            &root.intermediate("t-1"),
            all,
            "unfit",
            "`CN=t-1` is that of a certificate authority",
        ),
        ("t-1", &forged, 1, "another_issuer", "was not signed by `CN=root`"),
    ];
    for (id, party, count, word, words) in table {
        let answer = at_dps(&emulator, party, count, id).await;
        let (found, sentence) = last(&emulator);
        assert_eq!(
            (answer, found.as_str()),
            (ConnectReturnCode::NotAuthorized, word),
            "{sentence}"
        );
        assert!(sentence.contains(words), "{sentence}");
    }
    let (_, answer) = Device::greet(&emulator, None, Hello::dps("t-1")).await;
    assert_eq!(answer.code, ConnectReturnCode::NotAuthorized);
    assert_eq!(last(&emulator).0, "no_certificate");

    // Once a device has come the whole way, the group above the missing CA is known.
    Device::register(&emulator, &factory.leaf("t-7"), "t-7").await;
    at_dps(&emulator, &below, 1, "t-1").await;
    let (word, sentence) = last(&emulator);
    let words = "its issuer `CN=factory` was not sent, and enrollment group `g` has `CN=root` above it";
    assert!(word == "issuer_missing" && sentence.contains(words), "{sentence}");
    emulator.shutdown().await;
}

#[tokio::test]
async fn what_an_operator_forbids_and_what_a_hub_misses_have_words_of_their_own_too() {
    let (emulator, view) = emulator().await;
    let rest = Rest::new(&emulator);
    let root = Party::root("root");
    rest.enroll_group("g", &root).await;
    rest.enroll_individual("lab", &Party::self_signed("other")).await;
    let lab = Party::self_signed("lab");
    rest.attest("lab", &lab, None).await;
    let (first, second) = (root.leaf("t-1"), root.leaf("t-1"));
    Device::register(&emulator, &first, "t-1").await;
    let at_hub = async |party: &Party, id: &str| {
        let (_, answer) = Device::greet(&emulator, Some(party), Hello::hub(id)).await;
        assert_eq!(answer.code, ConnectReturnCode::NotAuthorized);
        last(&emulator)
    };
    assert_eq!(at_hub(&second, "t-1").await.0, "another_certificate");
    assert_eq!(at_hub(&root.leaf("t-2"), "t-2").await.0, "unknown_device");
    assert!(view.refused_device("t-1").unwrap().admitted().is_none());

    rest.patch("devices/lab", json!({"enabled": false})).await;
    let mut device = Device::connect(&emulator, &lab, Hello::dps("lab")).await;
    assert_eq!(device.registration("lab").await["status"], "disabled");
    assert_eq!(last(&emulator).0, "device_blocked");

    rest.patch("devices/t-1", json!({"enabled": false})).await;
    let answer = Device::register(&emulator, &second, "t-1").await;
    assert_eq!(answer["status"], "failed", "{answer}");
    assert_eq!(
        last(&emulator),
        ("device_blocked".into(), "the device is blocked".into())
    );

    rest.patch("enrollmentGroups/g", json!({"enabled": false})).await;
    let mut device = Device::connect(&emulator, &second, Hello::dps("t-1")).await;
    assert_eq!(device.registration("t-1").await["status"], "disabled");
    assert_eq!(
        last(&emulator),
        ("group_disabled".into(), "enrollment group `g` is disabled".into())
    );
    let refused = view.refused();
    let ids: Vec<_> = refused.iter().map(|device| (device.id(), device.count())).collect();
    assert_eq!(ids, [("t-1", 3), ("lab", 1), ("t-2", 1)]);
    emulator.shutdown().await;
}

#[tokio::test]
async fn a_device_shows_the_certificates_that_it_came_with_and_the_ca_that_let_it_in() {
    let (emulator, view) = emulator().await;
    let rest = Rest::new(&emulator);
    let (root, next) = (Party::root("root"), Party::root("next"));
    rest.enroll_group("g", &root).await;
    let factory = root.intermediate("factory");
    let (old, new) = (factory.leaf("t-1"), next.leaf("t-1"));
    let presented = |id: &str| {
        let application = view.application();
        let device = application.device(id)?;
        let in_hub = device.in_hub()?;
        in_hub.read().presented()
    };
    at_dps(&emulator, &factory.leaf("t-1"), 1, "t-1").await;
    assert!(presented("t-1").is_none());
    let refused = view.refused_device("T-1").unwrap();
    let sent: Vec<_> = refused.sent().map(|it| it.subject().to_owned()).collect();
    assert_eq!((sent, refused.count()), (vec!["CN=t-1".to_owned()], 1));

    Device::register(&emulator, &old, "t-1").await;
    Device::register(&emulator, &factory.leaf("t-2"), "t-2").await;
    assert!(view.refused_device("t-1").unwrap().admitted().is_some());
    let shown = presented("t-1").unwrap();
    assert_eq!((shown.leaf.subject(), shown.leaf.issuer()), ("CN=t-1", "CN=factory"));
    assert_eq!(shown.leaf.not_before(), Some("2020-01-01T00:00:00Z".parse().unwrap()));
    assert_eq!(shown.leaf.not_after(), Some("2040-01-01T00:00:00Z".parse().unwrap()));
    assert_eq!(
        (shown.leaf.sha1_thumbprint().len(), shown.leaf.sha256_thumbprint().len()),
        (40, 64)
    );
    let above: Vec<_> = shown.sent().map(|it| it.subject().to_owned()).collect();
    assert_eq!(
        (above, shown.leaves),
        (vec!["CN=factory".to_owned(), "CN=root".to_owned()], 1)
    );
    let Some(Through::Group {
        id: "g",
        is_primary: true,
        ca: "CN=root",
        thumbprint,
    }) = shown.through()
    else {
        panic!("{:?}", shown.through())
    };
    let counts = |view: &View| -> Vec<_> {
        let all = view.application().came_through();
        all.into_iter().map(|one| (one.group, one.ca, one.devices)).collect()
    };
    assert_eq!(counts(&view), [("g".to_owned(), "CN=root".to_owned(), 2)]);
    assert_eq!(view.application().came_through()[0].thumbprint, thumbprint);

    // A new CA beside the old one, and a new leaf below it.
    let secondary = json!({"certificate": encode(&next.pem), "verified": true});
    let path = "enrollmentGroups/g/certificates/secondary";
    assert_eq!(rest.put(path, secondary).await.0, 200);
    Device::register(&emulator, &new, "t-1").await;
    let shown = presented("t-1").unwrap();
    assert_eq!(shown.leaves, 2);
    assert!(
        matches!(
            shown.through(),
            Some(Through::Group {
                is_primary: false,
                ca: "CN=next",
                ..
            })
        ),
        "{:?}",
        shown.through()
    );
    let sums = counts(&view)
        .into_iter()
        .map(|(_, ca, devices)| format!("{ca} {devices}"));
    let mut sums: Vec<_> = sums.collect();
    sums.sort();
    assert_eq!(sums, ["CN=next 1", "CN=root 1"]);
    emulator.shutdown().await;
}

#[tokio::test]
async fn an_individual_shows_its_slot_and_after_a_restart_a_connect_shows_it_again() {
    let folder = tempfile::tempdir().unwrap();
    let settings = || Config {
        state: Some(folder.path().into()),
        ..config()
    };
    let (primary, secondary) = (Party::self_signed("lab"), Party::self_signed("lab"));
    let (emulator, view) = looked_at(settings()).await;
    let rest = Rest::new(&emulator);
    rest.enroll_individual("lab", &primary).await;
    rest.attest("lab", &primary, Some(&secondary)).await;
    let by = |view: &View| {
        let application = view.application();
        let shown = application.device("lab")?.in_hub()?.read().presented()?;
        match shown.through() {
            Some(Through::Individual { is_primary }) => Some(is_primary),
            _ => None,
        }
    };
    Device::register(&emulator, &primary, "lab").await;
    assert_eq!(by(&view), Some(true));
    Device::register(&emulator, &secondary, "lab").await;
    assert_eq!(by(&view), Some(false));
    drop(view);
    emulator.shutdown().await;

    let (emulator, view) = looked_at(settings()).await;
    assert_eq!(by(&view), None);
    let device = Device::connect(&emulator, &secondary, Hello::hub("lab")).await;
    assert_eq!(by(&view), Some(false));
    device.goodbye().await;
    emulator.shutdown().await;
}
