use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::dtdl::is_a;
use super::new_etag;
use crate::store::{Record, Table};

/// The models that a public model repository would know, as far as the sample devices use them.
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

/// A device template.
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

    /// The model's components, as the model writes them.
    pub(crate) fn components(&self) -> impl Iterator<Item = &Value> {
        let contents = self
            .document
            .get("capabilityModel")
            .and_then(|model| model.get("contents"));
        let contents = contents.and_then(Value::as_array).into_iter().flatten();
        contents.filter(|content| is_a(content, "Component"))
    }

    /// The names of the model's components.
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
        assert!(Template::from_repository("dtmi:com:example:Unknown;1").is_none());
    }
}
