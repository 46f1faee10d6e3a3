//! What a failure likely means, and what helps: `provisioning::explain` where a run or a command meets it.

use std::collections::BTreeSet;

use device_sim::advice;
use device_sim::hint::Hinted;
use fleet_protocol::lines::{DeviceLine, State};
use fleet_protocol::reason::Reason;
use jiff::Timestamp;
use provisioning::central::CentralError;
use provisioning::enroll::EnrollError;
use provisioning::explain::{self, Advice, Candidates};
use provisioning::identities::{GroupFolder, IdentityError};

use crate::manifest::Manifest;
use crate::manifest::types::Group;

/// Advice on an error, where a refusal of IoT Central's REST API is behind it.
#[must_use]
pub(crate) fn on_error(error: &anyhow::Error) -> Option<Advice> {
    explain::of_central(status(error)?)
}

fn status(error: &anyhow::Error) -> Option<u16> {
    error.chain().find_map(|cause| {
        if let Some(hinted) = cause.downcast_ref::<Hinted>() {
            return status(hinted.error());
        }
        match cause.downcast_ref() {
            Some(EnrollError::Central(central)) => central.status(),
            _ => cause.downcast_ref::<CentralError>()?.status(),
        }
    })
}

/// Explains what keeps the devices of a manifest away: each reason once, since one cause often holds for all.
#[derive(Debug)]
pub(crate) struct Advisor {
    manifest: Manifest,
    explained: BTreeSet<Reason>,
}

impl Advisor {
    /// For the devices of this manifest.
    #[must_use]
    pub(crate) fn new(manifest: Manifest) -> Self {
        Self {
            manifest,
            explained: BTreeSet::new(),
        }
    }

    /// The advice for a device's failure, unless it was given before.
    pub(crate) fn on(&mut self, device: &DeviceLine) -> Vec<String> {
        // A device that only backs off helps itself.
        let Some(reason) = device.reason.as_ref().filter(|_| device.state == State::Parked) else {
            return Vec::new();
        };
        let Some(Advice { cause, remedy }) = advice::on(reason) else {
            return Vec::new();
        };
        if !self.explained.insert(reason.clone()) {
            return Vec::new();
        }
        let candidates = match advice::is_about_certificates(reason) {
            true => self.compare(&device.id),
            false => Candidates::default(),
        };
        let mut words = advice::candidates(&candidates);
        // What the files show is better than any guess.
        if candidates.found.is_empty() {
            words.insert(0, format!("likely cause: {cause}"));
        }
        words.push(format!("hint: {remedy}"));
        words.iter().map(|words| format!("  {words}")).collect()
    }

    /// What is wrong with what the device sends, beside what is enrolled for it, and what is left to check.
    fn compare(&self, device: &str) -> Candidates {
        let has = |group: &&Group| (0..group.devices.count).any(|index| group.devices.id(index) == device);
        let Some(group) = self.manifest.group.iter().find(has) else {
            return Candidates::default();
        };
        let compared = compared(&self.manifest, group, device, Timestamp::now());
        compared.unwrap_or_else(|error| Candidates {
            found: vec![error.to_string()],
            check: Vec::new(),
        })
    }
}

fn compared(manifest: &Manifest, group: &Group, device: &str, now: Timestamp) -> Result<Candidates, IdentityError> {
    let folder = GroupFolder::new(&manifest.fleet.certs, &group.id);
    let Some(leaves) = folder.current_generation()? else {
        return Ok(Candidates::default());
    };
    let current = folder.current_ca()?;
    let enrolled: Vec<_> = [current, current.next()]
        .map(|generation| folder.ca_cert(generation, group.enroll))
        .into_iter()
        .filter(|path| path.exists())
        .collect();
    let fullchain = folder.leaf_paths(leaves, device).fullchain;
    Ok(explain::compared(device, &fullchain, &enrolled, now)?)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::path::Path;

    use provisioning::identities::{GroupIdentities, Issuer};
    use serde_json::json;

    use super::*;

    #[test]
    fn every_refusal_is_told_with_its_cause_and_what_helps() {
        let mut words = String::new();
        for code in [400_207, 400_208, 400_209, 401_002, 404_201, 412_000, 429_001, 500_000] {
            let _ = writeln!(words, "DPS {code}: {}", text(explain::of_dps(code)));
        }
        for status in [400, 401, 403, 404, 409, 412, 422, 429, 503] {
            let _ = writeln!(words, "REST {status}: {}", text(explain::of_central(status)));
        }
        for reason in ["dps_disabled", "certificate_expired", "tcp_refused"] {
            let _ = writeln!(words, "{reason}: {}", text(advice::on(&reason.into())));
        }
        insta::assert_snapshot!(words);
    }

    fn text(advice: Option<Advice>) -> String {
        advice.map_or_else(|| "-".to_owned(), |advice| advice.to_string())
    }

    #[test]
    fn a_device_that_is_not_let_in_is_compared_with_what_is_enrolled_once() {
        let folder = tempfile::tempdir().unwrap();
        let text = "[fleet]\nname = \"f\"\n[target]\nkind = \"emulator\"\n[[group]]\nid = \"g\"\n\
                    devices = { prefix = \"t-\", count = 2 }\nissuer = \"intermediate\"\nenroll = \"root\"\n";
        let manifest = crate::manifest::parse("f.toml", text, folder.path(), &[]).unwrap();
        let certs = &manifest.fleet.certs;
        let ids = ["t-0001", "t-0002"];
        GroupIdentities::open_or_create(certs, "g", Issuer::Intermediate, ids, Timestamp::now(), &|_, _| {}).unwrap();
        let leaf = |kind: &str| certs.join(Path::new("g/leaves/0001").join(format!("t-0001_{kind}.pem")));
        std::fs::copy(leaf("cert"), leaf("fullchain")).unwrap();

        let line = |id: &str, state: &str| -> DeviceLine {
            serde_json::from_value(json!({"id": id, "state": state, "reason": "mqtt_not_authorized"})).unwrap()
        };
        let mut advisor = Advisor::new(manifest.clone());
        assert!(advisor.on(&line("t-0001", "backing_off")).is_empty());
        let lines = advisor.on(&line("t-0001", "parked"));
        assert_eq!(
            lines[0],
            "  likely cause: t-0001 sends its leaf only; the enrolled CA is `g root`; the intermediate `g intermediate` is \
             missing from its chain file"
        );
        assert!(
            lines[1].starts_with("  if it is something else, check in this order"),
            "{lines:?}"
        );
        assert!(advisor.on(&line("t-0002", "parked")).is_empty());
        // A chain that is whole is not the cause.
        let lines = Advisor::new(manifest).on(&line("t-0002", "parked"));
        assert!(lines[0].starts_with("  likely cause: no enrollment has"), "{lines:?}");
        assert!(lines[1].starts_with("  check in this order"), "{lines:?}");
        assert_eq!(
            lines[2],
            "    1. an enrollment group has `g root`, or one that it sends (`g intermediate`), as its CA: this very certificate, \
             not another of the name"
        );
        assert!(lines.last().unwrap().starts_with("  hint: "), "{lines:?}");
    }
}
