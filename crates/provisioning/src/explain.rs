//! What a refusal of a service means, and what to do. For the reasons of devices, device-sim decides it (`advice.rs`).
//!
//! The codes of DPS are those of its clients and documentation
//! (<https://learn.microsoft.com/azure/iot-dps/how-to-troubleshoot-dps>,
//! <https://learn.microsoft.com/azure/iot-central/core/troubleshooting>), the statuses those of IoT Central's REST API.

mod chain;
mod sent;

pub use sent::{Candidates, compared, sent};

use std::fmt;

/// What is likely behind a refusal, and what helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advice {
    /// The likely cause.
    pub cause: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.cause, self.remedy)
    }
}

const fn advice(cause: &'static str, remedy: &'static str) -> Option<Advice> {
    Some(Advice { cause, remedy })
}

/// A code with which DPS refuses a registration, such as 401002.
#[must_use]
pub const fn of_dps(code: u32) -> Option<Advice> {
    match code {
        400_207 => advice(
            "the function that chooses a hub for the device has failed",
            "look into the log of the enrollment's custom allocation function",
        ),
        400_208 => advice(
            "DPS has no hub to give the device to",
            "link a hub to the DPS instance, or name one in the enrollment",
        ),
        400_209 => advice(
            "the device waits for approval, or an operator has blocked it",
            "IoT Central: open Devices, select it, and choose Approve or Unblock; it registers by itself then",
        ),
        _ => of_dps_status(code / 1_000),
    }
}

const fn of_dps_status(status: u32) -> Option<Advice> {
    match status {
        401 => advice(
            "no enrollment has the device's certificate or one above it that the device sends along; or the enrolled CA is not \
             verified, or a certificate has expired",
            "`fleet enroll` enrolls what a manifest names; `fleet cert inspect FULLCHAIN --ca ENROLLED_CA` compares the two",
        ),
        404 => advice(
            "DPS has no such enrollment or registration: it was removed, or the id scope is another instance's",
            "compare the id scope with the one that `fleet enroll` prints",
        ),
        409 | 412 => advice(
            "the same device registers from two places at once",
            "let only one program use a device's id",
        ),
        429 => advice(
            "more registrations than the quota allows",
            "lower `load.register_rate`; devices that were asked to wait come later by themselves",
        ),
        _ => None,
    }
}

/// A status with which IoT Central's REST API refuses a request.
#[must_use]
pub const fn of_central(status: u16) -> Option<Advice> {
    match status {
        401 => advice(
            "the API token is not accepted: it has expired, was revoked, or is another application's",
            "make a new one (IoT Central: Permissions > API tokens) and put it where `target.api_token` says",
        ),
        403 => advice(
            "the API token's role does not allow this",
            "use a token that may manage enrollment groups, devices and device templates, such as one of an App Administrator",
        ),
        404 => advice(
            "it is not there, or the application is not",
            "compare `target.app` with the address in the browser; what was removed meanwhile, `fleet enroll` makes again",
        ),
        409 => advice(
            "a certificate stands in one enrollment only, and another one has this",
            "`fleet unenroll` the manifest that used it before, or take other certificates (`fleet.certs`)",
        ),
        412 => advice(
            "it was changed at the same moment",
            "run the same again; what is done stays done",
        ),
        422 => advice(
            "the service has read the request and does not accept its content: a certificate, a proof, or a template",
            "`fleet cert inspect FILE` shows what is wrong with a certificate; a verification code is good until the next one",
        ),
        429 => advice(
            "more requests than the application's quota allows",
            "wait a minute and run the same again; what is done stays done",
        ),
        500..=599 => advice(
            "the service has a trouble of its own",
            "run the same again in a while; what is done stays done (https://azure.status.microsoft)",
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_explained_by_itself_or_by_its_status() {
        let causes = [
            (400_209, "waits for approval"),
            (401_000, "no enrollment has"),
            (401_002, "no enrollment has"),
            (404_201, "has no such enrollment"),
            (412_000, "from two places"),
            (429_001, "more registrations"),
        ];
        for (code, words) in causes {
            let advice = of_dps(code).unwrap();
            assert!(advice.cause.contains(words), "{code}: {advice}");
        }
        assert_eq!(of_dps(400_004), None);
        assert_eq!(of_dps(500_000), None);
        for status in [401, 403, 404, 409, 412, 422, 429, 500, 503] {
            assert!(of_central(status).is_some(), "{status}");
        }
        assert_eq!(of_central(200), None);
        assert_eq!(of_central(400), None);
    }
}
