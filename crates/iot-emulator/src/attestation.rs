//! Which device a client is, by its certificates. Pure: enrollments, chain and date are passed in.
//!
//! First the individual enrollment for the registration id, whose primary or secondary certificate the leaf has to be;
//! only where there is none, the chain is climbed from the leaf, and the first authority that belongs to an enrollment
//! group decides. The first hit decides: a disabled entry refuses the device even if a higher one would let it in.
//! What each certificate on the way may be used for is judged in `path`.
//!
//! Sources: [X.509 attestation](https://learn.microsoft.com/azure/iot-dps/concepts-x509-attestation),
//! [Revoke device access](https://learn.microsoft.com/azure/iot-dps/how-to-revoke-device-access-portal).

use iot_protocol::id::RegistrationId;
use jiff::Timestamp;

use crate::certificate::{Certificate, Thumbprint};
use crate::unconfirmed::INDIVIDUAL_COMES_FIRST;

mod path;
#[cfg(test)]
mod tests;

pub(crate) trait Enrollments {
    /// The individual enrollment with this certificate, primary or secondary.
    fn individual(&self, leaf: &Thumbprint) -> Option<Individual>;
    /// Whether there is an individual enrollment for this registration id, folded.
    fn has_individual(&self, registration_id: &str) -> bool;
    /// The verified certificates of all groups, primary and secondary.
    fn authorities(&self) -> impl Iterator<Item = Authority<'_>>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Individual {
    /// The registration id, folded.
    pub(crate) registration_id: String,
    pub(crate) enabled: bool,
}

/// A verified certificate of a group.
#[derive(Debug, Clone)]
pub(crate) struct Authority<'a> {
    pub(crate) group: &'a str,
    pub(crate) enabled: bool,
    pub(crate) certificate: &'a Certificate,
}

/// The entry that decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Attested {
    Individual { enabled: bool },
    Group { id: String, enabled: bool },
}

/// Why a client is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("no client certificate")]
    NoCertificate,
    #[error("the common name of the certificate is not the id `{0}`")]
    CommonName(String),
    #[error("no enrollment matches the certificate")]
    NotEnrolled,
    #[error("the device is enrolled individually, with another certificate")]
    EnrolledIndividually,
    #[error("the certificate `{subject}` {defect}")]
    Unusable { subject: String, defect: path::Defect },
    #[error("the enrollment is disabled")]
    Disabled,
    #[error("the certificate is not the one that the device registered with")]
    Thumbprint,
    #[error("the device has never registered with DPS")]
    NotRegistered,
}

/// Finds the enrollment of a client that showed `chain` and calls itself `registration_id`.
pub(crate) fn attest(
    enrollments: &impl Enrollments,
    registration_id: &RegistrationId,
    chain: &[Certificate],
    now: Timestamp,
) -> Result<Attested, Refusal> {
    let leaf = chain.first().ok_or(Refusal::NoCertificate)?;
    // DPS compares registration ids without case, so the common name gets the same comparison.
    let is_named = |name: &String| name.eq_ignore_ascii_case(registration_id.as_str());
    if !leaf.common_name.as_ref().is_some_and(is_named) {
        return Err(Refusal::CommonName(registration_id.to_string()));
    }
    path::check_dates(leaf, now)?;
    path::check_client(leaf)?;
    if let Some(individual) = enrollments.individual(&leaf.thumbprint()) {
        return if individual.registration_id == registration_id.folded() {
            Ok(Attested::Individual {
                enabled: individual.enabled,
            })
        } else {
            Err(Refusal::NotEnrolled)
        };
    }
    // The enrollment for a device comes before that for a group: otherwise every leaf below any enrolled authority could
    // take over a device that is enrolled with a certificate of its own.
    if INDIVIDUAL_COMES_FIRST && enrollments.has_individual(&registration_id.folded()) {
        return Err(Refusal::EnrolledIndividually);
    }
    let attested = climb(chain, now, enrollments)?;
    path::check_below_authority(leaf)?;
    Ok(attested)
}

/// Checks the certificates of a device that connects to its hub: `registered` is the thumbprint that DPS wrote at the
/// registration, and nothing else counts but the dates.
///
/// Source: [Authenticate identities with X.509](https://learn.microsoft.com/azure/iot-hub/authenticate-authorize-x509).
pub(crate) fn authenticate(registered: &Thumbprint, chain: &[Certificate], now: Timestamp) -> Result<(), Refusal> {
    let leaf = chain.first().ok_or(Refusal::NoCertificate)?;
    path::check_dates(leaf, now)?;
    if *registered != leaf.thumbprint() {
        return Err(Refusal::Thumbprint);
    }
    Ok(())
}

/// An authority does not vouch for itself: showing an enrolled certificate is not the same as being signed by it.
fn is_anchor(authority: &Certificate, current: &Certificate) -> bool {
    current != authority && current.is_signed_by(authority)
}

/// Goes from the leaf from issuer to issuer, until the current one was signed by an enrolled authority. The order of the
/// presented certificates does not count, and none is used twice.
fn climb(chain: &[Certificate], now: Timestamp, enrollments: &impl Enrollments) -> Result<Attested, Refusal> {
    let (leaf, others) = chain.split_first().ok_or(Refusal::NoCertificate)?;
    let mut path = vec![leaf];
    let mut left: Vec<&Certificate> = others.iter().collect();
    loop {
        let current = path.last().copied().unwrap_or(leaf);
        // A certificate that was renewed with its key signs as its predecessor does; what is valid goes first.
        let anchors = enrollments.authorities().filter(|a| is_anchor(a.certificate, current));
        let anchor = anchors.min_by_key(|a| !a.certificate.is_valid_at(now));
        let issuer = match &anchor {
            Some(authority) => authority.certificate,
            None => {
                let candidates = left.iter().enumerate().filter(|(_, it)| is_anchor(it, current));
                let best = candidates.min_by_key(|(_, it)| !it.is_valid_at(now));
                match best.map(|(place, _)| place) {
                    Some(place) => left.swap_remove(place),
                    None => {
                        let enrolled = enrollments.authorities().map(|authority| authority.certificate);
                        let known = enrolled.chain(left.iter().copied());
                        let namesakes: Vec<_> = known.filter(|it| it.is_named_as_issuer_of(current)).collect();
                        return Err(path::dead_end(current, &namesakes));
                    }
                }
            }
        };
        path::check_dates(issuer, now)?;
        path::check_issuer(issuer, &path)?;
        match anchor {
            Some(Authority { group, enabled, .. }) => {
                return Ok(Attested::Group {
                    id: group.to_owned(),
                    enabled,
                });
            }
            None => path.push(issuer),
        }
    }
}
