use iot_protocol::id::DeviceId;
use serde::{Deserialize, Serialize};

use crate::store::{Record, Table};

/// A device behind a gateway. It is stored by the folded id of the child, of which each has one parent at most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Relationship {
    /// Distinguishes the relationships of one parent.
    pub(crate) id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// The parent, a gateway.
    pub(crate) source: DeviceId,
    /// The child, a device behind it.
    pub(crate) target: DeviceId,
}

impl Record for Relationship {
    const TABLE: Table = Table::Relationships;
}
