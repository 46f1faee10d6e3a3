//! The Edge CAs of a group of Edge devices.

use jiff::Timestamp;
use provisioning::identities::{GroupIdentities, IdentityError};

use crate::manifest::types::{Group, GroupKind};

/// Finds or makes the Edge CA of each device of a group of Edge devices. Returns how many were made.
///
/// # Errors
///
/// Something on disk can't be used, or can't be written; then all that is wrong is reported.
pub(crate) fn open_edge_cas(
    group: &Group,
    identities: &GroupIdentities,
    now: Timestamp,
) -> Result<usize, Vec<IdentityError>> {
    if group.kind != GroupKind::Edge {
        return Ok(0);
    }
    let (mut made, mut problems) = (0, Vec::new());
    for index in 0..group.devices.count {
        match identities.edge_ca(&group.devices.id(index), group.key, now) {
            Ok(edge_ca) => made += usize::from(edge_ca.made),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(made) } else { Err(problems) }
}
