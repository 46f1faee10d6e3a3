//! One operation through the application's REST API, up to what the device made of it.

use std::borrow::Cow;
use std::time::Duration;

use fleet_protocol::reason::STATUSES;
use jiff::{SignedDuration, Timestamp};
use provisioning::central::{Central, CentralError};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::manifest::operator::OperatorCommand;

/// The property that an operator changes.
const PROPERTY: &str = "targetTemperature";
/// The telemetry that each model has.
const TELEMETRY: &str = "temperature";
/// How far back a report goes: beyond the interval of any device.
const SINCE: SignedDuration = SignedDuration::from_hours(24);
/// Seconds between the command to restart and the restart.
const REBOOT_DELAY_S: u32 = 1;
/// The pauses between two looks at a property: from the first to the longest, each twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A device that has not acknowledged a property by then has failed to.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(60);

/// Why an operation failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The service or the device refused it with this status.
    Status(u16),
    /// The device has not acknowledged it in time.
    NotAcknowledged,
    /// No answer came from the service.
    Unreachable,
    /// The service's certificate is not trusted.
    Untrusted,
    /// An answer came that is not what the API describes.
    UnexpectedAnswer,
}

impl Refusal {
    /// As counters have it.
    pub(super) fn reason(self) -> Cow<'static, str> {
        match self {
            Self::Status(status) => status.to_string().into(),
            Self::NotAcknowledged => "not_acknowledged".into(),
            Self::Unreachable => "rest_unreachable".into(),
            Self::Untrusted => "rest_untrusted".into(),
            Self::UnexpectedAnswer => "rest_unexpected_answer".into(),
        }
    }
}

impl From<CentralError> for Refusal {
    fn from(error: CentralError) -> Self {
        match error {
            CentralError::Refused { status, .. } => Self::Status(status),
            CentralError::Unreachable { .. } => Self::Unreachable,
            CentralError::Untrusted { .. } => Self::Untrusted,
            _ => Self::UnexpectedAnswer,
        }
    }
}

/// Sends a command and waits for the device's response.
///
/// # Errors
///
/// The service or the device refuses it, or does not answer.
pub(super) async fn command(
    central: &Central,
    device: &str,
    component: Option<&str>,
    command: OperatorCommand,
    now: Timestamp,
) -> Result<(), Refusal> {
    let (component, request) = match command {
        OperatorCommand::GetMaxMinReport => (component, json!((now - SINCE).to_string())),
        OperatorCommand::Reboot => (None, json!(REBOOT_DELAY_S)),
    };
    let answer = central
        .command(device, component, command.name(), Some(&request))
        .await?;
    accepted(answer.response_code)
}

/// Sends a cloud-to-device message, of which an emulator's hub has a queue for each device.
///
/// # Errors
///
/// The hub does not take it, or does not answer.
pub(super) async fn message(central: &Central, device: &str, number: u64) -> Result<(), Refusal> {
    let body = json!({ "text": format!("message {number} of the operator") });
    Ok(central.emulator_send(device, &body).await?)
}

/// Changes a property and waits until the application shows that the device has acknowledged it.
///
/// # Errors
///
/// The service or the device refuses it, or it is not acknowledged in time.
pub(super) async fn property(
    central: &Central,
    device: &str,
    component: Option<&str>,
    value: f64,
) -> Result<(), Refusal> {
    let begun = Instant::now();
    let desired = json!({ PROPERTY: value });
    central.patch_properties(device, component, &desired).await?;
    let mut pause = FIRST_PAUSE;
    loop {
        let shown = central.properties(device, component).await?;
        if let Some(answer) = acknowledged(&shown, value) {
            return answer;
        }
        if begun.elapsed() + pause > ACKNOWLEDGED_WITHIN {
            return Err(Refusal::NotAcknowledged);
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Looks at the last telemetry that the application has of a device. Whether it is no older than `fresh`.
///
/// # Errors
///
/// The application does not answer, or not as described.
pub(super) async fn is_fresh(
    central: &Central,
    device: &str,
    component: Option<&str>,
    fresh: Duration,
    now: Timestamp,
) -> Result<bool, Refusal> {
    let last = match central.telemetry(device, component, TELEMETRY).await {
        Ok(last) => last,
        // It has none.
        Err(error) if error.is_not_found() => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    let at = last.timestamp.as_deref().and_then(|at| at.parse::<Timestamp>().ok());
    let at = at.ok_or(Refusal::UnexpectedAnswer)?;
    // A clock of the service that is ahead makes nothing older.
    Ok(now.duration_since(at) <= SignedDuration::try_from(fresh).unwrap_or(SignedDuration::MAX))
}

/// How the device has acknowledged this value, as
/// <https://learn.microsoft.com/azure/iot-central/core/howto-control-devices-with-rest-api> shows it; none as long as what
/// is shown is older. A device may leave its code out.
fn acknowledged(shown: &Value, value: f64) -> Option<Result<(), Refusal>> {
    let about = &shown["$metadata"][PROPERTY];
    let is_it = about["desiredValue"].as_f64() == Some(value);
    let (asked, acknowledged) = (about["desiredVersion"].as_i64()?, about["ackVersion"].as_i64()?);
    (is_it && acknowledged >= asked).then(|| accepted(about["ackCode"].as_i64()))
}

/// A device that gives no status has done what it was asked for.
fn accepted(code: Option<i64>) -> Result<(), Refusal> {
    match code {
        None | Some(200..=299) => Ok(()),
        Some(code) => Err(match u16::try_from(code) {
            Ok(code) if STATUSES.contains(&code) => Refusal::Status(code),
            _ => Refusal::UnexpectedAnswer,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_property_is_acknowledged_when_its_newest_version_is() {
        let shown = |desired: f64, versions: [i64; 2], code: i64| {
            json!({ PROPERTY: 20.0, "$metadata": { PROPERTY: {
                "desiredValue": desired, "desiredVersion": versions[0], "ackVersion": versions[1], "ackCode": code,
            } } })
        };
        let without_code = json!({ "$metadata": { PROPERTY: {
            "desiredValue": 21.5, "desiredVersion": 3, "ackVersion": 3,
        } } });
        for (shown, answer) in [
            (shown(21.5, [3, 3], 200), Some(Ok(()))),
            (shown(21.5, [3, 4], 400), Some(Err(Refusal::Status(400)))),
            (without_code, Some(Ok(()))),
            (shown(21.5, [3, 2], 200), None),
            // What is shown is from before the change.
            (shown(19.0, [2, 2], 200), None),
            (
                json!({ PROPERTY: 20.0, "$metadata": { PROPERTY: { "desiredValue": 21.5, "desiredVersion": 1 } } }),
                None,
            ),
            (json!({}), None),
        ] {
            assert_eq!(acknowledged(&shown, 21.5), answer, "{shown}");
        }
    }

    #[test]
    fn a_refusal_is_a_status_or_a_word_of_the_list() {
        let refusal = |code| accepted(code).map_err(Refusal::reason);
        assert_eq!(refusal(Some(202)), Ok(()));
        assert_eq!(refusal(None), Ok(()));
        assert_eq!(refusal(Some(404)), Err("404".into()));
        assert_eq!(refusal(Some(-1)), Err("rest_unexpected_answer".into()));
        let refused = CentralError::Refused {
            subject: "x".into(),
            status: 429,
            code: String::new(),
            message: String::new(),
            request_id: None,
            retry_after: None,
        };
        assert_eq!(Refusal::from(refused), Refusal::Status(429));
    }
}
