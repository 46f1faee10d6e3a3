use proptest::prelude::*;

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

fn problems_of(document: &Map<String, Value>) -> Vec<String> {
    Template::new("dtmi:contoso:mine;1", document.clone())
        .err()
        .unwrap_or_default()
}

#[test]
fn the_template_of_the_documentation_is_good() {
    let good = with(json!([
        {"@type": ["Telemetry", "Temperature"], "name": "temperature", "schema": "double", "unit": "degreeCelsius"},
        {"@type": ["Property", "Temperature"], "name": "targetTemperature", "schema": "double", "writable": true,
         "decimalPlaces": 1, "displayUnit": "C", "maxValue": 80, "minValue": 50, "unit": "degreeCelsius"},
        {"@type": "Command", "name": "getMaxMinReport",
         "request": {"@type": "CommandPayload", "name": "since", "schema": "dateTime"},
         "response": {"@type": "CommandPayload", "name": "tempReport", "schema": {"@type": "Object", "fields": [
            {"name": "maxTemp", "schema": "double"}, {"name": "startTime", "schema": "dateTime"}]}}},
        {"@type": ["Property", "Cloud", "StringValue"], "name": "CustomerName", "schema": "string"},
        {"@type": "Telemetry", "name": "state", "schema": {"@type": "Enum", "valueSchema": "integer",
         "enumValues": [{"name": "on", "enumValue": 1}]}},
        {"@type": "Property", "name": "modes", "schema": {"@type": "Map", "mapKey": {"name": "k", "schema": "string"},
         "mapValue": {"name": "v", "schema": "long"}}},
        {"@type": "Component", "name": "deviceInformation",
         "schema": "dtmi:azure:DeviceManagement:DeviceInformation;1"},
        {"@type": "Component", "name": "inner", "schema": {"@id": "dtmi:a;1", "@type": "Interface", "contents": []}},
    ]));
    assert_eq!(problems_of(&good), Vec::<String>::new());
}

#[test]
fn all_problems_are_reported_at_once_each_with_its_place() {
    let bad = json!({"@type": "DeviceModel", "@context": "https://example.org", "displayName": 1, "capabilityModel": {
    "@id": "dtmi:contoso:Thermostat;1", "contents": [
        {"@type": "Telemetry", "name": "a b", "schema": "double"},
        {"@type": "Property", "name": "p", "schema": "number", "writable": "yes"},
        {"@type": "Property", "name": "p", "schema": "long"},
        {"@type": ["Telemetry", "Property"], "name": "q", "schema": "long"},
        {"@type": "Component", "name": "c", "schema": {"@id": "dtmi:c;1", "@type": "Interface", "contents": [
            {"@type": "Component", "name": "d", "schema": "dtmi:d;1"}]}},
        {"@type": "Command", "name": "e", "request": {"name": "r", "schema": {"@type": "Object"}}},
        7,
    ]}});
    let found = problems_of(bad.as_object().unwrap());
    for place in [
        "@type",
        "@context",
        "displayName",
        "capabilityModel.@type",
        "capabilityModel.contents[0].name",
        "capabilityModel.contents[1].schema",
        "capabilityModel.contents[1].writable",
        "capabilityModel.contents[2].name",
        "capabilityModel.contents[3]",
        "capabilityModel.contents[4].schema.contents[0]",
        "capabilityModel.contents[5].request.schema.fields",
        "capabilityModel.contents[6]",
    ] {
        assert!(
            found.iter().any(|problem| problem.starts_with(place)),
            "{place}: {found:#?}"
        );
    }
    assert_eq!(problems_of(&Map::new()).len(), 2);
    let third = template(json!({"@id": "dtmi:a;1", "@type": "Interface", "@context": "dtmi:dtdl:context;3"}));
    assert_eq!(
        problems_of(&third),
        ["capabilityModel.@context: must be `dtmi:dtdl:context;2`, or a list with it"]
    );
}

#[test]
fn the_shipped_models_are_templates_with_their_components() {
    for id in [
        "dtmi:com:example:Thermostat;1",
        "dtmi:com:example:TemperatureController;2",
    ] {
        let template = Template::from_repository(id).unwrap();
        assert_eq!(template.model_id(), Some(id));
        // An export of it is taken again, and is the same.
        let again = Template::new(id, template.document.clone()).unwrap();
        assert_eq!(again.model(), template.model());
        let stored = serde_json::to_value(&again).unwrap();
        let restored: Template = serde_json::from_value(stored).unwrap();
        assert_eq!(restored.restored().model(), template.model());
    }
    let controller = Template::from_repository("dtmi:com:example:TemperatureController;2").unwrap();
    assert_eq!(
        controller.component_names().collect::<Vec<_>>(),
        ["thermostat1", "thermostat2", "deviceInformation"]
    );
    let target = |template: &Template| template.places_of("targetTemperature");
    assert_eq!(
        target(&controller),
        [Some("thermostat1".to_owned()), Some("thermostat2".to_owned())]
    );
    let thermostat = Template::from_repository("dtmi:com:example:Thermostat;1").unwrap();
    assert_eq!(target(&thermostat), [None]);
    assert!(Template::from_repository("dtmi:com:example:Unknown;1").is_none());
    let commands = controller.commands();
    let named: Vec<_> = commands
        .iter()
        .map(|command| (command.component.as_deref(), &*command.name))
        .collect();
    assert_eq!(
        named,
        [
            (None, "reboot"),
            (Some("thermostat1"), "getMaxMinReport"),
            (Some("thermostat2"), "getMaxMinReport")
        ]
    );
    let request = commands[0].request.as_ref().unwrap();
    assert_eq!((&*request.name, &request.schema), ("delay", &Value::from("integer")));
}

proptest! {
    #[test]
    fn no_template_makes_the_reader_panic(
        key in r"(@id|@type|@context|contents|schema|name|extends|fields|request)",
        value in r#"(null|1|"x"|"dtmi:a;1"|"Interface"|"Component"|\[\]|\[1\]|\{\})"#,
    ) {
        let value: Value = serde_json::from_str(&value).unwrap();
        let mut content = json!({"@type": "Component", "name": "a", "schema": {"@id": "dtmi:b;1", "@type": "Interface"}});
        content[&key] = value.clone();
        let mut model = json!({"@id": "dtmi:a;1", "@type": "Interface", "contents": [content]});
        problems_of(&template(model.clone()));
        model[&key] = value.clone();
        problems_of(&template(model));
        problems_of(&template(value));
    }
}
