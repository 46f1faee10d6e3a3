//! The outcome of a device in a run: whether it failed, and why. Pure.
//!
//! A device is *wanted* once the stages (or an order to connect) have asked for it to be online, even for a moment
//! and whatever they ask for later. One that was wanted and was never online has *failed*, whatever it was doing at the
//! end. One that was never wanted can't fail.

/// What a device that is not online is doing or waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Its turn to register.
    RegisterTurn,
    /// The answer of DPS.
    Registration,
    /// Its turn to connect.
    ConnectTurn,
    /// The hub: connection, subscriptions, twin.
    Connection,
}

impl Step {
    /// The reason of a device that got no further.
    #[must_use]
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::RegisterTurn => "waiting_for_register_rate",
            Self::Registration => "still_registering",
            Self::ConnectTurn => "waiting_for_connect_rate",
            Self::Connection => "still_connecting",
        }
    }
}

/// How a device ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// The group of the plan that it is in.
    pub group: usize,
    /// It has been wanted online at any time.
    pub wanted: bool,
    /// It has been online at least once.
    pub connected: bool,
    /// Why it last failed.
    pub last_failure: Option<&'static str>,
    /// How far it had got.
    pub step: Step,
}

impl Outcome {
    /// Why the device failed the run; `None` if it did not. A failed attempt is a better reason than the one after it,
    /// which had not ended.
    #[must_use]
    pub(crate) fn failure(&self) -> Option<&'static str> {
        let failed = self.wanted && !self.connected;
        failed.then(|| self.last_failure.unwrap_or(self.step.reason()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_wanted_and_never_online_has_failed_whatever_it_was_doing() {
        use Step::{ConnectTurn, Connection, RegisterTurn, Registration};
        let timeout = Some("timeout_mqtt");
        for (wanted, connected, last_failure, step, failure) in [
            (true, true, None, Connection, None),
            (true, true, timeout, Connection, None),
            (true, false, timeout, Connection, timeout),
            (true, false, timeout, ConnectTurn, timeout),
            (true, false, None, RegisterTurn, Some("waiting_for_register_rate")),
            (true, false, None, Registration, Some("still_registering")),
            (true, false, None, ConnectTurn, Some("waiting_for_connect_rate")),
            (true, false, None, Connection, Some("still_connecting")),
            (false, false, None, Registration, None),
            (false, false, Some("dps_unauthorized"), Registration, None),
        ] {
            let outcome = Outcome {
                group: 0,
                wanted,
                connected,
                last_failure,
                step,
            };
            assert_eq!(outcome.failure(), failure, "{outcome:?}");
        }
    }
}
