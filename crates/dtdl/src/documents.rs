//! The interfaces of some documents, and which of them is a model.

use std::collections::{BTreeMap, BTreeSet};

use iot_protocol::id::ModelId;
use serde_json::Value;

use crate::context::{self, Context};
use crate::problem::{Place, Problem, Problems, meant};
use crate::types::{is_a, list};

/// Interfaces within interfaces, in any way. Models that people write are far from it.
const DEEPEST: usize = 16;

/// The interfaces of some documents, by their ids.
///
/// What a document has wrong is kept until a model of it is read: all problems come at once.
#[derive(Debug, Clone, Default)]
pub struct Documents {
    interfaces: BTreeMap<String, Found>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) notes: Vec<Problem>,
}

/// An interface where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) place: Place,
    pub(crate) context: Context,
    pub(crate) value: Value,
    /// It stands by itself, and not within another.
    is_top: bool,
}

impl Documents {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a document: an interface, a list of them, or a device template of IoT Central with its `capabilityModel`.
    /// `source` names it in problems.
    pub fn add(&mut self, source: &str, document: &Value) {
        let place = Place::top(source);
        match document {
            Value::Array(interfaces) => {
                for (index, interface) in interfaces.iter().enumerate() {
                    self.index(interface, &place.at(index), None, 0);
                }
            }
            Value::Object(template) if template.contains_key("capabilityModel") => {
                let mut model = template["capabilityModel"].clone();
                if let Value::Object(interface) = &mut model {
                    // By itself, the model has to name its language too.
                    let given = template.get("@context").cloned();
                    let given = given.unwrap_or_else(context::written_in_templates);
                    interface.entry("@context").or_insert(given);
                }
                self.index(&model, &place.at("capabilityModel"), None, 0);
            }
            _ => self.index(document, &place, None, 0),
        }
    }

    fn problem(&mut self, place: Place, message: impl Into<String>) {
        self.problems.push(Problem {
            place,
            message: message.into(),
        });
    }

    fn context(&mut self, given: &Value, place: &Place) -> Option<Context> {
        context::read(given, place, &mut self.notes, &mut self.problems)
    }

    fn index(&mut self, interface: &Value, place: &Place, within: Option<Context>, depth: usize) {
        if depth > DEEPEST {
            return self.problem(place.clone(), format!("is more than {DEEPEST} interfaces deep"));
        }
        let Value::Object(object) = interface else {
            return self.problem(place.clone(), "must be an Interface");
        };
        let context = match (object.get("@context"), within) {
            (Some(given), _) => self.context(given, &place.at("@context")),
            (None, Some(within)) => Some(within),
            (None, None) => {
                self.problem(
                    place.at("@context"),
                    "is missing: `dtmi:dtdl:context;2` or `dtmi:dtdl:context;3`",
                );
                None
            }
        };
        // What is wrong within it can be said, whichever version it is.
        let context = context.unwrap_or(context::OF_TEMPLATES);
        let id = match object.get("@id").and_then(Value::as_str) {
            Some(id) if ModelId::new(id).is_ok() => Some(id),
            _ => {
                self.problem(place.at("@id"), "must be an id such as `dtmi:contoso:pump;1`");
                None
            }
        };
        if let Some(id) = id {
            let found = Found {
                place: place.clone(),
                context,
                value: interface.clone(),
                is_top: depth == 0,
            };
            match self.interfaces.get_mut(id) {
                None => {
                    self.interfaces.insert(id.to_owned(), found);
                }
                Some(known) if same(&known.value, interface) => known.is_top |= found.is_top,
                Some(known) => {
                    let message = format!("`{id}` is at {} already, and is different there", known.place);
                    self.problem(place.at("@id"), message);
                }
            }
        }
        for (index, content) in list(object.get("contents")).iter().enumerate() {
            if let Some(schema @ Value::Object(_)) = content.get("schema")
                && is_a(content, "Component")
            {
                let place = place.at("contents").at(index).at("schema");
                self.index(schema, &place, Some(context), depth + 1);
            }
        }
        for (index, base) in list(object.get("extends")).iter().enumerate() {
            if base.is_object() {
                self.index(base, &place.at("extends").at(index), Some(context), depth + 1);
            }
        }
    }

    /// The interface of an id.
    pub(crate) fn find(&self, id: &str) -> Option<&Found> {
        self.interfaces.get(id)
    }

    /// The ids of all interfaces.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.interfaces.keys().map(String::as_str)
    }

    /// The ids of the interfaces that stand by themselves and that no other extends or has as a component. Where there is
    /// one, it is the model.
    pub fn roots(&self) -> impl Iterator<Item = &str> {
        let mut used = BTreeSet::new();
        for (id, found) in &self.interfaces {
            let components = list(found.value.get("contents"))
                .iter()
                .filter(|content| is_a(content, "Component"));
            let components = components.filter_map(|component| id_of(component.get("schema")?));
            let bases = list(found.value.get("extends")).iter().filter_map(id_of);
            // An interface that uses itself is wrong, but it is there.
            used.extend(components.chain(bases).filter(|used| used != id));
        }
        let top = self.interfaces.iter().filter(|(_, found)| found.is_top);
        top.map(|(id, _)| id.as_str()).filter(move |id| !used.contains(id))
    }

    /// The id of the model: `asked`, or the only root.
    pub(crate) fn root(&self, asked: Option<&str>) -> Result<&str, Problems> {
        let alone = |place: Place, message: String| {
            let mut problems = self.problems.clone();
            problems.push(Problem { place, message });
            Problems::new(problems).expect("there is one")
        };
        let first = self.interfaces.values().map(|found| &found.place.source).min();
        let place = Place::top(first.map_or("the model", String::as_str));
        if let Some(asked) = asked {
            return match self.interfaces.get_key_value(asked) {
                Some((id, _)) => Ok(id),
                None => Err(alone(
                    place,
                    format!("there is no interface `{asked}`{}", meant(asked, self.ids())),
                )),
            };
        }
        let roots: Vec<_> = self.roots().collect();
        match roots.as_slice() {
            [root] => Ok(root),
            [] if self.interfaces.is_empty() => Err(alone(place, "there is no interface".to_owned())),
            [] => Err(alone(place, "each interface is a part of another one".to_owned())),
            several => Err(alone(
                place,
                format!(
                    "there are {} models, and one has to be named: `{}`",
                    several.len(),
                    several.join("`, `")
                ),
            )),
        }
    }
}

/// The id of an interface that is written in place or named.
pub(crate) fn id_of(interface: &Value) -> Option<&str> {
    interface.as_str().or_else(|| interface.get("@id")?.as_str())
}

/// Whether two interfaces are the same, wherever the language was named.
fn same(one: &Value, other: &Value) -> bool {
    let without = |value: &Value| {
        let mut value = value.clone();
        value.as_object_mut().map(|object| object.shift_remove("@context"));
        value
    };
    without(one) == without(other)
}
