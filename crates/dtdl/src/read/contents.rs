//! Telemetry, properties, commands and components.

use serde_json::Value;

use super::{Gathering, Reader, Schemas, meant, types};
use crate::model::{Command, Payload, Property, Telemetry};
use crate::problem::Place;

/// What an interface may hold.
const KINDS: [&str; 5] = ["Telemetry", "Property", "Command", "Component", "Relationship"];

impl<'a> Reader<'a> {
    pub(super) fn content(
        &mut self,
        content: &'a Value,
        place: &Place,
        schemas: &Schemas<'a>,
        into: &mut Gathering<'a>,
    ) {
        let Value::Object(object) = content else {
            return self.problem(place.clone(), format!("must be one of {}", KINDS.join(", ")));
        };
        if !self.one_more(place) {
            return;
        }
        let mut kinds = KINDS
            .into_iter()
            .filter(|kind| types(content).any(|found| found == *kind));
        let (Some(kind), None) = (kinds.next(), kinds.next()) else {
            let hint = types(content).map(|found| meant(found, KINDS)).collect::<String>();
            let message = format!("must have one of {}{hint}", KINDS.join(", "));
            return self.problem(place.at("@type"), message);
        };
        let Some(name) = self.name(content, place, schemas.context) else {
            return;
        };
        if let Some(first) = into.names.insert(name.clone(), place.clone()) {
            let message = format!("`{name}` is taken by {first}");
            return self.problem(place.at("name"), message);
        }
        let part = &mut into.part;
        match kind {
            "Telemetry" => {
                self.keys(object, place, schemas.context, &["schema", "unit"]);
                let schema = self.schema(object.get("schema"), &place.at("schema"), schemas, 0);
                let meaning = self.meaning(content, schema.as_ref(), &[kind], place, schemas.context);
                part.telemetry
                    .extend(schema.map(|schema| Telemetry { name, schema, meaning }));
            }
            "Property" => {
                if types(content).any(|found| found == "Cloud") {
                    let message = format!("`{name}` is a cloud property, which devices do not have, and left out");
                    return self.note(place.clone(), message);
                }
                self.keys(object, place, schemas.context, &["schema", "unit", "writable"]);
                let schema = self.schema(object.get("schema"), &place.at("schema"), schemas, 0);
                let meaning = self.meaning(content, schema.as_ref(), &[kind], place, schemas.context);
                let writable = self.flag(content, "writable", place);
                let Some(schema) = schema else { return };
                if schemas.is_version_2() && schema.has_array() {
                    let message = "holds an Array, which properties have since DTDL 3 only; it is read all the same";
                    self.note(place.at("schema"), message);
                }
                part.properties.push(Property {
                    name,
                    schema,
                    meaning,
                    writable,
                });
            }
            "Command" => {
                // `commandType` is deprecated and has no meaning.
                let keys = ["request", "response", "commandType", "durable"];
                self.keys(object, place, schemas.context, &keys);
                let request = self.payload(object.get("request"), &place.at("request"), schemas);
                let response = self.payload(object.get("response"), &place.at("response"), schemas);
                let is_queued = self.flag(content, "durable", place);
                part.commands.push(Command {
                    name,
                    request,
                    response,
                    is_queued,
                });
            }
            "Component" => {
                self.keys(object, place, schemas.context, &["schema"]);
                match object.get("schema") {
                    Some(schema) => into.components.push((name, place.at("schema"), schema)),
                    None => self.problem(place.at("schema"), "is missing: an Interface, or the id of one"),
                }
            }
            _ => {
                let message = format!("the relationship `{name}` is left out: devices have none");
                self.note(place.clone(), message);
            }
        }
    }

    fn payload(&mut self, payload: Option<&'a Value>, place: &Place, schemas: &Schemas<'a>) -> Option<Payload> {
        let payload = payload.filter(|payload| !payload.is_null())?;
        let Value::Object(object) = payload else {
            self.problem(place.clone(), "must be an object with `name` and `schema`");
            return None;
        };
        self.keys(object, place, schemas.context, &["schema", "unit", "nullable"]);
        let name = self.name(payload, place, schemas.context);
        let schema = self.schema(object.get("schema"), &place.at("schema"), schemas, 0);
        let own = ["CommandPayload", "CommandRequest", "CommandResponse"];
        let meaning = self.meaning(payload, schema.as_ref(), &own, place, schemas.context);
        let nullable = self.flag(payload, "nullable", place);
        Some(Payload {
            name: name?,
            schema: schema?,
            meaning,
            nullable,
        })
    }

    fn flag(&mut self, element: &Value, key: &str, place: &Place) -> bool {
        match element.get(key) {
            None => false,
            Some(Value::Bool(flag)) => *flag,
            Some(_) => {
                self.problem(place.at(key), "must be true or false");
                false
            }
        }
    }
}
