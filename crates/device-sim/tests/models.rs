//! What devices measure, report and answer, against the models in `configs/models` and the rules of Plug and Play.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod referee;

use device_sim::model::{Blueprint, Desired, Model};
use device_sim::random::{Purpose, stream};
use device_sim::weather::Weather;
use fleet_protocol::plan;
use fleet_protocol::room::Overrides;
use iot_protocol::command::CommandName;
use iot_protocol::twin::{Section, TwinDocument, merge};
use jiff::Timestamp;
use referee::Interface;
use serde_json::{Map, Value, json};

const TARGET: &str = "targetTemperature";

fn device(model: plan::Model) -> Model {
    Blueprint::shipped(model, &Overrides::default()).device(Weather::new(7), stream(7, "thermo-0001", Purpose::Physics))
}

fn thermostat() -> Model {
    device(plan::Model::Thermostat)
}

fn controller() -> Model {
    device(plan::Model::TemperatureController)
}

fn twin(desired: Value, reported: Value) -> TwinDocument {
    serde_json::from_value(json!({ "desired": desired, "reported": reported })).unwrap()
}

fn empty_twin() -> TwinDocument {
    twin(json!({"$version": 1}), json!({"$version": 1}))
}

fn patch(document: Value) -> Section {
    serde_json::from_value(document).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

/// What a desired patch that comes in order makes a device report.
fn wish(device: &mut Model, document: Value) -> Map<String, Value> {
    match device.desired_changed(&patch(document)) {
        Desired::Report(report) => report,
        Desired::Missed => panic!("the patch comes in order"),
    }
}

fn command(device: &mut Model, name: &str, payload: &str) -> (u16, Option<Value>) {
    let answer = device.command(&CommandName::parse(name), payload.as_bytes());
    (answer.status, answer.body)
}

#[test]
fn the_same_seed_and_id_send_the_same_bodies() {
    for model in [thermostat, controller] {
        let bodies = || {
            let mut device = model();
            (0..5)
                .flat_map(|i| device.measure(5.0, at(i)).telemetry)
                .collect::<Vec<_>>()
        };
        assert_eq!(bodies(), bodies());
    }
    // A literal, so that a change of all telemetry does not pass unnoticed.
    assert_eq!(
        thermostat().measure(5.0, at(0)).telemetry[0].1,
        r#"{"temperature":22.8}"#
    );
}

#[test]
fn everything_that_is_sent_is_in_the_model() {
    for model in [plan::Model::Thermostat, plan::Model::TemperatureController] {
        let interface = Interface::load(model.id().unwrap().as_str());
        let blueprint = Blueprint::shipped(model, &Overrides::default());
        let mut device = device(model);
        let mut reported = Map::new();
        let mut report = |properties: &Map<String, Value>| {
            interface.check_report(properties).unwrap();
            merge(&mut reported, properties);
        };
        report(&device.take_up(&empty_twin()));
        for second in 0..300 {
            let measured = device.measure(5.0, at(second));
            for (component, body) in &measured.telemetry {
                let component = blueprint.components().nth(usize::from(*component)).unwrap();
                interface
                    .check_telemetry(component, &serde_json::from_slice(body).unwrap())
                    .unwrap();
            }
            report(&measured.report);
        }
        for (version, wish) in (2..).zip([json!(24.5), json!({"value": 57}), json!("hot"), json!(1e6), json!(null)]) {
            let target = json!({ TARGET: wish });
            let document = match model {
                plan::Model::Thermostat => json!({ TARGET: wish, "$version": version }),
                plan::Model::TemperatureController => json!({
                    "thermostat1": target, "thermostat2": target, "serialNumber": "mine", "nonsense": {"a": 1}, "$version": version,
                }),
                plan::Model::EdgeIdentity | plan::Model::Own(_) => unreachable!("neither is a shipped model"),
            };
            report(&self::wish(&mut device, document));
        }
        for (name, payload) in interface.commands_with_requests(&at(0).to_string()) {
            let answer = device.command(&CommandName::parse(&name), payload.as_bytes());
            assert!(answer.status < 300, "{name}: {answer:?}");
            interface.check_response(&name, answer.body.as_ref()).unwrap();
        }
        report(&device.rebooted(at(300)));
        interface.check_complete(&Value::Object(reported)).unwrap();
    }
}

#[test]
fn without_a_wish_the_default_is_reported_with_203_and_version_0() {
    let report = thermostat().take_up(&empty_twin());
    assert_eq!((&report[TARGET]["ac"], &report[TARGET]["av"]), (&json!(203), &json!(0)));
    assert_eq!(report[TARGET]["ad"], "initialized with the default value");
    let report = controller().take_up(&empty_twin());
    for component in ["thermostat1", "thermostat2"] {
        assert_eq!(
            (&report[component]["__t"], &report[component][TARGET]["ac"]),
            (&json!("c"), &json!(203))
        );
    }
}

#[test]
fn a_wish_made_while_the_device_was_away_is_applied_and_acknowledged_once() {
    let desired = json!({TARGET: 25.5, "$version": 4});
    let mut thermostat = thermostat();
    let report = thermostat.take_up(&twin(
        desired.clone(),
        json!({TARGET: {"value": 20, "ac": 200, "av": 3}, "$version": 9}),
    ));
    assert_eq!(report[TARGET]["value"], 25.5);
    assert_eq!((&report[TARGET]["ac"], &report[TARGET]["av"]), (&json!(200), &json!(4)));
    let again = thermostat.take_up(&twin(desired, json!({TARGET: report[TARGET], "$version": 10})));
    assert_eq!(again, Map::new(), "nothing new to say");
}

#[test]
fn what_was_reported_before_a_restart_stays_in_force() {
    let mut thermostat = thermostat();
    let before = json!({TARGET: {"value": 17.5, "ac": 203, "av": 0}, "$version": 2});
    assert_eq!(thermostat.take_up(&twin(json!({"$version": 1}), before)), Map::new());
    let refused = wish(&mut thermostat, json!({TARGET: "x", "$version": 2}));
    assert_eq!(refused[TARGET]["value"], 17.5);
}

#[test]
fn after_a_restart_everything_is_reported_as_if_it_were_new() {
    let mut controller = controller();
    let first = controller.take_up(&empty_twin());
    controller.restarted();
    let mut known = Value::Object(first.clone());
    known["$version"] = json!(2);
    let known = twin(json!({"$version": 1}), known);
    assert_eq!(controller.start_up(&known), first);
    assert_eq!(
        controller.take_up(&known),
        Map::new(),
        "and at the next session nothing is new"
    );

    let mut thermostat = thermostat();
    thermostat.measure(60.0, at(0));
    let desired = json!({TARGET: 24.5, "$version": 5});
    let first = thermostat.take_up(&twin(desired.clone(), json!({"$version": 1})));
    assert!(first.contains_key("maxTempSinceLastReboot"), "{first:?}");
    thermostat.restarted();
    let mut known = Value::Object(first.clone());
    known["$version"] = json!(2);
    let again = thermostat.start_up(&twin(desired, known));
    assert_eq!(again[TARGET], first[TARGET]);
    assert!(!again.contains_key("maxTempSinceLastReboot"), "nothing is measured yet");
}

#[test]
fn several_wishes_in_a_row_are_each_acknowledged_old_ones_ignored_and_gaps_noticed() {
    let mut thermostat = thermostat();
    thermostat.take_up(&empty_twin());
    for (version, target) in [(2, 18.0), (3, 23.5)] {
        let report = wish(&mut thermostat, json!({TARGET: target, "$version": version}));
        assert_eq!(
            (&report[TARGET]["value"], &report[TARGET]["av"]),
            (&json!(target), &json!(version))
        );
    }
    assert_eq!(wish(&mut thermostat, json!({TARGET: 1.0, "$version": 2})), Map::new());
    assert_eq!(
        thermostat.desired_changed(&patch(json!({TARGET: 1.0, "$version": 9}))),
        Desired::Missed
    );
}

#[test]
fn an_impossible_wish_is_refused_with_the_value_that_stays_in_force() {
    let mut controller = controller();
    let before = controller.take_up(&empty_twin())["thermostat2"][TARGET]["value"].clone();
    for (version, impossible) in (2..).zip([json!("hot"), json!(1e9), json!([]), json!({"value": "x"})]) {
        let document = json!({"thermostat2": {"__t": "c", TARGET: impossible}, "$version": version});
        let report = wish(&mut controller, document);
        assert_eq!(report.len(), 1, "the other thermostat has nothing to say");
        let answer = &report["thermostat2"][TARGET];
        assert_eq!(
            (&answer["value"], &answer["ac"], &answer["av"]),
            (&before, &json!(400), &json!(version))
        );
    }
}

#[test]
fn a_wish_may_come_wrapped() {
    let mut controller = controller();
    controller.take_up(&empty_twin());
    let report = wish(
        &mut controller,
        json!({"thermostat1": {TARGET: {"value": 27}}, "$version": 2}),
    );
    assert_eq!(
        report["thermostat1"],
        json!({"__t": "c", TARGET: {"value": 27.0, "ac": 200, "av": 2, "ad": "the room follows the new target"}})
    );
}

#[test]
fn a_new_maximum_is_reported_and_only_then_and_a_reboot_begins_anew() {
    let mut thermostat = thermostat();
    let mut maximum = f64::NEG_INFINITY;
    for i in 0..1_000 {
        if i == 500 {
            thermostat.rebooted(at(i));
            maximum = f64::NEG_INFINITY;
        }
        let measured = thermostat.measure(60.0, at(i));
        let body: Value = serde_json::from_slice(&measured.telemetry[0].1).unwrap();
        let temperature = body["temperature"].as_f64().unwrap();
        assert_eq!(
            measured.report.contains_key("maxTempSinceLastReboot"),
            temperature > maximum,
            "at {i}"
        );
        maximum = maximum.max(temperature);
    }
}

#[test]
fn the_report_honours_since_and_refuses_what_it_can_not_read() {
    let mut device = controller();
    for i in 0..10 {
        device.measure(5.0, at(i));
    }
    let mut report = |payload: &str| command(&mut device, "thermostat2*getMaxMinReport", payload);
    let (status, body) = report(&format!("\"{}\"", at(5)));
    assert_eq!(status, 200);
    assert_eq!(body.unwrap()["startTime"], json!(at(5)));
    assert_eq!(report("\"2026-11-23T10:00:00+02:00\"").0, 200, "an offset is fine");
    assert_eq!(report(&format!("\"{}\"", at(60))).0, 404);
    for bad in ["", "null", "17", "\"yesterday\"", "{\"since\":1}", "\"2026-11-23\""] {
        assert_eq!(report(bad).0, 400, "{bad}");
    }
}

#[test]
fn a_command_belongs_to_its_component() {
    let now = format!("\"{}\"", at(0));
    for (mut device, name) in [
        (thermostat(), "selfDestruct"),
        (thermostat(), "reboot"),
        (thermostat(), "thermostat1*getMaxMinReport"),
        (controller(), "getMaxMinReport"),
        (controller(), "thermostat1*reboot"),
        (controller(), "thermostat3*getMaxMinReport"),
    ] {
        assert_eq!(command(&mut device, name, &now).0, 404, "{name}");
    }
}

#[test]
fn a_reboot_is_accepted_with_its_delay_and_reported_when_it_is_over() {
    let mut controller = controller();
    let mut reboot = |payload: &str| controller.command(&CommandName::parse("reboot"), payload.as_bytes());
    for (payload, seconds) in [("7", 7), ("0", 0), ("", 0), ("null", 0)] {
        let answer = reboot(payload);
        assert_eq!(
            (answer.status, answer.reboot.map(|delay| delay.as_secs())),
            (202, Some(seconds)),
            "{payload}"
        );
    }
    for bad in ["-1", "1.5", "\"5\"", "{\"delay\":5}", "999999999", "x"] {
        let answer = reboot(bad);
        assert_eq!((answer.status, answer.reboot), (400, None), "{bad}");
    }
    assert_eq!(
        controller.rebooted(at(0))["reboot"],
        json!({"value": format!("restarted at {}", at(0))})
    );
}
