//! A negative device: one that must be refused. It tries to get in until it is judged, and then stops for good.

use fleet_protocol::lines::{State, counter};
use iot_protocol::shown;
use tracing::{info, warn};

use super::{Device, DeviceError};
use crate::metrics::Counter;
use crate::outcome::Outcome;
use crate::recovery::Failure;

impl Device {
    /// Whether it must be refused.
    pub(super) fn is_negative(&self) -> bool {
        self.group().expect.is_some()
    }

    /// Counts a failed attempt. Those of negative devices are counted when they are judged, and apart.
    pub(super) fn count_failure(&self, counter: &str, reason: &str) {
        if !self.is_negative() {
            self.context.metrics.count_reason(self.group, counter, reason);
        }
    }

    /// Whether the failure is the refusal that decides about a negative device: the expected one, or any other that waiting
    /// does not mend.
    pub(super) fn is_judged(&mut self, error: &DeviceError) -> bool {
        let Some(expect) = &self.group().expect else {
            return false;
        };
        let is_final = matches!(error.failure, Failure::OperatorMustAct | Failure::HubRefused);
        let is_expected = expect.is_met_by(error.reason, is_final);
        if !is_expected && !is_final {
            return false;
        }
        let expect = expect.to_string();
        let (counted, message) = match is_expected {
            true => {
                info!(device_id = %self.id, reason = error.reason, "refused as expected");
                (counter::DEVICES_REFUSED, error.message.clone())
            }
            false => {
                warn!(device_id = %self.id, reason = error.reason, "refused, but not as expected ({expect}): {}", shown::text(&error.message));
                let message = format!("refused, but not as expected ({expect}): {}", error.message);
                (counter::DEVICES_REFUSED_OTHERWISE, message)
            }
        };
        self.context.metrics.count_reason(self.group, counted, error.reason);
        self.is_over = true;
        self.report(State::Stopped, |line| {
            line.reason = Some(error.reason.into());
            line.message = Some(message);
        });
        true
    }

    /// The end of the run, or of its part in it.
    pub(super) fn stop_negative(&mut self) -> Outcome {
        if !self.is_over {
            let reason = self.last_failure.unwrap_or(self.step.reason());
            self.context
                .metrics
                .count_reason(self.group, counter::DEVICES_NOT_JUDGED, reason);
        }
        self.move_to(State::Stopped);
        Outcome {
            group: self.group,
            wanted: false,
            connected: false,
            last_failure: self.last_failure,
            step: self.step,
        }
    }

    /// It got in although it had to be refused.
    pub(super) fn let_in(&mut self, how: &str) {
        let expect = self
            .group()
            .expect
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        let message = format!("got in, although it must be refused ({expect}): {}", shown::text(how));
        warn!(device_id = %self.id, "{message}");
        self.context.metrics.count(self.group, Counter::DevicesLetIn);
        self.is_over = true;
        self.report(State::Stopped, |line| line.message = Some(message));
    }
}
