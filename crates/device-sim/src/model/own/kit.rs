//! What the devices of a model share: which capability is sent how, prepared once for a group.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use dtdl::{Meaning, Model, Part, Schema};
use fleet_protocol::plan::{Behaviour, Behaviours};

use super::guess::{Use, key, shape};
use super::settings::{self, Wrong};
use super::shape::Shape;

/// The most components that send: their indices are bytes.
const MOST_PARTS: usize = 255;

/// What the devices of a group share.
#[derive(Debug)]
pub struct Kit {
    pub(super) model: Arc<Model>,
    /// The parts of the model, in its order.
    pub(super) parts: Vec<KitPart>,
    /// The names of the parts that send, in the order of their indices.
    pub(super) senders: Vec<Option<String>>,
    /// How many numbers a device remembers.
    pub(super) slots: usize,
    /// How many writable properties there are.
    pub(super) writable_count: usize,
}

/// A part of a model.
#[derive(Debug)]
pub(super) struct KitPart {
    /// Its index among those that send.
    pub(super) sender: Option<u8>,
    pub(super) signals: Vec<Signal>,
    pub(super) properties: Vec<Reported>,
    pub(super) commands: Vec<Answered>,
}

/// Something that is sent.
#[derive(Debug)]
pub(super) struct Signal {
    /// The name as JSON, with the colon.
    pub(super) key: Box<str>,
    pub(super) shape: Shape,
    /// The first of its numbers.
    pub(super) slot: usize,
    pub(super) timing: Option<Timing>,
}

/// When it is sent, where that is not with each message. It takes two numbers before those of the shape: the seconds
/// since it was sent, and what was sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timing {
    pub(super) interval: f64,
    pub(super) on_change: Option<f64>,
}

/// Something that is reported.
#[derive(Debug)]
pub(super) struct Reported {
    pub(super) shape: Shape,
    pub(super) slot: usize,
    /// Its index among the writable properties.
    pub(super) writable: Option<usize>,
    /// How often its value goes on and is reported again, in seconds. It takes one number before those of the shape.
    pub(super) interval: Option<f64>,
}

/// Something that can be asked for.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) response: Option<Shape>,
    pub(super) status: u16,
    pub(super) fail_share: f64,
    pub(super) delay: Option<Duration>,
}

/// Behaviours that a model can't have, each with its capability, its key and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KitProblem {
    /// The capability, as it is named in the behaviours.
    pub capability: String,
    /// The key; none for the capability as a whole.
    pub key: Option<&'static str>,
    /// What is accepted.
    pub message: String,
}

impl fmt::Display for KitProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key {
            Some(key) => write!(f, "`{}.{key}`: {}", self.capability, self.message),
            None => write!(f, "`{}`: {}", self.capability, self.message),
        }
    }
}

impl Kit {
    /// Prepares a model with the behaviours of a group.
    ///
    /// # Errors
    ///
    /// All behaviours that the model can't have.
    pub fn new(model: Arc<Model>, behaviours: &Behaviours) -> Result<Self, Vec<KitProblem>> {
        let mut building = Building {
            behaviours,
            problems: unknown(&model, behaviours),
            slots: 0,
            writable_count: 0,
        };
        let mut senders = Vec::new();
        let mut parts = Vec::new();
        for part in &model.parts {
            let signals: Vec<_> = part.telemetry.iter().map(|one| building.signal(part, one)).collect();
            let sender = (!signals.is_empty()).then_some(senders.len());
            if sender.is_some() {
                senders.push(part.component.clone());
            }
            parts.push(KitPart {
                sender: sender.and_then(|index| u8::try_from(index).ok()),
                signals,
                properties: part.properties.iter().map(|one| building.property(part, one)).collect(),
                commands: part.commands.iter().map(|one| building.command(part, one)).collect(),
            });
        }
        if senders.len() > MOST_PARTS {
            building.problems.push(KitProblem {
                capability: model.id.to_string(),
                key: None,
                message: format!("{} components send telemetry; {MOST_PARTS} at most", senders.len()),
            });
        }
        let Building {
            problems,
            slots,
            writable_count,
            ..
        } = building;
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            model,
            parts,
            senders,
            slots,
            writable_count,
        })
    }

    /// The names of the parts that send, in the order of their indices.
    pub(in crate::model) fn senders(&self) -> impl Iterator<Item = &Option<String>> {
        self.senders.iter()
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }
}

/// Behaviours of capabilities that the model does not have.
fn unknown(model: &Model, behaviours: &Behaviours) -> Vec<KitProblem> {
    let known: Vec<String> = model.capabilities().collect();
    let unknown = behaviours.keys().filter(|name| !known.contains(name));
    let problem = |name: &String| {
        let help = match ::settings::nearest(name, known.iter().map(String::as_str)) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => format!("it has {}", known.join(", ")),
        };
        KitProblem {
            capability: name.clone(),
            key: None,
            message: format!("is not in the model `{}`; {help}", model.id),
        }
    };
    unknown.map(problem).collect()
}

struct Building<'a> {
    behaviours: &'a Behaviours,
    problems: Vec<KitProblem>,
    slots: usize,
    writable_count: usize,
}

impl Building<'_> {
    fn place(&mut self, slots: usize) -> usize {
        let place = self.slots;
        self.slots += slots;
        place
    }

    fn behaviour(&self, part: &Part, name: &str) -> Option<(String, Behaviour)> {
        let name = part.full_name(name);
        let behaviour = self.behaviours.get(&name)?.clone();
        Some((name, behaviour))
    }

    /// The shape of a value, as it is guessed or as a behaviour has it.
    fn shaped(&mut self, part: &Part, name: &str, (schema, meaning): (&Schema, &Meaning), used: Use) -> Shape {
        let guessed = shape(name, schema, meaning, used);
        let Some((capability, behaviour)) = self.behaviour(part, name) else {
            return guessed;
        };
        let mut wrong = settings::out_of_place(&behaviour, used);
        let set = settings::shaped(guessed, schema, meaning, &behaviour, used, &mut wrong);
        self.refuse(&capability, wrong);
        set
    }

    fn refuse(&mut self, capability: &str, wrong: Vec<Wrong>) {
        self.problems.extend(wrong.into_iter().map(|(key, message)| KitProblem {
            capability: capability.to_owned(),
            key: Some(key),
            message,
        }));
    }

    fn signal(&mut self, part: &Part, telemetry: &dtdl::Telemetry) -> Signal {
        let (name, value) = (&telemetry.name, (&telemetry.schema, &telemetry.meaning));
        let shape = self.shaped(part, name, value, Use::Telemetry);
        let behaviour = self.behaviour(part, name).map(|(_, behaviour)| behaviour);
        let timing = behaviour.and_then(|behaviour| {
            (behaviour.interval_ms.is_some() || behaviour.on_change.is_some()).then_some(Timing {
                interval: behaviour.interval_ms.unwrap_or(0) as f64 / 1_000.0,
                on_change: behaviour.on_change,
            })
        });
        let slot = self.place(shape.slots() + if timing.is_some() { 2 } else { 0 });
        Signal {
            key: format!("{}:", key(name)).into(),
            shape,
            slot,
            timing,
        }
    }

    fn property(&mut self, part: &Part, property: &dtdl::Property) -> Reported {
        let (name, value) = (&property.name, (&property.schema, &property.meaning));
        let behaviour = self.behaviour(part, name).map(|(_, behaviour)| behaviour);
        let interval = behaviour.and_then(|behaviour| behaviour.interval_ms);
        // A property that is reported again and again goes on as telemetry does.
        let used = if interval.is_some() {
            Use::Telemetry
        } else {
            Use::Property
        };
        let shape = self.shaped(part, name, value, used);
        if interval.is_some() && property.writable {
            let wrong = ("interval", "a writable property is what was desired last".to_owned());
            self.refuse(&part.full_name(name), vec![wrong]);
        }
        let shape = match shape {
            Shape::Event { value, .. } => *value,
            other => other,
        };
        let slot = self.place(shape.slots() + usize::from(interval.is_some()));
        let writable = property.writable.then_some(self.writable_count);
        self.writable_count += usize::from(property.writable);
        Reported {
            shape,
            slot,
            writable,
            interval: interval.map(|interval| interval as f64 / 1_000.0),
        }
    }

    fn command(&mut self, part: &Part, command: &dtdl::Command) -> Answered {
        let behaviour = self.behaviour(part, &command.name);
        if let Some((capability, behaviour)) = &behaviour {
            let wrong = settings::out_of_place_for_commands(behaviour);
            self.refuse(capability, wrong);
        }
        let behaviour = behaviour.map(|(_, behaviour)| behaviour).unwrap_or_default();
        let response = command.response.as_ref();
        Answered {
            response: response
                .map(|response| shape(&response.name, &response.schema, &response.meaning, Use::Response)),
            status: behaviour.status.unwrap_or(200),
            fail_share: behaviour.fail_share.unwrap_or(0.0),
            delay: behaviour.delay_ms.map(Duration::from_millis),
        }
    }
}
