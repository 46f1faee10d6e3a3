//! Device templates of IoT Central: a model with everything in place.

use serde_json::{Value, json};

use crate::context::written_in_templates;
use crate::documents::{Documents, id_of};
use crate::types::is_a;

/// Interfaces within interfaces; a model that was read is far from it.
const DEEPEST: usize = 16;

/// The interface with what it extends and its components in place.
pub(crate) fn whole(documents: &Documents, id: &str) -> Value {
    written(documents, &Value::from(id), &mut Vec::new(), 0)
}

/// `within` are the interfaces that are in already: those that are extended twice are written once.
fn written(documents: &Documents, reference: &Value, within: &mut Vec<String>, depth: usize) -> Value {
    let Some(id) = id_of(reference) else {
        return reference.clone();
    };
    let found = documents.find(id).or_else(|| crate::shipped::find(id));
    let Some(found) = found.filter(|_| depth <= DEEPEST) else {
        return reference.clone();
    };
    if within.iter().any(|known| known == id) {
        return Value::from(id);
    }
    within.push(id.to_owned());
    let mut interface = found.value.clone();
    let contents = interface.get_mut("contents").and_then(Value::as_array_mut);
    for component in contents
        .into_iter()
        .flatten()
        .filter(|content| is_a(content, "Component"))
    {
        if let Some(schema) = component.get("schema") {
            // Two components of one interface hold it both: a template has no references
            // (https://learn.microsoft.com/azure/iot-central/core/howto-manage-device-templates-with-rest-api).
            component["schema"] = written(documents, schema, &mut Vec::new(), depth + 1);
        }
    }
    match interface.get_mut("extends") {
        Some(Value::Array(bases)) => {
            for base in bases {
                *base = written(documents, base, within, depth + 1);
            }
        }
        Some(base) => *base = written(documents, base, within, depth + 1),
        None => {}
    }
    interface
}

/// The device template around a model's [`document`](crate::Parsed::document), as IoT Central publishes it. It has the
/// id of the model, and DTDL 2, which is all that templates have.
#[must_use]
pub fn template(document: &Value) -> Value {
    let mut model = document.clone();
    without_context(&mut model, 0);
    json!({
        "@id": model["@id"],
        "@type": ["ModelDefinition", "DeviceModel"],
        "@context": written_in_templates(),
        "displayName": display_name(&model),
        "capabilityModel": model,
    })
}

fn display_name(model: &Value) -> &Value {
    match model.get("displayName") {
        Some(name) => name,
        None => &model["@id"],
    }
}

/// The language is named once, at the top.
fn without_context(interface: &mut Value, depth: usize) {
    let Value::Object(object) = interface else { return };
    if depth > DEEPEST {
        return;
    }
    object.shift_remove("@context");
    let contents = object.get_mut("contents").and_then(Value::as_array_mut);
    for content in contents.into_iter().flatten() {
        if is_a(content, "Component")
            && let Some(schema) = content.get_mut("schema")
        {
            without_context(schema, depth + 1);
        }
    }
    match object.get_mut("extends") {
        Some(Value::Array(bases)) => bases.iter_mut().for_each(|base| without_context(base, depth + 1)),
        Some(base) => without_context(base, depth + 1),
        None => {}
    }
}
