//! Whether a run can still become anything. Where all devices have failed in the same way from the beginning, and in one that
//! a person has to mend, the rest of the plan would only be the same again. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use fleet_protocol::reason::Reason;

/// No run is given up earlier: some services need their time.
const NOT_BEFORE: Duration = Duration::from_secs(30);
/// So many attempts of a device that comes back by itself.
const ATTEMPTS: u32 = 2;
/// So many devices stand for a fleet: with a slow rate of registrations, the last ones would come hours later.
const ENOUGH: u32 = 100;

/// Failures that pass only when a person does something. Not among them: whatever is throttled or overloaded, a service that
/// does not answer, and a device that waits for approval, which an operator may give while it runs.
fn needs_a_person(reason: &Reason) -> bool {
    matches!(
        reason,
        Reason::Dns
            | Reason::TcpRefused
            | Reason::TcpUnreachable
            | Reason::DpsUnauthorized
            | Reason::DpsDisabled
            | Reason::MqttNotAuthorized
            | Reason::MqttBadCredentials
            | Reason::GatewayRefused
            | Reason::Identity
            | Reason::CertificateExpired
            | Reason::CertificateNotYetValid
            | Reason::TlsServerExpired
            | Reason::TlsServerNotValidYet
            | Reason::TlsServerUnknownIssuer
            | Reason::TlsServerWrongName
            | Reason::TlsServerRevoked
            | Reason::TlsAlertCertificateExpired
            | Reason::TlsAlertCertificateUnknown
            | Reason::TlsAlertBadCertificate
            | Reason::TlsAlertUnknownCa
            | Reason::TlsAlertAccessDenied
    )
}

/// The devices' failures until the first success.
#[derive(Debug)]
pub(super) struct Futile {
    /// So many devices have to have failed.
    enough: u32,
    reason: Option<Reason>,
    /// By device: how often it failed. A parked one has failed often enough, since it is left alone for minutes.
    failures: BTreeMap<String, u32>,
    hopeful: bool,
}

impl Futile {
    /// Of a run that will bring `wanted` devices online.
    pub(super) fn new(wanted: u32) -> Self {
        Self {
            enough: wanted.clamp(1, ENOUGH),
            reason: None,
            failures: BTreeMap::new(),
            hopeful: false,
        }
    }

    /// A device has come online, or failures are part of the manifest: the run goes on to its end.
    pub(super) fn hope(&mut self) {
        self.hopeful = true;
        self.failures = BTreeMap::new();
    }

    /// A device has failed.
    pub(super) fn failed(&mut self, device: &str, reason: &Reason, parked: bool) {
        if self.hopeful {
            return;
        }
        let same = self.reason.get_or_insert_with(|| reason.clone()) == reason;
        if !same || !needs_a_person(reason) {
            return self.hope();
        }
        let failures = self.failures.entry(device.to_owned()).or_default();
        *failures = failures.saturating_add(if parked { ATTEMPTS } else { 1 });
    }

    /// The reason that all devices have failed for, if there is no use in going on `elapsed` after the beginning.
    pub(super) fn verdict(&self, elapsed: Duration) -> Option<&Reason> {
        let failed = self.failures.values().filter(|failures| **failures >= ATTEMPTS).count();
        let over = !self.hopeful && elapsed >= NOT_BEFORE && failed >= self.enough as usize;
        self.reason.as_ref().filter(|_| over)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATE: Duration = NOT_BEFORE;

    fn after(wanted: u32, failures: &[(&str, &str, bool)]) -> Futile {
        let mut futile = Futile::new(wanted);
        for (device, reason, parked) in failures {
            futile.failed(device, &Reason::from(*reason), *parked);
        }
        futile
    }

    #[test]
    fn all_devices_have_to_fail_twice_or_be_parked_and_half_a_minute_to_pass() {
        let twice = after(
            2,
            &[
                ("a", "dns", false),
                ("b", "dns", false),
                ("a", "dns", false),
                ("b", "dns", false),
            ],
        );
        assert_eq!(twice.verdict(LATE), Some(&Reason::Dns));
        assert_eq!(twice.verdict(LATE - Duration::from_millis(1)), None);
        let once = after(2, &[("a", "dns", false), ("a", "dns", false), ("b", "dns", false)]);
        assert_eq!(once.verdict(LATE), None);
        let parked = after(2, &[("a", "dps_unauthorized", true), ("b", "dps_unauthorized", true)]);
        assert_eq!(parked.verdict(LATE), Some(&Reason::DpsUnauthorized));
        assert_eq!(
            after(2, &[("a", "dps_unauthorized", true)]).verdict(LATE),
            None,
            "b was not tried"
        );
        assert_eq!(after(2, &[]).verdict(LATE), None);
    }

    #[test]
    fn throttling_different_reasons_and_one_device_online_let_a_run_go_on() {
        for reason in [
            "dps_throttled",
            "hub_throttled",
            "dps_unavailable",
            "timeout_mqtt",
            "dps_not_approved",
            "closed",
        ] {
            let futile = after(1, &[("a", reason, true), ("a", reason, true)]);
            assert_eq!(futile.verdict(LATE), None, "{reason}");
        }
        assert_eq!(
            after(1, &[("a", "dns", true), ("b", "tcp_refused", true)]).verdict(LATE),
            None
        );
        let mut futile = after(1, &[("a", "dns", true)]);
        futile.hope();
        futile.failed("a", &Reason::Dns, true);
        assert_eq!(futile.verdict(LATE), None);
    }

    #[test]
    fn a_hundred_devices_stand_for_a_large_fleet() {
        let mut futile = Futile::new(5_000);
        for device in 0..ENOUGH {
            assert_eq!(futile.verdict(LATE), None);
            futile.failed(&device.to_string(), &Reason::TlsServerUnknownIssuer, true);
        }
        assert_eq!(futile.verdict(LATE), Some(&Reason::TlsServerUnknownIssuer));
    }
}
