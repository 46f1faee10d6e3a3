//! The registration record of each device, and how often it asked.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use iot_protocol::dps::{Registration, RegistrationState, Status};
use iot_protocol::id::RegistrationId;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use tokio::time::Instant;

use crate::documented::POLLS;
use crate::error::StartError;
use crate::store::{Changes, Content, Record, Table};

/// The records of all devices, by folded registration id. Boxed, since half the places of a full map are empty.
#[derive(Debug, Default)]
pub(crate) struct Registrations(Mutex<BTreeMap<String, Box<Operation>>>);

/// The last operation of a device. How it ended is kept as the text that is stored and answered: it is asked for once, and
/// taken apart it would be twice as much.
#[derive(Debug, Serialize, Deserialize)]
#[serde(from = "Stored")]
struct Operation {
    id: Box<str>,
    /// The registration state with which it will have ended when it is ready. After a restart it is.
    outcome: Box<RawValue>,
    #[serde(skip)]
    status: Status,
    #[serde(skip)]
    ready_at: Option<Instant>,
    #[serde(skip)]
    polls: VecDeque<Instant>,
}

/// An operation as it was stored.
#[derive(Deserialize)]
struct Stored {
    id: Box<str>,
    outcome: RegistrationState,
}

impl From<Stored> for Operation {
    fn from(Stored { id, outcome }: Stored) -> Self {
        Self {
            id,
            status: outcome.status,
            outcome: to_raw_value(&outcome).expect("its keys are texts"),
            ready_at: None,
            polls: VecDeque::new(),
        }
    }
}

/// The final answer to a poll.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ended<'a> {
    operation_id: &'a str,
    status: Status,
    registration_state: &'a RawValue,
}

impl Record for Operation {
    const TABLE: Table = Table::Registrations;
}

/// The response of DPS to a request that it takes.
#[derive(Debug, PartialEq)]
pub(crate) struct Response {
    /// The status in the topic.
    pub(crate) status: u16,
    /// JSON.
    pub(crate) body: Vec<u8>,
}

/// What a poll finds.
#[derive(Debug, PartialEq)]
pub(crate) enum Polled {
    Done(Response),
    /// Not yet.
    Assigning(Response),
    /// Asked too often.
    Throttled,
    /// No such operation of this device.
    Unknown,
}

impl Registrations {
    /// The records as they were stored.
    pub(crate) fn restore(content: &mut Content) -> Result<Self, StartError> {
        let records = content.take::<Operation>()?;
        let boxed = records.into_iter().map(|(id, operation)| (id, Box::new(operation)));
        Ok(Self(Mutex::new(boxed.collect())))
    }

    /// Writes down how a registration will have ended at `ready_at`, and gives the operation to poll for.
    pub(crate) fn begin(
        &self,
        id: &RegistrationId,
        operation_id: &str,
        mut outcome: RegistrationState,
        ready_at: Instant,
        changes: &mut Changes,
    ) -> Registration {
        let mut operations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let folded = id.folded();
        let mut polls = VecDeque::new();
        if let Some(last) = operations.remove(&folded) {
            // A device that registers again keeps the date of its first registration.
            let first: RegistrationState = serde_json::from_str(last.outcome.get()).expect("it was written from one");
            outcome.created_date_time_utc = first.created_date_time_utc;
            polls = last.polls;
        }
        let operation = Operation {
            ready_at: Some(ready_at),
            polls,
            ..Operation::from(Stored {
                id: operation_id.into(),
                outcome,
            })
        };
        changes.put(&folded, &operation);
        operations.insert(folded, Box::new(operation));
        assigning(operation_id)
    }

    /// Answers a poll made `now`.
    pub(crate) fn poll(&self, id: &RegistrationId, operation_id: &str, now: Instant) -> Polled {
        let mut operations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(operation) = operations
            .get_mut(&id.folded())
            .filter(|operation| *operation.id == *operation_id)
        else {
            return Polled::Unknown;
        };
        let (polls, window) = *POLLS;
        while operation
            .polls
            .front()
            .is_some_and(|poll| now.duration_since(*poll) >= window)
        {
            operation.polls.pop_front();
        }
        if operation.polls.len() >= polls {
            return Polled::Throttled;
        }
        operation.polls.push_back(now);
        if operation.ready_at.is_some_and(|at| now < at) {
            return Polled::Assigning(Response::from(&assigning(operation_id)));
        }
        let ended = Ended {
            operation_id,
            status: operation.status,
            registration_state: &operation.outcome,
        };
        Polled::Done(Response::new(200, &ended))
    }

    /// The record of a device's last registration, as it is `now`.
    pub(crate) fn look_up(&self, id: &RegistrationId, now: Instant) -> Option<Response> {
        let operations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let operation = operations.get(&id.folded())?;
        if operation.ready_at.is_some_and(|at| now < at) {
            let state = RegistrationState {
                registration_id: Some(id.to_string()),
                ..RegistrationState::new(Status::Assigning)
            };
            return Some(Response::new(200, &state));
        }
        Some(Response::new(200, &operation.outcome))
    }
}

impl Response {
    pub(super) fn new(status: u16, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).expect("its keys are texts");
        Self { status, body }
    }
}

impl From<&Registration> for Response {
    fn from(registration: &Registration) -> Self {
        let status = if registration.status == Status::Assigning {
            202
        } else {
            200
        };
        Self::new(status, registration)
    }
}

fn assigning(operation_id: &str) -> Registration {
    Registration {
        operation_id: operation_id.into(),
        status: Status::Assigning,
        registration_state: None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::store::Store;

    #[test]
    fn an_operation_is_assigning_until_it_is_ready_and_a_sixth_poll_in_ten_seconds_is_one_too_many() {
        let registrations = Registrations::default();
        let id = RegistrationId::new("T-1").unwrap();
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let outcome = RegistrationState::new(Status::Assigned);
        let mut changes = Store::memory().changes();
        registrations.begin(&id, "op", outcome, after(2), &mut changes);

        let folded = RegistrationId::new("t-1").unwrap();
        assert!(matches!(
            registrations.poll(&folded, "op", after(1)),
            Polled::Assigning(_)
        ));
        assert_eq!(registrations.poll(&id, "other", after(1)), Polled::Unknown);
        for _ in 0..4 {
            let Polled::Done(done) = registrations.poll(&id, "op", after(3)) else {
                panic!("it is ready")
            };
            let done_with: Registration = serde_json::from_slice(&done.body).unwrap();
            assert_eq!((done.status, done_with.status), (200, Status::Assigned));
        }
        assert_eq!(registrations.poll(&id, "op", after(10)), Polled::Throttled);
        assert!(
            matches!(registrations.poll(&id, "op", after(11)), Polled::Done(_)),
            "the first poll no longer counts"
        );
    }
}
