//! A device that starts again, by a command or as after a power cut.

use std::time::Duration;

use fleet_protocol::lines::{Phase, State};
use rand::RngExt;
use tokio::time::Instant;
use tracing::info;

use super::Device;
use crate::recovery::Recovery;
use crate::reporter::Reporter;

/// How long a restart takes, give or take a half.
const BOOT: Duration = Duration::from_secs(3);

impl Device {
    /// The device restarts as a command has asked it to, which a report completes.
    pub(super) fn reboot(&mut self) {
        self.restart("restarts on command");
        let report = self.model.rebooted(self.clock());
        self.reporter.report(&report);
    }

    /// The device restarts: what it kept in memory is gone, and starting takes it a moment. Then it begins as after any
    /// boot, with the assignment that it finds in its cache.
    pub(super) fn restart(&mut self, why: &str) {
        self.reboot_at = None;
        self.ticks = None;
        self.drop_outstanding("rebooted");
        self.unfinished(Phase::Report, self.reporter.unanswered_since());
        self.reporter = Reporter::default();
        self.model.restarted();
        self.sending.iter_mut().for_each(|sending| sending.forget());
        self.recovery = Recovery::default();
        self.assigned = None;
        self.identity = None;
        self.at_once = false;
        self.starts_up = true;
        let boot = BOOT.mul_f64(self.random.random_range(0.5..1.5));
        self.not_before = Some(Instant::now() + boot);
        info!(device_id = %self.id, "{why}; back in {boot:.1?}");
        self.report(State::Pending, |line| line.reason = Some("reboot".into()));
    }
}
