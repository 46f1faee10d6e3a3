//! What a registration comes to: attestation, allocation, and the identity in the hub.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use iot_protocol::dps::{Registration, RegistrationRequest, RegistrationState, ServiceError, Status};
use iot_protocol::id::RegistrationId;
use jiff::Timestamp;
use tokio::time::Instant;

use crate::attestation::Attested;
use crate::certificate::Certificate;
use crate::clock;
use crate::journal::{Event, Service};
use crate::presented::{Presented, Shown, Through, Way};
use crate::random::random_hex;
use crate::refusal_reason::RefusalReason;
use crate::services::Services;
use crate::stats::count;
use crate::unconfirmed::{DPS_BAD_BODY, DPS_ID_MISMATCH};

/// "Invalid certificate", also for no certificate and for one that is not enrolled.
const INVALID_CERTIFICATE: u32 = 401_002;
/// The allocation does not want the device: IoT Central waits for an operator's approval, or an operator blocked it.
///
/// Source: [Troubleshoot device connections](https://learn.microsoft.com/azure/iot-central/core/troubleshoot-connection).
const NOT_APPROVED: u32 = 400_209;

/// Registers a device. The answer is 202 with an operation, or 200 for a disabled enrollment; it may be given once the
/// store has settled.
pub(super) fn register(
    services: &Services,
    id: &RegistrationId,
    chain: &[Certificate],
    body: &[u8],
) -> Result<Registration, ServiceError> {
    let now = clock::now();
    let request = parse(id, body, now)?;
    // Once more, although CONNECT has passed: a connection may stay for minutes before it registers, and meanwhile the
    // certificate may have expired and its enrollment may have been disabled or removed. The enrollment at this
    // moment decides.
    let attested = services
        .central
        .attest(id, chain, now)
        .map_err(|refusal| unauthorized(services, id, chain, refusal.reason(), &refusal.to_string()))?;
    let leaf = chain
        .first()
        .ok_or_else(|| error(INVALID_CERTIFICATE, "Invalid certificate.", now))?;
    if let Some(refusal) = attested.disabled() {
        refused(services, id, chain, refusal.reason(), &refusal.to_string());
        // A disabled enrollment has no operation, so there is nothing to poll for.
        let state = RegistrationState {
            registration_id: Some(id.to_string()),
            ..RegistrationState::new(Status::Disabled)
        };
        return Ok(Registration {
            operation_id: String::new(),
            status: Status::Disabled,
            registration_state: Some(state),
        });
    }
    // Before the lock of the application, which all devices share.
    let (shown, way) = (Shown::from(leaf), Way::new(chain, Some(Through::from(&attested))));
    let group = match attested {
        Attested::Individual { .. } => None,
        Attested::Group { id, .. } => Some(id),
    };
    // All that a registration changes is stored at once, and in the order of this lock.
    let mut application = services.central.write();
    let mut changes = services.store.changes();
    let outcome = match application.assign(
        id,
        group.as_deref(),
        services.approval,
        request.model_id(),
        &mut changes,
    ) {
        Ok(device_id) => {
            // The hub gets the thumbprint of the leaf that registered, and from now on accepts no other.
            let placed = services.registry.enroll(
                &device_id,
                shown.sha256,
                services.reprovision,
                &services.store,
                &mut changes,
            );
            if let Some(twin) = application.take_prepared(id.as_str(), &mut changes) {
                services.registry.prepare(&device_id, twin, &mut changes);
            }
            if let Some(device) = services.registry.device(&device_id) {
                let way = application.ways.share(way);
                Presented::follow(&mut device.lock().presented, shown, way, now);
            }
            services.refused.admitted(id.as_str());
            count(&services.counters.registrations);
            let event = Event::Registered {
                group,
                device_id: device_id.to_string(),
                hub: placed.hub.to_string(),
            };
            services.journal.record(Some(id.as_str()), event);
            RegistrationState {
                assigned_hub: Some(placed.hub),
                device_id: Some(device_id),
                substatus: Some(placed.substatus),
                ..RegistrationState::new(Status::Assigned)
            }
        }
        Err(refusal) => {
            refused(services, id, chain, refusal.reason(), &refusal.to_string());
            RegistrationState {
                error_code: Some(NOT_APPROVED),
                error_message: Some("The device is not approved.".into()),
                ..RegistrationState::new(Status::Failed)
            }
        }
    };
    let outcome = RegistrationState {
        x509: Some(serde_json::Map::new()),
        registration_id: Some(id.to_string()),
        created_date_time_utc: Some(clock::ticks(now)),
        last_updated_date_time_utc: Some(clock::ticks(now)),
        etag: Some(BASE64_STANDARD.encode(format!("\"{}\"", guid()))),
        ..outcome
    };
    let operation_id = format!("4.{}.{}", &guid().replace('-', "")[..16], guid());
    let ready_at = ready_at(services.dps_retry_after);
    let registration = services
        .registrations
        .begin(id, &operation_id, outcome, ready_at, &mut changes);
    services.store.write(changes);
    Ok(registration)
}

/// A device that waits as long as it is asked to finds the answer at its first poll; one that asks at once does not.
fn ready_at(retry_after: Duration) -> Instant {
    Instant::now() + retry_after / 2
}

fn parse(id: &RegistrationId, body: &[u8], now: Timestamp) -> Result<RegistrationRequest, ServiceError> {
    if body.is_empty() {
        return Ok(RegistrationRequest::default());
    }
    let request: RegistrationRequest =
        serde_json::from_slice(body).map_err(|_| error(DPS_BAD_BODY, "The body is not readable.", now))?;
    match &request.registration_id {
        Some(other) if !other.eq_ignore_ascii_case(id.as_str()) => Err(error(
            DPS_ID_MISMATCH,
            "The registration id is not the one of the connection.",
            now,
        )),
        _ => Ok(request),
    }
}

/// Refuses a client that has not proved to be the device.
pub(super) fn unauthorized(
    services: &Services,
    id: &RegistrationId,
    chain: &[Certificate],
    why: RefusalReason,
    reason: &str,
) -> ServiceError {
    refused(services, id, chain, why, reason);
    error(INVALID_CERTIFICATE, "Invalid certificate.", clock::now())
}

/// Records that a client that has sent `chain` is not registered.
pub(super) fn refused(
    services: &Services,
    id: &RegistrationId,
    chain: &[Certificate],
    why: RefusalReason,
    reason: &str,
) {
    count(&services.counters.registrations_refused);
    services.refused.record(id.as_str(), Service::Dps, why, reason, chain);
    let reason = reason.to_owned();
    let event = Event::RegistrationRefused { why, reason };
    services.journal.record(Some(id.as_str()), event);
}

/// An error as the service writes it.
pub(super) fn error(code: u32, message: &str, now: Timestamp) -> ServiceError {
    ServiceError {
        error_code: code,
        tracking_id: guid(),
        message: message.into(),
        timestamp_utc: Some(clock::ticks(now)),
    }
}

pub(super) fn guid() -> String {
    let hex = random_hex::<16>();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}
