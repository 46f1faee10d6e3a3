use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{Plain, Schema, template};

fn interface(contents: Value) -> Value {
    json!({"@context": "dtmi:dtdl:context;2", "@id": "dtmi:contoso:pump;1", "@type": "Interface", "contents": contents})
}

fn read(document: &Value) -> Result<Parsed, Problems> {
    let mut documents = Documents::new();
    documents.add("pump.json", document);
    documents.read(None)
}

fn problems(document: &Value) -> Vec<String> {
    match read(document) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn an_interface_is_read_with_all_that_it_has() {
    let parsed = read(
        &interface(json!([
            {"@type": ["Telemetry", "Temperature"], "name": "temperature", "schema": "double", "unit": "degreeCelsius"},
            {"@type": ["Property", "Velocity"], "name": "speed", "schema": "integer", "writable": true, "minValue": 5,
             "unit": "metrePerSecond", "maxValue": 20, "decimalPlaces": 1, "displayUnit": "m/s"},
            {"@type": ["Telemetry", "State"], "name": "state", "schema": "dtmi:contoso:state;1"},
            {"@type": "Command", "name": "start", "durable": true, "commandType": "asynchronous",
             "request": {"name": "delay", "schema": "duration"}, "response": {"name": "at", "schema": "dateTime"}},
            {"@type": ["Property", "Cloud", "StringValue"], "name": "customer", "schema": "string"},
            {"@type": "Relationship", "name": "feeds"},
            {"@type": "Component", "name": "device", "schema": "dtmi:azure:DeviceManagement:DeviceInformation;1"},
        ]))
        .tap(|interface| {
            interface["schemas"] = json!([{"@id": "dtmi:contoso:state;1", "@type": "Enum", "valueSchema": "integer",
            "enumValues": [{"name": "off", "enumValue": 0}, {"name": "on", "enumValue": 1}]}]);
        }),
    )
    .unwrap();
    let model = &parsed.model;
    assert_eq!(
        (model.id.as_str(), &*model.display_name),
        ("dtmi:contoso:pump;1", "pump")
    );
    let root = model.part(None).unwrap();
    assert_eq!(
        root.names().collect::<Vec<_>>(),
        ["temperature", "state", "speed", "start"]
    );
    let speed = root.property("speed").unwrap();
    assert!(speed.writable);
    assert_eq!((speed.meaning.least, speed.meaning.greatest), (Some(5.0), Some(20.0)));
    assert_eq!(
        root.telemetry("temperature").unwrap().meaning.unit.as_deref(),
        Some("degreeCelsius")
    );
    assert!(matches!(&root.telemetry("state").unwrap().schema, Schema::Enum(values) if values.len() == 2));
    assert!(root.command("start").unwrap().is_queued);
    assert_eq!(model.components().collect::<Vec<_>>(), ["device"]);
    assert_eq!(model.part(Some("device")).unwrap().properties.len(), 8);
    let notes: Vec<_> = parsed.notes.iter().map(ToString::to_string).collect();
    assert_eq!(
        notes,
        [
            "pump.json#/contents/4: `customer` is a cloud property, which devices do not have, and left out",
            "pump.json#/contents/5: the relationship `feeds` is left out: devices have none",
        ]
    );
}

#[test]
fn everything_that_is_wrong_is_reported_at_once_with_its_place() {
    let bad = interface(json!([
        {"@type": "Telemetri", "name": "a", "schema": "double"},
        {"@type": "Telemetry", "name": "b c", "schema": "double"},
        {"@type": "Telemetry", "name": "d", "schema": "doubel"},
        {"@type": ["Telemetry", "Temprature"], "name": "e", "schema": "double"},
        {"@type": ["Telemetry", "Temperature"], "name": "f", "schema": "double", "unit": "degreeCelcius"},
        {"@type": "Property", "name": "g", "schema": "string", "writeable": true},
        {"@type": "Property", "name": "g", "schema": "string", "writable": "yes"},
        {"@type": "Property", "name": "h", "schema": {"@type": "Map", "mapKey": {"name": "k", "schema": "long"},
         "mapValue": {"name": "v", "schema": {"@type": "Object"}}}},
        {"@type": "Telemetry", "name": "i", "schema": {"@type": "Enum", "valueSchema": "integer",
         "enumValues": [{"name": "on", "enumValue": "1"}]}},
        {"@type": "Component", "name": "j", "schema": "dtmi:contoso:pmup;1"},
        {"@type": "Command", "name": "k", "request": "double"},
        7,
    ]));
    assert_eq!(
        problems(&bad),
        [
            "pump.json#/contents/0/@type: must have one of Telemetry, Property, Command, Component, Relationship; did you \
             mean `Telemetry`?",
            "pump.json#/contents/1/name: must be 1 to 64 letters, digits and inner `_`, a letter first",
            "pump.json#/contents/2/schema: there is no schema `doubel` here; did you mean `double`?",
            "pump.json#/contents/3/@type: there is no type `Temprature`; did you mean `Temperature`?",
            "pump.json#/contents/4/unit: `degreeCelcius` is not a unit of `Temperature`; did you mean `degreeCelsius`?",
            "pump.json#/contents/5/writeable: `writeable` is not a key of this; did you mean `writable`?",
            "pump.json#/contents/6/name: `g` is taken by pump.json#/contents/5",
            "pump.json#/contents/7/schema/mapKey/schema: must be `string`",
            "pump.json#/contents/7/schema/mapValue/schema/fields: must be a list",
            "pump.json#/contents/8/schema/enumValues/0/enumValue: must be an integer of 4 bytes, as `valueSchema` says",
            "pump.json#/contents/10/request: must be an object with `name` and `schema`",
            "pump.json#/contents/11: must be one of Telemetry, Property, Command, Component, Relationship",
            "pump.json#/contents/9/schema: there is no interface `dtmi:contoso:pmup;1` here; did you mean \
             `dtmi:contoso:pump;1`?",
        ]
    );
    for (document, said) in [
        (json!(7), "pump.json: must be an Interface"),
        (json!([]), "the model: there is no interface"),
        (
            json!({"@context": "dtmi:dtdl:context;4", "@id": "dtmi:a;1", "@type": "Interface"}),
            "pump.json#/@context: is DTDL 4; versions 2 and 3 are read",
        ),
        (
            json!({"@id": "pump", "@type": "Interface"}),
            "pump.json#/@context: is missing: `dtmi:dtdl:context;2` or `dtmi:dtdl:context;3`",
        ),
        (
            json!({"@context": "dtmi:dtdl:context;3", "@id": "dtmi:a;1", "@type": "Interface", "contents": [
                {"@type": ["Telemetry", "Pressure"], "name": "p", "schema": "double", "unit": "bar"}]}),
            "pump.json#/contents/0/@type: `Pressure` needs the context `dtmi:dtdl:extension:quantitativeTypes;1`",
        ),
    ] {
        assert_eq!(problems(&document).first().map(String::as_str), Some(said));
    }
}

#[test]
fn what_is_extended_is_in_the_model_once() {
    let part = |id: &str, extends: Value, name: &str| {
        json!({"@context": ["dtmi:dtdl:context;3", "dtmi:dtdl:extension:quantitativeTypes;1"],
            "@id": id, "@type": "Interface", "extends": extends,
            "contents": [{"@type": "Property", "name": name, "schema": {"@type": "Array", "elementSchema": "double"}}]})
    };
    let mut documents = Documents::new();
    documents.add(
        "all.json",
        &json!([
            part("dtmi:a;1", json!([]), "a"),
            part("dtmi:b;1", json!("dtmi:a;1"), "b"),
            part("dtmi:c;1", json!(["dtmi:a;1"]), "c"),
            part("dtmi:d;1", json!(["dtmi:b;1", "dtmi:c;1"]), "d"),
        ]),
    );
    assert_eq!(documents.roots().collect::<Vec<_>>(), ["dtmi:d;1"]);
    let parsed = documents.read(None).unwrap();
    assert_eq!(parsed.notes, []);
    let names: Vec<_> = parsed.model.parts[0].names().collect();
    assert_eq!(names, ["a", "b", "c", "d"]);

    let again = read(&parsed.document).unwrap();
    assert_eq!(again.model, parsed.model);
    let published = template(&parsed.document);
    assert!(!published["capabilityModel"].to_string().contains("@context"));
    assert_eq!(read(&published).unwrap().model, parsed.model);

    documents.add("more.json", &part("dtmi:e;1", json!("dtmi:e;1"), "e"));
    let several = documents.read(None).unwrap_err().to_string();
    assert!(
        several.ends_with("there are 2 models, and one has to be named: `dtmi:d;1`, `dtmi:e;1`"),
        "{several}"
    );
    let cyclic = documents.read(Some("dtmi:e;1")).unwrap_err().to_string();
    assert_eq!(cyclic, "more.json#/extends: `dtmi:e;1` extends itself");
    let unknown = documents.read(Some("dtmi:dd;1")).unwrap_err().to_string();
    assert!(unknown.contains("did you mean `dtmi:d;1`?"), "{unknown}");
}

#[test]
fn depth_and_number_are_bounded() {
    let mut schema = json!("double");
    for _ in 0..6 {
        schema = json!({"@type": "Array", "elementSchema": schema});
    }
    let deep = problems(&interface(
        json!([{"@type": "Telemetry", "name": "a", "schema": schema}]),
    ));
    assert!(deep[0].ends_with("schemas are more than 5 deep here"), "{deep:?}");

    // A schema that refers to itself, thirty times on each level.
    let fields: Vec<_> = (0..30)
        .map(|index| json!({"name": format!("f{index}"), "schema": "dtmi:a:s;1"}))
        .collect();
    let mut wide = interface(json!([{"@type": "Telemetry", "name": "a", "schema": "dtmi:a:s;1"}]));
    wide["schemas"] = json!([{"@id": "dtmi:a:s;1", "@type": "Object", "fields": fields}]);
    assert!(problems(&wide).iter().any(|problem| problem.contains("deep here")));

    let mut component = json!("dtmi:a;1");
    for index in 0..100 {
        component = json!({"@id": format!("dtmi:a{index};1"), "@type": "Interface", "contents": [
            {"@type": "Component", "name": "c", "schema": component}]});
    }
    component["@context"] = json!("dtmi:dtdl:context;2");
    assert!(
        problems(&component)
            .iter()
            .any(|problem| problem.contains("interfaces deep"))
    );
}

#[test]
fn the_shipped_models_are_read() {
    let shipped = crate::shipped();
    assert_eq!(shipped.ids().count(), 4);
    for id in shipped.ids() {
        let parsed = shipped.read(Some(id)).unwrap();
        assert_eq!(parsed.notes, [], "{id}");
        let published = read(&template(&parsed.document)).unwrap();
        assert_eq!(published.model, parsed.model);
        assert_eq!(read(&published.document).unwrap().model, parsed.model);
    }
    let controller = shipped
        .read(Some("dtmi:com:example:TemperatureController;2"))
        .unwrap()
        .model;
    assert_eq!(controller.parts.len(), 4);
    assert_eq!(
        controller
            .part(Some("thermostat2"))
            .unwrap()
            .telemetry("temperature")
            .unwrap()
            .schema,
        Schema::Plain(Plain::Double)
    );
}

#[test]
fn a_report_is_held_against_the_model() {
    let controller = crate::shipped()
        .read(Some("dtmi:com:example:TemperatureController;2"))
        .unwrap()
        .model;
    let report = json!({
        "serialNumber": 7, "colour": "red",
        "thermostat1": {"__t": "c", "targetTemperature": {"value": "warm", "ac": 200, "av": 1}, "maxTempSinceLastReboot": 21.5},
        "thermostat3": {"__t": "c", "targetTemperature": 20.0},
        "reboot": {"value": "restarted"},
        "deviceInformation": {"__t": "c", "manufacturer": "Contoso"},
    });
    let findings = controller.property_findings(report.as_object().unwrap());
    let said: Vec<_> = findings
        .iter()
        .map(|found| format!("{}: {found}", found.kind.as_str()))
        .collect();
    assert_eq!(
        said,
        [
            "mismatch: serialNumber must be a text",
            "unmodeled: colour is not a property of the model",
            "mismatch: thermostat1.targetTemperature/value must be a number",
            "unmodeled: thermostat3 is not a component of the model; did you mean `thermostat1`?",
        ]
    );
    assert_eq!(
        controller.telemetry_findings(Some("thermostat2"), &json!({"temperature": 20.5})),
        []
    );
    let findings = controller.telemetry_findings(None, &json!({"temperature": 20.5}));
    assert_eq!(findings[0].kind, FindingKind::Unmodeled);
}

use crate::FindingKind;

trait Tap: Sized {
    fn tap(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

impl Tap for Value {}

proptest! {
    /// Any change of a good model is read or refused, and neither panics nor hangs.
    #[test]
    fn no_document_makes_the_reader_panic(
        key in r"(@id|@type|@context|contents|schema|schemas|name|extends|fields|request|enumValues|unit|mapValue)",
        value in r#"(null|1|"x"|"dtmi:a;1"|"Interface"|"Component"|\[\]|\[1\]|\{\}|\{"@id":"dtmi:a;1"\}|\["dtmi:a;1"\])"#,
        at in 0..4_usize,
    ) {
        let value: Value = serde_json::from_str(&value).unwrap();
        let mut content = json!({"@type": "Component", "name": "a", "schema": {"@id": "dtmi:b;1", "@type": "Interface",
            "contents": [{"@type": ["Property", "Mass"], "name": "b", "schema": {"@type": "Object", "fields": []}}]}});
        match at {
            0 => content[&key] = value.clone(),
            1 => content["schema"][&key] = value.clone(),
            _ => content["schema"]["contents"][0][&key] = value.clone(),
        }
        let mut model = interface(json!([content]));
        if at == 3 {
            model[&key] = value;
        }
        if let Ok(parsed) = read(&model) {
            prop_assert_eq!(read(&parsed.document).unwrap().model, parsed.model);
        }
    }
}
