//! Schemas: named, written in place, or among the `schemas` of the interface.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Context, Found, Reader, is_a, list, meant};
use crate::context::Version;
use crate::problem::Place;
use crate::schema::{EnumValue, Field, Literal, Plain, Schema};

/// How deep complex schemas may nest.
const MAX_DEPTH: usize = 5;
const COMPLEX: [&str; 4] = ["Array", "Enum", "Map", "Object"];

/// What the schemas of an interface may refer to.
pub(super) struct Schemas<'a> {
    pub(super) context: Context,
    named: BTreeMap<&'a str, (Place, &'a Value)>,
}

impl Schemas<'_> {
    pub(super) fn is_version_2(&self) -> bool {
        self.context.version == Version::V2
    }
}

impl<'a> Reader<'a> {
    /// The schemas that an interface names for itself.
    pub(super) fn schemas(&mut self, interface: &'a Map<String, Value>, found: &Found) -> Schemas<'a> {
        let mut named = BTreeMap::new();
        for (index, schema) in list(interface.get("schemas")).iter().enumerate() {
            let place = found.place.at("schemas").at(index);
            match schema.get("@id").and_then(Value::as_str) {
                Some(id) => {
                    if named.insert(id, (place.clone(), schema)).is_some() {
                        self.problem(place.at("@id"), format!("`{id}` is taken"));
                    }
                }
                None => self.problem(place.at("@id"), "is missing: without one, nothing can refer to it"),
            }
        }
        let schemas = Schemas {
            context: found.context,
            named,
        };
        // What nothing refers to is checked too.
        for (place, schema) in schemas.named.values() {
            self.schema(Some(schema), place, &schemas, 0);
        }
        schemas
    }

    pub(super) fn schema(
        &mut self,
        schema: Option<&'a Value>,
        place: &Place,
        schemas: &Schemas<'a>,
        depth: usize,
    ) -> Option<Schema> {
        if !self.one_more(place) {
            return None;
        }
        match schema {
            Some(Value::String(name)) => {
                if let Some(plain) = Plain::of_name(name) {
                    return Some(Schema::Plain(plain));
                }
                if let Some((place, schema)) = schemas.named.get(name.as_str()) {
                    return self.complex(schema, &place.clone(), schemas, depth);
                }
                let mut names: Vec<&str> = Plain::names().collect();
                names.extend(schemas.named.keys());
                let hint = meant(name, names);
                self.problem(place.clone(), format!("there is no schema `{name}` here{hint}"));
                None
            }
            Some(complex @ Value::Object(_)) => self.complex(complex, place, schemas, depth),
            _ => {
                let message = "must be a schema such as `double`, the id of one, or an Array, Enum, Map or Object";
                self.problem(place.clone(), message);
                None
            }
        }
    }

    fn complex(&mut self, schema: &'a Value, place: &Place, schemas: &Schemas<'a>, depth: usize) -> Option<Schema> {
        if depth >= MAX_DEPTH {
            self.problem(place.clone(), format!("schemas are more than {MAX_DEPTH} deep here"));
            return None;
        }
        let object = schema.as_object()?;
        let kind = COMPLEX.into_iter().find(|kind| is_a(schema, kind));
        let own: &[&str] = match kind {
            Some("Array") => &["elementSchema"],
            Some("Enum") => &["enumValues", "valueSchema"],
            Some("Map") => &["mapKey", "mapValue"],
            Some(_) => &["fields"],
            None => {
                self.problem(place.at("@type"), format!("must be one of {}", COMPLEX.join(", ")));
                return None;
            }
        };
        self.keys(object, place, schemas.context, own);
        match kind {
            Some("Array") => {
                let place = place.at("elementSchema");
                let element = self.schema(object.get("elementSchema"), &place, schemas, depth + 1)?;
                Some(Schema::Array(Box::new(element)))
            }
            Some("Enum") => self.enumeration(object, place, schemas.context),
            Some("Map") => self.map(object, place, schemas, depth),
            _ => self.object(object, place, schemas, depth),
        }
    }

    fn map(
        &mut self,
        map: &'a Map<String, Value>,
        place: &Place,
        schemas: &Schemas<'a>,
        depth: usize,
    ) -> Option<Schema> {
        let key = map.get("mapKey").and_then(|key| key.get("schema"));
        if key.and_then(Value::as_str).and_then(Plain::of_name) != Some(Plain::String) {
            self.problem(place.at("mapKey").at("schema"), "must be `string`");
        }
        let place = place.at("mapValue").at("schema");
        let value = map.get("mapValue").and_then(|value| value.get("schema"));
        let value = self.schema(value, &place, schemas, depth + 1)?;
        Some(Schema::Map(Box::new(value)))
    }

    fn object(
        &mut self,
        object: &'a Map<String, Value>,
        place: &Place,
        schemas: &Schemas<'a>,
        depth: usize,
    ) -> Option<Schema> {
        let place = place.at("fields");
        let Some(Value::Array(written)) = object.get("fields") else {
            self.problem(place, "must be a list");
            return None;
        };
        let limit = schemas.context.version.limits().fields;
        if written.len() > limit {
            self.problem(place.clone(), format!("has {} fields; {limit} at most", written.len()));
        }
        let mut fields = Vec::<Field>::new();
        for (index, field) in written.iter().enumerate() {
            let place = place.at(index);
            let Value::Object(object) = field else {
                self.problem(place, "must be an object with `name` and `schema`");
                continue;
            };
            self.keys(object, &place, schemas.context, &["schema", "unit"]);
            let name = self.name(field, &place, schemas.context);
            let schema = self.schema(object.get("schema"), &place.at("schema"), schemas, depth + 1);
            let meaning = self.meaning(field, schema.as_ref(), &["Field"], &place, schemas.context);
            let (Some(name), Some(schema)) = (name, schema) else {
                continue;
            };
            if fields.iter().any(|field| field.name == name) {
                self.problem(place.at("name"), format!("`{name}` is taken"));
                continue;
            }
            fields.push(Field { name, schema, meaning });
        }
        Some(Schema::Object(fields))
    }

    fn enumeration(&mut self, object: &'a Map<String, Value>, place: &Place, context: Context) -> Option<Schema> {
        let value_schema = object.get("valueSchema").and_then(Value::as_str);
        let is_text = match value_schema.and_then(Plain::of_name) {
            Some(Plain::Integer) => false,
            Some(Plain::String) => true,
            _ => {
                self.problem(place.at("valueSchema"), "must be `integer` or `string`");
                return None;
            }
        };
        let place = place.at("enumValues");
        let Some(Value::Array(written)) = object.get("enumValues") else {
            self.problem(place, "must be a list");
            return None;
        };
        let limit = context.version.limits().enum_values;
        if written.len() > limit {
            self.problem(place.clone(), format!("has {} values; {limit} at most", written.len()));
        }
        if written.is_empty() {
            self.problem(place.clone(), "is empty, so there is no value that could be sent");
        }
        let mut values = Vec::<EnumValue>::new();
        for (index, value) in written.iter().enumerate() {
            let place = place.at(index);
            let name = self.name(value, &place, context);
            let literal = match value.get("enumValue") {
                Some(Value::String(text)) if is_text => Some(Literal::Text(text.clone())),
                Some(number) if !is_text => number
                    .as_i64()
                    .filter(|number| i32::try_from(*number).is_ok())
                    .map(Literal::Integer),
                _ => None,
            };
            let Some(literal) = literal else {
                let wanted = if is_text { "a text" } else { "an integer of 4 bytes" };
                self.problem(
                    place.at("enumValue"),
                    format!("must be {wanted}, as `valueSchema` says"),
                );
                continue;
            };
            let Some(name) = name else { continue };
            if values.iter().any(|known| known.name == name || known.value == literal) {
                self.problem(place, "has the name or the value of another one");
                continue;
            }
            values.push(EnumValue { name, value: literal });
        }
        Some(Schema::Enum(values))
    }
}
