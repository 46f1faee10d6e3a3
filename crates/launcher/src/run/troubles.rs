//! Devices in trouble: the first are reported one by one, with what helps; reports count them all.

use fleet_protocol::lines::DeviceLine;
use fleet_protocol::reason::Reason;

use crate::advice::Advisor;
use crate::progress::ProgressLog;

/// So many are reported one by one.
const REPORTED: u32 = 5;

/// The troubles so far.
#[derive(Debug)]
pub(super) struct Troubles {
    advisor: Advisor,
    count: u32,
    progress: ProgressLog,
}

impl Troubles {
    /// There are none.
    pub(super) fn new(advisor: Advisor, progress: ProgressLog) -> Self {
        Self {
            advisor,
            count: 0,
            progress,
        }
    }

    /// A device is in trouble.
    pub(super) fn report(&mut self, device: &DeviceLine) {
        self.count = self.count.saturating_add(1);
        if self.count > REPORTED {
            return;
        }
        let reason = device.reason.as_ref().map(Reason::as_str);
        let why = device.message.as_deref().or(reason).unwrap_or("no reason given");
        let state = device.state.word().replace('_', " ");
        self.progress.report(format!("{} is {state}: {why}", device.id));
        for line in self.advisor.on(device) {
            self.progress.report(line);
        }
        if self.count == REPORTED {
            self.progress.report("further devices in trouble are only counted");
        }
    }
}
