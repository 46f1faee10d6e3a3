//! Making certificates: CAs, leaves, self-signed and verification certificates.
//!
//! The shapes follow what IoT Central asks for
//! (<https://learn.microsoft.com/azure/iot-central/core/how-to-connect-devices-x509>,
//! <https://learn.microsoft.com/azure/iot-dps/concepts-x509-attestation>). Nothing here reads a clock: a [`Validity`] is
//! made from a `now` that is handed in.

mod authority;
mod sealed;
mod validity;

use std::time::Duration;

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SerialNumber,
};
use zeroize::Zeroizing;

pub use authority::CertificateAuthority;
pub(crate) use authority::key_pair;
pub use sealed::{PfxCipher, to_pfx};
pub use validity::Validity;

use super::CertificateError;
use super::inspect::CertificateFacts;

pub use super::key_type::KeyType;

/// A new certificate with its key, as PEM.
#[derive(Clone)]
pub struct Made {
    cert_pem: String,
    key_pem: Zeroizing<String>,
    /// The CAs between this certificate and the root, nearest first.
    intermediates_pem: String,
    facts: CertificateFacts,
}

impl Made {
    fn new(
        certificate: &Certificate,
        key_pem: Zeroizing<String>,
        intermediates_pem: String,
        common_name: &str,
    ) -> Result<Self, CertificateError> {
        Ok(Self {
            cert_pem: certificate.pem(),
            key_pem,
            intermediates_pem,
            facts: CertificateFacts::from_der(certificate.der(), &format!("the new certificate for `{common_name}`"))?,
        })
    }

    /// The certificate alone.
    pub fn cert_pem(&self) -> &str {
        &self.cert_pem
    }

    /// The private key, PKCS#8.
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// What a device sends: the certificate and every intermediate CA above it.
    ///
    /// The root is left out: the service has it already, and the device would only send needless bytes.
    pub fn fullchain_pem(&self) -> String {
        format!("{}{}", self.cert_pem, self.intermediates_pem)
    }

    /// The CAs between this certificate and the root, nearest first; empty below a root.
    pub(crate) fn intermediates_pem(&self) -> &str {
        &self.intermediates_pem
    }

    /// What stands in it.
    pub fn facts(&self) -> &CertificateFacts {
        &self.facts
    }
}

impl std::fmt::Debug for Made {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Made")
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}

/// A leaf that signs itself, for an individual enrollment.
///
/// Issuer and subject both name the device, as IoT Central asks for individual enrollments; it may not sign others.
pub fn self_signed(device_id: &str, key_type: KeyType, validity: Validity) -> Result<Made, CertificateError> {
    self_signed_over(&key_type.generate(device_id)?, device_id, validity)
}

pub(crate) fn self_signed_over(key: &KeyPair, device_id: &str, validity: Validity) -> Result<Made, CertificateError> {
    let certificate = leaf_params(device_id, validity)?
        .self_signed(key)
        .map_err(|reason| CertificateError::Make {
            common_name: device_id.to_owned(),
            reason,
        })?;
    Made::new(
        &certificate,
        Zeroizing::new(key.serialize_pem()),
        String::new(),
        device_id,
    )
}

fn leaf_params(common_name: &str, validity: Validity) -> Result<CertificateParams, CertificateError> {
    let mut params = params(common_name, validity)?;
    // Said explicitly: only then does the certificate carry its subject key identifier.
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    Ok(params)
}

/// Which CAs a new intermediate may sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Below {
    /// None: leaves only, what a fleet needs.
    Leaves,
    /// Any number in a row, such as an IoT Edge device needs for its own.
    Cas,
}

impl Below {
    fn constraint(self) -> BasicConstraints {
        match self {
            Self::Leaves => BasicConstraints::Constrained(0),
            Self::Cas => BasicConstraints::Unconstrained,
        }
    }
}

fn ca_params(
    common_name: &str,
    validity: Validity,
    constraint: BasicConstraints,
) -> Result<CertificateParams, CertificateError> {
    let mut params = params(common_name, validity)?;
    params.is_ca = IsCa::Ca(constraint);
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    Ok(params)
}

fn params(common_name: &str, validity: Validity) -> Result<CertificateParams, CertificateError> {
    if !(1..=64).contains(&common_name.chars().count()) || common_name.contains(char::is_control) {
        return Err(CertificateError::BadCommonName {
            common_name: common_name.to_owned(),
        });
    }
    let Validity { not_before, not_after } = validity;
    let (Some(begin), Some(end), true) = (since_1970(not_before), since_1970(not_after), not_before < not_after) else {
        return Err(CertificateError::BadValidity { not_before, not_after });
    };
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);

    // rcgen's own default is a hash of the public key, which two certificates over one key would share.
    let mut serial: [u8; 16] = rand::random();
    serial[0] = serial[0] & 0x7F | 0x40;

    let mut params = CertificateParams::default();
    params.distinguished_name = name;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.not_before = epoch + begin;
    params.not_after = epoch + end;
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// How far after 1970 a moment lies, since rcgen's dates belong to a crate that is not worth a dependency of its own.
fn since_1970(timestamp: Timestamp) -> Option<Duration> {
    u64::try_from(timestamp.as_second()).ok().map(Duration::from_secs)
}
