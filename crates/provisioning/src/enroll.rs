//! Enrolling in IoT Central, step by step as the how-to does it, and again without harm.
//!
//! <https://learn.microsoft.com/azure/iot-central/core/how-to-connect-devices-x509>: create the group, upload the CA, get a
//! verification code, sign a certificate for it, show that, look whether the service agrees. What is done already is found
//! and left alone, so a second run changes nothing and an interrupted one goes on where it stopped. A foreign
//! certificate in the enrollment is never replaced. Which slot holds which certificate is found by thumbprint each time,
//! since a roll uses them in turn.

mod error;
mod group;
mod id_scope;
mod individual;
mod needed;
mod remove;
mod spec;
mod step;
mod template;

pub use error::EnrollError;
pub use group::{CaInSlot, enroll_group, examine_group, put_ca, remove_ca};
pub use id_scope::find_id_scope;
pub use individual::{
    IndividualNeeds, OwnCertificates, enroll_individual, examine_individual, own_thumbprints, put_individual,
    set_device_enabled,
};
pub use needed::{Needed, Work};
pub use remove::{Claim, claim_device, claim_group, remove_device, remove_group};
pub use spec::{Attest, EnrollmentGroupSpec, GroupCa};
pub use step::Step;
pub use template::{find_template, has_template, publish_template};

/// Whether enrolling changed anything in the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Something was created, uploaded or verified.
    Changed,
    /// Everything was as it should be.
    Unchanged,
}

impl std::ops::BitOrAssign for Outcome {
    /// Several together changed something if one of them did.
    fn bitor_assign(&mut self, other: Self) {
        if other == Self::Changed {
            *self = Self::Changed;
        }
    }
}

/// Hears of each step as it is done.
pub type Reporter<'a> = &'a (dyn Fn(Step) + Send + Sync);

fn group_subject(group_id: &str) -> String {
    format!("enrollment group {group_id}")
}
