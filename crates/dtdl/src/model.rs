//! What a device can do: flat, and the same for each device of it.

use iot_protocol::id::ModelId;

use crate::meaning::Meaning;
use crate::schema::Schema;

/// A model with everything that it extends and all components in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// What a device announces.
    pub id: ModelId,
    /// What people call it; the last part of the id where the model has no name.
    pub display_name: String,
    /// The root first, then the components in the order of the model.
    pub parts: Vec<Part>,
}

/// The root of a model, or a component.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Part {
    /// The component's name; the root has none.
    pub component: Option<String>,
    /// The id of its interface.
    pub interface: String,
    /// What it sends.
    pub telemetry: Vec<Telemetry>,
    /// What it reports, and what can be desired.
    pub properties: Vec<Property>,
    /// What can be asked of it.
    pub commands: Vec<Command>,
}

/// Something that is sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Telemetry {
    /// Its key in a message.
    pub name: String,
    /// What it holds.
    pub schema: Schema,
    /// What it means.
    pub meaning: Meaning,
}

/// Something that is reported.
#[derive(Debug, Clone, PartialEq)]
pub struct Property {
    /// Its key in the twin.
    pub name: String,
    /// What it holds.
    pub schema: Schema,
    /// What it means.
    pub meaning: Meaning,
    /// Whether it can be desired.
    pub writable: bool,
}

/// Something that can be asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// Its name, without the component's.
    pub name: String,
    /// What it takes.
    pub request: Option<Payload>,
    /// What it answers.
    pub response: Option<Payload>,
    /// IoT Central queues it for a device that is away (`durable`), and nothing waits for the answer.
    pub is_queued: bool,
}

/// The request or the response of a command.
#[derive(Debug, Clone, PartialEq)]
pub struct Payload {
    /// What it is called; that is not sent.
    pub name: String,
    /// What it holds.
    pub schema: Schema,
    /// What it means.
    pub meaning: Meaning,
    /// Whether `null` stands for none.
    pub nullable: bool,
}

impl Model {
    /// The root, or a component by its name.
    #[must_use]
    pub fn part(&self, component: Option<&str>) -> Option<&Part> {
        self.parts.iter().find(|part| part.component.as_deref() == component)
    }

    /// The names of the components.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| part.component.as_deref())
    }

    /// The names of all telemetry, properties and commands, as `name` or `component.name`.
    pub fn capabilities(&self) -> impl Iterator<Item = String> {
        self.parts.iter().flat_map(|part| {
            part.names().map(|name| match &part.component {
                Some(component) => format!("{component}.{name}"),
                None => name.to_owned(),
            })
        })
    }
}

impl Part {
    /// Something that it sends.
    #[must_use]
    pub fn telemetry(&self, name: &str) -> Option<&Telemetry> {
        self.telemetry.iter().find(|telemetry| telemetry.name == name)
    }

    /// Something that it reports.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&Property> {
        self.properties.iter().find(|property| property.name == name)
    }

    /// Something that can be asked of it.
    #[must_use]
    pub fn command(&self, name: &str) -> Option<&Command> {
        self.commands.iter().find(|command| command.name == name)
    }

    /// All of its names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let telemetry = self.telemetry.iter().map(|telemetry| &*telemetry.name);
        let properties = self.properties.iter().map(|property| &*property.name);
        telemetry
            .chain(properties)
            .chain(self.commands.iter().map(|command| &*command.name))
    }
}
