//! Why a single device can't connect, and what helps: the words of `provisioning::explain` for a device whose
//! enrollment is not available.

use std::collections::BTreeSet;

use fleet_protocol::lines::{DeviceLine, State};
use fleet_protocol::reason::Reason;
use iot_protocol::shown;
use jiff::Timestamp;
use provisioning::certificate::load::Identity;
use provisioning::explain::{self, Advice};

use super::Args;
use crate::advice;

/// Explains each reason once.
#[derive(Debug)]
pub(crate) struct Advisor {
    /// What it sends.
    identity: Identity,
    /// The command that compares its certificate with what is enrolled.
    compare: String,
    explained: BTreeSet<Reason>,
}

impl Advisor {
    /// For the device of these flags, with the certificates that it sends.
    #[must_use]
    pub(crate) fn new(args: &Args, identity: &Identity) -> Self {
        let file = shown::path(args.cert.as_deref().unwrap_or("CERT".as_ref()));
        Self {
            identity: identity.clone(),
            compare: format!("`fleet cert inspect {file} --ca ENROLLED_CA` shows what is missing between the two"),
            explained: BTreeSet::new(),
        }
    }

    /// The advice for its failure, unless it was given before.
    pub(crate) fn on(&mut self, device: &DeviceLine) -> Vec<String> {
        // A device that only backs off needs no advice.
        let Some(reason) = device.reason.as_ref().filter(|_| device.state == State::Parked) else {
            return Vec::new();
        };
        let Some(Advice { cause, remedy }) = advice::on(reason) else {
            return Vec::new();
        };
        if !self.explained.insert(reason.clone()) {
            return Vec::new();
        }
        let candidates = explain::sent(self.identity.chain(), Timestamp::now());
        match candidates {
            Ok(candidates) if advice::is_about_certificates(reason) => {
                let mut words = advice::candidates(&candidates);
                words.push(format!("hint: {}", self.compare));
                words
            }
            _ => {
                let mut words = vec![format!("likely cause: {cause}"), format!("hint: {remedy}")];
                if *reason == Reason::CertificateExpired {
                    words.push("hint: --ignore-dates sends it all the same, to see it refused".to_owned());
                }
                words
            }
        }
    }
}
