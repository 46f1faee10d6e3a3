//! What a device sends against its model: what IoT Central would call unmodeled, and what is of another schema.

use serde_json::{Map, Value};

use crate::model::{Model, Part, Payload, Property};
use crate::problem::meant;

/// Something that a device sent and that its model does not have, or not in this form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What kind it is.
    pub kind: FindingKind,
    /// `name` or `component.name`, with a JSON pointer where it is within the value.
    pub name: String,
    /// What is accepted, or what was probably meant.
    pub message: String,
}

/// Kinds of [`Finding`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FindingKind {
    /// The model does not have it.
    Unmodeled,
    /// Its schema is another.
    Mismatch,
}

impl FindingKind {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unmodeled => "unmodeled",
            Self::Mismatch => "mismatch",
        }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.name, self.message)
    }
}

impl Model {
    /// What of a telemetry message is not in the model.
    #[must_use]
    pub fn telemetry_findings(&self, component: Option<&str>, body: &Value) -> Vec<Finding> {
        let Some(part) = self.part(component) else {
            return vec![self.no_component(component)];
        };
        let Value::Object(body) = body else {
            return vec![Finding {
                kind: FindingKind::Mismatch,
                name: component.unwrap_or("the message").to_owned(),
                message: "must be a JSON object of telemetry by name".to_owned(),
            }];
        };
        let mut findings = Vec::new();
        for (name, value) in body {
            match part.telemetry(name) {
                Some(telemetry) => part.compare(name, "", telemetry.schema.mismatches(value), &mut findings),
                None => findings.push(part.unmodeled(
                    name,
                    "telemetry",
                    part.telemetry.iter().map(|telemetry| &*telemetry.name),
                )),
            }
        }
        findings
    }

    /// What of a report, or of desired properties, is not in the model. In a report, a writable property may be an
    /// acknowledgement with its value, and a property of a command's name completes that command.
    #[must_use]
    pub fn property_findings(&self, properties: &Map<String, Value>) -> Vec<Finding> {
        let mut findings = Vec::new();
        let Some(root) = self.part(None) else { return findings };
        for (name, value) in properties.iter().filter(|(name, _)| !name.starts_with('$')) {
            match (self.part(Some(name)), value) {
                (Some(part), Value::Object(within)) => {
                    for (name, value) in within.iter().filter(|(name, _)| *name != "__t") {
                        part.property_finding(name, value, &mut findings);
                    }
                }
                (Some(_), Value::Null) => {}
                (Some(_), _) => findings.push(Finding {
                    kind: FindingKind::Mismatch,
                    name: name.clone(),
                    message: "is a component: must be an object of its properties".to_owned(),
                }),
                (None, Value::Object(within)) if within.get("__t").is_some_and(|marker| marker == "c") => {
                    findings.push(self.no_component(Some(name)));
                }
                (None, _) => root.property_finding(name, value, &mut findings),
            }
        }
        findings
    }

    fn no_component(&self, component: Option<&str>) -> Finding {
        let name = component.unwrap_or_default();
        Finding {
            kind: FindingKind::Unmodeled,
            name: name.to_owned(),
            message: format!("is not a component of the model{}", meant(name, self.components())),
        }
    }
}

impl Part {
    fn unmodeled<'a>(&self, name: &str, what: &str, names: impl Iterator<Item = &'a str>) -> Finding {
        Finding {
            kind: FindingKind::Unmodeled,
            name: self.full_name(name),
            message: format!("is not {what} of the model{}", meant(name, names)),
        }
    }

    /// `name`, or `component.name`.
    #[must_use]
    pub fn full_name(&self, name: &str) -> String {
        match &self.component {
            Some(component) => format!("{component}.{name}"),
            None => name.to_owned(),
        }
    }

    fn compare(&self, name: &str, within: &str, found: Vec<crate::Mismatch>, findings: &mut Vec<Finding>) {
        findings.extend(found.into_iter().map(|mismatch| Finding {
            kind: FindingKind::Mismatch,
            name: format!("{}{within}{}", self.full_name(name), mismatch.pointer),
            message: mismatch.message,
        }));
    }

    fn property_finding(&self, name: &str, value: &Value, findings: &mut Vec<Finding>) {
        if value.is_null() || self.command(name).is_some() {
            return;
        }
        let Some(property) = self.property(name) else {
            let names = self.properties.iter().map(|property| &*property.name);
            return findings.push(self.unmodeled(name, "a property", names));
        };
        let (within, value) = property.value_in(value);
        self.compare(name, within, property.schema.mismatches(value), findings);
    }

    /// What is wrong with telemetry, if anything is. A finding has words as well, which cost a search for what was meant.
    #[must_use]
    pub fn telemetry_fault(&self, name: &str, value: &Value) -> Option<FindingKind> {
        match self.telemetry(name) {
            None => Some(FindingKind::Unmodeled),
            Some(telemetry) => (!telemetry.schema.accepts(value)).then_some(FindingKind::Mismatch),
        }
    }

    /// What is wrong with a property of a report, if anything is, without words as well.
    #[must_use]
    pub fn property_fault(&self, name: &str, value: &Value) -> Option<FindingKind> {
        if value.is_null() || self.command(name).is_some() {
            return None;
        }
        match self.property(name) {
            None => Some(FindingKind::Unmodeled),
            Some(property) => {
                let (_, value) = property.value_in(value);
                (!property.schema.accepts(value)).then_some(FindingKind::Mismatch)
            }
        }
    }
}

impl Property {
    /// The value of a report, which may stand in an acknowledgement, and where.
    fn value_in<'a>(&self, value: &'a Value) -> (&'static str, &'a Value) {
        let acknowledged = value
            .as_object()
            .filter(|object| self.writable && object.contains_key("ac") && object.contains_key("av"))
            .and_then(|object| object.get("value"));
        acknowledged.map_or(("", value), |value| ("/value", value))
    }
}

impl Payload {
    /// What of a request's or a response's value does not fit.
    #[must_use]
    pub fn mismatches(&self, value: &Value) -> Vec<crate::Mismatch> {
        match value {
            Value::Null if self.nullable => Vec::new(),
            value => self.schema.mismatches(value),
        }
    }
}
