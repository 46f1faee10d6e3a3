//! The models that our devices announce, as device templates of IoT Central.

use std::collections::BTreeSet;

use anyhow::{Context, anyhow};
use serde_json::{Value, json};

use crate::manifest::Manifest;
use crate::manifest::types::GroupKind;

/// The ids of the models that the devices of a manifest announce.
#[must_use]
pub(crate) fn model_ids(manifest: &Manifest) -> Vec<String> {
    let groups = manifest.group.iter().filter(|group| group.kind == GroupKind::Iot);
    let groups = groups.map(|group| group.model);
    let all = groups.chain(manifest.individual.iter().map(|individual| individual.model));
    let ids: BTreeSet<_> = all.filter_map(|model| Some(model.id()?.to_string())).collect();
    ids.into_iter().collect()
}

/// A device template around a model, whose components stand in it whole: IoT Central takes no references
/// (<https://learn.microsoft.com/azure/iot-central/core/howto-manage-device-templates-with-rest-api>).
///
/// # Errors
///
/// It is none of our models.
pub(crate) fn template(model_id: &str) -> anyhow::Result<Value> {
    let mut model = interface(model_id)?;
    let contents = model["contents"].as_array_mut().into_iter().flatten();
    for component in contents.filter(|content| content["@type"] == "Component") {
        if let Some(id) = component["schema"].as_str() {
            let mut schema = interface(id)?;
            // The language is named once, at the top.
            schema.as_object_mut().map(|schema| schema.shift_remove("@context"));
            component["schema"] = schema;
        }
    }
    model.as_object_mut().map(|model| model.shift_remove("@context"));
    Ok(json!({
        "@id": model_id,
        "@type": ["ModelDefinition", "DeviceModel"],
        "@context": ["dtmi:iotcentral:context;2", "dtmi:dtdl:context;2"],
        "displayName": model["displayName"],
        "capabilityModel": model,
    }))
}

fn interface(id: &str) -> anyhow::Result<Value> {
    let text = dtdl::shipped_text(id).ok_or_else(|| anyhow!("there is no model `{id}` in this program"))?;
    serde_json::from_str(text).with_context(|| format!("the built-in model `{id}` is not JSON"))
}

#[cfg(test)]
mod tests {
    use fleet_protocol::plan::Model;

    use super::*;

    #[test]
    fn a_template_holds_its_components_whole() {
        let template = template("dtmi:com:example:TemperatureController;2").unwrap();
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

    #[test]
    fn every_model_of_a_device_has_a_template() {
        for model in [Model::Thermostat, Model::TemperatureController] {
            let id = model.id().unwrap().to_string();
            assert_eq!(template(&id).unwrap()["capabilityModel"]["@id"], id);
        }
        assert!(template("dtmi:com:example:Other;1").is_err());
    }
}
