//! The progress of an enrollment, a line per step.

use std::fmt;

use crate::identities::Slot;

/// A step that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The application has a template of a model.
    TemplateFound {
        /// The model's id.
        model: String,
    },
    /// A template was published.
    TemplatePublished {
        /// The model's id.
        model: String,
    },
    /// A group was removed.
    GroupRemoved {
        /// The group.
        group: String,
    },
    /// A device was removed.
    DeviceRemoved {
        /// The device.
        device: String,
    },
    /// The group did not exist and was created.
    GroupCreated {
        /// The group.
        group: String,
    },
    /// The group existed.
    GroupFound {
        /// The group.
        group: String,
    },
    /// The CA was uploaded.
    CaUploaded {
        /// The group.
        group: String,
        /// The CA's common name.
        ca: String,
        /// The slot it took.
        slot: Slot,
        /// Its SHA-1 thumbprint.
        sha1: String,
        /// Whether it was uploaded as verified.
        verified: bool,
    },
    /// A CA was removed.
    CaRemoved {
        /// The group.
        group: String,
        /// The slot that is free now.
        slot: Slot,
        /// Its SHA-1 thumbprint.
        sha1: String,
    },
    /// The CA was there.
    CaFound {
        /// The group.
        group: String,
        /// The CA's common name.
        ca: String,
        /// The slot it has.
        slot: Slot,
        /// Whether possession of its key was proved before.
        verified: bool,
    },
    /// The service named a code.
    VerificationCodeReceived {
        /// The group.
        group: String,
        /// The code, good for nothing but this proof.
        code: String,
    },
    /// A certificate for the code was signed with the CA's key and shown.
    VerificationCertificateShown {
        /// The group.
        group: String,
        /// The CA's common name.
        ca: String,
    },
    /// The service shows the CAs as ours and as verified.
    GroupReady {
        /// The group.
        group: String,
        /// The CAs' SHA-1 thumbprints as the service shows them, the description's primary first.
        thumbprints: Vec<String>,
    },
    /// The device did not exist and was created.
    DeviceCreated {
        /// The device.
        device: String,
    },
    /// The device existed.
    DeviceFound {
        /// The device.
        device: String,
    },
    /// The device's own certificates were uploaded.
    CertificatesUploaded {
        /// The device.
        device: String,
        /// How many, one or two.
        count: usize,
    },
    /// The service shows the device's certificates as ours.
    DeviceReady {
        /// The device.
        device: String,
        /// The certificates' SHA-1 thumbprints as the service shows them, primary first.
        thumbprints: Vec<String>,
    },
    /// The device may connect again.
    DeviceEnabled {
        /// The device.
        device: String,
    },
    /// The device may not connect any more.
    DeviceBlocked {
        /// The device.
        device: String,
    },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TemplateFound { model } => write!(f, "device template of {model} exists"),
            Self::TemplatePublished { model } => write!(f, "device template of {model} published"),
            Self::GroupRemoved { group } => write!(f, "enrollment group {group} removed"),
            Self::DeviceRemoved { device } => write!(f, "device {device} removed"),
            Self::GroupCreated { group } => write!(f, "enrollment group {group} created"),
            Self::GroupFound { group } => write!(f, "enrollment group {group} exists"),
            Self::CaUploaded {
                group,
                ca,
                slot,
                sha1,
                verified,
            } => {
                let verified = if *verified { "verified " } else { "" };
                write!(
                    f,
                    "CA `{ca}` uploaded as {verified}{slot} certificate of group {group}, thumbprint {sha1}"
                )
            }
            Self::CaRemoved { group, slot, sha1 } => {
                write!(f, "{slot} certificate {sha1} of group {group} removed")
            }
            Self::CaFound {
                group,
                ca,
                slot,
                verified,
            } => {
                let verified = if *verified { "verified" } else { "not verified yet" };
                write!(f, "CA `{ca}` is the {slot} certificate of group {group}, {verified}")
            }
            Self::VerificationCodeReceived { group, code } => {
                write!(f, "verification code {code} received for group {group}")
            }
            Self::VerificationCertificateShown { group, ca } => {
                write!(f, "verification certificate signed by `{ca}` shown for group {group}")
            }
            Self::GroupReady { group, thumbprints } => {
                write!(f, "group {group} is enrolled: {} verified", thumbprints.join(" and "))
            }
            Self::DeviceCreated { device } => write!(f, "device {device} created"),
            Self::DeviceFound { device } => write!(f, "device {device} exists"),
            Self::CertificatesUploaded { device, count: 1 } => write!(f, "certificate of device {device} uploaded"),
            Self::CertificatesUploaded { device, count } => {
                write!(f, "{count} certificates of device {device} uploaded")
            }
            Self::DeviceReady { device, thumbprints } => {
                write!(
                    f,
                    "device {device} is enrolled individually with {}",
                    thumbprints.join(" and ")
                )
            }
            Self::DeviceEnabled { device } => write!(f, "device {device} is enabled"),
            Self::DeviceBlocked { device } => write!(f, "device {device} is blocked"),
        }
    }
}
