//! Which device a client is, by its certificates. Pure: enrollments, chain and date are passed in.
//!
//! First the individual enrollment for the registration id, whose primary or secondary certificate the leaf has to be;
//! only where there is none, the chain is climbed from the leaf, and the first authority that belongs to an enrollment
//! group decides. The first hit decides: a disabled entry refuses the device even if a higher one would let it in.
//! What each certificate on the way may be used for is judged in `path`; how a refusal reads, stands in `refusal`.
//!
//! Sources: [X.509 attestation](https://learn.microsoft.com/azure/iot-dps/concepts-x509-attestation),
//! [Revoke device access](https://learn.microsoft.com/azure/iot-dps/how-to-revoke-device-access-portal).

use std::fmt;
use std::sync::Arc;

use iot_protocol::id::RegistrationId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::certificate::{Certificate, Thumbprint};
use crate::unconfirmed::INDIVIDUAL_COMES_FIRST;

mod path;
mod refusal;
#[cfg(test)]
mod tests;

use refusal::Thumbprints;
pub(crate) use refusal::{Above, Refusal};

pub(crate) trait Enrollments {
    /// The individual enrollment with this certificate, primary or secondary.
    fn individual(&self, leaf: &Thumbprint) -> Option<Individual>;
    /// The certificates of the individual enrollment for this registration id, folded: primary and secondary.
    fn individual_for(&self, registration_id: &str) -> Option<(&Certificate, Option<&Certificate>)>;
    /// The certificates of all groups, primary and secondary, verified or not.
    fn authorities(&self) -> impl Iterator<Item = Authority<'_>>;
    /// The group whose devices have sent a certificate of the name of `below`'s issuer, if there is one.
    fn above(&self, below: &Certificate) -> Option<Above>;
}

/// Which of the two certificates of an enrollment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Entry {
    Primary,
    Secondary,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Individual {
    /// The registration id, folded.
    pub(crate) registration_id: String,
    pub(crate) entry: Entry,
    pub(crate) enabled: bool,
}

/// A certificate of a group.
#[derive(Debug, Clone)]
pub(crate) struct Authority<'a> {
    pub(crate) group: &'a str,
    pub(crate) entry: Entry,
    pub(crate) enabled: bool,
    /// Only then does it let devices in.
    pub(crate) verified: bool,
    pub(crate) certificate: &'a Arc<Certificate>,
}

/// The entry that decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Attested {
    Individual {
        entry: Entry,
        enabled: bool,
    },
    Group {
        id: String,
        entry: Entry,
        ca: Arc<Certificate>,
        enabled: bool,
    },
}

impl Attested {
    /// Why the client is not let in although its certificates are right.
    pub(crate) fn disabled(&self) -> Option<Refusal> {
        match self {
            Self::Individual { enabled: true, .. } | Self::Group { enabled: true, .. } => None,
            Self::Individual { enabled: false, .. } => Some(Refusal::DeviceBlocked),
            Self::Group { id, enabled: false, .. } => Some(Refusal::GroupDisabled(id.clone())),
        }
    }
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
    if !leaf.is_named(registration_id.as_str()) {
        return Err(Refusal::common_name(leaf, registration_id.as_str()));
    }
    path::check_dates(leaf, now)?;
    path::check_client(leaf)?;
    if let Some(individual) = enrollments.individual(&leaf.thumbprint()) {
        return if individual.registration_id == registration_id.folded() {
            Ok(Attested::Individual {
                entry: individual.entry,
                enabled: individual.enabled,
            })
        } else {
            Err(Refusal::EnrolledForAnother(individual.registration_id))
        };
    }
    // The enrollment for a device comes before that for a group: otherwise every leaf below any enrolled authority could
    // take over a device that is enrolled with a certificate of its own.
    if INDIVIDUAL_COMES_FIRST && let Some((primary, secondary)) = enrollments.individual_for(&registration_id.folded())
    {
        return Err(Refusal::EnrolledIndividually {
            sent: leaf.sha1_thumbprint(),
            enrolled: Thumbprints {
                primary: primary.sha1_thumbprint(),
                secondary: secondary.map(Certificate::sha1_thumbprint),
            },
        });
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
        return Err(Refusal::Thumbprint {
            sent: leaf.sha1_thumbprint(),
        });
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
        let verified = enrollments.authorities().filter(|authority| authority.verified);
        let anchors = verified.filter(|authority| is_anchor(authority.certificate, current));
        let anchor = anchors.min_by_key(|authority| !authority.certificate.is_valid_at(now));
        let issuer: &Certificate = match &anchor {
            Some(authority) => authority.certificate,
            None => {
                let candidates = left.iter().enumerate().filter(|(_, it)| is_anchor(it, current));
                let best = candidates.min_by_key(|(_, it)| !it.is_valid_at(now));
                match best.map(|(place, _)| place) {
                    Some(place) => left.swap_remove(place),
                    None => return Err(dead_end(&path, &left, enrollments)),
                }
            }
        };
        path::check_dates(issuer, now)?;
        path::check_issuer(issuer, &path)?;
        match anchor {
            Some(Authority {
                group,
                entry,
                enabled,
                certificate,
                ..
            }) => {
                return Ok(Attested::Group {
                    id: group.to_owned(),
                    entry,
                    ca: Arc::clone(certificate),
                    enabled,
                });
            }
            None => path.push(issuer),
        }
    }
}

/// Why nothing above `path`, which begins with the leaf, lets it in. `left` was sent, and is not on the way.
fn dead_end(path: &[&Certificate], left: &[&Certificate], enrollments: &impl Enrollments) -> Refusal {
    let unverified = || enrollments.authorities().filter(|authority| !authority.verified);
    let leads_to = |below: &&Certificate| unverified().find(|authority| is_anchor(authority.certificate, below));
    if let Some(authority) = path.iter().find_map(leads_to) {
        return Refusal::CaNotVerified {
            ca: authority.certificate.subject().into(),
            group: authority.group.to_owned(),
            entry: authority.entry,
        };
    }
    let Some(last) = path.last() else {
        return Refusal::NoCertificate;
    };
    let enrolled = enrollments.authorities().map(|authority| &**authority.certificate);
    let known = enrolled.chain(left.iter().copied());
    let namesakes: Vec<_> = known.filter(|it| it.is_named_as_issuer_of(last)).collect();
    if !namesakes.is_empty() {
        return path::not_by(last, &namesakes);
    }
    let subject = last.subject().into();
    match (last.is_self_issued(), path) {
        (true, [_]) => Refusal::NotEnrolled {
            subject,
            thumbprint: last.sha1_thumbprint(),
        },
        (true, _) => Refusal::UnknownCa {
            ca: subject,
            thumbprint: last.sha1_thumbprint(),
        },
        (false, _) => Refusal::IssuerMissing {
            subject,
            issuer: last.issuer().into(),
            above: enrollments.above(last),
        },
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Primary => "primary",
            Self::Secondary => "secondary",
        })
    }
}
