//! One line of the file.

use serde::{Deserialize, Serialize};

use super::{Assignment, AssignmentKey, Entry};

/// One line of the file. Without `assigned` it takes an earlier one back.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Line {
    number: u64,
    dps_endpoint: String,
    id_scope: String,
    registration_id: String,
    leaf_sha256: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    assigned: Option<Assigned>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Assigned {
    hub: String,
    device_id: String,
}

impl Line {
    pub(super) fn new(key: &AssignmentKey, entry: &Entry) -> Self {
        let AssignmentKey {
            dps_endpoint,
            id_scope,
            registration_id,
            leaf_sha256,
        } = key.clone();
        let assigned = entry.assignment.clone().map(
            |Assignment {
                 assigned_hub,
                 device_id,
             }| Assigned {
                hub: assigned_hub,
                device_id,
            },
        );
        Self {
            number: entry.number,
            dps_endpoint,
            id_scope,
            registration_id,
            leaf_sha256,
            assigned,
        }
    }

    pub(super) fn key(&self) -> AssignmentKey {
        AssignmentKey {
            dps_endpoint: self.dps_endpoint.clone(),
            id_scope: self.id_scope.clone(),
            registration_id: self.registration_id.clone(),
            leaf_sha256: self.leaf_sha256.clone(),
        }
    }

    pub(super) fn into_entry(self) -> Entry {
        let assignment = self.assigned.map(|Assigned { hub, device_id }| Assignment {
            assigned_hub: hub,
            device_id,
        });
        Entry {
            number: self.number,
            assignment,
        }
    }
}
