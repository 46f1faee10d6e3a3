//! As much of DTDL v2 as the models in `configs/models` use: is what a device sends in its model?
//! See <https://github.com/Azure/opendigitaltwins-dtdl/blob/master/DTDL/v2/DTDL.v2.md>.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use jiff::Timestamp;
use serde_json::{Map, Value};

/// An interface with its components resolved.
pub(crate) struct Interface {
    contents: BTreeMap<String, Value>,
    components: BTreeMap<String, Interface>,
}

impl Interface {
    pub(crate) fn load(id: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dtdl/models");
        let models: Vec<Value> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| serde_json::from_slice(&fs::read(entry.unwrap().path()).unwrap()).unwrap())
            .collect();
        Self::resolve(id, &models)
    }

    fn resolve(id: &str, models: &[Value]) -> Self {
        let model = models
            .iter()
            .find(|model| model["@id"] == id)
            .unwrap_or_else(|| panic!("no model {id}"));
        let mut interface = Self {
            contents: BTreeMap::new(),
            components: BTreeMap::new(),
        };
        for content in model["contents"].as_array().unwrap() {
            let name = content["name"].as_str().unwrap().to_owned();
            if is_a(content, "Component") {
                interface
                    .components
                    .insert(name, Self::resolve(content["schema"].as_str().unwrap(), models));
            } else {
                interface.contents.insert(name, content.clone());
            }
        }
        interface
    }

    fn content(&self, name: &str, kind: &str) -> Result<&Value, String> {
        let content = self.contents.get(name).filter(|content| is_a(content, kind));
        content.ok_or_else(|| format!("{name} is not a {kind} of the model"))
    }

    fn component(&self, name: Option<&str>) -> Result<&Self, String> {
        match name {
            None => Ok(self),
            Some(name) => self
                .components
                .get(name)
                .ok_or_else(|| format!("{name} is not a component")),
        }
    }

    pub(crate) fn check_telemetry(&self, component: Option<&str>, body: &Value) -> Result<(), String> {
        let interface = self.component(component)?;
        let values = body
            .as_object()
            .filter(|values| !values.is_empty())
            .ok_or("telemetry is an object")?;
        values
            .iter()
            .try_for_each(|(name, value)| fits(value, &interface.content(name, "Telemetry")?["schema"]))
    }

    pub(crate) fn check_report(&self, report: &Map<String, Value>) -> Result<(), String> {
        report
            .iter()
            .try_for_each(|(name, value)| match self.components.get(name) {
                Some(component) => {
                    let mut properties = value.as_object().ok_or("a component is an object")?.clone();
                    if properties.remove("__t") != Some("c".into()) {
                        return Err(format!("{name} is not marked as a component"));
                    }
                    component.check_report(&properties)
                }
                None => self.check_property(name, value),
            })
    }

    fn check_property(&self, name: &str, value: &Value) -> Result<(), String> {
        if self.content(name, "Command").is_ok() {
            // A long-running command is completed by a property of its name, with the value wrapped.
            return value
                .get("value")
                .map(|_| ())
                .ok_or_else(|| format!("{name} has no value"));
        }
        let property = self.content(name, "Property")?;
        if property["writable"] != true {
            return fits(value, &property["schema"]);
        }
        for key in ["ac", "av"] {
            value[key]
                .as_u64()
                .ok_or_else(|| format!("{name} is writable and has no {key}"))?;
        }
        fits(&value["value"], &property["schema"])
    }

    pub(crate) fn check_response(&self, command: &str, response: Option<&Value>) -> Result<(), String> {
        let (component, name) = match command.split_once('*') {
            Some((component, name)) => (Some(component), name),
            None => (None, command),
        };
        match (
            &self.component(component)?.content(name, "Command")?["response"],
            response,
        ) {
            (Value::Null, None) => Ok(()),
            (Value::Null, Some(response)) => Err(format!("{command} has no response, got {response}")),
            (schema, response) => fits(response.unwrap_or(&Value::Null), &schema["schema"]),
        }
    }

    /// Every command, also those of components, with a request that fits.
    pub(crate) fn commands_with_requests(&self, now: &str) -> Vec<(String, String)> {
        let request = |command: &Value| match command["request"]["schema"].as_str() {
            Some("dateTime") => format!("\"{now}\""),
            Some("integer") => "3".to_owned(),
            other => panic!("a request of schema {other:?} is not known here"),
        };
        let own = self.contents.iter().filter(|(_, content)| is_a(content, "Command"));
        let mut commands: Vec<_> = own.map(|(name, command)| (name.clone(), request(command))).collect();
        for (component, interface) in &self.components {
            let of_component = interface.commands_with_requests(now).into_iter();
            commands.extend(of_component.map(|(name, request)| (format!("{component}*{name}"), request)));
        }
        commands
    }

    /// Every property of the model has been reported.
    pub(crate) fn check_complete(&self, reported: &Value) -> Result<(), String> {
        let missing = self
            .contents
            .iter()
            .find(|(name, content)| is_a(content, "Property") && reported[name].is_null());
        if let Some((name, _)) = missing {
            return Err(format!("{name} was never reported"));
        }
        self.components
            .iter()
            .try_for_each(|(name, component)| component.check_complete(&reported[name]))
    }
}

fn is_a(content: &Value, kind: &str) -> bool {
    match &content["@type"] {
        Value::Array(kinds) => kinds.iter().any(|k| k == kind),
        one => one == kind,
    }
}

fn fits(value: &Value, schema: &Value) -> Result<(), String> {
    let fits = match schema.as_str() {
        Some("double") => value.is_number(),
        Some("integer") => value.is_i64(),
        Some("string") => value.is_string(),
        Some("dateTime") => value.as_str().is_some_and(|text| text.parse::<Timestamp>().is_ok()),
        Some(other) => panic!("schema {other} is not known here"),
        None => {
            let fields = schema["fields"].as_array().unwrap();
            let object = value.as_object().ok_or_else(|| format!("{value} is not an object"))?;
            for field in fields {
                let name = field["name"].as_str().unwrap();
                fits_field(object, name, &field["schema"])?;
            }
            object.len() == fields.len()
        }
    };
    if fits {
        Ok(())
    } else {
        Err(format!("{value} does not fit {schema}"))
    }
}

fn fits_field(object: &Map<String, Value>, name: &str, schema: &Value) -> Result<(), String> {
    fits(object.get(name).ok_or_else(|| format!("{name} is missing"))?, schema)
}
