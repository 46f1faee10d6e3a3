//! What failed, and how often.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::occurrences::{Occurrences, failure};
use crate::totals::Totals;

/// A kind of failure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FailureRow {
    /// What failed, as its counter is called: `connect_failed`.
    pub operation: String,
    /// Why, where there is a reason: `timeout_tls`.
    pub reason: Option<String>,
    /// How often.
    pub count: u64,
    /// When it was first seen, in seconds since the processes were started; null where that was not seen.
    pub first_s: Option<f64>,
    /// When it was last seen.
    pub last_s: Option<f64>,
    /// What helps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl FailureRow {
    /// As a counter is written: `connect_failed/timeout_tls`.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.reason {
            Some(reason) => format!("{}/{reason}", self.operation),
            None => self.operation.clone(),
        }
    }
}

/// Everything that failed.
pub(super) fn rows(totals: &Totals, occurrences: &Occurrences) -> Vec<FailureRow> {
    let of = |(name, count): (String, u64)| {
        let (operation, reason) = failure(&name).unwrap_or((&name, None));
        let seen = occurrences.of(&name);
        FailureRow {
            operation: operation.to_owned(),
            reason: reason.map(str::to_owned),
            count,
            first_s: seen.map(|(first, _)| first),
            last_s: seen.map(|(_, last)| last),
            remedy: None,
        }
    };
    totals.errors().into_iter().map(of).collect()
}

/// Adds failures of a reason that no process has counted.
pub(crate) fn add(rows: &mut Vec<FailureRow>, operation: &str, reason: &str, count: u64) {
    let operation = operation.trim_end_matches('/');
    let is_it = |row: &&mut FailureRow| row.operation == operation && row.reason.as_deref() == Some(reason);
    match rows.iter_mut().find(is_it) {
        _ if count == 0 => {}
        Some(row) => row.count += count,
        None => {
            rows.push(FailureRow {
                operation: operation.to_owned(),
                reason: Some(reason.to_owned()),
                count,
                first_s: None,
                last_s: None,
                remedy: None,
            });
            rows.sort_by_key(FailureRow::name);
        }
    }
}
