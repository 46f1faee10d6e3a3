//! The registration record of each device, and how often it asked.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use iot_protocol::dps::{Registration, RegistrationState, Status};
use iot_protocol::id::RegistrationId;
use tokio::time::Instant;

/// Polls that a device may make within [`POLL_WINDOW`].
///
/// Source: [DPS limits](https://learn.microsoft.com/azure/iot-dps/about-iot-dps#quotas-and-limits).
const POLLS: usize = 5;
const POLL_WINDOW: Duration = Duration::from_secs(10);

/// The records of all devices, by folded registration id.
#[derive(Debug, Default)]
pub(crate) struct Registrations(Mutex<BTreeMap<String, Record>>);

#[derive(Debug, Default)]
struct Record {
    operation_id: String,
    outcome: Option<RegistrationState>,
    ready_at: Option<Instant>,
    polls: VecDeque<Instant>,
    created: Option<String>,
}

/// What a poll finds.
#[derive(Debug, PartialEq)]
pub(crate) enum Polled {
    /// The final answer.
    Done(Box<Registration>),
    /// Not yet.
    Assigning(Box<Registration>),
    /// Asked too often.
    Throttled,
    /// No such operation of this device.
    Unknown,
}

impl Registrations {
    /// Writes down how a registration will have ended at `ready_at`, and gives the operation to poll for.
    pub(crate) fn begin(
        &self,
        id: &RegistrationId,
        operation_id: &str,
        mut outcome: RegistrationState,
        ready_at: Instant,
    ) -> Registration {
        let mut records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let record = records.entry(id.folded()).or_default();
        // A device that registers again keeps the date of its first registration.
        let created = record
            .created
            .get_or_insert_with(|| outcome.created_date_time_utc.clone().unwrap_or_default());
        outcome.created_date_time_utc = Some(created.clone());
        operation_id.clone_into(&mut record.operation_id);
        record.outcome = Some(outcome);
        record.ready_at = Some(ready_at);
        assigning(operation_id)
    }

    /// Answers a poll made `now`.
    pub(crate) fn poll(&self, id: &RegistrationId, operation_id: &str, now: Instant) -> Polled {
        let mut records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(record) = records
            .get_mut(&id.folded())
            .filter(|record| record.operation_id == operation_id)
        else {
            return Polled::Unknown;
        };
        while record
            .polls
            .front()
            .is_some_and(|poll| now.duration_since(*poll) >= POLL_WINDOW)
        {
            record.polls.pop_front();
        }
        if record.polls.len() >= POLLS {
            return Polled::Throttled;
        }
        record.polls.push_back(now);
        match &record.outcome {
            Some(outcome) if record.ready_at.is_none_or(|at| at <= now) => Polled::Done(Box::new(Registration {
                operation_id: operation_id.into(),
                status: outcome.status,
                registration_state: Some(outcome.clone()),
            })),
            _ => Polled::Assigning(Box::new(assigning(operation_id))),
        }
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
    use super::*;

    #[test]
    fn an_operation_is_assigning_until_it_is_ready_and_a_sixth_poll_in_ten_seconds_is_one_too_many() {
        let registrations = Registrations::default();
        let id = RegistrationId::new("T-1").unwrap();
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        registrations.begin(&id, "op", RegistrationState::new(Status::Assigned), after(2));

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
            assert_eq!(done.status, Status::Assigned);
        }
        assert_eq!(registrations.poll(&id, "op", after(10)), Polled::Throttled);
        assert!(
            matches!(registrations.poll(&id, "op", after(11)), Polled::Done(_)),
            "the first poll is forgotten"
        );
    }
}
