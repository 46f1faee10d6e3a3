//! What a device template must look like to be taken. Pure, and not the whole of DTDL: shapes, names, ids and schemas of
//! the model; not whether a unit fits its semantic type.
//!
//! Sources: [DTDL v2](https://github.com/Azure/opendigitaltwins-dtdl/blob/master/DTDL/v2/DTDL.v2.md),
//! [Manage device templates](https://learn.microsoft.com/azure/iot-central/core/howto-manage-device-templates-with-rest-api).

use std::collections::BTreeSet;

use iot_protocol::id::ModelId;
use serde_json::{Map, Value};

/// Limits of DTDL v2.
const MAX_CONTENTS: usize = 300;
const MAX_NAME: usize = 64;
/// How deep interfaces and schemas may nest. DTDL has smaller limits of several kinds.
const MAX_DEPTH: usize = 10;

/// What an interface may hold.
const KINDS: [&str; 5] = ["Telemetry", "Property", "Command", "Component", "Relationship"];
/// Schemas with a name of their own: those of DTDL, and those that IoT Central adds.
const SCHEMAS: [&str; 19] = [
    "boolean",
    "date",
    "dateTime",
    "double",
    "duration",
    "float",
    "integer",
    "long",
    "string",
    "time",
    "point",
    "multiPoint",
    "lineString",
    "multiLineString",
    "polygon",
    "multiPolygon",
    "geopoint",
    "vector",
    "event",
];
const COMPLEX: [&str; 4] = ["Array", "Enum", "Map", "Object"];
const TEMPLATE_TYPE: &str = "ModelDefinition";
const DTDL_CONTEXTS: &str = "dtmi:dtdl:context;";

/// Everything that is wrong with a template, each with its place; nothing if it can be published.
pub(crate) fn problems(template: &Map<String, Value>) -> Vec<String> {
    let mut check = Check::default();
    if !types(template.get("@type")).any(|kind| kind == TEMPLATE_TYPE) {
        check.problem("@type", format!("a list with `{TEMPLATE_TYPE}`"));
    }
    check.context("@context", template.get("@context"));
    match template.get("displayName") {
        None | Some(Value::String(_)) => {}
        Some(_) => check.problem("displayName", "a text"),
    }
    match template.get("capabilityModel") {
        Some(model) => check.interface("capabilityModel", model, 0, Place::Root),
        None => check.problem("capabilityModel", "an Interface"),
    }
    check.problems
}

/// Whether `@type` contains this kind.
pub(crate) fn is_a(thing: &Value, kind: &str) -> bool {
    types(thing.get("@type")).any(|found| found == kind)
}

/// The texts of an `@type`, which is one or a list of them.
fn types(types: Option<&Value>) -> impl Iterator<Item = &str> {
    let list = match types {
        Some(Value::Array(list)) => list.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    list.iter().filter_map(Value::as_str)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    Component,
}

#[derive(Default)]
struct Check {
    problems: Vec<String>,
}

impl Check {
    fn problem(&mut self, place: &str, wanted: impl AsRef<str>) {
        self.problems.push(format!("{place}: must be {}", wanted.as_ref()));
    }

    /// A context need not be there; one that is must be of DTDL.
    fn context(&mut self, place: &str, context: Option<&Value>) {
        let Some(context) = context else { return };
        let list = match context {
            Value::Array(list) => list.as_slice(),
            one => std::slice::from_ref(one),
        };
        let names: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
        if !names.is_some_and(|names| names.iter().any(|name| name.starts_with(DTDL_CONTEXTS))) {
            self.problem(place, "`dtmi:dtdl:context;2`, or a list with it");
        }
    }

    fn id(&mut self, place: &str, id: Option<&Value>, is_needed: bool) {
        let is_good = match id {
            None => !is_needed,
            Some(id) => id.as_str().is_some_and(|id| ModelId::new(id).is_ok()),
        };
        if !is_good {
            self.problem(&format!("{place}.@id"), "an id such as `dtmi:contoso:Thermostat;1`");
        }
    }

    fn interface(&mut self, place: &str, interface: &Value, depth: usize, within: Place) {
        if depth > MAX_DEPTH {
            return self.problem(place, "less deep");
        }
        let Value::Object(object) = interface else {
            return self.problem(place, "an Interface");
        };
        self.id(place, object.get("@id"), true);
        if !is_a(interface, "Interface") {
            self.problem(&format!("{place}.@type"), "`Interface`");
        }
        self.context(&format!("{place}.@context"), object.get("@context"));
        let mut names = BTreeSet::new();
        match object.get("contents") {
            None => {}
            Some(Value::Array(contents)) if contents.len() <= MAX_CONTENTS => {
                for (at, content) in contents.iter().enumerate() {
                    let place = format!("{place}.contents[{at}]");
                    self.content(&place, content, depth, within);
                    if let Some(name) = content.get("name").and_then(Value::as_str)
                        && !names.insert(name)
                    {
                        self.problem(
                            &format!("{place}.name"),
                            format!("another than `{name}`, which is taken"),
                        );
                    }
                }
            }
            Some(_) => self.problem(
                &format!("{place}.contents"),
                format!("a list of {MAX_CONTENTS} at most"),
            ),
        }
        let bases = match object.get("extends") {
            Some(Value::Array(list)) => list.as_slice(),
            Some(one) => std::slice::from_ref(one),
            None => &[],
        };
        for (at, base) in bases.iter().enumerate() {
            let place = format!("{place}.extends[{at}]");
            match base {
                Value::String(_) => self.id(&place, Some(base), true),
                _ => self.interface(&place, base, depth + 1, within),
            }
        }
    }

    fn content(&mut self, place: &str, content: &Value, depth: usize, within: Place) {
        let mut kinds = KINDS.iter().filter(|kind| is_a(content, kind));
        let (Some(kind), None) = (kinds.next(), kinds.next()) else {
            return self.problem(&format!("{place}.@type"), format!("one of {}", KINDS.join(", ")));
        };
        self.name(place, content);
        let schema = content.get("schema");
        let at_schema = format!("{place}.schema");
        match *kind {
            "Telemetry" | "Property" => self.schema(&at_schema, schema, depth),
            "Command" => {
                for part in ["request", "response"] {
                    if let Some(payload) = content.get(part) {
                        let place = format!("{place}.{part}");
                        self.name(&place, payload);
                        self.schema(&format!("{place}.schema"), payload.get("schema"), depth);
                    }
                }
            }
            "Component" if within == Place::Component => {
                self.problem(&format!("{place}.@type"), "no `Component` within a component");
            }
            "Component" => match schema {
                Some(Value::String(_)) => self.id(&at_schema, schema, true),
                Some(interface) => self.interface(&at_schema, interface, depth + 1, Place::Component),
                None => self.problem(&at_schema, "an Interface, or its id"),
            },
            _ => {}
        }
        if content.get("writable").is_some_and(|writable| !writable.is_boolean()) {
            self.problem(&format!("{place}.writable"), "true or false");
        }
    }

    fn name(&mut self, place: &str, thing: &Value) {
        let name = thing.get("name").and_then(Value::as_str).unwrap_or_default();
        let starts = name.starts_with(|c: char| c.is_ascii_alphabetic());
        let good = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !name.ends_with('_');
        if !starts || !good || name.len() > MAX_NAME {
            self.problem(
                &format!("{place}.name"),
                format!("1 to {MAX_NAME} letters, digits and inner `_`, a letter first"),
            );
        }
    }

    fn schema(&mut self, place: &str, schema: Option<&Value>, depth: usize) {
        if depth > MAX_DEPTH {
            return self.problem(place, "less deep");
        }
        match schema {
            Some(Value::String(name)) if SCHEMAS.contains(&name.as_str()) || ModelId::new(name).is_ok() => {}
            Some(complex @ Value::Object(_)) => match COMPLEX.into_iter().find(|kind| is_a(complex, kind)) {
                Some("Array") => self.schema(
                    &format!("{place}.elementSchema"),
                    complex.get("elementSchema"),
                    depth + 1,
                ),
                Some("Object") => self.fields(place, "fields", complex, depth),
                Some("Enum") => {
                    if !complex.get("enumValues").is_some_and(Value::is_array) {
                        self.problem(&format!("{place}.enumValues"), "a list");
                    }
                }
                Some(_) => {
                    let value = complex.get("mapValue").and_then(|value| value.get("schema"));
                    self.schema(&format!("{place}.mapValue.schema"), value, depth + 1);
                }
                None => self.problem(&format!("{place}.@type"), format!("one of {}", COMPLEX.join(", "))),
            },
            _ => self.problem(
                place,
                "a schema such as `double`, the id of one, or an Array, Enum, Map or Object",
            ),
        }
    }

    fn fields(&mut self, place: &str, key: &str, object: &Value, depth: usize) {
        let Some(Value::Array(fields)) = object.get(key) else {
            return self.problem(&format!("{place}.{key}"), "a list");
        };
        for (at, field) in fields.iter().enumerate() {
            let place = format!("{place}.{key}[{at}]");
            self.name(&place, field);
            self.schema(&format!("{place}.schema"), field.get("schema"), depth + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn template(model: Value) -> Map<String, Value> {
        let template = json!({
            "@type": ["ModelDefinition", "DeviceModel"],
            "@context": ["dtmi:iotcentral:context;2", "dtmi:dtdl:context;2"],
            "displayName": "Thermostat",
            "capabilityModel": model,
        });
        template.as_object().unwrap().clone()
    }

    fn with(contents: Value) -> Map<String, Value> {
        template(json!({"@id": "dtmi:contoso:Thermostat;1", "@type": "Interface", "contents": contents}))
    }

    #[test]
    fn the_template_of_the_documentation_is_good() {
        let good = with(json!([
            {"@type": ["Telemetry", "Temperature"], "name": "temperature", "schema": "double", "unit": "degreeCelsius"},
            {"@type": ["Property", "Temperature"], "name": "targetTemperature", "schema": "double", "writable": true,
             "decimalPlaces": 1, "displayUnit": "C", "maxValue": 80, "minValue": 50},
            {"@type": "Command", "name": "getMaxMinReport",
             "request": {"@type": "CommandPayload", "name": "since", "schema": "dateTime"},
             "response": {"@type": "CommandPayload", "name": "tempReport", "schema": {"@type": "Object", "fields": [
                {"name": "maxTemp", "schema": "double"}, {"name": "startTime", "schema": "dateTime"}]}}},
            {"@type": ["Property", "Cloud", "StringValue"], "name": "CustomerName", "schema": "string"},
            {"@type": "Telemetry", "name": "state", "schema": {"@type": "Enum", "valueSchema": "integer",
             "enumValues": [{"name": "on", "enumValue": 1}]}},
            {"@type": "Property", "name": "modes", "schema": {"@type": "Map", "mapKey": {"name": "k", "schema": "string"},
             "mapValue": {"name": "v", "schema": {"@type": "Array", "elementSchema": "long"}}}},
            {"@type": "Component", "name": "deviceInformation",
             "schema": "dtmi:azure:DeviceManagement:DeviceInformation;1"},
            {"@type": "Component", "name": "inner", "schema": {"@id": "dtmi:a;1", "@type": "Interface",
             "extends": ["dtmi:b;1"], "contents": []}},
        ]));
        assert_eq!(problems(&good), Vec::<String>::new());
        for id in [
            "dtmi:com:example:Thermostat;1",
            "dtmi:com:example:TemperatureController;2",
        ] {
            let built_in = super::super::Template::from_repository(id).unwrap();
            assert_eq!(problems(&built_in.document), Vec::<String>::new(), "{id}");
        }
    }

    #[test]
    fn all_problems_are_reported_at_once_each_with_its_place() {
        let bad = json!({"@type": "DeviceModel", "@context": "https://example.org", "displayName": 1, "capabilityModel": {
        "@id": "Thermostat", "contents": [
            {"@type": "Telemetry", "name": "a b", "schema": "double"},
            {"@type": "Property", "name": "p", "schema": "number", "writable": "yes"},
            {"@type": "Property", "name": "p"},
            {"@type": ["Telemetry", "Property"], "name": "q", "schema": "long"},
            {"@type": "Component", "name": "c", "schema": {"@id": "dtmi:c;1", "@type": "Interface", "contents": [
                {"@type": "Component", "name": "d", "schema": "dtmi:d;1"}]}},
            {"@type": "Command", "name": "e", "request": {"name": "r", "schema": {"@type": "Object"}}},
            7,
        ]}});
        let found = problems(bad.as_object().unwrap());
        let places: Vec<_> = found
            .iter()
            .map(|problem| problem.split(": ").next().unwrap())
            .collect();
        assert_eq!(
            places,
            [
                "@type",
                "@context",
                "displayName",
                "capabilityModel.@id",
                "capabilityModel.@type",
                "capabilityModel.contents[0].name",
                "capabilityModel.contents[1].schema",
                "capabilityModel.contents[1].writable",
                "capabilityModel.contents[2].schema",
                "capabilityModel.contents[2].name",
                "capabilityModel.contents[3].@type",
                "capabilityModel.contents[4].schema.contents[0].@type",
                "capabilityModel.contents[5].request.schema.fields",
                "capabilityModel.contents[6].@type",
            ]
        );
        assert_eq!(problems(&Map::new()).len(), 2);
        let many = vec![json!({"@type": "Telemetry", "name": "a", "schema": "long"}); MAX_CONTENTS + 1];
        assert!(problems(&with(many.into())).concat().contains("a list of 300 at most"));
    }

    proptest! {
        #[test]
        fn no_template_makes_the_check_panic(
            key in r"(@id|@type|@context|contents|schema|name|extends|fields|request)",
            value in r#"(null|1|"x"|"dtmi:a;1"|"Interface"|"Component"|\[\]|\[1\]|\{\})"#,
        ) {
            let value: Value = serde_json::from_str(&value).unwrap();
            let mut content = json!({"@type": "Component", "name": "a", "schema": {"@id": "dtmi:a;1", "@type": "Interface"}});
            content[&key] = value.clone();
            let mut model = json!({"@id": "dtmi:a;1", "@type": "Interface", "contents": [content]});
            problems(&template(model.clone()));
            model[&key] = value.clone();
            problems(&template(model));
            problems(&template(value));
        }
    }
}
