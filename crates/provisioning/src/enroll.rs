//! Enrolling in IoT Central, step by step as the how-to does it, and again without harm.
//!
//! <https://learn.microsoft.com/azure/iot-central/core/how-to-connect-devices-x509>: create the group, upload the CA, get a
//! verification code, sign a certificate for it, show that, look whether the service agrees. What is done already is found
//! and left alone, so a second run changes nothing and an interrupted one goes on where it stopped. A certificate that
//! somebody else put into the enrollment is never replaced.

mod error;
mod group;
mod individual;
mod step;

pub use error::EnrollError;
pub use group::enroll_group;
pub use individual::enroll_individual;
pub use step::Step;

/// Whether enrolling changed anything in the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Something was created, uploaded or verified.
    Changed,
    /// Everything was as it should be.
    Unchanged,
}

/// Hears of each step as it is done.
pub type Reporter<'a> = &'a (dyn Fn(Step) + Send + Sync);
