//! Patches of a Job's pods: <https://datatracker.ietf.org/doc/html/rfc6902>.

use serde::Serialize;

use super::types::{Container, Mount, Variable, Volume};

/// One operation.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub(super) enum Operation {
    Add {
        path: String,
        value: Value,
    },
    Replace {
        path: String,
        value: Value,
    },
    /// Refuses to go on where the base is another.
    Test {
        path: String,
        value: Value,
    },
}

#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(super) enum Value {
    Text(String),
    Mount(Box<Mount>),
    Volume(Box<Volume>),
    Variables(Vec<Variable>),
    Containers(Vec<Container>),
}

impl Operation {
    /// Adds at a path below the pod's spec.
    pub(super) fn add(path: &str, value: impl Into<Value>) -> Self {
        Self::Add {
            path: below_pod(path),
            value: value.into(),
        }
    }

    pub(super) fn replace(path: &str, value: impl Into<Value>) -> Self {
        Self::Replace {
            path: below_pod(path),
            value: value.into(),
        }
    }

    pub(super) fn test(path: &str, value: impl Into<Value>) -> Self {
        Self::Test {
            path: below_pod(path),
            value: value.into(),
        }
    }
}

fn below_pod(path: &str) -> String {
    format!("/spec/template/spec/{path}")
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Mount> for Value {
    fn from(mount: Mount) -> Self {
        Self::Mount(Box::new(mount))
    }
}

impl From<Volume> for Value {
    fn from(volume: Volume) -> Self {
        Self::Volume(Box::new(volume))
    }
}

impl From<Vec<Container>> for Value {
    fn from(containers: Vec<Container>) -> Self {
        Self::Containers(containers)
    }
}

impl From<Vec<Variable>> for Value {
    fn from(variables: Vec<Variable>) -> Self {
        Self::Variables(variables)
    }
}
