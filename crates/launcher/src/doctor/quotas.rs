//! What the plan asks for, beside the limits of its target: the judgement of `fleet plan`.

use fleet_report::plan::PlanSummary;
use fleet_report::plan::text::{amounts, percent};

use super::finding::{Area, Finding, Verdict};
use crate::prepare::budget::{self, Bound};

/// One line for each limit that matters.
pub(super) fn findings(plan: &PlanSummary, bound: Bound) -> Vec<Finding> {
    let mut findings: Vec<_> = match budget::refuse_above(plan, bound) {
        Ok(()) => Vec::new(),
        Err(error) => vec![Finding::of_error(Area::Quotas, "plan", Verdict::Broken, &error)],
    };
    findings
        .extend(budget::warnings(plan).map(|warning| Finding::new(Area::Quotas, "plan", Verdict::Warning, warning)));
    findings.extend(
        plan.notes
            .iter()
            .map(|note| Finding::new(Area::Quotas, "plan", Verdict::Unknown, note)),
    );
    let nearest = plan
        .quotas
        .iter()
        .max_by(|one, other| one.share.total_cmp(&other.share));
    if let Some(nearest) = nearest.filter(|_| findings.is_empty()) {
        let words = format!(
            "within {}; the nearest limit is {}: {}, {}",
            plan.quota.as_deref().unwrap_or("what is allowed"),
            nearest.what,
            amounts(nearest),
            percent(nearest.share)
        );
        findings.push(Finding::good(Area::Quotas, "plan", words));
    }
    findings
}
