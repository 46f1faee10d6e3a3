//! How the processes of a run ended.

use fleet_report::report::{EndReason, Losses};

/// How the processes ended.
#[derive(Debug, Clone, Default)]
pub(super) struct Outcome {
    /// Why the run failed, whatever its devices did; empty when it did not.
    pub(super) failures: Vec<String>,
    /// What came before the end of the stages.
    pub(super) end_reason: Option<EndReason>,
    /// The end was asked for.
    pub(super) interrupted: bool,
    /// The end was asked for again.
    pub(super) left_at_once: bool,
    /// The application counts what it receives, and has not reported the number.
    pub(super) received_unknown: bool,
    /// All devices failed for the same reason, and the run ended early.
    pub(super) hopeless: Option<String>,
    /// What went with processes that died.
    pub(super) losses: Losses,
}

impl Outcome {
    /// The end was asked for before any process was started.
    pub(super) fn interrupted_early() -> Self {
        Self {
            interrupted: true,
            end_reason: Some(EndReason::Interrupted),
            ..Self::default()
        }
    }

    /// Notes why the run is over before its stages are. The first reason counts: others follow from it.
    pub(super) fn ends(&mut self, reason: EndReason) {
        self.end_reason.get_or_insert(reason);
    }
}
