//! Device templates.

use serde_json::{Map, Value};

use crate::central::{self, Command};

/// A device template.
#[derive(Debug, Clone, Copy)]
pub struct Template<'a>(&'a central::Template);

impl<'a> Template<'a> {
    pub(super) fn new(template: &'a central::Template) -> Self {
        Self(template)
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &'a str {
        &self.0.id
    }

    /// What it is called.
    #[must_use]
    pub fn display_name(&self) -> &'a str {
        self.0.display_name()
    }

    /// The model that a device must announce to get it.
    #[must_use]
    pub fn model_id(&self) -> Option<&'a str> {
        self.0.model_id()
    }

    /// The whole document but its etag.
    #[must_use]
    pub fn document(&self) -> &'a Map<String, Value> {
        &self.0.document
    }

    /// Its commands, those of the root first.
    #[must_use]
    pub fn commands(&self) -> Vec<Command> {
        self.0.commands()
    }

    /// The names of its components.
    pub fn components(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.0.component_names()
    }
}
