//! The page, as a browser and as an intruder ask for it. How it looks and moves is tried with a real
//! browser, in the launcher's tests.

use iot_emulator::{Config, Event, Quota};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use serde_json::{Value, json};

use testing::device::{DPS_FILTER, Device, Hello, REGISTER};
use testing::emulator::{Place, config};
use testing::party::Party;
use testing::rest::{self, Rest, encode};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use crate::visitor::{Visitor, emulator};

const VIEWS: [&str; 29] = [
    "/devices/t-1/raw",
    "/live/devices/t-1/raw",
    "/devices/t-1/commands",
    "/live/devices/t-1/commands",
    "/templates",
    "/templates/x",
    "/new/template",
    "/tokens",
    "/new/token",
    "/new/device",
    "/devices/t-1/connect",
    "/live/devices/t-1/connect",
    "/groups",
    "/live/groups",
    "/new/group",
    "/groups/g",
    "/live/groups/g",
    "/groups/g/primary",
    "/groups/g/secondary",
    "/faults",
    "/live/faults",
    "/",
    "/live",
    "/devices",
    "/live/devices",
    "/devices/t-1",
    "/live/devices/t-1",
    "/journal",
    "/live/journal",
];

#[tokio::test]
async fn without_a_session_there_is_nothing_but_the_form() {
    let emulator = emulator().await;
    let visitor = Visitor::new(&emulator);
    Rest::new(&emulator).put("devices/t-1", json!({})).await;
    for path in VIEWS {
        let (status, text) = visitor.get(path).await;
        assert_eq!(status, 401, "{path}");
        assert!(text.contains("API token") && !text.contains("t-1"), "{path}: {text}");
    }
    let here = Some(visitor.base.as_str());
    for path in [
        "/devices/t-1/enabled",
        "/devices/t-1/target",
        "/devices/t-1/report",
        "/devices/t-1/command",
        "/faults/preset",
        "/faults/rules",
        "/faults/remove",
        "/new/template",
        "/templates/x/delete",
        "/new/token",
        "/tokens/x/delete",
        "/new/device",
        "/devices/t-1/delete",
        "/devices/t-1/connect",
        "/devices/t-1/connect/delete",
        "/devices/t-1/connect/delete-secondary",
        "/new/group",
        "/groups/g/enabled",
        "/groups/g/delete",
        "/groups/g/primary",
        "/groups/g/primary/code",
        "/groups/g/secondary/verify",
        "/groups/g/secondary/delete",
        "/sign-out",
    ] {
        assert_eq!(visitor.post(path, here, "enabled=false").await.0, 401, "{path}");
    }
    assert_eq!(visitor.get("/sign-in").await.0, 200);
    assert_eq!(visitor.get("/sign-in?code=").await.0, 401);
    let forged = Visitor {
        cookie: Some(format!("iot-emulator-{}=", emulator.http().port())),
        ..visitor
    };
    assert_eq!(forged.get("/").await.0, 401);
}

#[tokio::test]
async fn a_link_lets_in_once_and_the_session_ends_on_request() {
    let emulator = emulator().await;
    let (status, refused) = Rest::new(&emulator)
        .with_token("SharedAccessSignature guessed")
        .raw(Method::POST, "/emulator/sign-in", None)
        .await;
    assert_eq!((status.as_u16(), refused.get("path")), (401, None));
    let (status, link) = Rest::new(&emulator).raw(Method::POST, "/emulator/sign-in", None).await;
    assert_eq!(status, 201);
    let path = link["path"].as_str().unwrap();

    let mut visitor = Visitor::new(&emulator);
    let link = format!("{}{path}", visitor.base);
    let welcome = visitor.follow(&link).await;
    let cookie = welcome.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(
        cookie.contains("; HttpOnly; SameSite=Strict") && !cookie.contains("Secure"),
        "{cookie}"
    );
    assert_eq!(visitor.get("/").await.0, 200);

    let mut second = Visitor::new(&emulator);
    let refused = second.follow(&link).await;
    assert_eq!((refused.status().as_u16(), second.cookie.is_none()), (401, true));
    assert!(refused.text().await.unwrap().contains("has been used"));

    let here = Some(visitor.base.as_str());
    let mut open = visitor.request(Method::GET, "/live").send().await.unwrap();
    assert!(open.chunk().await.unwrap().is_some());
    assert_eq!(visitor.post("/sign-out", here, "").await.0, 200);
    assert_eq!(visitor.get("/").await.0, 401);
    while open.chunk().await.unwrap().is_some() {}
}

#[tokio::test]
async fn the_token_lets_in_by_the_form_and_over_tls_the_cookie_is_for_tls_only() {
    let emulator = emulator().await;
    let base = format!("https://localhost:{}", emulator.https().port());
    let sign_in = async |token: &str| {
        let request = rest::client(&emulator, None).post(format!("{base}/sign-in"));
        let escaped = token.replace('&', "%26").replace('=', "%3D").replace(' ', "+");
        let request = request.header("Content-Type", "application/x-www-form-urlencoded");
        let request = request.header("Sec-Fetch-Site", "same-origin");
        request.body(format!("token={escaped}")).send().await.unwrap()
    };
    let refused = sign_in("SharedAccessSignature sr=x&sig=y").await;
    assert_eq!(
        (refused.status().as_u16(), refused.headers().get("set-cookie")),
        (401, None)
    );
    let welcome = sign_in(emulator.api_token()).await;
    assert_eq!(welcome.status(), 200);
    assert!(welcome.headers()["set-cookie"].to_str().unwrap().ends_with("; Secure"));
    assert!(!welcome.text().await.unwrap().contains(emulator.api_token()));
}

#[tokio::test]
async fn a_form_that_another_site_sends_changes_nothing() {
    let emulator = emulator().await;
    let rest = Rest::new(&emulator);
    rest.put("devices/t-1", json!({})).await;
    let visitor = Visitor::signed_in(&emulator).await;
    let enabled = async || rest.get("devices/t-1").await.1["enabled"].clone();
    for foreign in [
        None,
        Some("http://127.0.0.1:1"),
        Some("https://example.com"),
        Some("null"),
    ] {
        let (status, _) = visitor.post("/devices/t-1/enabled", foreign, "enabled=false").await;
        assert_eq!((status.as_u16(), enabled().await), (403, json!(true)), "{foreign:?}");
    }
    let here = Some(visitor.base.as_str());
    let (status, text) = visitor.post("/devices/t-1/enabled", here, "enabled=false").await;
    assert_eq!((status.as_u16(), enabled().await), (200, json!(false)), "{text}");
    assert!(text.contains("is blocked") && text.contains("Approve"), "{text}");
}

#[tokio::test]
async fn what_others_have_written_is_text_and_the_browser_may_run_nothing_of_it() {
    let emulator = emulator().await;
    let rest = Rest::new(&emulator);
    let evil = "<script>alert(1)</script>";
    let certificate = json!({"certificate": encode(&Party::root("<i>root</i>").pem), "verified": true});
    let body = json!({"displayName": evil, "type": "iot", "attestation": {"type": "x509", "x509": {
        "signingCertificates": {"primary": certificate}}}});
    let (status, answer) = rest.put("enrollmentGroups/group", body).await;
    assert_eq!(status, 200, "{answer}");
    let visitor = Visitor::signed_in(&emulator).await;
    let answer = visitor.request(Method::GET, "/").send().await.unwrap();
    let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(
        policy.starts_with("default-src 'none'; script-src 'self'") && !policy.contains("unsafe"),
        "{policy}"
    );
    assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let text = answer.text().await.unwrap();
    assert!(!text.contains("<script>") && text.contains("&lt;script&gt;"), "{text}");
    assert!(!text.contains("<i>") && text.contains("root"), "{text}");
    for path in [
        "/devices?id=%22%3E%3Cscript%3E",
        "/journal?device=%22%3E%3Cscript%3E",
        "/devices/%22%3E%3Cscript%3E",
    ] {
        let (_, text) = visitor.get(path).await;
        assert!(
            !text.contains("<script>") && text.contains("&lt;script&gt;"),
            "{path}: {text}"
        );
    }
}

#[tokio::test]
async fn a_list_of_many_devices_comes_a_page_at_a_time_and_can_be_narrowed() {
    let emulator = emulator().await;
    let rest = Rest::new(&emulator);
    for number in 0..60 {
        let (status, _) = rest
            .put(&format!("devices/t-{number:02}"), json!({"enabled": number != 7}))
            .await;
        assert_eq!(status, 200);
    }
    let visitor = Visitor::signed_in(&emulator).await;
    let shown = async |path: &str| {
        let (status, text) = visitor.get(path).await;
        assert_eq!(status, 200, "{path}");
        (text.matches("<th scope=\"row\">").count(), text)
    };
    let (count, text) = shown("/devices").await;
    assert!(count == 25 && text.contains("1–25 of 60"), "{count}: {text}");
    let (count, text) = shown("/devices?page=2").await;
    assert!(count == 10 && text.contains("51–60 of 60"), "{count}: {text}");
    assert_eq!(shown("/devices?page=999999999").await.0, 10);
    assert_eq!(shown("/devices?id=T-0").await.0, 10);
    assert_eq!(shown("/devices?state=waiting").await.0, 1);
    assert_eq!(shown("/devices?state=online").await.0, 0);
    assert_eq!(visitor.get("/devices/t-99").await.0, 404);
    let (_, text) = visitor.get("/").await;
    assert!(
        text.contains(r#"<dd id="registered">59</dd>"#) && text.contains(r#"<dd id="waiting">1</dd>"#),
        "{text}"
    );
}

#[tokio::test]
async fn a_live_view_sends_what_changes_and_nothing_twice_and_does_not_keep_the_emulator_from_stopping() {
    let emulator = emulator().await;
    let visitor = Visitor::signed_in(&emulator).await;
    let mut open = visitor.request(Method::GET, "/live/devices").send().await.unwrap();
    assert_eq!(open.headers()["content-type"], "text/event-stream");
    let mut next = async || -> Value {
        let chunk = open.chunk().await.unwrap().unwrap();
        let text = std::str::from_utf8(&chunk).unwrap().trim().to_owned();
        serde_json::from_str(text.strip_prefix("data: ").unwrap()).unwrap()
    };
    let first = next().await;
    assert_eq!(first[0]["id"], "list");
    assert!(first[0]["html"].as_str().unwrap().contains("No device fits"), "{first}");
    let rest = Rest::new(&emulator);
    rest.put("devices/t-1", json!({})).await;
    let second = next().await;
    assert!(second[0]["html"].as_str().unwrap().contains("t-1"), "{second}");

    emulator.shutdown().await;
    // Had it been cut off, this would be an error and not the end.
    assert!(open.chunk().await.unwrap().is_none());
}

#[tokio::test]
async fn a_preset_that_is_added_meets_devices_until_it_is_removed() {
    let emulator = emulator().await;
    let (rest, root) = (Rest::new(&emulator), Party::root("root"));
    rest.enroll_group("g", &root).await;
    let visitor = Visitor::signed_in(&emulator).await;
    let here = Some(visitor.base.as_str());
    let registers = async |id: &str| {
        let mut device = Device::connect(&emulator, &root.leaf(id), Hello::dps(id)).await;
        device.subscribe(DPS_FILTER).await;
        device.publish(REGISTER, "").await;
        let (topic, _) = device.message().await;
        topic["$dps/registrations/res/".len()..][..3].to_owned()
    };
    assert!(visitor.get("/faults").await.1.contains("Every device gets"));
    assert!(!visitor.get("/").await.1.contains("badge wait\">faults"));

    let preset = "preset=throttled-dps";
    assert_eq!(visitor.post("/faults/preset", None, preset).await.0, 403);
    let (status, text) = visitor.post("/faults/preset", here, preset).await;
    assert!(status == 201 && text.contains("are added."), "{status} {text}");
    assert_eq!(registers("t-1").await, "429");
    let (_, text) = visitor.get("/faults").await;
    for part in [
        "A device registers",
        "The answer is 429, try again after 5s",
        "for 20s",
        r#"data-label="Hits">1</td>"#,
        "failing-polls",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(visitor.get("/").await.1.contains("2 rules are on"));
    let (status, text) = visitor.post("/faults/preset", here, preset).await;
    assert!(
        status == 409 && text.contains("there is a rule `throttled` already"),
        "{text}"
    );

    let (status, text) = visitor.post("/faults/remove", here, "id=throttled").await;
    assert!(
        status == 200 && text.contains("is removed") && !text.contains("The answer is 429"),
        "{text}"
    );
    assert_eq!(registers("t-2").await, "202");
    assert_eq!(visitor.post("/faults/remove", here, "id=throttled").await.0, 404);
    assert_eq!(
        visitor.post("/faults/remove", here, "").await.0,
        400,
        "all of it is text, never markup"
    );
    let left = async || rest.raw(Method::GET, "/emulator/faults", None).await.1["value"].clone();
    assert_eq!(left().await[0]["id"], "failing-polls");
    assert_eq!(visitor.post("/faults/remove", here, "all=true").await.0, 200);
    assert_eq!(left().await, json!([]));
}

#[tokio::test]
async fn rules_that_are_wrong_are_refused_beside_their_text_and_right_ones_are_added() {
    let emulator = emulator().await;
    let visitor = Visitor::signed_in(&emulator).await;
    let here = Some(visitor.base.as_str());
    let send = async |rules: &str| {
        let form = format!("rules={}", utf8_percent_encode(rules, NON_ALPHANUMERIC));
        visitor.post("/faults/rules", here, &form).await
    };
    let wrong = "[[rule]]\nphase = \"telemetri\"\nprobability = 2\nverdict = \"</textarea>\"";
    let (status, text) = send(wrong).await;
    assert_eq!(status, 422, "{text}");
    for part in [
        "`rule.0.phase`: `telemetri` is not one of them; accepted: accept, tls",
        "`rule.0.probability`: 2 is too large",
        "phase = &quot;telemetri&quot;",
        "verdict = &quot;&lt;/textarea&gt;&quot;</textarea>",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    for (unreadable, problem) in [
        ("[[rule", "TOML parse error"),
        ("{\"phase\":", "EOF while parsing"),
        ("# nothing", "There is no rule in it"),
        ("{}", "There was no rule in it"),
    ] {
        let (_, text) = send(unreadable).await;
        assert!(text.contains(problem) && text.contains("Every device gets"), "{text}");
    }

    let toml = "[[rule]]\nid = \"from-toml\"\nphase = \"telemetry\"\ndevice = \"<i>*\"\nverdict = \"no-ack\"";
    let (status, text) = send(toml).await;
    assert!(status == 201 && !text.contains("[[rule]]\nid"), "{text}");
    assert!(text.contains("devices &lt;i&gt;*") && !text.contains("<i>"), "{text}");
    let (status, text) = send(r#" {"phase":"twin-get","verdict":"drop","enabled":false}"#).await;
    assert!(
        status == 201 && text.contains("rule-1") && text.contains(">off<"),
        "{text}"
    );
    assert!(visitor.get("/").await.1.contains("1 rule is on"), "one of two");
}

#[tokio::test]
async fn neither_quotas_nor_faults_are_in_the_way_of_a_click_and_the_page_shows_which_quota_is_on() {
    let config = Config {
        quota: Quota::load("iot-central").unwrap(),
        ..config()
    };
    let emulator = emulator_page::start(config).await.unwrap();
    let rest = Rest::new(&emulator);
    rest.put("devices/t-1", json!({})).await;
    let rule = json!({"phase": "rest", "verdict": "answer", "status": 503});
    assert_eq!(rest.raw(Method::POST, "/emulator/faults", Some(rule)).await.0, 201);
    assert_eq!(rest.get("devices/t-1").await.0, 503);
    let visitor = Visitor::signed_in(&emulator).await;
    let here = Some(visitor.base.as_str());
    let (status, text) = visitor.post("/devices/t-1/enabled", here, "enabled=false").await;
    assert!(status == 200 && text.contains("is blocked"), "{text}");
    assert_eq!(emulator.stats().faults, 1);
    let (_, text) = visitor.get("/").await;
    assert!(
        text.contains("quota</span> iot-central") && text.contains("1 rule is on"),
        "{text}"
    );
}

#[tokio::test]
async fn what_the_quota_throttles_is_counted_apart_from_what_is_refused() {
    let config = Config {
        quota: Some(Quota::parse("[dps]\nregistrations = \"1/min\"").unwrap()),
        ..config()
    };
    let emulator = emulator_page::start(config).await.unwrap();
    let root = Party::root("factory");
    Rest::new(&emulator).enroll_group("g", &root).await;
    let leaf = root.leaf("t-1");
    Device::register(&emulator, &leaf, "t-1").await;
    let mut device = Device::connect(&emulator, &leaf, Hello::dps("t-1")).await;
    device.subscribe(DPS_FILTER).await;
    device.publish(REGISTER, "").await;
    let (topic, _) = device.message().await;
    assert!(topic.starts_with("$dps/registrations/res/429/"), "{topic}");
    let (_, text) = Visitor::signed_in(&emulator).await.get("/").await;
    assert!(
        text.contains(r#"id="throttled">1<"#) && text.contains(r#"id="refused">0<"#),
        "{text}"
    );
}

#[tokio::test]
async fn a_certificate_that_dps_will_refuse_for_its_name_is_reported_where_it_is_shown() {
    let emulator = emulator().await;
    let rest = Rest::new(&emulator);
    rest.put("devices/t-1", json!({})).await;
    let visitor = Visitor::signed_in(&emulator).await;
    let upload = async |secondary: &str| {
        let (primary, secondary) = (Party::self_signed("t-1"), Party::self_signed(secondary));
        let (status, answer) = rest.attest("t-1", &primary, Some(&secondary)).await;
        assert_eq!(status, 200, "{answer}");
        visitor.get("/devices/t-1").await.1
    };
    let words = "its common name is not the device id";
    let text = upload("mytestselfcertsecondary").await;
    assert_eq!(text.matches(words).count(), 1, "{text}");
    assert!(
        text.contains("The secondary certificate is for CN=mytestselfcertsecondary"),
        "{text}"
    );
    let recorded: Vec<_> = emulator.journal().since(0);
    let of_name = |entry: &iot_emulator::Entry| {
        entry.event
            == Event::CertificateOfAnotherName {
                slot: "secondary",
                common_name: Some("mytestselfcertsecondary".into()),
            }
    };
    assert!(recorded.iter().any(of_name), "{recorded:?}");
    // DPS compares without case.
    let text = upload("T-1").await;
    assert!(!text.contains(words), "{text}");
}

#[tokio::test]
async fn a_device_can_be_asked_to_try_again_where_a_run_listens_and_otherwise_the_page_says_what_helps() {
    let folder = tempfile::TempDir::new().unwrap();
    let socket = folder.path().join("control.sock");
    let listener = tokio::net::UnixListener::bind(&socket).unwrap();
    let run = tokio::spawn(async move {
        let mut asked = Vec::new();
        for answer in [
            r#"{"type":"done","id":1,"devices":1}"#,
            r#"{"type":"done","id":1,"devices":0}"#,
            r#"{"type":"refused","id":1,"message":"no process is left"}"#,
            "",
        ] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut line = String::new();
            BufReader::new(&mut stream).read_line(&mut line).await.unwrap();
            asked.push(line);
            stream.write_all(format!("{answer}\n").as_bytes()).await.unwrap();
        }
        asked
    });
    let emulator = emulator_page::start_for(config(), Some(socket)).await.unwrap();
    Rest::new(&emulator).put("devices/t-1", json!({})).await;
    let visitor = Visitor::signed_in(&emulator).await;
    let here = Some(visitor.base.as_str());
    for (status, words) in [
        (200, "It tries again now."),
        (409, "no such device that waits after a failure"),
        (502, "can’t be asked: no process is left."),
        (502, "can’t be asked: it has ended."),
    ] {
        let (got, text) = visitor.post("/devices/t-1/retry", here, "").await;
        assert!(got == status && text.contains(words), "{got}: {text}");
    }
    let asked = run.await.unwrap();
    let asked: Value = serde_json::from_str(&asked[0]).unwrap();
    assert_eq!(asked, json!({"id": 1, "do": "retry", "devices": ["t-1"]}));
    let (got, text) = visitor.post("/devices/t-1/retry", here, "").await;
    // Refused; or reset, where a process that another test is just starting still had the socket.
    let words = ["Connection refused", "Connection reset"];
    assert!(
        got == 502 && words.iter().any(|words| text.contains(words)),
        "{got}: {text}"
    );

    let alone = emulator_page::start(config()).await.unwrap();
    Rest::new(&alone).put("devices/t-1", json!({})).await;
    let visitor = Visitor::signed_in(&alone).await;
    let (got, text) = visitor
        .post("/devices/t-1/retry", Some(visitor.base.as_str()), "")
        .await;
    assert!(
        got == 409 && text.contains("fleet ctl MANIFEST retry --device t-1"),
        "{got}: {text}"
    );
}
