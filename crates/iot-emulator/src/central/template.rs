use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::dtdl::is_a;
use super::new_etag;
use crate::store::{Record, Table};

/// The models of the public model repository that the sample devices use.
///
/// Source: [iot-plugandplay-models](https://github.com/Azure/iot-plugandplay-models/tree/main/dtmi/com/example).
const REPOSITORY: [(&str, &str); 2] = [
    (
        "dtmi:com:example:Thermostat;1",
        include_str!("../../models/thermostat-1.json"),
    ),
    (
        "dtmi:com:example:TemperatureController;2",
        include_str!("../../models/temperaturecontroller-2.json"),
    ),
];

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Template {
    pub(crate) id: String,
    /// The whole document but its etag.
    pub(crate) document: Map<String, Value>,
    pub(crate) etag: String,
}

impl Record for Template {
    const TABLE: Table = Table::Templates;
}

/// A command of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// The component that has it; none for one of the root.
    pub component: Option<String>,
    /// Its name.
    pub name: String,
    /// What it takes, if anything.
    pub request: Option<Request>,
}

/// What a command takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// What it is called.
    pub name: String,
    /// The name of a primitive schema of DTDL, or a complex one as it is written.
    pub schema: Value,
}

impl Template {
    pub(crate) fn new(id: &str, document: Map<String, Value>) -> Self {
        Self {
            id: id.into(),
            document,
            etag: new_etag(),
        }
    }

    /// Generates the template of a model that the repository has.
    pub(crate) fn from_repository(model_id: &str) -> Option<Self> {
        let (_, text) = REPOSITORY.iter().find(|(id, _)| *id == model_id)?;
        let model: Value = serde_json::from_str(text).expect("the built-in models are JSON; a test reads them all");
        let Value::Object(document) = json!({
            "@id": model_id,
            "@type": ["ModelDefinition", "DeviceModel"],
            "@context": ["dtmi:iotcentral:context;2", "dtmi:dtdl:context;2"],
            "displayName": model["displayName"],
            "capabilityModel": model,
        }) else {
            return None;
        };
        Some(Self::new(model_id, document))
    }

    /// The model that a device must announce to get this template.
    pub(crate) fn model_id(&self) -> Option<&str> {
        self.document.get("capabilityModel")?.get("@id")?.as_str()
    }

    /// What it is called.
    pub(crate) fn display_name(&self) -> &str {
        let name = self.document.get("displayName").and_then(Value::as_str);
        name.unwrap_or(&self.id)
    }

    /// The commands of the model, those of the root first.
    pub(crate) fn commands(&self) -> Vec<Command> {
        let commands = |component: Option<&str>, contents: &Value| -> Vec<Command> {
            let contents = contents.as_array().into_iter().flatten();
            let commands = contents.filter(|content| is_a(content, "Command"));
            let command = |content: &Value| {
                let request = content.get("request");
                Some(Command {
                    component: component.map(Into::into),
                    name: content["name"].as_str()?.to_owned(),
                    request: request.map(|request| Request {
                        name: request["name"].as_str().unwrap_or("request").to_owned(),
                        schema: request["schema"].clone(),
                    }),
                })
            };
            commands.filter_map(command).collect()
        };
        let model = self.document.get("capabilityModel");
        let mut all = model.map_or_else(Vec::new, |model| commands(None, &model["contents"]));
        for component in self.components() {
            all.extend(commands(component["name"].as_str(), &component["schema"]["contents"]));
        }
        all
    }

    /// The components of the model that have a property, and `None` for the root if that has it.
    pub(crate) fn places_of(&self, property: &str) -> Vec<Option<String>> {
        let has = |contents: &Value| {
            let mut contents = contents.as_array().into_iter().flatten();
            contents.any(|content| content["name"] == property)
        };
        let model = self.document.get("capabilityModel");
        let root = model.is_some_and(|model| has(&model["contents"])).then_some(None);
        let components = self
            .components()
            .filter(|component| has(&component["schema"]["contents"]));
        let names = components.filter_map(|component| component["name"].as_str());
        root.into_iter()
            .chain(names.map(|name| Some(name.to_owned())))
            .collect()
    }

    /// The model's components, as the model writes them.
    pub(crate) fn components(&self) -> impl Iterator<Item = &Value> {
        let contents = self
            .document
            .get("capabilityModel")
            .and_then(|model| model.get("contents"));
        let contents = contents.and_then(Value::as_array).into_iter().flatten();
        contents.filter(|content| is_a(content, "Component"))
    }

    pub(crate) fn component_names(&self) -> impl Iterator<Item = &str> {
        self.components().filter_map(|component| component["name"].as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_models_are_templates_with_their_components() {
        for (id, _) in REPOSITORY {
            assert_eq!(Template::from_repository(id).unwrap().model_id(), Some(id));
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
}
