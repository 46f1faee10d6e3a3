//! What a device sends that its template does not have, or has in another form: what IoT Central takes all the same and
//! shows as unmodeled. It is marked once for each name, and counted; what a flood of names costs is bounded.

use std::sync::Arc;

use dtdl::{Finding, FindingKind, Model};
use iot_protocol::command::CommandName;
use iot_protocol::pnp::COMPONENT_MARKER;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::journal::Event;

/// Names that are marked of one device. The first few are what a person needs.
const MARKS: usize = 32;
/// Values that are looked at in one message or report: more than a model has.
const VALUES: usize = 1024;
/// How many characters are kept of a name and of what was expected.
const LONGEST: usize = 200;

/// The marks of a device.
#[derive(Debug)]
pub(crate) struct Unmodeled {
    /// The model that they are about.
    model: Arc<Model>,
    marks: Vec<Mark>,
}

/// Something that the template does not have, or not so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) of: Of,
    pub(crate) component: Option<Box<str>>,
    /// Empty where the template does not have the component, or the message is no object.
    pub(crate) name: Box<str>,
    pub(crate) kind: FindingKind,
    /// The place and what was expected there.
    pub(crate) words: Box<str>,
    pub(crate) count: u64,
    pub(crate) last: Timestamp,
}

/// What has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    Telemetry,
    Property,
    Response,
}

impl Of {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Telemetry => "telemetry",
            Self::Property => "property",
            Self::Response => "response",
        }
    }
}

impl Unmodeled {
    /// The marks, in the order in which they came.
    pub(crate) fn marks(&self) -> &[Mark] {
        &self.marks
    }

    /// Whether the marks are about this model.
    pub(crate) fn is_about(&self, model: &Arc<Model>) -> bool {
        Arc::ptr_eq(&self.model, model)
    }
}

/// One message, report or answer, as it is held against the model.
pub(crate) struct Check<'a> {
    model: &'a Arc<Model>,
    known: &'a mut Option<Box<Unmodeled>>,
    now: Timestamp,
    looked_at: usize,
    marked: Vec<Event>,
}

impl<'a> Check<'a> {
    pub(crate) fn new(model: &'a Arc<Model>, known: &'a mut Option<Box<Unmodeled>>, now: Timestamp) -> Self {
        // Marks of another template, or of this one before it was replaced, are of no use.
        known.take_if(|known| !known.is_about(model));
        Self {
            model,
            known,
            now,
            looked_at: 0,
            marked: Vec::new(),
        }
    }

    /// The marks that are new.
    pub(crate) fn marked(self) -> Vec<Event> {
        self.marked
    }

    /// A value of a telemetry message, as JSON.
    pub(crate) fn telemetry(&mut self, component: Option<&str>, name: &str, json: &str) {
        if self.is_enough() {
            return;
        }
        let Some(part) = self.model.part(component) else {
            let finding = |model: &Model| model.telemetry_findings(component, &json!({}));
            return self.mark(Of::Telemetry, component, "", FindingKind::Unmodeled, finding);
        };
        // The text has been read as a part of the message.
        let Ok(value) = serde_json::from_str::<Value>(json) else {
            return;
        };
        if let Some(kind) = part.telemetry_fault(name, &value) {
            let finding = |model: &Model| model.telemetry_findings(component, &json!({ name: value }));
            self.mark(Of::Telemetry, component, name, kind, finding);
        }
    }

    /// A message that is no JSON object.
    pub(crate) fn no_object(&mut self) {
        let finding = |model: &Model| model.telemetry_findings(None, &Value::Null);
        self.mark(Of::Telemetry, None, "", FindingKind::Mismatch, finding);
    }

    /// What the device reports.
    pub(crate) fn reported(&mut self, properties: &Map<String, Value>) {
        for (name, value) in properties.iter().filter(|(name, _)| !name.starts_with('$')) {
            match (self.model.part(Some(name)), value) {
                (Some(_), Value::Object(within)) => {
                    for (property, value) in within.iter().filter(|(name, _)| *name != COMPONENT_MARKER) {
                        self.property(Some(name), property, value);
                    }
                }
                _ => self.property(None, name, value),
            }
        }
    }

    fn property(&mut self, component: Option<&str>, name: &str, value: &Value) {
        if self.is_enough() {
            return;
        }
        let Some(part) = self.model.part(component) else {
            return;
        };
        if component.is_none() && self.model.part(Some(name)).is_some() && value.is_null() {
            return;
        }
        if let Some(kind) = part.property_fault(name, value) {
            let finding = |model: &Model| {
                let value = Map::from_iter([(name.to_owned(), value.clone())]);
                match component {
                    Some(component) => {
                        model.property_findings(&Map::from_iter([(component.to_owned(), Value::Object(value))]))
                    }
                    None => model.property_findings(&value),
                }
            };
            self.mark(Of::Property, component, name, kind, finding);
        }
    }

    /// What the device answered to a command.
    pub(crate) fn response(&mut self, command: &CommandName, response: &Value) {
        let component = command.component.as_deref();
        let part = self.model.part(component);
        let Some(payload) = part
            .and_then(|part| part.command(&command.name))
            .and_then(|command| command.response.as_ref())
        else {
            return;
        };
        if let Some(mismatch) = payload.mismatches(response).into_iter().next() {
            let finding = |_: &Model| {
                vec![Finding {
                    kind: FindingKind::Mismatch,
                    name: format!("{command}{}", mismatch.pointer),
                    message: mismatch.message,
                }]
            };
            self.mark(Of::Response, component, &command.name, FindingKind::Mismatch, finding);
        }
    }

    fn is_enough(&mut self) -> bool {
        self.looked_at += 1;
        self.looked_at > VALUES
    }

    /// Counts what is marked already, and marks what is new while there is room. Only then are there words.
    fn mark(
        &mut self,
        of: Of,
        component: Option<&str>,
        name: &str,
        kind: FindingKind,
        finding: impl FnOnce(&Model) -> Vec<Finding>,
    ) {
        let known = self.known.get_or_insert_with(|| {
            Box::new(Unmodeled {
                model: Arc::clone(self.model),
                marks: Vec::new(),
            })
        });
        let is_it = |mark: &&mut Mark| {
            mark.of == of && &*mark.name == name && mark.component.as_deref() == component && mark.kind == kind
        };
        if let Some(mark) = known.marks.iter_mut().find(is_it) {
            mark.count += 1;
            mark.last = self.now;
            return;
        }
        let is_long = name.len() > LONGEST || component.is_some_and(|component| component.len() > LONGEST);
        if known.marks.len() == MARKS || is_long {
            return;
        }
        let Some(finding) = finding(self.model).into_iter().next() else {
            return;
        };
        let words: String = finding.to_string().chars().take(LONGEST).collect();
        known.marks.push(Mark {
            of,
            component: component.map(Into::into),
            name: name.into(),
            kind,
            words: words.into(),
            count: 1,
            last: self.now,
        });
        self.marked.push(Event::Unmodeled {
            of: of.as_str(),
            why: finding.kind.as_str(),
            name: finding.name,
            detail: finding.message,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pump() -> Arc<Model> {
        let mut documents = dtdl::Documents::new();
        documents.add(
            "pump.json",
            &json!({"@context": "dtmi:dtdl:context;2", "@id": "dtmi:contoso:pump;1", "@type": "Interface", "contents": [
                {"@type": "Telemetry", "name": "pressure", "schema": "double"},
                {"@type": "Property", "name": "speed", "schema": "integer", "writable": true},
                {"@type": "Command", "name": "stop", "response": {"name": "at", "schema": "dateTime"}},
                {"@type": "Component", "name": "motor", "schema": {"@id": "dtmi:contoso:motor;1", "@type": "Interface",
                 "contents": [{"@type": "Telemetry", "name": "current", "schema": "double"},
                              {"@type": "Property", "name": "serial", "schema": "string"}]}},
            ]}),
        );
        Arc::new(documents.read(None).unwrap().model)
    }

    fn check(model: &Arc<Model>, known: &mut Option<Box<Unmodeled>>, act: impl FnOnce(&mut Check<'_>)) -> Vec<String> {
        let mut check = Check::new(model, known, Timestamp::UNIX_EPOCH);
        act(&mut check);
        let words = check.marked().into_iter().map(|event| match event {
            Event::Unmodeled { of, why, name, detail } => format!("{of} {why}: {name} {detail}"),
            other => panic!("{other:?}"),
        });
        words.collect()
    }

    fn object(value: &Value) -> &Map<String, Value> {
        value.as_object().unwrap()
    }

    #[test]
    fn what_is_modeled_leaves_no_mark() {
        let (model, mut known) = (pump(), None);
        let marked = check(&model, &mut known, |check| {
            check.telemetry(None, "pressure", "4.25");
            check.telemetry(Some("motor"), "current", "3");
            check.reported(object(
                &json!({"speed": {"value": 3, "ac": 200, "av": 1}, "$version": 4,
                "motor": {"__t": "c", "serial": "x"}}),
            ));
            check.reported(object(&json!({"motor": null, "speed": null})));
            let stop = CommandName {
                component: None,
                name: "stop".to_owned(),
            };
            check.response(&stop, &json!("2026-11-23T15:00:00Z"));
        });
        assert_eq!((marked, known.is_none()), (Vec::new(), true));
    }

    #[test]
    fn a_name_is_marked_once_and_counted() {
        let (model, mut known) = (pump(), None);
        let send = |check: &mut Check<'_>| {
            check.telemetry(None, "presure", "4.25");
            check.telemetry(None, "pressure", "\"high\"");
            check.telemetry(Some("moter"), "current", "1");
            check.no_object();
            check.reported(object(
                &json!({"speed": 1.5, "colour": "red", "motor": {"__t": "c", "serial": 7}}),
            ));
            let stop = CommandName {
                component: None,
                name: "stop".to_owned(),
            };
            check.response(&stop, &json!(5));
        };
        let first = check(&model, &mut known, send);
        assert_eq!(
            first,
            [
                "telemetry unmodeled: presure is not telemetry of the model; did you mean `pressure`?",
                "telemetry mismatch: pressure must be a number",
                "telemetry unmodeled: moter is not a component of the model; did you mean `motor`?",
                "telemetry mismatch: the message must be a JSON object of telemetry by name",
                "property mismatch: speed must be an integer of 4 bytes",
                "property unmodeled: colour is not a property of the model",
                "property mismatch: motor.serial must be a text",
                "response mismatch: stop must be a time such as \"2026-11-23T15:00:00Z\" (RFC 3339)",
            ]
        );
        assert_eq!(check(&model, &mut known, send), Vec::<String>::new());
        let counts: Vec<_> = known.as_ref().unwrap().marks().iter().map(|mark| mark.count).collect();
        assert_eq!(counts, [2; 8]);
        // Another model, or this one written anew: what was marked before is forgotten.
        assert_eq!(check(&pump(), &mut known, |_| {}), Vec::<String>::new());
        assert!(known.is_none());
    }

    #[test]
    fn names_without_end_take_no_memory_without_end() {
        let (model, mut known) = (pump(), None);
        let marked = check(&model, &mut known, |check| {
            check.telemetry(None, &"x".repeat(10_000), "1");
            for number in 0..100_000 {
                check.telemetry(None, &format!("n{number}"), "1");
            }
        });
        assert_eq!((marked.len(), known.unwrap().marks().len()), (MARKS, MARKS));
    }
}
