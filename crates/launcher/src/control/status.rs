//! What a live run reports about itself. It holds paths, never a secret.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A live run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Status {
    /// Its id, with which its message ids begin.
    pub run_id: String,
    pub pid: u32,
    /// How many devices it has.
    pub devices: u32,
    /// The plan that its processes read.
    pub plan: PathBuf,
    /// The devices and how their certificates are made, for a roll that is to mean the same; null in runs of old.
    #[serde(default)]
    pub figures: serde_json::Value,
    /// The `--set` of the run.
    #[serde(default)]
    pub set: Vec<String>,
    /// The application, where the run has started one for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Service>,
}

/// Where an application is that lives as long as a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Service {
    /// The address of its REST API.
    pub app: String,
    /// The certificate to trust.
    pub ca: PathBuf,
    /// The file with its API token.
    pub api_token_file: PathBuf,
}
