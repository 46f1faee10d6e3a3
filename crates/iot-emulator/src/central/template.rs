use std::sync::Arc;

use dtdl::{Documents, Model, Parsed, Schema, is_a};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::new_etag;
use crate::store::{Record, Table};

const TYPE: &str = "ModelDefinition";
/// The language of templates.
const LANGUAGE: &str = "dtmi:dtdl:context;2";

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Template {
    pub(crate) id: String,
    /// The whole document but its etag.
    pub(crate) document: Map<String, Value>,
    pub(crate) etag: String,
    /// What its devices can do, which they share. One that was stored by a version that took it may have none.
    #[serde(skip)]
    model: Option<Arc<Model>>,
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
    /// The name of a primitive schema of DTDL, or an object with the `@type` of a complex one.
    pub schema: Value,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, each with its place.
    pub(crate) fn new(id: &str, document: Map<String, Value>) -> Result<Self, Vec<String>> {
        let mut problems = problems(&document);
        let model = match read(&document) {
            Ok(parsed) => Some(Arc::new(parsed.model)),
            Err(found) => {
                problems.extend(found);
                None
            }
        };
        match problems.is_empty() {
            true => Ok(Self {
                id: id.into(),
                document,
                etag: new_etag(),
                model,
            }),
            false => Err(problems),
        }
    }

    /// The same, as it was stored.
    pub(crate) fn restored(mut self) -> Self {
        self.model = read(&self.document).ok().map(|parsed| Arc::new(parsed.model));
        self
    }

    /// Generates the template of a model that needs no file, as those of the public repository that the SDKs' samples use.
    pub(crate) fn from_repository(model_id: &str) -> Option<Self> {
        let Parsed { model, document, .. } = dtdl::shipped().read(Some(model_id)).ok()?;
        let Value::Object(document) = dtdl::template(&document) else {
            return None;
        };
        Some(Self {
            id: model_id.into(),
            document,
            etag: new_etag(),
            model: Some(Arc::new(model)),
        })
    }

    /// What its devices can do.
    pub(crate) fn model(&self) -> Option<&Arc<Model>> {
        self.model.as_ref()
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
        let parts = self.model.iter().flat_map(|model| &model.parts);
        let commands = parts.flat_map(|part| part.commands.iter().map(move |command| (part, command)));
        let commands = commands.map(|(part, command)| Command {
            component: part.component.clone(),
            name: command.name.clone(),
            request: command.request.as_ref().map(|request| Request {
                name: request.name.clone(),
                schema: written(&request.schema),
            }),
        });
        commands.collect()
    }

    /// The components of the model that have a property, and `None` for the root if that has it.
    pub(crate) fn places_of(&self, property: &str) -> Vec<Option<String>> {
        let parts = self.model.iter().flat_map(|model| &model.parts);
        let having = parts.filter(|part| part.property(property).is_some());
        having.map(|part| part.component.clone()).collect()
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
        self.model.iter().flat_map(|model| model.components())
    }
}

/// What is wrong with a template outside of its model.
fn problems(template: &Map<String, Value>) -> Vec<String> {
    let mut problems = Vec::new();
    let is_template = match template.get("@type") {
        Some(Value::Array(types)) => types.iter().any(|one| one == TYPE),
        one => one.is_some_and(|one| one == TYPE),
    };
    if !is_template {
        problems.push(format!("@type: must be a list with `{TYPE}`"));
    }
    // Where a context names the language, it is the one of templates.
    let model = template.get("capabilityModel").and_then(|model| model.get("@context"));
    for (place, context) in [
        ("@context", template.get("@context")),
        ("capabilityModel.@context", model),
    ] {
        let is_good = match context {
            None => true,
            Some(Value::Array(contexts)) => contexts.iter().any(|one| one == LANGUAGE),
            Some(one) => one == LANGUAGE,
        };
        if !is_good {
            problems.push(format!("{place}: must be `{LANGUAGE}`, or a list with it"));
        }
    }
    match template.get("displayName") {
        None | Some(Value::String(_)) => {}
        Some(_) => problems.push("displayName: must be a text".to_owned()),
    }
    if !template.contains_key("capabilityModel") {
        problems.push("capabilityModel: must be an Interface".to_owned());
    }
    problems
}

/// The model of a template, or what is wrong with it.
fn read(template: &Map<String, Value>) -> Result<Parsed, Vec<String>> {
    let Some(model) = template.get("capabilityModel") else {
        return Err(Vec::new());
    };
    // What is wrong with the contexts has been reported already, if it is.
    let mut model = json!({ "capabilityModel": model });
    if let Some(interface) = model["capabilityModel"].as_object_mut() {
        interface.shift_remove("@context");
    }
    let mut documents = Documents::new();
    documents.add("template", &model);
    documents.read(None).map_err(|problems| {
        let words = problems
            .iter()
            .map(|problem| format!("{}: {}", place(&problem.place.pointer), problem.message));
        words.collect()
    })
}

/// A JSON pointer as REST interfaces write a place: `capabilityModel.contents[0].name`.
fn place(pointer: &str) -> String {
    if pointer.is_empty() {
        return "capabilityModel".to_owned();
    }
    let mut place = String::new();
    for step in pointer.split('/').skip(1) {
        if !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit()) {
            place.push_str(&format!("[{step}]"));
        } else {
            let dot = if place.is_empty() { "" } else { "." };
            place.push_str(&format!("{dot}{}", step.replace("~1", "/").replace("~0", "~")));
        }
    }
    place
}

fn written(schema: &Schema) -> Value {
    match schema {
        Schema::Plain(plain) => plain.name().into(),
        complex => json!({ "@type": complex.name() }),
    }
}

#[cfg(test)]
mod tests;
