//! A model, read from its interfaces: what it extends and its components are in it then.

mod contents;
mod meaning;
mod schemas;

use std::collections::BTreeMap;

use iot_protocol::id::ModelId;
use serde_json::{Map, Value};

use crate::context::Context;
use crate::documents::{Documents, Found, id_of};
use crate::model::{Model, Part};
use crate::problem::{Place, Problem, Problems, meant};
use crate::template::whole;
use crate::types::{is_a, list, types};
use schemas::Schemas;

/// How deep interfaces may extend each other.
const MAX_EXTENDS: usize = 10;
/// The most elements of a model, with all schemas that it refers to.
const MAX_ELEMENTS: usize = 100_000;

/// A model, and what of it is left out.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// The model.
    pub model: Model,
    /// What is left out, because it is no part of a device or is not known here. No reason to refuse the model.
    pub notes: Vec<Problem>,
    /// The interface with all that it needs in place: [`Documents::add`] reads it as the same model.
    pub document: Value,
}

impl Documents {
    /// Reads a model: the interface of this id, or the only one that is no part of another.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, each with its place.
    pub fn read(&self, id: Option<&str>) -> Result<Parsed, Problems> {
        let id = self.root(id)?;
        let mut reader = Reader {
            documents: self,
            problems: self.problems.clone(),
            notes: self.notes.clone(),
            elements: 0,
        };
        let model = reader.model(id);
        match Problems::new(reader.problems) {
            Some(problems) => Err(problems),
            None => Ok(Parsed {
                model,
                notes: reader.notes,
                document: whole(self, id),
            }),
        }
    }
}

struct Reader<'a> {
    documents: &'a Documents,
    problems: Vec<Problem>,
    notes: Vec<Problem>,
    elements: usize,
}

/// What the contents of an interface are read into.
struct Gathering<'a> {
    part: Part,
    /// Where each name was first.
    names: BTreeMap<String, Place>,
    /// The interfaces on the way here, each of which extends the next.
    chain: Vec<&'a str>,
    /// Every interface that is in already: two may extend the same one.
    within: Vec<&'a str>,
    /// Components that were found, by name.
    components: Vec<(String, Place, &'a Value)>,
}

impl<'a> Gathering<'a> {
    fn new(component: Option<String>, interface: &str) -> Self {
        Self {
            part: Part {
                component,
                interface: interface.to_owned(),
                ..Part::default()
            },
            names: BTreeMap::new(),
            chain: Vec::new(),
            within: Vec::new(),
            components: Vec::new(),
        }
    }
}

impl<'a> Reader<'a> {
    fn problem(&mut self, place: Place, message: impl Into<String>) {
        self.problems.push(Problem {
            place,
            message: message.into(),
        });
    }

    fn note(&mut self, place: Place, message: impl Into<String>) {
        let note = Problem {
            place,
            message: message.into(),
        };
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Whether there may be one more element.
    fn one_more(&mut self, place: &Place) -> bool {
        self.elements += 1;
        if self.elements == MAX_ELEMENTS + 1 {
            self.problem(
                place.clone(),
                format!("the model has more than {MAX_ELEMENTS} elements"),
            );
        }
        self.elements <= MAX_ELEMENTS
    }

    fn model(&mut self, id: &'a str) -> Model {
        let mut root = Gathering::new(None, id);
        let mut display_name = None;
        if let Some(found) = self.documents.find(id) {
            display_name = text(found.value.get("displayName"));
            self.interface(found, id, &mut root);
        }
        let mut parts = vec![root.part];
        for (name, place, schema) in root.components {
            parts.extend(self.component(name, &place, schema));
        }
        Model {
            id: ModelId::new(id).expect("ids are checked where interfaces are found"),
            display_name: display_name.unwrap_or_else(|| last_segment(id).to_owned()),
            parts,
        }
    }

    fn component(&mut self, name: String, place: &Place, schema: &'a Value) -> Option<Part> {
        let (id, found) = self.referred(schema, place)?;
        let mut gathering = Gathering::new(Some(name), id);
        self.interface(found, id, &mut gathering);
        for (_, place, _) in gathering.components {
            self.problem(place, "is a Component within a component, which DTDL does not have");
        }
        Some(gathering.part)
    }

    /// The interface that stands here or is named here.
    fn referred(&mut self, reference: &'a Value, place: &Place) -> Option<(&'a str, &'a Found)> {
        let Some(id) = id_of(reference) else {
            // What stands here without an id has been reported.
            if !reference.is_object() {
                self.problem(place.clone(), "must be an Interface, or the id of one");
            }
            return None;
        };
        let found = self.documents.find(id).or_else(|| crate::shipped::find(id));
        if found.is_none() && !reference.is_object() {
            let hint = meant(id, self.documents.ids());
            self.problem(place.clone(), format!("there is no interface `{id}` here{hint}"));
        }
        Some((id, found?))
    }

    fn interface(&mut self, found: &'a Found, id: &'a str, into: &mut Gathering<'a>) {
        if into.chain.contains(&id) {
            return self.problem(found.place.at("extends"), format!("`{id}` extends itself"));
        }
        if into.within.contains(&id) {
            return;
        }
        if into.chain.len() > MAX_EXTENDS {
            return self.problem(
                found.place.clone(),
                format!("interfaces extend each other more than {MAX_EXTENDS} deep"),
            );
        }
        into.within.push(id);
        let Value::Object(object) = &found.value else { return };
        if !is_a(&found.value, "Interface") {
            self.problem(found.place.at("@type"), "must be `Interface`");
        }
        self.keys(object, &found.place, found.context, &["contents", "extends", "schemas"]);
        let limits = found.context.version.limits();

        into.chain.push(id);
        let bases = list(object.get("extends"));
        if bases.len() > limits.extends {
            let message = format!("names {} interfaces; {} at most", bases.len(), limits.extends);
            self.problem(found.place.at("extends"), message);
        }
        for (index, base) in bases.iter().enumerate() {
            let mut place = found.place.at("extends");
            if matches!(object.get("extends"), Some(Value::Array(_))) {
                place = place.at(index);
            }
            if let Some((id, base)) = self.referred(base, &place) {
                self.interface(base, id, into);
            }
        }
        into.chain.pop();

        let schemas = self.schemas(object, found);
        let place = found.place.at("contents");
        match object.get("contents") {
            None => {}
            Some(Value::Array(contents)) => {
                for (index, content) in contents.iter().enumerate() {
                    self.content(content, &place.at(index), &schemas, into);
                }
            }
            Some(_) => self.problem(place.clone(), "must be a list"),
        }
        if into.names.len() > limits.contents {
            let message = format!("there are {} contents; {} at most", into.names.len(), limits.contents);
            self.problem(place, message);
        }
    }

    /// Names the keys that are not known: wrong where one was probably meant, left out otherwise.
    fn keys(&mut self, object: &Map<String, Value>, place: &Place, context: Context, own: &[&str]) {
        let known = || COMMON.iter().chain(own).copied();
        for key in object.keys() {
            if known().any(|known| known == key) {
                continue;
            }
            let hint = meant(key, known());
            if hint.is_empty() || context.is_extended {
                self.note(place.at(key), format!("`{key}` is not known here, and left out"));
            } else {
                self.problem(place.at(key), format!("`{key}` is not a key of this{hint}"));
            }
        }
    }

    /// The name of an element, if it is a good one.
    fn name(&mut self, element: &Value, place: &Place, context: Context) -> Option<String> {
        let limit = context.version.limits().name;
        let name = element.get("name").and_then(Value::as_str).filter(|name| {
            let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
            name.starts_with(|c: char| c.is_ascii_alphabetic())
                && name.chars().all(good)
                && !name.ends_with('_')
                && name.len() <= limit
        });
        if name.is_none() {
            let message = format!("must be 1 to {limit} letters, digits and inner `_`, a letter first");
            self.problem(place.at("name"), message);
        }
        name.map(str::to_owned)
    }
}

/// The keys that every element may have, and those with which IoT Central shows one.
const COMMON: [&str; 18] = [
    "@type",
    "@id",
    "@context",
    "name",
    "displayName",
    "description",
    "comment",
    "displayUnit",
    "decimalPlaces",
    "minValue",
    "maxValue",
    "minLength",
    "maxLength",
    "initialValue",
    "trueName",
    "falseName",
    "color",
    "etag",
];

/// A text that may be there in several languages.
fn text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.clone()),
        Value::Object(languages) => languages
            .get("en")
            .or_else(|| languages.values().next())?
            .as_str()
            .map(str::to_owned),
        _ => None,
    }
}

fn last_segment(id: &str) -> &str {
    let path = id.split_once(';').map_or(id, |(path, _)| path);
    path.rsplit_once(':').map_or(path, |(_, last)| last)
}

#[cfg(test)]
mod tests;
