use std::collections::VecDeque;
use std::sync::Arc;

use clap::ValueEnum;
use iot_protocol::id::DeviceId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::new_etag;
use crate::attestation::Entry;
use crate::certificate::{Certificate, Thumbprint};
use crate::hub::Twin;
use crate::store::{Record, Table};

/// How many commands of a device are remembered.
const HISTORY: usize = 20;

/// What happens to a new device that comes through an enrollment group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Approval {
    /// It is admitted.
    #[default]
    Auto,
    /// It waits until it is enabled.
    Manual,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Device {
    pub(crate) id: DeviceId,
    pub(crate) display_name: String,
    /// The id of its template; a device without one is unassigned.
    pub(crate) template: Option<String>,
    pub(crate) enabled: bool,
    pub(crate) provisioned: bool,
    pub(crate) simulated: bool,
    pub(crate) organizations: Vec<String>,
    pub(crate) etag: String,
    pub(crate) attestation: Option<Attestation>,
    /// What it will find in its twin when it registers for the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) prepared: Option<Box<Twin>>,
    /// The enrollment group through which it registered last; none for an individual enrollment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) group: Option<Box<str>>,
    #[serde(skip)]
    commands: VecDeque<(u64, CommandRecord)>,
    /// How many commands there have been since the start.
    #[serde(skip)]
    commanded: u64,
}

/// An individual enrollment by certificate.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Attestation {
    pub(crate) primary: Arc<Certificate>,
    pub(crate) secondary: Option<Arc<Certificate>>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CommandRecord {
    pub(crate) id: String,
    #[serde(skip)]
    pub(crate) method: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) response: Option<Value>,
    pub(crate) response_code: u16,
    /// When the answer came.
    #[serde(skip)]
    pub(crate) at: Timestamp,
}

impl Record for Device {
    const TABLE: Table = Table::Devices;
}

impl Device {
    pub(crate) fn new(id: DeviceId) -> Self {
        Self {
            display_name: id.to_string(),
            id,
            template: None,
            enabled: true,
            provisioned: false,
            simulated: false,
            organizations: Vec::new(),
            etag: new_etag(),
            attestation: None,
            prepared: None,
            group: None,
            commands: VecDeque::new(),
            commanded: 0,
        }
    }

    /// Keeps a command; the oldest is dropped.
    pub(crate) fn remember(&mut self, command: CommandRecord) {
        if self.commands.len() == HISTORY {
            self.commands.pop_back();
        }
        self.commanded += 1;
        self.commands.push_front((self.commanded, command));
    }

    /// All commands that are remembered, newest first.
    pub(crate) fn answered(&self) -> impl Iterator<Item = &CommandRecord> {
        self.commands.iter().map(|(_, command)| command)
    }

    /// The commands of one method with their numbers, newest first.
    pub(crate) fn history(&self, method: &str) -> impl Iterator<Item = (u64, &CommandRecord)> {
        let commands = self.commands.iter().map(|(number, command)| (*number, command));
        commands.filter(move |(_, command)| command.method == method)
    }
}

impl Attestation {
    /// Which of the two has this thumbprint.
    pub(crate) fn entry_of(&self, leaf: &Thumbprint) -> Entry {
        match self.primary.thumbprint() == *leaf {
            true => Entry::Primary,
            false => Entry::Secondary,
        }
    }

    /// Both certificates, as far as they are there.
    pub(crate) fn certificates(&self) -> impl Iterator<Item = &Arc<Certificate>> {
        std::iter::once(&self.primary).chain(&self.secondary)
    }
}
