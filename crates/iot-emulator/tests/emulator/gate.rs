//! Quotas and faults, as clients meet them.

use std::time::Duration;

use iot_emulator::{Config, DisconnectReason, Emulator, Event, FaultRules, Phase, Quota, Service};
use iot_protocol::id::HubHost;
use reqwest::Method;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{ConnectReturnCode, Packet, PubAck};
use serde_json::{Value, json};
use tokio::time::Instant;

use testing::device::{DPS_FILTER, Device, Hello, REGISTER};
use testing::emulator::{config, event};
use testing::party::Party;
use testing::rest::Rest;
use testing::soon;

const EVENTS: &str = "devices/t-1/messages/events/";
const TWIN_RESPONSES: &str = "$iothub/twin/res/#";

/// An emulator with these rules and this quota, a caller, and a leaf of a group.
async fn with(faults: &str, quota: &str) -> (Emulator, Rest, Party) {
    let config = Config {
        faults: FaultRules::parse(faults).unwrap(),
        quota: (!quota.is_empty()).then(|| Quota::parse(quota).unwrap()),
        seed: 7,
        ..config()
    };
    let emulator = Emulator::start(config).await.unwrap();
    let rest = Rest::new(&emulator);
    let root = Party::root("root");
    rest.enroll_group("g", &root).await;
    (emulator, rest, root.leaf("t-1"))
}

fn rule(phase: &str, verdict: &str) -> String {
    format!("[[rule]]\nid = \"r\"\nphase = \"{phase}\"\nverdict = {verdict}\n")
}

/// Waits for the journal to name the rule.
async fn struck(emulator: &Emulator, phase: Phase, verdict: &'static str) {
    let expected = Event::Fault {
        rule: "r".into(),
        phase,
        verdict,
    };
    let found = emulator.journal().wait_for(0, |entry| entry.event == expected);
    soon("the rule in the journal", found).await;
    assert!(emulator.stats().faults >= 1);
}

fn ended_by_rule(event: &Event) -> bool {
    matches!(event, Event::Disconnected { reason: DisconnectReason::Fault(rule), .. } if rule == "r")
}

#[tokio::test]
async fn a_message_is_lost_taken_or_acknowledged_as_the_rule_says() {
    for (verdict, acknowledged, taken) in [
        ("\"drop\"", false, 0),
        ("\"drop-before-ack\"", false, 1),
        ("\"drop-after-ack\"", true, 1),
    ] {
        let (emulator, _, leaf) = with(&rule("telemetry", verdict), "").await;
        let mut device = Device::online(&emulator, &leaf, "t-1").await;
        device.send_publish(EVENTS, QoS::AtLeastOnce, "{}").await;
        if acknowledged {
            assert_eq!(device.next().await, Packet::PubAck(PubAck::new(1)));
        }
        device.is_closed().await;
        event(&emulator, "t-1", ended_by_rule).await;
        assert_eq!(emulator.stats().telemetry_received, taken, "{verdict}");
        emulator.shutdown().await;
    }
}

#[tokio::test]
async fn a_lost_acknowledgement_is_all_that_gets_lost() {
    let (emulator, _, leaf) = with(&rule("telemetry", "\"no-ack\"\ncount = 1"), "").await;
    let mut device = Device::online(&emulator, &leaf, "t-1").await;
    device.send_publish(EVENTS, QoS::AtLeastOnce, "{}").await;
    device.send_publish(EVENTS, QoS::AtLeastOnce, "{}").await;
    assert_eq!(device.next().await, Packet::PubAck(PubAck::new(2)));
    assert_eq!(emulator.stats().telemetry_received, 2);
    struck(&emulator, Phase::Telemetry, "no-ack").await;
}

#[tokio::test]
async fn a_connect_is_refused_with_the_code_of_the_rule() {
    let faults = rule("hub-connect", "\"refuse\"\ncode = 3\ncount = 1");
    let (emulator, _, leaf) = with(&faults, "").await;
    Device::register(&emulator, &leaf, "t-1").await;
    let (_, answer) = Device::greet(&emulator, Some(&leaf), Hello::hub("t-1")).await;
    assert_eq!(answer.code, ConnectReturnCode::ServiceUnavailable);
    struck(&emulator, Phase::HubConnect, "refuse").await;
    Device::connect(&emulator, &leaf, Hello::hub("t-1")).await;
}

#[tokio::test]
async fn dps_answers_with_an_error_as_long_as_the_rule_lets_it() {
    let faults = rule(
        "register",
        "\"answer\"\nstatus = 429\nretry_after = \"5s\"\ncount_per_device = 1",
    ) + "[[rule]]\nphase = \"poll\"\nverdict = \"answer\"\nstatus = 500\nerror_code = 500009\ncount = 1\n";
    let (emulator, _, leaf) = with(&faults, "").await;
    let mut device = Device::connect(&emulator, &leaf, Hello::dps("t-1")).await;
    device.subscribe(DPS_FILTER).await;
    device.publish(REGISTER, "").await;
    let (topic, answer) = device.message().await;
    assert_eq!(topic, "$dps/registrations/res/429/?$rid=1&retry-after=5");
    assert_eq!(answer["errorCode"], json!(429_001));
    assert_eq!(emulator.stats().registrations, 0, "nothing was done");
    device.publish(REGISTER, "").await;
    let (topic, answer) = device.message().await;
    assert!(topic.starts_with("$dps/registrations/res/202/"), "{topic}");
    let operation = answer["operationId"].as_str().unwrap().to_owned();
    let poll = format!("$dps/registrations/GET/iotdps-get-operationstatus/?$rid=2&operationId={operation}");
    device.publish(&poll, "").await;
    let (topic, answer) = device.message().await;
    assert_eq!(
        (topic.as_str(), &answer["errorCode"]),
        ("$dps/registrations/res/500/?$rid=2", &json!(500_009))
    );
    device.publish(&poll, "").await;
    assert_eq!(device.message().await.1["status"], json!("assigned"));
}

#[tokio::test]
async fn a_twin_is_refused_late_or_never_answered() {
    let faults = rule("twin-get", "\"answer\"\nstatus = 429\ncount = 1")
        + "[[rule]]\nphase = \"twin-get\"\nverdict = \"delay\"\nby = \"80ms\"\n"
        + "[[rule]]\nphase = \"twin-report\"\nverdict = \"no-ack\"\n";
    let (emulator, _, leaf) = with(&faults, "").await;
    let mut device = Device::online(&emulator, &leaf, "t-1").await;
    device.subscribe(TWIN_RESPONSES).await;
    device
        .send_publish("$iothub/twin/GET/?$rid=1", QoS::AtMostOnce, "")
        .await;
    let (topic, body) = device.message().await;
    assert_eq!(
        (topic.as_str(), &body["errorCode"]),
        ("$iothub/twin/res/429/?$rid=1", &json!(429_001))
    );
    let report = "$iothub/twin/PATCH/properties/reported/?$rid=2";
    device.send_publish(report, QoS::AtMostOnce, r#"{"a":1}"#).await;
    let asked = Instant::now();
    device
        .send_publish("$iothub/twin/GET/?$rid=3", QoS::AtMostOnce, "")
        .await;
    let (topic, body) = device.message().await;
    assert_eq!(topic, "$iothub/twin/res/200/?$rid=3", "the report is not answered");
    assert_eq!(body["reported"], json!({"a": 1, "$version": 2}), "but it is taken");
    assert!(asked.elapsed() >= Duration::from_millis(80));
}

#[tokio::test]
async fn a_black_hole_takes_everything_and_sends_nothing() {
    for verdict in ["black-hole", "stop-reading"] {
        let (emulator, rest, leaf) = with(&rule("subscribe", &format!("\"{verdict}\"\ncount = 1")), "").await;
        let mut device = Device::online(&emulator, &leaf, "t-1").await;
        let subscribe = rumqttc::mqttbytes::v4::Subscribe::new(TWIN_RESPONSES, QoS::AtLeastOnce);
        device.send(Packet::Subscribe(subscribe)).await;
        struck(
            &emulator,
            Phase::Subscribe,
            if verdict == "black-hole" {
                "black-hole"
            } else {
                "stop-reading"
            },
        )
        .await;
        device.send(Packet::PingReq).await;
        let silence = tokio::time::timeout(Duration::from_millis(100), device.next()).await;
        assert!(silence.is_err(), "{verdict}: {silence:?}");
        assert_eq!(
            rest.raw(Method::GET, "/emulator/devices/t-1", None).await.1["connected"],
            json!(true)
        );
        // A new connection is served, and the old one ends.
        let mut newcomer = Device::connect(&emulator, &leaf, Hello::hub("t-1")).await;
        device.is_closed().await;
        newcomer.send(Packet::PingReq).await;
        assert_eq!(newcomer.next().await, Packet::PingResp);
        emulator.shutdown().await;
    }
}

#[tokio::test]
async fn a_connection_is_cut_or_left_in_silence_before_anything_is_sent() {
    for (phase, verdict) in [
        (Phase::Accept, "drop"),
        (Phase::Accept, "black-hole"),
        (Phase::Accept, "stop-reading"),
        (Phase::Tls, "drop"),
        (Phase::Tls, "black-hole"),
        (Phase::DpsConnect, "drop"),
        (Phase::DpsConnect, "black-hole"),
    ] {
        let faults = rule(phase.as_str(), &format!("\"{verdict}\"\ncount = 1"));
        let (emulator, _, leaf) = with(&faults, "").await;
        let tried = async {
            let mut device = Device::try_dial(&emulator, &leaf).await.ok()?;
            device.ask(Packet::Connect(Hello::dps("t-1").connect)).await
        };
        // Silence is a moment without an answer; an end comes when it comes.
        let patience = Duration::from_millis(if verdict == "drop" { 10_000 } else { 300 });
        let tried = tokio::time::timeout(patience, tried).await;
        struck(&emulator, phase, verdict).await;
        match tried {
            Ok(answer) => assert_eq!((answer, verdict), (None, "drop"), "{phase:?}"),
            Err(_) => assert_ne!(verdict, "drop", "{phase:?}"),
        }
        Device::online(&emulator, &leaf, "t-1").await;
        emulator.shutdown().await;
    }
}

#[tokio::test]
async fn a_device_whose_certificate_expires_at_the_hub_comes_back_through_dps() {
    let (emulator, _, leaf) = with(&rule("telemetry", "\"expire\"\ncount = 1"), "").await;
    let mut device = Device::online(&emulator, &leaf, "t-1").await;
    device.send_publish(EVENTS, QoS::AtLeastOnce, "{}").await;
    device.is_closed().await;
    event(&emulator, "t-1", |event| {
        matches!(
            event,
            Event::Disconnected {
                reason: DisconnectReason::Expired,
                ..
            }
        )
    })
    .await;
    let (_, answer) = Device::greet(&emulator, Some(&leaf), Hello::hub("t-1")).await;
    assert_eq!(answer.code, ConnectReturnCode::NotAuthorized);
    Device::online(&emulator, &leaf, "t-1").await;
}

#[tokio::test]
async fn a_device_is_moved_to_another_hub_and_finds_it_through_dps() {
    let config = Config {
        hubs: ["a.localhost", "b.localhost"]
            .map(|name| HubHost::new(name).unwrap())
            .to_vec(),
        faults: FaultRules::parse(&rule("telemetry", "\"move\"\ncount = 1")).unwrap(),
        ..config()
    };
    let emulator = Emulator::start(config).await.unwrap();
    let root = Party::root("root");
    Rest::new(&emulator).enroll_group("g", &root).await;
    let leaf = root.leaf("t-1");
    let assigned = |answer: Value| answer["registrationState"]["assignedHub"].as_str().unwrap().to_owned();
    let first = assigned(Device::register(&emulator, &leaf, "t-1").await);
    let at = |hub: &str| Hello::new("t-1", &format!("{hub}/t-1/?api-version=2021-04-12"));
    let mut device = Device::connect(&emulator, &leaf, at(&first)).await;
    device.send_publish(EVENTS, QoS::AtLeastOnce, "{}").await;
    device.is_closed().await;
    struck(&emulator, Phase::Telemetry, "move").await;
    let (_, answer) = Device::greet(&emulator, Some(&leaf), at(&first)).await;
    assert_eq!(answer.code, ConnectReturnCode::NotAuthorized);
    let second = assigned(Device::register(&emulator, &leaf, "t-1").await);
    assert_ne!(second, first);
    Device::connect(&emulator, &leaf, at(&second)).await;
}

#[tokio::test]
async fn a_device_is_deleted_from_the_hub_and_a_disabled_one_waits_for_an_operator() {
    let (emulator, rest, leaf) = with(&rule("twin-get", "\"delete\"\ncount = 1"), "").await;
    let mut device = Device::online(&emulator, &leaf, "t-1").await;
    device
        .send_publish("$iothub/twin/GET/?$rid=1", QoS::AtMostOnce, "")
        .await;
    device.is_closed().await;
    assert_eq!(rest.raw(Method::GET, "/emulator/devices/t-1", None).await.0, 404);
    let mut device = Device::online(&emulator, &leaf, "t-1").await;

    let disable = json!({"phase": "telemetry", "verdict": "disable", "count": 1});
    assert_eq!(rest.raw(Method::POST, "/emulator/faults", Some(disable)).await.0, 201);
    device.send_publish(EVENTS, QoS::AtLeastOnce, "{}").await;
    device.is_closed().await;
    let refused = Device::register(&emulator, &leaf, "t-1").await;
    assert_eq!(refused["registrationState"]["errorCode"], json!(400_209));
    let (status, _) = rest.patch("devices/t-1", json!({"enabled": true})).await;
    assert_eq!(status, 200);
    Device::online(&emulator, &leaf, "t-1").await;
}

#[tokio::test]
async fn a_restart_drops_every_connection_closes_the_port_for_a_while_and_loses_nothing() {
    let faults = rule("telemetry", "\"restart\"\ndown = \"400ms\"\ncount = 1");
    let (emulator, _, leaf) = with(&faults, "").await;
    let mut waiting = Device::connect(&emulator, &leaf, Hello::dps("t-1")).await;
    let mut device = Device::online(&emulator, &leaf, "t-1").await;
    device.send_publish(EVENTS, QoS::AtLeastOnce, "{}").await;
    device.is_closed().await;
    waiting.is_closed().await;
    let down = Instant::now();
    let mut refused = 0;
    let mut device = loop {
        match Device::try_dial(&emulator, &leaf).await {
            Ok(device) => break device,
            Err(_) => refused += 1,
        }
        assert!(down.elapsed() < Duration::from_secs(20), "the port opens again");
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert!(refused > 0, "the port was closed");
    // The hub still has the device: no new registration is needed.
    let answer = device.ask(Packet::Connect(Hello::hub("t-1").connect)).await;
    assert!(matches!(answer, Some(Packet::ConnAck(ack)) if ack.code == ConnectReturnCode::Success));
}

#[tokio::test]
async fn a_slow_network_adds_its_latency_both_ways() {
    let (emulator, _, leaf) = with("preset = \"slow-network\"", "").await;
    let mut device = Device::online(&emulator, &leaf, "t-1").await;
    for _ in 0..3 {
        let sent = Instant::now();
        device.send(Packet::PingReq).await;
        assert_eq!(device.next().await, Packet::PingResp);
        assert!(sent.elapsed() >= Duration::from_millis(100), "{:?}", sent.elapsed());
    }
    device.goodbye().await;
}

#[tokio::test]
async fn a_message_to_a_device_is_sent_again_if_the_connection_ends_before_it() {
    let (emulator, rest, leaf) = with(&rule("c2d", "\"drop\"\ncount = 1"), "").await;
    let filter = "devices/t-1/messages/devicebound/#";
    let mut device = Device::register(&emulator, &leaf, "t-1").await;
    assert_eq!(device["status"].take(), json!("assigned"));
    let mut device = Device::connect(&emulator, &leaf, Hello::hub("t-1").keep_session()).await;
    device.subscribe(filter).await;
    let message = json!({"body": {"on": true}});
    assert_eq!(
        rest.raw(Method::POST, "/emulator/devices/t-1/messages", Some(message))
            .await
            .0,
        202
    );
    device.is_closed().await;
    let mut device = Device::connect(&emulator, &leaf, Hello::hub("t-1").keep_session()).await;
    assert_eq!(device.message().await.1, json!({"on": true}));
}

#[tokio::test]
async fn rules_are_listed_with_their_hits_switched_and_removed_while_it_runs() {
    let (emulator, rest, leaf) = with("", "").await;
    let path = "/emulator/faults";
    assert_eq!(
        rest.raw(Method::GET, path, None).await.1,
        json!({"seed": 7, "value": []})
    );
    let rule = json!({"id": "no", "phase": "rest", "verdict": "answer", "status": 503, "retry_after": "2s"});
    let (status, added) = rest.raw(Method::POST, path, Some(rule.clone())).await;
    assert_eq!((status.as_u16(), &added["value"][0]["hits"]), (201, &json!(0)));
    assert_eq!(rest.raw(Method::POST, path, Some(rule)).await.0, 409);

    let refused = rest
        .response(Method::GET, "/api/devices?api-version=2022-07-31", None)
        .await;
    assert_eq!(
        (
            refused.status().as_u16(),
            refused.headers()["retry-after"].to_str().unwrap()
        ),
        (503, "2")
    );
    let (_, listed) = rest.raw(Method::GET, path, None).await;
    assert_eq!(listed["value"][0]["hits"], json!(1), "{listed}");

    let off = json!({"enabled": false});
    assert_eq!(
        rest.raw(Method::PATCH, "/emulator/faults/no", Some(off)).await.1["enabled"],
        json!(false)
    );
    assert_eq!(rest.get("devices").await.0, 200);
    assert_eq!(rest.raw(Method::DELETE, "/emulator/faults/no", None).await.0, 204);
    assert_eq!(rest.raw(Method::DELETE, "/emulator/faults/no", None).await.0, 404);

    let bad = json!({"phase": "rest", "verdict": "refuse", "stauts": 3});
    let (status, answer) = rest.raw(Method::POST, path, Some(bad)).await;
    let message = answer["error"]["message"].as_str().unwrap();
    assert_eq!(status, 422);
    assert!(
        message.contains("`verdict`: `refuse` is not one of them")
            && message.contains("`stauts` is not a key of a file of rules"),
        "{message}"
    );

    let preset = json!({"preset": "slow-network"});
    assert_eq!(rest.raw(Method::POST, path, Some(preset)).await.0, 201);
    assert_eq!(rest.raw(Method::DELETE, path, None).await.0, 204);
    assert_eq!(rest.raw(Method::GET, path, None).await.1["value"], json!([]));
    Device::online(&emulator, &leaf, "t-1").await;
}

#[tokio::test]
async fn registrations_above_the_quota_are_refused_with_a_time_to_come_back() {
    let (emulator, _, leaf) = with("", "[dps]\nregistrations = \"1/min\"").await;
    Device::register(&emulator, &leaf, "t-1").await;
    let mut device = Device::connect(&emulator, &leaf, Hello::dps("t-1")).await;
    device.subscribe(DPS_FILTER).await;
    device.publish(REGISTER, "").await;
    let (topic, answer) = device.message().await;
    let seconds = topic
        .strip_prefix("$dps/registrations/res/429/?$rid=1&retry-after=")
        .unwrap();
    let seconds: u64 = seconds.parse().unwrap();
    assert!((1..=60).contains(&seconds), "{topic}");
    assert_eq!(answer["errorCode"], json!(429_001));
    let throttled = |event: &Event| {
        *event
            == Event::Throttled {
                limit: "registrations",
                outcome: "refused",
            }
    };
    event(&emulator, "t-1", throttled).await;
    assert_eq!(emulator.stats().throttled, 1);
}

#[tokio::test]
async fn a_connect_above_the_quota_is_refused_and_a_twin_answered_429() {
    let quota = "[hub]\nconnects = \"1/min\"\ntwin_reads = \"1/min\"\ntwin_updates = \"1/min\"";
    let (emulator, _, leaf) = with("", quota).await;
    let mut device = Device::online(&emulator, &leaf, "t-1").await;
    let (_, answer) = Device::greet(&emulator, Some(&leaf), Hello::hub("t-1")).await;
    assert_eq!(answer.code, ConnectReturnCode::ServiceUnavailable);
    device.subscribe(TWIN_RESPONSES).await;
    let mut statuses = Vec::new();
    for topic in [
        "$iothub/twin/GET/?$rid=1",
        "$iothub/twin/PATCH/properties/reported/?$rid=1",
    ] {
        for _ in 0..2 {
            device.send_publish(topic, QoS::AtMostOnce, "{}").await;
            let (topic, _) = device.message().await;
            statuses.push(topic["$iothub/twin/res/".len()..][..3].to_owned());
        }
    }
    assert_eq!(statuses, ["200", "429", "204", "429"]);
}

#[tokio::test]
async fn telemetry_above_the_quota_is_held_back_and_then_costs_the_connection() {
    let quota = "[hub]\nmessages = \"20/s\"";
    let (emulator, _, leaf) = with("", quota).await;
    let mut device = Device::online(&emulator, &leaf, "t-1").await;
    let start = Instant::now();
    for _ in 0..24 {
        device.publish(EVENTS, "{}").await;
    }
    assert!(start.elapsed() >= Duration::from_millis(200), "four waited 50 ms each");
    let held_back = |event: &Event| {
        matches!(
            event,
            Event::Throttled {
                limit: "messages",
                outcome: "delayed"
            }
        )
    };
    event(&emulator, "t-1", held_back).await;

    let (emulator, _, leaf) = with("", "[hub]\nmessages = \"1/min\"").await;
    let mut device = Device::online(&emulator, &leaf, "t-1").await;
    device.publish(EVENTS, "{}").await;
    device.send_publish(EVENTS, QoS::AtLeastOnce, "{}").await;
    device.is_closed().await;
    let closed = |event: &Event| {
        matches!(
            event,
            Event::Disconnected {
                service: Service::Hub,
                reason: DisconnectReason::Throttled
            }
        )
    };
    event(&emulator, "t-1", closed).await;
    assert_eq!(emulator.stats().telemetry_received, 1);
}

#[tokio::test]
async fn requests_above_the_quota_are_refused_with_a_time_to_come_back() {
    // Enrolling the group took one of them.
    let (emulator, rest, _) = with("", "[central]\nrequests = \"3/min\"").await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        let answer = rest
            .response(Method::GET, "/api/devices?api-version=2022-07-31", None)
            .await;
        let waits = answer
            .headers()
            .get("retry-after")
            .map(|seconds| seconds.to_str().unwrap().to_owned());
        statuses.push((answer.status().as_u16(), waits.is_some()));
    }
    assert_eq!(statuses, [(200, false), (200, false), (429, true)]);
    // The operator is no customer.
    assert_eq!(
        rest.raw(Method::GET, "/emulator/stats", None).await.1["throttled"],
        json!(1)
    );
    emulator.shutdown().await;
}
