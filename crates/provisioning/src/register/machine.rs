//! The registration as a pure machine: events and `now` in, actions and the next deadline out. No I/O, no clock.

use std::time::Duration;

use bytes::Bytes;
use iot_protocol::dps::{
    Registration, RegistrationRequest, RegistrationState, RequestTopic, ResponseTopic, ServiceError, Status, Substatus,
};
use iot_protocol::id::{DeviceId, HubHost, RequestId};
use tokio::time::Instant;
use tracing::debug;

use super::RegistrationFailure;
use super::poll_limit::PollLimit;
use crate::backoff::Backoff;

/// The wait before a poll when DPS names none, and how much jitter comes on top, as in the C# SDK.
const POLL_AFTER: Duration = Duration::from_secs(2);
const POLL_JITTER: Duration = Duration::from_secs(5);
/// The wait after an error when DPS names none. It doubles from error to error, and as much again may come on top.
const RETRY_AFTER: Duration = Duration::from_secs(5);
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60);
/// Over so much at least a wait is spread that DPS names, be it named ever so short. It doubles likewise.
const SHORTEST_SPREAD: Duration = Duration::from_secs(1);

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// There is a connection.
    Connected,
    /// The subscription was granted.
    Subscribed,
    /// A message came.
    Response {
        /// Its topic.
        topic: String,
        /// Its payload.
        body: Bytes,
    },
    /// The machine's deadline has passed.
    Deadline,
}

/// What is to be done next.
#[derive(Debug)]
pub enum Action {
    /// Subscribe to the answers, and report [`Event::Subscribed`].
    Subscribe,
    /// Publish with QoS 1, and wait for what happens.
    Publish {
        /// Where to.
        topic: RequestTopic,
        /// What.
        body: Bytes,
    },
    /// Wait for a message or for the deadline.
    Wait,
    /// The device was assigned: the end.
    Done(Assigned),
    /// It was not: the end.
    Fail(RegistrationFailure),
}

/// The answer that every device hopes for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assigned {
    /// The hub to connect to.
    pub assigned_hub: HubHost,
    /// The device's id in that hub.
    pub device_id: DeviceId,
    /// What became of the data that the device had in a hub before.
    pub substatus: Option<Substatus>,
}

/// How long to wait for what.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For everything.
    pub deadline: Duration,
    /// For the answer to one request.
    pub answer_timeout: Duration,
}

/// What a request asks for; after an error the same is asked again.
#[derive(Debug, Clone)]
enum Operation {
    Register,
    Poll { operation_id: String },
}

#[derive(Debug)]
enum State {
    /// Connecting or subscribing: the driver's part.
    Preparing,
    /// A request was sent.
    Asking {
        operation: Operation,
        request_id: RequestId,
        since: Instant,
    },
    /// DPS is given time.
    Pausing {
        operation: Operation,
        since: Instant,
        until: Instant,
    },
    Over,
}

/// One registration. `J` gives the share, from 0 to 1, of the possible jitter.
#[derive(Debug)]
pub struct Machine<J> {
    state: State,
    body: Bytes,
    patience: Patience,
    ends: Instant,
    jitter: J,
    polls: PollLimit,
    requests: u64,
    /// Errors in a row.
    errors: u32,
    waited: Duration,
    throttled: u32,
}

impl<J: FnMut() -> f64> Machine<J> {
    /// A registration that begins now.
    pub fn new(request: &RegistrationRequest, patience: Patience, jitter: J, now: Instant) -> Self {
        let body = serde_json::to_vec(request).expect("a registration request is made of strings and json");
        Self {
            state: State::Preparing,
            body: body.into(),
            patience,
            ends: now + patience.deadline,
            jitter,
            polls: PollLimit::default(),
            requests: 0,
            errors: 0,
            waited: Duration::ZERO,
            throttled: 0,
        }
    }

    /// Takes in what happened and returns what to do.
    pub fn handle(&mut self, event: Event, now: Instant) -> Action {
        match event {
            Event::Connected => Action::Subscribe,
            Event::Subscribed => self.ask(Operation::Register, now),
            Event::Response { topic, body } => self.response(&topic, &body, now),
            Event::Deadline => self.deadline_passed(now),
        }
    }

    /// When [`Event::Deadline`] is due if nothing happens before.
    pub fn deadline(&self) -> Instant {
        match &self.state {
            State::Preparing | State::Over => self.ends,
            State::Asking { since, .. } => self.ends.min(*since + self.patience.answer_timeout),
            State::Pausing { until, .. } => self.ends.min(*until),
        }
    }

    /// How long DPS was given time so far.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// How often DPS throttled.
    pub fn throttled(&self) -> u32 {
        self.throttled
    }

    fn ask(&mut self, operation: Operation, now: Instant) -> Action {
        self.requests += 1;
        let request_id = RequestId::from_number(self.requests);
        let (topic, body) = match &operation {
            Operation::Register => (
                RequestTopic::Register {
                    request_id: request_id.clone(),
                },
                self.body.clone(),
            ),
            Operation::Poll { operation_id } => {
                self.polls.sent(now);
                let operation_id = operation_id.clone();
                (
                    RequestTopic::Poll {
                        request_id: request_id.clone(),
                        operation_id,
                    },
                    Bytes::new(),
                )
            }
        };
        self.state = State::Asking {
            operation,
            request_id,
            since: now,
        };
        Action::Publish { topic, body }
    }

    fn deadline_passed(&mut self, now: Instant) -> Action {
        if now >= self.ends {
            return self.fail(RegistrationFailure::DeadlineExceeded {
                limit: self.patience.deadline,
            });
        }
        match std::mem::replace(&mut self.state, State::Over) {
            State::Asking { since, .. } if now >= since + self.patience.answer_timeout => {
                Action::Fail(RegistrationFailure::Unanswered {
                    waited: now.saturating_duration_since(since),
                })
            }
            State::Pausing {
                operation,
                since,
                until,
            } if now >= until => {
                self.waited += now.saturating_duration_since(since);
                self.ask(operation, now)
            }
            early => {
                self.state = early;
                Action::Wait
            }
        }
    }

    fn response(&mut self, topic: &str, body: &[u8], now: Instant) -> Action {
        let topic: ResponseTopic = match topic.parse() {
            Ok(topic) => topic,
            Err(error) => return self.protocol(error.to_string()),
        };
        let operation = match &self.state {
            State::Asking {
                operation, request_id, ..
            } if *request_id == topic.request_id => operation.clone(),
            _ => {
                // QoS 1 may deliver an answer twice.
                debug!(request_id = %topic.request_id, status = topic.status, "answer belongs to no open request");
                return Action::Wait;
            }
        };
        let retry_after = topic.retry_after.map(Duration::from_secs);
        match topic.status {
            200..=299 => self.progress(operation, body, retry_after, now),
            status => self.error(operation, status, body, retry_after, now),
        }
    }

    /// An answer whose body holds the state of the registration; the topic's status alone does not.
    fn progress(&mut self, operation: Operation, body: &[u8], retry_after: Option<Duration>, now: Instant) -> Action {
        let registration: Registration = match serde_json::from_slice(body) {
            Ok(registration) => registration,
            Err(error) => return self.protocol(format!("registration: {error}")),
        };
        self.errors = 0;
        match registration.status {
            Status::Assigning => {
                let operation_id = match (registration.operation_id, operation) {
                    (id, _) if !id.is_empty() => id,
                    // An answer to a poll need not repeat what was asked about.
                    (_, Operation::Poll { operation_id }) => operation_id,
                    (_, Operation::Register) => return self.protocol("assigning without an operation id".to_owned()),
                };
                let wait = retry_after.unwrap_or_else(|| POLL_AFTER + self.jitter(POLL_JITTER));
                let too_late = RegistrationFailure::DeadlineExceeded {
                    limit: self.patience.deadline,
                };
                self.pause(Operation::Poll { operation_id }, wait, now, too_late)
            }
            Status::Assigned => match registration.registration_state.and_then(assigned) {
                Some(assigned) => {
                    self.state = State::Over;
                    Action::Done(assigned)
                }
                None => self.protocol("assigned without a hub and a device id".to_owned()),
            },
            Status::Failed => {
                let (code, message) = registration
                    .registration_state
                    .map(|state| (state.error_code, state.error_message))
                    .unwrap_or_default();
                let (code, message) = (code.unwrap_or_default(), message.unwrap_or_default());
                self.fail(RegistrationFailure::AssignmentFailed { code, message })
            }
            Status::Disabled => self.fail(RegistrationFailure::Disabled),
            Status::Unassigned => self.protocol("unassigned is no answer to a registration".to_owned()),
        }
    }

    fn error(
        &mut self,
        operation: Operation,
        status: u16,
        body: &[u8],
        retry_after: Option<Duration>,
        now: Instant,
    ) -> Action {
        let error = serde_json::from_slice(body).unwrap_or_else(|problem| {
            // The status is what counts; a body that can't be read only costs its words.
            debug!(status, %problem, "error of dps has no readable body");
            ServiceError {
                error_code: u32::from(status) * 1000,
                tracking_id: String::new(),
                message: String::new(),
                timestamp_utc: None,
            }
        });
        let ServiceError {
            error_code: code,
            tracking_id,
            message,
            ..
        } = error;
        let failure = match status {
            401 => {
                return self.fail(RegistrationFailure::Unauthorized {
                    code,
                    message,
                    tracking_id,
                });
            }
            429 => {
                self.throttled = self.throttled.saturating_add(1);
                RegistrationFailure::Throttled {
                    code,
                    message,
                    retry_after,
                }
            }
            _ => RegistrationFailure::Service {
                status,
                code,
                message,
                tracking_id,
                retry_after,
            },
        };
        if status != 429 && status < 500 {
            return self.fail(failure);
        }
        let wait = self.back_off(retry_after, now);
        self.pause(operation, wait, now, failure)
    }

    /// A wait that DPS names is the least. All devices in the queue got the same, and how long the queue is none of
    /// them can see: so each comes later by a part of its own that grows from error to error, or most of a quota would
    /// be spent on refusals (<https://learn.microsoft.com/azure/iot-dps/concepts-deploy-at-scale>).
    fn back_off(&mut self, named: Option<Duration>, now: Instant) -> Duration {
        let least = named.unwrap_or(RETRY_AFTER);
        self.errors = self.errors.saturating_add(1);
        let grown = Backoff::new(least.max(SHORTEST_SPREAD), LONGEST_RETRY_AFTER).after(self.errors);
        match named {
            None => grown + self.jitter(grown),
            Some(named) => {
                // What is left of the registration is not given up for the sake of the spread.
                let left = self.ends.saturating_duration_since(now).saturating_sub(named);
                named.saturating_add(self.jitter(grown.min(left)))
            }
        }
    }

    /// Goes on with `operation` after the wait, or fails at once if there is no time for that.
    fn pause(&mut self, operation: Operation, wait: Duration, now: Instant, too_late: RegistrationFailure) -> Action {
        let earliest = match operation {
            Operation::Register => now,
            Operation::Poll { .. } => self.polls.next(now),
        };
        match now.checked_add(wait).map(|until| until.max(earliest)) {
            Some(until) if until < self.ends => {
                self.state = State::Pausing {
                    operation,
                    since: now,
                    until,
                };
                Action::Wait
            }
            _ => self.fail(too_late),
        }
    }

    fn jitter(&mut self, most: Duration) -> Duration {
        most.mul_f64((self.jitter)().clamp(0.0, 1.0))
    }

    fn protocol(&mut self, problem: String) -> Action {
        self.fail(RegistrationFailure::Protocol { problem })
    }

    fn fail(&mut self, failure: RegistrationFailure) -> Action {
        self.state = State::Over;
        Action::Fail(failure)
    }
}

fn assigned(state: RegistrationState) -> Option<Assigned> {
    Some(Assigned {
        assigned_hub: state.assigned_hub?,
        device_id: state.device_id?,
        substatus: state.substatus,
    })
}

#[cfg(test)]
mod tests;
