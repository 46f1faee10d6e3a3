//! What quotas and faults do to what a device is about to do.

use std::time::Duration;

use iot_protocol::id::DeviceId;
use rumqttc::mqttbytes::v4::ConnectReturnCode;
use tokio::time::{Instant, sleep, timeout};

use super::Services;
use crate::central::new_etag;
use crate::faults::{Hit, Span, Verdict};
use crate::hub::Target;
use crate::journal::{DisconnectReason, Event};
use crate::phase::Phase;
use crate::quota::{Outcome, Throttled};
use crate::stats::count;
use crate::unconfirmed::{THROTTLED_CONNECT, error_code_of};

/// How long a client may be left in silence before its connection is given up.
const LONGEST_SILENCE: Duration = Duration::from_secs(1800);

/// What the caller has to do; delays are over, and what a rule does to a device is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    Pass,
    /// Do nothing more, and close.
    Close(DisconnectReason),
    /// Do it, leave the answer out, and close.
    CloseBeforeAck(DisconnectReason),
    /// Do it, answer, and close.
    CloseAfterAck(DisconnectReason),
    /// Do it, and leave the answer out.
    NoAck,
    Refuse(ConnectReturnCode),
    /// Do nothing, and respond with an error.
    Respond(ErrorResponse),
    /// Send nothing any more, and read or don't.
    Silence {
        reads: bool,
    },
}

/// An error in the place of the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ErrorResponse {
    pub(crate) status: u16,
    pub(crate) error_code: u32,
    /// In seconds.
    pub(crate) retry_after: Option<u64>,
}

impl ErrorResponse {
    /// For callers that have to answer something all the same.
    pub(crate) fn unavailable() -> Self {
        Self {
            status: 503,
            error_code: error_code_of(503),
            retry_after: None,
        }
    }
}

impl Services {
    /// Decides what comes of what a device is about to do, and waits as long as it is to be delayed.
    pub(crate) async fn pass_gate(&self, phase: Phase, device: Option<&str>) -> Decision {
        if !self.gate.has_rules() {
            return Decision::Pass;
        }
        // On the heap, since a session has no room for what is rare.
        Box::pin(self.apply_rules(phase, device)).await.0
    }

    /// The same, with what makes a whole connection slow.
    pub(crate) async fn apply_rules(&self, phase: Phase, device: Option<&str>) -> (Decision, Option<(Span, String)>) {
        let rules = self.gate.ask(phase, device, Instant::now());
        let (mut delay, mut decision, mut slow) = (Duration::ZERO, Decision::Pass, None);
        if let Some(throttled) = rules.throttled {
            self.record_throttled(device, throttled);
            match throttled.outcome {
                Outcome::Delayed(by) => delay += by,
                Outcome::Refused(wait) => decision = refusal(phase, wait),
                Outcome::Closed => decision = Decision::Close(DisconnectReason::Throttled),
            }
        }
        for hit in rules.hits {
            count(&self.counters.faults);
            let event = Event::Fault {
                rule: hit.rule.clone(),
                phase,
                verdict: hit.verdict.as_str(),
            };
            self.journal.record(device, event);
            match hit.verdict {
                Verdict::Delay { by } => delay += by.at(hit.drawn),
                Verdict::Slow { by } => slow = Some((by, hit.rule)),
                _ => decision = self.apply(phase, device, &hit),
            }
        }
        if !delay.is_zero() {
            let epoch = self.gate.restarts.epoch();
            tokio::select! {
                () = sleep(delay) => {}
                // A client that waits is disconnected like all others.
                () = epoch.cancelled() => decision = Decision::Close(DisconnectReason::ShuttingDown),
            }
        }
        (decision, slow)
    }

    /// Keeps a client waiting that will not get an answer.
    pub(crate) async fn left_without_answer(&self) {
        self.left_alone(std::future::pending()).await;
    }

    /// Waits for the end of a silence, of the emulator, or of the patience with a client that does not go away.
    pub(crate) async fn left_alone(&self, silence: impl Future<Output = ()>) -> DisconnectReason {
        let epoch = self.gate.restarts.epoch();
        tokio::select! {
            () = epoch.cancelled() => DisconnectReason::ShuttingDown,
            ended = timeout(LONGEST_SILENCE, silence) => match ended {
                Ok(()) => DisconnectReason::ConnectionLost,
                Err(_) => DisconnectReason::TooSlow,
            }
        }
    }

    fn record_throttled(&self, device: Option<&str>, throttled: Throttled) {
        count(&self.counters.throttled);
        let outcome = match throttled.outcome {
            Outcome::Delayed(_) => "delayed",
            Outcome::Refused(_) => "refused",
            Outcome::Closed => "closed",
        };
        let event = Event::Throttled {
            limit: throttled.limit,
            outcome,
        };
        self.journal.record(device, event);
    }

    fn apply(&self, phase: Phase, device: Option<&str>, hit: &Hit) -> Decision {
        let by_rule = || DisconnectReason::Fault(hit.rule.clone());
        match &hit.verdict {
            Verdict::Drop => Decision::Close(by_rule()),
            Verdict::DropBeforeAck => Decision::CloseBeforeAck(by_rule()),
            Verdict::DropAfterAck => Decision::CloseAfterAck(by_rule()),
            Verdict::NoAck => Decision::NoAck,
            Verdict::Refuse { code } => Decision::Refuse(connack(*code)),
            Verdict::Answer {
                status,
                error_code,
                retry_after,
            } => Decision::Respond(ErrorResponse {
                status: *status,
                error_code: error_code.unwrap_or_else(|| error_code_of(*status)),
                retry_after: retry_after.map(|after| after.as_secs()),
            }),
            Verdict::BlackHole => Decision::Silence { reads: true },
            Verdict::StopReading => Decision::Silence { reads: false },
            Verdict::Restart { down } => {
                self.gate.restarts.begin(*down);
                Decision::Close(DisconnectReason::ShuttingDown)
            }
            Verdict::Move { hub } => {
                let id = device.and_then(|device| DeviceId::new(device).ok());
                // A device that can't be moved, since it is there already or there is but one hub, stays where it is.
                match id.and_then(|id| {
                    self.reassign(&id, hub.as_ref().map_or(Target::Next, Target::Named))
                        .ok()
                }) {
                    Some(_) => Decision::Close(DisconnectReason::Moved),
                    None => Decision::Pass,
                }
            }
            Verdict::Expire | Verdict::Disable | Verdict::Delete => {
                let reason = device.and_then(|device| self.apply_to_device(device, &hit.verdict));
                match reason {
                    // DPS has its own answer for a device that is blocked.
                    Some(reason) if !matches!(phase, Phase::DpsConnect | Phase::Register) => Decision::Close(reason),
                    _ => Decision::Pass,
                }
            }
            // They are summed up before.
            Verdict::Delay { .. } | Verdict::Slow { .. } => Decision::Pass,
        }
    }

    /// Does to a device what an operator could do; returns the reason for which its connection ends. None if there is
    /// no such device.
    fn apply_to_device(&self, device: &str, verdict: &Verdict) -> Option<DisconnectReason> {
        let mut application = self.central.write();
        let id = match application.device(device) {
            Some(device) => device.id.clone(),
            None => DeviceId::new(device).ok()?,
        };
        let mut changes = self.store.changes();
        let reason = match verdict {
            Verdict::Expire => {
                self.registry.expire(&id, &mut changes);
                DisconnectReason::Expired
            }
            Verdict::Disable => {
                let device = application.device_mut(device)?;
                device.enabled = false;
                device.etag = new_etag();
                changes.put(&id.as_str().to_ascii_lowercase(), device);
                self.registry.set_enabled(&id, false, &mut changes);
                DisconnectReason::Disabled
            }
            _ => {
                self.registry.remove(&id, &mut changes);
                DisconnectReason::Deleted
            }
        };
        self.store.write(changes);
        Some(reason)
    }
}

/// How a service refuses what is more than its quota.
fn refusal(phase: Phase, wait: Duration) -> Decision {
    if phase == Phase::HubConnect {
        return Decision::Refuse(THROTTLED_CONNECT);
    }
    Decision::Respond(ErrorResponse {
        status: 429,
        error_code: error_code_of(429),
        // A client that waits as long as it was asked to must not come too early.
        retry_after: Some(wait.as_secs() + u64::from(wait.subsec_nanos() > 0)),
    })
}

fn connack(code: u8) -> ConnectReturnCode {
    match code {
        1 => ConnectReturnCode::RefusedProtocolVersion,
        2 => ConnectReturnCode::BadClientId,
        3 => ConnectReturnCode::ServiceUnavailable,
        4 => ConnectReturnCode::BadUserNamePassword,
        _ => ConnectReturnCode::NotAuthorized,
    }
}
