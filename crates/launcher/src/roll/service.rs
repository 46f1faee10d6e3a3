//! The application during a roll. Its client asks no faster than IoT Central allows.

use std::collections::BTreeMap;

use fleet_report::words::devices;
use provisioning::central::Central;
use provisioning::enroll::{EnrollError, Step};

use crate::progress::ProgressLog;

/// The application, and where steps are reported.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) central: Central,
    progress: ProgressLog,
}

impl Service {
    pub(crate) fn new(central: Central, progress: ProgressLog) -> Self {
        Self { central, progress }
    }

    pub(crate) fn report(&self, step: Step) {
        self.progress.report(step);
    }

    pub(crate) fn report_line(&self, words: String) {
        self.progress.report(words);
    }

    /// Which of the application's devices are let in.
    pub(crate) async fn enabled(&self) -> Result<BTreeMap<String, bool>, EnrollError> {
        let devices = self.central.devices().await?;
        Ok(devices.into_iter().map(|device| (device.id, device.enabled)).collect())
    }

    /// Lets devices in, or blocks them.
    pub(crate) async fn set_enabled(&self, ids: &[String], enabled: bool) -> Result<(), EnrollError> {
        for id in ids {
            provisioning::enroll::set_device_enabled(&self.central, id, enabled, &|_| {}).await?;
        }
        let done = if enabled { "let in again" } else { "blocked" };
        self.progress.report(format!("{} {done}", devices(ids.len())));
        Ok(())
    }
}
