//! What `fleet register` has done, for a person and for a program.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use fleet_report::words;
use serde::Serialize;

use crate::countdown::about;

/// What has become of the fleet's registrations.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Summary {
    /// Devices of the manifest that are simulated.
    pub(super) devices: u64,
    /// Those that have an assignment now.
    pub(super) registered: u64,
    /// Those of them that had one before.
    pub(super) reused: u64,
    /// Reason → devices that failed for it. Devices that had no turn are in none.
    pub(super) failed: BTreeMap<String, u64>,
    /// How often DPS answered 429.
    pub(super) throttled: u64,
    /// Seconds since the first device was started.
    pub(super) took_s: f64,
    /// Why it is over.
    pub(super) end: End,
}

/// Why registering is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum End {
    /// Every device has registered or failed.
    Done,
    /// All devices failed for a reason that waiting does not mend.
    AllFailed,
    /// A device-sim process died.
    ProcessDied,
    /// It was interrupted.
    Interrupted,
}

impl Summary {
    /// Whether every device has registered.
    pub(super) fn is_whole(&self) -> bool {
        self.registered >= self.devices
    }

    pub(super) fn json(&self) -> anyhow::Result<String> {
        let text = serde_json::to_string_pretty(self).context("the summary can't be put into JSON")?;
        Ok(text + "\n")
    }

    pub(super) fn text(&self) -> String {
        let reused = match self.reused {
            0 => String::new(),
            reused => format!(" ({reused} from an earlier run)"),
        };
        let mut text = format!(
            "registered {} of {}{reused} in {}\n",
            self.registered,
            words::devices(self.devices),
            about(Duration::try_from_secs_f64(self.took_s).unwrap_or_default())
        );
        for (reason, devices) in &self.failed {
            text += &format!("failed     {}: {reason}\n", words::devices(*devices));
        }
        if self.throttled > 0 {
            text += &format!(
                "throttled  {} by DPS\n",
                words::counted(self.throttled, "time", "times")
            );
        }
        let rest = self.devices.saturating_sub(self.registered);
        if rest > 0 {
            text += &format!(
                "{} {} not registered; the same command goes on with the rest\n",
                words::devices(rest),
                words::agreeing(rest, "is", "are")
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_says_what_is_left() {
        let mut summary = Summary {
            devices: 10,
            registered: 10,
            reused: 4,
            failed: BTreeMap::new(),
            throttled: 0,
            took_s: 61.5,
            end: End::Done,
        };
        assert_eq!(
            summary.text(),
            "registered 10 of 10 devices (4 from an earlier run) in 1m10s\n"
        );
        assert!(summary.is_whole());
        summary.registered = 7;
        summary.failed = BTreeMap::from([("dps_unauthorized".to_owned(), 1)]);
        summary.throttled = 3;
        summary.end = End::Interrupted;
        assert!(!summary.is_whole());
        assert_eq!(
            summary.text(),
            "registered 7 of 10 devices (4 from an earlier run) in 1m10s\n\
             failed     1 device: dps_unauthorized\n\
             throttled  3 times by DPS\n\
             3 devices are not registered; the same command goes on with the rest\n"
        );
        assert_eq!(
            summary.json().unwrap(),
            "{\n  \"devices\": 10,\n  \"registered\": 7,\n  \"reused\": 4,\n  \"failed\": {\n    \"dps_unauthorized\": 1\n  },\n  \
             \"throttled\": 3,\n  \"took_s\": 61.5,\n  \"end\": \"interrupted\"\n}\n"
        );
    }
}
