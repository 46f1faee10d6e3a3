//! The models that the devices announce, as device templates of IoT Central.

use std::collections::BTreeMap;

use fleet_protocol::plan::Model;
use serde_json::Value;

use crate::manifest::Manifest;
use crate::manifest::models::DeviceModel;
use crate::manifest::types::GroupKind;

/// The template of each model that devices of the manifest announce, by the model's id. What is a template of the
/// application already is not among them.
#[must_use]
pub(crate) fn templates(manifest: &Manifest) -> BTreeMap<String, Value> {
    let groups = manifest.group.iter().filter(|group| group.kind == GroupKind::Iot);
    let groups = groups.map(|group| &group.model);
    let all = groups.chain(manifest.individual.iter().map(|individual| &individual.model));
    let mut templates = BTreeMap::new();
    for model in all.filter(|model| !matches!(model, DeviceModel::Template(_))) {
        match model.in_plan() {
            Model::Own(index) => {
                let own = manifest.models.get(usize::from(index));
                if let Some(read) = own.and_then(|own| own.read.as_ref()) {
                    templates.insert(read.model.id.to_string(), dtdl::template(&read.document));
                }
            }
            shipped => {
                if let Some(id) = shipped.id() {
                    templates.insert(id.to_string(), of_shipped(id.as_str()));
                }
            }
        }
    }
    templates
}

fn of_shipped(id: &str) -> Value {
    let parsed = dtdl::shipped().read(Some(id));
    let parsed = parsed.expect("the shipped models are there and valid; a test of theirs reads them");
    dtdl::template(&parsed.document)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_holds_its_components_whole() {
        let template = of_shipped("dtmi:com:example:TemperatureController;2");
        let contents = template["capabilityModel"]["contents"].as_array().unwrap();
        let components: Vec<_> = contents
            .iter()
            .filter(|content| content["@type"] == "Component")
            .collect();
        assert_eq!(components.len(), 3);
        for component in components {
            assert!(component["schema"]["contents"].is_array(), "{component}");
        }
        assert!(!template["capabilityModel"].to_string().contains("@context"));
    }
}
