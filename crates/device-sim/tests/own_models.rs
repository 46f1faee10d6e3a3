//! Devices of models that are not shipped: whatever they send is valid by their models, for a dozen models after real
//! kinds and for models made by chance.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use device_sim::model::{Blueprint, Desired, Model};
use device_sim::random::{Purpose, stream};
use device_sim::weather::Weather;
use fleet_protocol::plan::Behaviours;
use iot_protocol::command::CommandName;
use iot_protocol::pnp::Acknowledgement;
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn read(document: &Value) -> Arc<dtdl::Model> {
    let mut documents = dtdl::Documents::new();
    documents.add("model", document);
    Arc::new(
        documents
            .read(None)
            .unwrap_or_else(|problems| panic!("{problems}"))
            .model,
    )
}

fn blueprint(model: &Arc<dtdl::Model>, behaviours: Value) -> Blueprint {
    let behaviours: Behaviours = serde_json::from_value(behaviours).unwrap();
    Blueprint::own(model, &behaviours).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn device(blueprint: &Blueprint, id: &str) -> Model {
    blueprint.device(Weather::new(7), stream(7, id, Purpose::Physics))
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn empty() -> iot_protocol::twin::TwinDocument {
    serde_json::from_value(json!({"desired": {"$version": 1}, "reported": {"$version": 1}})).unwrap()
}

/// Holds all that a device sends in `ticks` against its model. Returns the bodies, each with its component.
fn all_valid(
    model: &dtdl::Model,
    blueprint: &Blueprint,
    device: &mut Model,
    ticks: i64,
) -> Vec<(Option<String>, Value)> {
    let valid = |report: &Map<String, Value>| assert_eq!(model.property_findings(report), [], "{report:?}");
    let report = device.take_up(&empty());
    valid(&report);
    let components: Vec<_> = blueprint.components().map(|name| name.map(str::to_owned)).collect();
    let mut bodies = Vec::new();
    for tick in 0..ticks {
        let measured = device.measure(5.0, at(tick * 5));
        valid(&measured.report);
        for (component, body) in measured.telemetry {
            let component = components[usize::from(component)].clone();
            let body: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(model.telemetry_findings(component.as_deref(), &body), [], "{body}");
            bodies.push((component, body));
        }
    }
    valid(&device.properties());
    // Every writable property takes up the value that the device chose itself, and refuses what is of no schema.
    let mut version = 1;
    for part in &model.parts {
        for property in part.properties.iter().filter(|property| property.writable) {
            let own = match &part.component {
                Some(component) => &report[component][&property.name],
                None => &report[&property.name],
            };
            let value = own["value"].clone();
            let impossible = json!({"no": {"such": ["thing"]}});
            for (wish, code) in [
                (value, Acknowledgement::APPLIED),
                (impossible, Acknowledgement::INVALID),
            ] {
                let taken = matches!(property.schema, dtdl::Schema::Map(_) | dtdl::Schema::Object(_));
                if code == Acknowledgement::INVALID && taken && property.schema.accepts(&wish) {
                    continue;
                }
                version += 1;
                let patch = match &part.component {
                    Some(component) => json!({component: {"__t": "c", &property.name: wish}, "$version": version}),
                    None => json!({&property.name: wish, "$version": version}),
                };
                let Desired::Report(answer) = device.desired_changed(&serde_json::from_value(patch).unwrap()) else {
                    panic!("the patch comes in order");
                };
                valid(&answer);
                let answer = match &part.component {
                    Some(component) => &answer[component][&property.name],
                    None => &answer[&property.name],
                };
                assert_eq!(
                    (&answer["ac"], &answer["av"]),
                    (&json!(code), &json!(version)),
                    "{}",
                    property.name
                );
            }
        }
        for command in &part.commands {
            let name = match &part.component {
                Some(component) => format!("{component}*{}", command.name),
                None => command.name.clone(),
            };
            if command.request.is_none() {
                let answer = device.command(&CommandName::parse(&name), b"");
                assert_eq!(answer.status, 200, "{name}");
                if let Some(response) = &command.response {
                    assert_eq!(response.mismatches(&answer.body.unwrap()), [], "{name}");
                }
            }
        }
    }
    bodies
}

/// Kinds of devices as they are sold, each with what is particular in it.
fn kinds() -> Vec<(&'static str, Value)> {
    let kind = |name: &'static str, contents: Value| {
        let document = json!({"@context": ["dtmi:dtdl:context;3", "dtmi:dtdl:extension:quantitativeTypes;1"],
            "@id": format!("dtmi:test:{name};1"), "@type": "Interface", "contents": contents});
        (name, document)
    };
    let states = |names: &[&str]| {
        let values = names.iter().map(|name| json!({"name": name, "enumValue": name}));
        json!({"@type": "Enum", "valueSchema": "string", "enumValues": values.collect::<Vec<_>>()})
    };
    vec![
        kind(
            "elevator",
            json!([
                {"@type": "Telemetry", "name": "floor", "schema": "integer"},
                {"@type": "Telemetry", "name": "doorOpen", "schema": "boolean"},
                {"@type": "Telemetry", "name": "direction", "schema": states(&["up", "down", "idle"])},
                {"@type": "Telemetry", "name": "tripCount", "schema": "long"},
                {"@type": "Telemetry", "name": "fault", "schema": "string"},
                {"@type": "Property", "name": "speed", "schema": "float", "writable": true},
                {"@type": "Command", "name": "openDoors", "response": {"name": "opened", "schema": "boolean"}},
            ]),
        ),
        kind(
            "truck",
            json!([
                {"@type": "Telemetry", "name": "location", "schema": "geopoint"},
                {"@type": "Telemetry", "name": "route", "schema": "lineString"},
                {"@type": ["Telemetry", "Velocity"], "name": "speed", "schema": "double", "unit": "kilometrePerHour"},
                {"@type": ["Telemetry", "Distance"], "name": "odometer", "schema": "double", "unit": "kilometre"},
                {"@type": ["Telemetry", "Temperature"], "name": "cargo", "schema": "double", "unit": "degreeCelsius"},
                {"@type": "Property", "name": "customers", "writable": true, "schema":
                    {"@type": "Array", "elementSchema": "string"}},
            ]),
        ),
        kind(
            "meter",
            json!([
                {"@type": ["Telemetry", "Energy"], "name": "energy", "schema": "double", "unit": "kilowattHour"},
                {"@type": "Telemetry", "name": "phases", "schema": {"@type": "Array", "elementSchema":
                    {"@type": "Object", "fields": [{"name": "voltage", "schema": "double"},
                        {"name": "current", "schema": "float"}]}}},
                {"@type": "Telemetry", "name": "readAt", "schema": "dateTime"},
                {"@type": "Property", "name": "tariffs", "writable": true, "schema": {"@type": "Map",
                    "mapKey": {"name": "name", "schema": "string"}, "mapValue": {"name": "price", "schema": "double"}}},
            ]),
        ),
        kind(
            "airQuality",
            json!([
                {"@type": "Telemetry", "name": "co2", "schema": "integer"},
                {"@type": ["Telemetry", "RelativeHumidity"], "name": "humidity", "schema": "double", "unit": "percent"},
                {"@type": "Telemetry", "name": "pm25", "schema": "double"},
            ]),
        ),
        kind(
            "windTurbine",
            json!([
                {"@type": "Telemetry", "name": "nacelle", "schema": "vector"},
                {"@type": ["Telemetry", "AngularVelocity"], "name": "rotor", "schema": "double",
                 "unit": "revolutionPerMinute"},
                {"@type": ["Telemetry", "Power"], "name": "power", "schema": "double", "unit": "kilowatt"},
                {"@type": "Property", "name": "commissioned", "schema": "date"},
            ]),
        ),
        kind(
            "fridge",
            json!([
                {"@type": "Telemetry", "name": "shelves", "schema": {"@type": "Map",
                    "mapKey": {"name": "shelf", "schema": "string"}, "mapValue": {"name": "temperature", "schema": "double"}}},
                {"@type": "Telemetry", "name": "compressor", "schema": states(&["on", "off"])},
                {"@type": "Property", "name": "opensAt", "schema": "time", "writable": true},
            ]),
        ),
        kind(
            "charger",
            json!([
                {"@type": "Telemetry", "name": "session", "schema": {"@type": "Object", "fields": [
                    {"name": "vehicle", "schema": "string"}, {"name": "since", "schema": "dateTime"},
                    {"name": "lasted", "schema": "duration"}, {"name": "energy", "schema": "double"}]}},
                {"@type": "Command", "name": "stop", "response": {"name": "bill", "schema": {"@type": "Object", "fields": [
                    {"name": "amount", "schema": "double"}, {"name": "at", "schema": "dateTime"}]}}},
            ]),
        ),
        kind(
            "camera",
            json!([
                {"@type": "Telemetry", "name": "persons", "schema": "integer"},
                {"@type": "Telemetry", "name": "zone", "schema": "polygon"},
                {"@type": "Telemetry", "name": "zones", "schema": "multiPolygon"},
                {"@type": "Telemetry", "name": "motionEvent", "schema": "string"},
                {"@type": "Property", "name": "firmwareVersion", "schema": "string"},
            ]),
        ),
        kind(
            "tank",
            json!([
                {"@type": "Telemetry", "name": "level", "schema": "double"},
                {"@type": ["Telemetry", "Volume"], "name": "volume", "schema": "double", "unit": "litre"},
                {"@type": "Telemetry", "name": "sites", "schema": "multiPoint"},
                {"@type": "Telemetry", "name": "pipes", "schema": "multiLineString"},
            ]),
        ),
        kind(
            "wearable",
            json!([
                {"@type": "Telemetry", "name": "heartRate", "schema": "integer"},
                {"@type": "Telemetry", "name": "steps", "schema": "long"},
                {"@type": "Telemetry", "name": "battery", "schema": "integer"},
            ]),
        ),
    ]
}

#[test]
fn what_a_device_of_any_kind_sends_is_valid_by_its_model() {
    let shipped = [
        include_str!("../../../configs/own-models/pump.json"),
        include_str!("../../../configs/own-models/gateway.json"),
    ];
    let shipped = shipped.map(|text| ("shipped", serde_json::from_str(text).unwrap()));
    for (name, document) in kinds().into_iter().chain(shipped) {
        let model = read(&document);
        let blueprint = blueprint(&model, json!({}));
        let bodies = all_valid(&model, &blueprint, &mut device(&blueprint, "device-1"), 400);
        for part in &model.parts {
            for telemetry in &part.telemetry {
                let is_sent = |(component, body): &(Option<String>, Value)| {
                    *component == part.component && body.get(&telemetry.name).is_some()
                };
                assert!(bodies.iter().any(is_sent), "{name}: {} is never sent", telemetry.name);
            }
        }
    }
}

#[test]
fn the_same_seed_and_id_send_the_same_and_others_differ() {
    let (_, document) = kinds().swap_remove(1);
    let model = read(&document);
    let blueprint = blueprint(&model, json!({}));
    let bodies = |id: &str| all_valid(&model, &blueprint, &mut device(&blueprint, id), 20);
    assert_eq!(bodies("truck-1"), bodies("truck-1"));
    assert_ne!(bodies("truck-1"), bodies("truck-2"));
}

#[test]
fn a_behaviour_is_what_is_asked_for() {
    let model = read(&serde_json::from_str(include_str!("../../../configs/own-models/pump.json")).unwrap());
    let recorded = json!({"samples": [[0, 1.5], [10, 2.5], [20, 3.5]], "speed": 1, "loops": true});
    let blueprint = blueprint(
        &model,
        json!({
            "pressure": {"replay": recorded},
            "flow": {"process": "constant", "start": 42},
            "motorTemperature": {"min": 60, "max": 61, "interval_ms": 20_000},
            "energy": {"process": "counter", "start": 100, "max": 3_600},
            "state": {"on_change": 1},
            "selfTest": {"fail_share": 1},
        }),
    );
    let mut device = device(&blueprint, "pump-1");
    let bodies = all_valid(&model, &blueprint, &mut device, 100);
    let of = |name: &str| {
        bodies
            .iter()
            .filter_map(|(_, body)| body[name].as_f64())
            .collect::<Vec<_>>()
    };
    assert!(of("pressure").iter().all(|value| [1.5, 2.5, 3.5].contains(value)));
    assert!(of("flow").iter().all(|value| (value - 42.0).abs() < 1e-9));
    let temperatures = of("motorTemperature");
    assert_eq!(temperatures.len(), 25, "one in four");
    assert!(temperatures.iter().all(|value| (60.0..=61.0).contains(value)));
    let energy = of("energy");
    assert!(energy.windows(2).all(|pair| pair[0] <= pair[1]));
    assert!(
        (550.0..650.0).contains(energy.last().unwrap()),
        "one in a second: {energy:?}"
    );
    let states = of("state");
    assert!(
        states.len() < 20 && states.windows(2).all(|pair| pair[0] != pair[1]),
        "{states:?}"
    );
    assert_eq!(device.command(&CommandName::parse("selfTest"), b"3").status, 500);
    assert_eq!(device.command(&CommandName::parse("selfTest"), b"\"deep\"").status, 400);
    assert_eq!(device.command(&CommandName::parse("fly"), b"").status, 404);
}

/// Each capability by itself, whatever else is in the message: numbers by their distance, everything else by being the same.
#[test]
fn a_change_is_noticed_by_the_value_of_each_capability() {
    let level = json!({"@type": "Enum", "valueSchema": "integer", "enumValues": [
        {"name": "low", "enumValue": 0}, {"name": "high", "enumValue": 1}]});
    let cases = [
        (
            json!("double"),
            json!([0.4, 0.7, 0.9, 1.0, 0.7]),
            0.3,
            json!([0.4, 0.7, 1.0, 0.7]),
        ),
        (json!("integer"), json!([5, 14, 15, 5, 6]), 10.0, json!([5, 15, 5])),
        (json!("double"), json!([1, 1, 1.5, 1.5, 1]), 0.0, json!([1, 1.5, 1])),
        (
            json!("string"),
            json!(["x", "y", "y", "x", "x"]),
            10.0,
            json!(["x", "y", "x"]),
        ),
        (level, json!([0, 1, 1, 0, 0]), 10.0, json!([0, 1, 0])),
    ];
    for (schema, recorded, by, expected) in cases {
        let telemetry = |name: &str, schema: &Value| json!({"@type": "Telemetry", "name": name, "schema": schema});
        let contents = [telemetry("a", &schema), telemetry("last", &json!("double"))];
        let model =
            json!({"@context": "dtmi:dtdl:context;2", "@id": "dtmi:t:m;1", "@type": "Interface", "contents": contents});
        let values = recorded.as_array().unwrap().iter().zip(0..);
        let samples: Vec<_> = values.map(|(value, second)| json!([second, value])).collect();
        let replay = json!({"samples": samples, "speed": 1, "loops": false});
        let blueprint = blueprint(&read(&model), json!({"a": {"on_change": by, "replay": replay}}));
        // A device begins somewhere in its recording: of some, one begins with the first value.
        let mut ids = (0..).map(|number| format!("d-{number}"));
        let sent = ids.find_map(|id| {
            let mut device = device(&blueprint, &id);
            let seconds = [1e-6, 1.0, 1.0, 1.0, 1.0].into_iter().zip(0..);
            let bodies = seconds.map(|(seconds, now)| device.measure(seconds, at(now)).telemetry);
            let bodies: Vec<Value> = bodies.map(|sent| serde_json::from_slice(&sent[0].1).unwrap()).collect();
            assert!(bodies.iter().all(|body| body["last"].is_number()), "{bodies:?}");
            let of_a: Vec<_> = bodies.iter().filter_map(|body| body.get("a")).cloned().collect();
            (of_a.len() > 2 && bodies[0]["a"] == recorded[0]).then_some(of_a)
        });
        assert_eq!(Value::from(sent.unwrap()), expected);
    }
}

#[test]
fn a_change_of_several_values_in_one_is_refused() {
    let model = read(&serde_json::from_str(include_str!("../../../configs/own-models/gateway.json")).unwrap());
    let behaviours: Behaviours = serde_json::from_value(json!({"radio.location": {"on_change": 1}})).unwrap();
    let problems = Blueprint::own(&model, &behaviours).unwrap_err();
    let said = "`radio.location.on_change`: is for single values, and this is of the schema point";
    assert_eq!(problems[0].to_string(), said);
}

#[test]
fn a_behaviour_that_a_model_can_not_have_is_refused_with_its_key() {
    let model = read(&serde_json::from_str(include_str!("../../../configs/own-models/pump.json")).unwrap());
    let behaviours: Behaviours = serde_json::from_value(json!({
        "presure": {"min": 1},
        "pressure": {"min": 5, "max": 1},
        "state": {"process": "walk"},
        "leakAlarm": {"replay": {"samples": [[0, 7]], "speed": 1, "loops": true}},
        "selfTest": {"interval_ms": 1_000},
        "flow": {"status": 200},
        "serialNumber": {"on_change": 1},
        "energy": {"on_change": -1},
    }))
    .unwrap();
    let problems = Blueprint::own(&model, &behaviours).unwrap_err();
    let said: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "`presure`: is not in the model `dtmi:contoso:pump;1`; did you mean `pressure`?",
            "`pressure.min`: must not be above max, which is 1",
            "`flow.status`: is for commands",
            "`energy.on_change`: must be a number from 0 on",
            "`state.process`: is for numbers, and this is of the schema Enum; a replay has any",
            "`leakAlarm.replay`: value 1 of the recording, 7, must be a text",
            "`serialNumber.on_change`: is for telemetry",
            "`selfTest.interval`: is for telemetry and properties, and this is a command",
        ]
    );
}

#[test]
fn a_device_with_twenty_capabilities_takes_less_than_a_kibibyte_more_than_a_thermostat() {
    let contents: Vec<_> = (0..20)
        .map(|index| match index % 4 {
            0 => json!({"@type": "Telemetry", "name": format!("temperature{index}"), "schema": "double"}),
            1 => json!({"@type": "Telemetry", "name": format!("count{index}"), "schema": "long"}),
            2 => json!({"@type": "Telemetry", "name": format!("open{index}"), "schema": "boolean"}),
            _ => json!({"@type": "Property", "name": format!("limit{index}"), "schema": "double", "writable": true}),
        })
        .collect();
    let model = read(
        &json!({"@context": "dtmi:dtdl:context;2", "@id": "dtmi:a:b;1", "@type": "Interface",
        "contents": contents}),
    );
    let blueprint = blueprint(&model, json!({}));
    let own = blueprint.heap_of_a_device();
    assert!(own <= 1_024, "{own} bytes");
}

/// Any schema that DTDL has, of a bounded depth.
fn schema() -> impl Strategy<Value = Value> {
    let plain = prop::sample::select(dtdl::Plain::names().map(|name| json!(name)).collect::<Vec<_>>());
    let choice = prop::collection::btree_set("[a-z]{1,6}", 1..4).prop_map(|names| {
        let values = names.iter().map(|name| json!({"name": name, "enumValue": name}));
        json!({"@type": "Enum", "valueSchema": "string", "enumValues": values.collect::<Vec<_>>()})
    });
    prop_oneof![plain, choice].prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            inner
                .clone()
                .prop_map(|element| json!({"@type": "Array", "elementSchema": element})),
            inner.clone().prop_map(
                |value| json!({"@type": "Map", "mapKey": {"name": "k", "schema": "string"},
                "mapValue": {"name": "v", "schema": value}})
            ),
            prop::collection::btree_map("[a-z]{1,8}", inner, 1..3).prop_map(|fields| {
                let fields = fields
                    .into_iter()
                    .map(|(name, schema)| json!({"name": name, "schema": schema}));
                json!({"@type": "Object", "fields": fields.collect::<Vec<_>>()})
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_a_device_of_any_model_sends_is_valid_by_it(
        capabilities in prop::collection::btree_map("[a-z]{1,5}(Temperature|Count|Level|Alarm|Open|)", (0..4_u8, schema()), 1..8),
    ) {
        let contents: Vec<_> = capabilities
            .iter()
            .map(|(name, (kind, schema))| match kind {
                0 => json!({"@type": "Telemetry", "name": name, "schema": schema}),
                1 => json!({"@type": "Property", "name": name, "schema": schema}),
                2 => json!({"@type": "Property", "name": name, "schema": schema, "writable": true}),
                _ => json!({"@type": "Command", "name": name, "response": {"name": "r", "schema": schema}}),
            })
            .collect();
        let part = json!({"@context": "dtmi:dtdl:context;3", "@id": "dtmi:a:part;1", "@type": "Interface",
            "contents": contents});
        let mut whole = part.clone();
        whole["@id"] = json!("dtmi:a:whole;1");
        whole["contents"].as_array_mut().unwrap().push(json!({"@type": "Component", "name": "wholePart", "schema": "dtmi:a:part;1"}));
        let model = read(&json!([whole, part]));
        let blueprint = blueprint(&model, json!({}));
        all_valid(&model, &blueprint, &mut device(&blueprint, "any"), 20);
    }
}
