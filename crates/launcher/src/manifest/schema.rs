//! The JSON Schema of the manifest, for editors. `configs/manifest.schema.json` is what this makes.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};

use super::Manifest;

/// The schema, made from the types.
#[must_use]
pub fn schema() -> Schema {
    let mut schema = SchemaSettings::draft2020_12()
        .into_generator()
        .into_root_schema_for::<Manifest>();
    RecursiveTransform(without_null).transform(&mut schema);
    schema
}

/// TOML has no null: what may be left out is left out.
fn without_null(schema: &mut Schema) {
    if let Some(serde_json::Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    let Some(serde_json::Value::Array(choices)) = schema.get_mut("anyOf") else {
        return;
    };
    choices.retain(|choice| choice.get("type").is_none_or(|name| name != "null"));
    if let [serde_json::Value::Object(only)] = choices.as_slice() {
        let only = only.clone();
        schema.remove("anyOf");
        for (key, value) in only {
            // The description of the field is more exact than that of its type.
            if schema.get(&key).is_none() {
                schema.insert(key, value);
            }
        }
    }
}
