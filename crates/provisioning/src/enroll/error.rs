//! Why an enrollment could not be brought about.

use crate::central::{CentralError, GroupType};
use crate::certificate::CertificateError;
use crate::identities::Slot;

/// Why an enrollment could not be brought about.
#[derive(Debug, thiserror::Error)]
pub enum EnrollError {
    /// A request failed.
    #[error(transparent)]
    Central(#[from] CentralError),
    /// A certificate could not be read or made.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The enrollment proves itself in another way than by X.509 certificates.
    #[error("{subject} exists already, but does not use X.509 certificates")]
    NotX509 {
        /// The group or device.
        subject: String,
    },
    /// The group is for other devices.
    #[error(
        "{subject} exists already with type `{found}`, but has to be of type `{}`; the type of a group can't be changed: \
         remove the group, or use another id", ours.as_str()
    )]
    AnotherType {
        /// The group.
        subject: String,
        /// The type that was found.
        found: String,
        /// The type it was to have.
        ours: GroupType,
    },
    /// A CA has to be proved, which is not possible here.
    #[error(
        "the {slot} certificate of {subject}, CA `{ca}`, is not verified, and its key is not here; verify it where the key is, \
         or give your word that it is yours (`--verified`)"
    )]
    NoKey {
        /// The group.
        subject: String,
        /// Which slot.
        slot: Slot,
        /// The CA's common name.
        ca: String,
    },
    /// The enrollment was switched off, and it is not for us to switch it on.
    #[error("{subject} is disabled in IoT Central; enable it there, or use another id")]
    Disabled {
        /// The group or device.
        subject: String,
    },
    /// The slot for our certificate is taken by another.
    #[error(
        "the {slot} certificate of {subject} is another one already: IoT Central holds {found}, ours is {ours}; \
         remove it there, bring back the certificates it belongs to, or use another id"
    )]
    AnotherCertificate {
        /// The group or device.
        subject: String,
        /// Which slot.
        slot: Slot,
        /// The SHA-1 thumbprint that was found.
        found: String,
        /// The SHA-1 thumbprint of ours.
        ours: String,
    },
    /// Everything was accepted, and yet the service does not show it.
    #[error("{subject} was enrolled, but IoT Central shows {found} where {expected} had to be")]
    NotTakenOver {
        /// The group or device.
        subject: String,
        /// What had to be there.
        expected: String,
        /// What was there.
        found: String,
    },
}
