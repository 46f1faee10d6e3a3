//! The application during a roll, asked no faster than IoT Central allows.

use std::collections::BTreeMap;
use std::time::Duration;

use provisioning::central::Central;
use provisioning::enroll::{EnrollError, Step};
use tokio::sync::Mutex;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::story::Story;

/// Half of the 20 requests a second that IoT Central takes, since each device takes two or three requests here.
/// <https://learn.microsoft.com/azure/iot-central/core/concepts-quotas-limits>
const PER_DEVICE: Duration = Duration::from_millis(150);

/// The application, and where steps are told.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) central: Central,
    story: Story,
    pace: Mutex<Interval>,
}

impl Service {
    pub(crate) fn new(central: Central, story: Story) -> Self {
        let mut pace = interval(PER_DEVICE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            central,
            story,
            pace: Mutex::new(pace),
        }
    }

    /// Waits until the next device may be dealt with.
    pub(crate) async fn turn(&self) {
        self.pace.lock().await.tick().await;
    }

    pub(crate) fn tell(&self, step: Step) {
        self.story.tell(step);
    }

    /// Which of the application's devices are let in.
    pub(crate) async fn enabled(&self) -> Result<BTreeMap<String, bool>, EnrollError> {
        let devices = self.central.devices().await?;
        Ok(devices.into_iter().map(|device| (device.id, device.enabled)).collect())
    }

    /// Lets devices in, or blocks them.
    pub(crate) async fn set_enabled(&self, ids: &[String], enabled: bool) -> Result<(), EnrollError> {
        for id in ids {
            self.turn().await;
            provisioning::enroll::set_device_enabled(&self.central, id, enabled, &|_| {}).await?;
        }
        let (count, devices) = (ids.len(), if ids.len() == 1 { "device" } else { "devices" });
        let done = if enabled { "let in again" } else { "blocked" };
        self.story.tell(format!("{count} {devices} {done}"));
        Ok(())
    }
}
