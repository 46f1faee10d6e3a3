//! Which values the labels of a threshold can have: one on another value would never see a sample.

use fleet_protocol::reason::{REASONS, STATUSES};
use fleet_report::labels::KnownLabels;
use fleet_report::metric::Metric;
use fleet_report::plan::Quota;
use fleet_report::quota_use::is_measured;

use super::allowance::quota;
use super::operator::Operator;
use super::types::Target;
use super::values::Processes;

/// Which values labels can have in a run of `groups` with so many stages and processes against `target`, and what of an
/// operator's work is not measured in it.
pub(super) fn known(
    groups: Vec<String>,
    stages: usize,
    processes: Processes,
    target: Option<&Target>,
    not_measured: Vec<Metric>,
) -> KnownLabels {
    let statuses = STATUSES.map(|status| status.to_string());
    KnownLabels {
        groups,
        reasons: REASONS
            .iter()
            .map(|reason| (*reason).to_owned())
            .chain(statuses)
            .collect(),
        stages,
        shards: (0..certain(processes)).map(|process| process.to_string()).collect(),
        limits: target
            .and_then(quota)
            .map(|quota| measured(quota, !not_measured.contains(&Metric::RestThrottled)))
            .unwrap_or_default(),
        not_measured,
    }
}

/// How many processes there are on each machine. To judge one of more, a manifest has their number.
fn certain(processes: Processes) -> u32 {
    match processes {
        Processes::Auto => Processes::USUALLY,
        Processes::Number(number) => number,
    }
}

/// What a run does not measure with this operator, or without one, and with devices that must be refused, or without any.
pub(super) fn not_measured(operator: Option<&Operator>, has_negative: bool) -> Vec<Metric> {
    let commands = operator.is_some_and(|operator| operator.command_rate.is_some());
    let properties = operator.is_some_and(|operator| operator.property_rate.is_some());
    let looks = operator.is_some_and(|operator| operator.arrival_rate.is_some());
    let of = |is_measured: bool, metrics: &[Metric]| match is_measured {
        true => Vec::new(),
        false => metrics.to_vec(),
    };
    [
        of(
            commands,
            &[Metric::CommandRoundtripDuration, Metric::CommandRoundtripFailed],
        ),
        of(
            properties,
            &[Metric::PropertyRoundtripDuration, Metric::PropertyRoundtripFailed],
        ),
        of(looks, &[Metric::ArrivalStale]),
        of(operator.is_some(), &[Metric::RestThrottled]),
        of(has_negative, &[Metric::NegativeRefused]),
    ]
    .concat()
}

/// The limits of which a run measures what is used: of that on REST requests, what an operator uses.
fn measured(quota: Quota, with_operator: bool) -> Vec<String> {
    let ids = quota.limits.limits.into_iter().map(|limit| limit.id);
    ids.filter(|id| is_measured(id) && (with_operator || id != "central.rest"))
        .collect()
}
