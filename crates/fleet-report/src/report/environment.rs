//! What wrote a report, and where.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What wrote a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tool {
    /// The version of `fleet`.
    pub version: String,
    /// The commit that it was built from, where the build was given it as `FLEET_COMMIT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<String>,
    /// What it was built for, such as `x86_64-linux`.
    pub target: String,
}

impl Tool {
    /// This build.
    #[must_use]
    pub fn this() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            git: option_env!("FLEET_COMMIT").map(str::to_owned),
            target: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
        }
    }
}

/// The machine on which a run was conducted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Environment {
    /// The operating system and its version.
    pub os: String,
    /// How many cores a process may use.
    pub cores: u32,
    /// The machine's memory, or the control group's where it has less, in bytes.
    pub memory_bytes: u64,
    /// How many file handles a process may have open.
    pub nofile: u64,
    /// The machines of the device-sim processes.
    pub hosts: Vec<String>,
}
