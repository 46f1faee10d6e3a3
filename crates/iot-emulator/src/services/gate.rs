//! What the weather does to what a device is about to do.

use std::time::Duration;

use iot_protocol::id::DeviceId;
use rumqttc::mqttbytes::v4::ConnectReturnCode;
use tokio::time::{Instant, sleep, timeout};

use super::Services;
use crate::central::new_etag;
use crate::faults::{Hit, Span, Verdict};
use crate::hub::Target;
use crate::journal::{Event, Why};
use crate::phase::Phase;
use crate::quota::{Outcome, Throttled};
use crate::stats::count;
use crate::unconfirmed::{THROTTLED_CONNECT, error_code_of};

/// How long a client may be left in silence before its connection is given up.
const LONGEST_SILENCE: Duration = Duration::from_secs(1800);

/// What is left to do for the caller; delays are over, and devices have been dealt with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act {
    /// Nothing is in the way.
    Pass,
    /// Do nothing more, and close.
    Close(Why),
    /// Do it, leave the answer out, and close.
    CloseBeforeAck(Why),
    /// Do it, answer, and close.
    CloseAfterAck(Why),
    /// Do it, and leave the answer out.
    NoAck,
    /// Say no to CONNECT.
    Refuse(ConnectReturnCode),
    /// Do nothing, and answer with an error.
    Answer(Answer),
    /// Say nothing any more, and read or don't.
    Silence { reads: bool },
}

/// An error instead of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) error_code: u32,
    /// In seconds.
    pub(crate) retry_after: Option<u64>,
}

impl Answer {
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
    /// Asks whether anything is in the way of what a device is about to do, and waits where that is so.
    pub(crate) async fn meet(&self, phase: Phase, device: Option<&str>) -> Act {
        if self.weather.is_calm() {
            return Act::Pass;
        }
        // On the heap, since a session has no room for what is rare.
        Box::pin(self.meet_it(phase, device)).await.0
    }

    /// The same, with what makes a whole connection slow.
    pub(crate) async fn meet_it(&self, phase: Phase, device: Option<&str>) -> (Act, Option<(Span, String)>) {
        let forecast = self.weather.ask(phase, device, Instant::now());
        let (mut delay, mut act, mut slow) = (Duration::ZERO, Act::Pass, None);
        if let Some(throttled) = forecast.throttled {
            self.write_down_throttled(device, throttled);
            match throttled.outcome {
                Outcome::Delayed(by) => delay += by,
                Outcome::Refused(wait) => act = refusal(phase, wait),
                Outcome::Closed => act = Act::Close(Why::Throttled),
            }
        }
        for hit in forecast.hits {
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
                _ => act = self.strike(phase, device, &hit),
            }
        }
        if !delay.is_zero() {
            let era = self.weather.outages.era();
            tokio::select! {
                () = sleep(delay) => {}
                // A client that waits is disconnected like all others.
                () = era.cancelled() => act = Act::Close(Why::ShuttingDown),
            }
        }
        (act, slow)
    }

    /// Keeps a client waiting that will not get an answer.
    pub(crate) async fn left_without_answer(&self) {
        self.left_alone(std::future::pending()).await;
    }

    /// Waits for the end of a silence, of the emulator, or of the patience with a client that does not go away.
    pub(crate) async fn left_alone(&self, silence: impl Future<Output = ()>) -> Why {
        let era = self.weather.outages.era();
        tokio::select! {
            () = era.cancelled() => Why::ShuttingDown,
            ended = timeout(LONGEST_SILENCE, silence) => match ended {
                Ok(()) => Why::ConnectionLost,
                Err(_) => Why::TooSlow,
            }
        }
    }

    fn write_down_throttled(&self, device: Option<&str>, throttled: Throttled) {
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

    fn strike(&self, phase: Phase, device: Option<&str>, hit: &Hit) -> Act {
        let by_rule = || Why::Fault(hit.rule.clone());
        match &hit.verdict {
            Verdict::Drop => Act::Close(by_rule()),
            Verdict::DropBeforeAck => Act::CloseBeforeAck(by_rule()),
            Verdict::DropAfterAck => Act::CloseAfterAck(by_rule()),
            Verdict::NoAck => Act::NoAck,
            Verdict::Refuse { code } => Act::Refuse(connack(*code)),
            Verdict::Answer {
                status,
                error_code,
                retry_after,
            } => Act::Answer(Answer {
                status: *status,
                error_code: error_code.unwrap_or_else(|| error_code_of(*status)),
                retry_after: retry_after.map(|after| after.as_secs()),
            }),
            Verdict::BlackHole => Act::Silence { reads: true },
            Verdict::StopReading => Act::Silence { reads: false },
            Verdict::Restart { down } => {
                self.weather.outages.begin(*down);
                Act::Close(Why::ShuttingDown)
            }
            Verdict::Move { hub } => {
                let id = device.and_then(|device| DeviceId::new(device).ok());
                // A device that can't be moved, since it is there already or there is but one hub, stays where it is.
                match id.and_then(|id| {
                    self.reassign(&id, hub.as_ref().map_or(Target::Next, Target::Named))
                        .ok()
                }) {
                    Some(_) => Act::Close(Why::Moved),
                    None => Act::Pass,
                }
            }
            Verdict::Expire | Verdict::Disable | Verdict::Delete => {
                let why = device.and_then(|device| self.afflict(device, &hit.verdict));
                match why {
                    // DPS has its own answer for a device that is blocked.
                    Some(why) if !matches!(phase, Phase::DpsConnect | Phase::Register) => Act::Close(why),
                    _ => Act::Pass,
                }
            }
            // They are summed up before.
            Verdict::Delay { .. } | Verdict::Slow { .. } => Act::Pass,
        }
    }

    /// Does to a device what an operator could do; gives why its connection ends. None if there is no such device.
    fn afflict(&self, device: &str, verdict: &Verdict) -> Option<Why> {
        let mut application = self.central.write();
        let id = match application.device(device) {
            Some(device) => device.id.clone(),
            None => DeviceId::new(device).ok()?,
        };
        let mut changes = self.store.changes();
        let why = match verdict {
            Verdict::Expire => {
                self.registry.expire(&id, &mut changes);
                Why::Expired
            }
            Verdict::Disable => {
                let device = application.device_mut(device)?;
                device.enabled = false;
                device.etag = new_etag();
                changes.put(&id.as_str().to_ascii_lowercase(), device);
                self.registry.set_enabled(&id, false, &mut changes);
                Why::Disabled
            }
            _ => {
                self.registry.remove(&id, &mut changes);
                Why::Deleted
            }
        };
        self.store.write(changes);
        Some(why)
    }
}

/// How a service says that something is too much.
fn refusal(phase: Phase, wait: Duration) -> Act {
    if phase == Phase::HubConnect {
        return Act::Refuse(THROTTLED_CONNECT);
    }
    Act::Answer(Answer {
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
