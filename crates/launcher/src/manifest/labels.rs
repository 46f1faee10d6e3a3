//! Which values the labels of a threshold can have: one on another value would never see a sample.

use fleet_protocol::reason::{REASONS, STATUSES};
use fleet_report::gather::NOT_MEASURED;
use fleet_report::labels::KnownLabels;
use fleet_report::plan::Quota;
use fleet_report::quota_use::is_measured;

use super::allowance::quota;
use super::types::Target;

/// Which values labels can have in a run of `groups` with so many stages and processes against `target`.
pub(super) fn known(groups: Vec<String>, stages: usize, processes: u32, target: Option<&Target>) -> KnownLabels {
    let statuses = STATUSES.map(|status| status.to_string());
    KnownLabels {
        groups,
        reasons: REASONS
            .iter()
            .map(|reason| (*reason).to_owned())
            .chain(statuses)
            .collect(),
        stages,
        shards: (0..processes).map(|process| process.to_string()).collect(),
        limits: target.and_then(quota).map(measured).unwrap_or_default(),
        not_measured: &NOT_MEASURED,
    }
}

/// The limits of which a run measures what is used.
fn measured(quota: Quota) -> Vec<String> {
    let ids = quota.limits.limits.into_iter().map(|limit| limit.id);
    ids.filter(|id| is_measured(id)).collect()
}
