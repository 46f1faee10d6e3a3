//! What a device may ask of DPS, whichever door it comes through, and what it gets.

use iot_protocol::dps::ServiceError;
use iot_protocol::id::RegistrationId;
use tokio::time::Instant;

use super::register::{error, register};
use crate::certificate::Certificate;
use crate::clock;
use crate::phase::Phase;
use crate::registrations::{Polled, Response};
use crate::services::{self, Services};
use crate::store::NotStored;
use crate::unconfirmed::{DPS_THROTTLED, DPS_UNKNOWN_OPERATION, DPS_UNKNOWN_REGISTRATION};

/// The published versions of the device interface that SDKs in use name.
pub(crate) const API_VERSIONS: [&str; 3] = ["2019-03-31", "2021-06-01", "2021-10-01"];

#[derive(Debug, Clone, Copy)]
pub(crate) enum Request<'a> {
    Register {
        body: &'a [u8],
    },
    /// How its registration goes.
    Poll {
        operation_id: &'a str,
    },
    /// The record of its last registration; over HTTPS only.
    LookUp,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// JSON.
    pub(crate) body: Vec<u8>,
    /// In seconds; only where there is something to come back for.
    pub(crate) retry_after: Option<u64>,
    /// What to poll for, if the request has begun something.
    pub(crate) operation_id: Option<String>,
}

impl Request<'_> {
    /// The phase at which quotas and faults apply.
    pub(crate) fn phase(self) -> Phase {
        match self {
            Self::Register { .. } => Phase::Register,
            Self::Poll { .. } | Self::LookUp => Phase::Poll,
        }
    }
}

/// Serves a request of a device that has been attested.
pub(crate) async fn serve(
    services: &Services,
    id: &RegistrationId,
    chain: &[Certificate],
    request: Request<'_>,
) -> Result<Reply, NotStored> {
    let mut operation_id = None;
    let response = match request {
        Request::Register { body } => {
            let registered = register(services, id, chain, body);
            // No device may be assigned to a hub that would not have its identity after a crash.
            services.store.settled().await?;
            operation_id = registered.as_ref().ok().map(|begun| begun.operation_id.clone());
            registered.map(|registration| Response::from(&registration))
        }
        Request::LookUp => look_up(services, id),
        Request::Poll { operation_id } => poll(services, id, operation_id),
    };
    Ok(Reply {
        operation_id: operation_id.filter(|id| !id.is_empty()),
        ..Reply::new(response, Some(services.dps_retry_after.as_secs()))
    })
}

fn look_up(services: &Services, id: &RegistrationId) -> Result<Response, ServiceError> {
    let found = services.registrations.look_up(id, Instant::now());
    found.ok_or_else(|| error(DPS_UNKNOWN_REGISTRATION, "Registration not found.", clock::now()))
}

fn poll(services: &Services, id: &RegistrationId, operation_id: &str) -> Result<Response, ServiceError> {
    let now = clock::now();
    match services.registrations.poll(id, operation_id, Instant::now()) {
        Polled::Done(response) | Polled::Assigning(response) => Ok(response),
        Polled::Throttled => Err(error(DPS_THROTTLED, "Operations are limited to 5 in 10 seconds.", now)),
        Polled::Unknown => Err(error(DPS_UNKNOWN_OPERATION, "Operation not found.", now)),
    }
}

impl Reply {
    fn new(response: Result<Response, ServiceError>, retry_after: Option<u64>) -> Self {
        let Response { status, body } = response.unwrap_or_else(|error| Response::new(error.status(), &error));
        Self {
            status,
            body,
            retry_after: retry_after.filter(|_| matches!(status, 202 | 429 | 500..)),
            operation_id: None,
        }
    }

    /// The answer that quotas or faults give instead.
    pub(crate) fn refused(response: services::ErrorResponse) -> Self {
        let refusal = error(response.error_code, "The request was not served.", clock::now());
        Self::new(Err(refusal), response.retry_after)
    }
}

impl From<ServiceError> for Reply {
    fn from(error: ServiceError) -> Self {
        Self::new(Err(error), None)
    }
}
