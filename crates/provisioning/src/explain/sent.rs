//! What can be found of a refusal from the certificates that are at hand: the device's own, and where a manifest names them,
//! those that are enrolled. A service gives one answer for most reasons, so these are the candidates: what is wrong for certain
//! or likely, and what is left to check, in this order.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;

use super::chain::{Reach, SENT, climb, named, reach};
use crate::certificate::inspect::{CertificateFacts, end};
use crate::certificate::{CertificateError, load};

/// The candidates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Candidates {
    /// What is wrong, as far as the certificates themselves show it. Most are without.
    pub found: Vec<String>,
    /// What to check in the application.
    pub check: Vec<String>,
}

/// Why a device that sends `chain`, its leaf first, may be refused at `now`, where it is not known what is enrolled.
///
/// # Errors
///
/// A certificate can't be read.
pub fn sent(chain: &[CertificateDer<'_>], now: Timestamp) -> Result<Candidates, CertificateError> {
    let way = facts(&climb(chain)?)?;
    let mut found = dates(&way, now);
    match way.last() {
        None => found.push("it sends no certificate".to_owned()),
        Some(last) if !signed_by_itself(last) => {
            let (end, issuer) = (named(last.common_name.clone()), named(last.issuer_common_name.clone()));
            found.push(format!(
                "its chain ends at `{end}`, whose issuer `{issuer}` it did not send: that is enough only where `{issuer}` itself \
                 is enrolled, not a CA above it"
            ));
        }
        Some(_) => {}
    }
    let check = left_to_check(&way);
    Ok(Candidates { found, check })
}

/// Why `device`, which sends the certificates in the file `fullchain`, may be refused at `now` where the CAs in the files
/// `enrolled` are enrolled.
///
/// # Errors
///
/// A file can't be read, or is no certificate.
pub fn compared(
    device: &str,
    fullchain: &Path,
    enrolled: &[PathBuf],
    now: Timestamp,
) -> Result<Candidates, CertificateError> {
    let chain = load::certificates(fullchain)?;
    let way = climb(&chain)?;
    let way_facts = facts(&way)?;
    let mut found = dates(&way_facts, now);
    let mut cas = Vec::new();
    for path in enrolled {
        let ca = load::certificates(path)?.swap_remove(0);
        let facts = CertificateFacts::from_der(&ca, &load::named(path))?;
        let name = named(facts.common_name.clone());
        found.extend(not_valid(&format!("the enrolled CA `{name}`"), &facts, now));
        cas.push(ca);
    }
    let reach = reach(device, &way, chain.len(), &cas)?;
    if matches!(reach, Reach::Ends { .. }) {
        found.push(reach.to_string());
    }
    let check = left_to_check(&way_facts);
    Ok(Candidates { found, check })
}

/// What only the application can show of a device that sends these certificates.
fn left_to_check(way: &[CertificateFacts]) -> Vec<String> {
    let (Some(leaf), Some(last)) = (way.first(), way.last()) else {
        return Vec::new();
    };
    let mut check = Vec::new();
    if signed_by_itself(last) && way.len() == 1 {
        check.push(format!(
            "it sends a certificate that signs itself, so an individual enrollment has to hold this very certificate (SHA-1 {}), \
             and no group can",
            leaf.sha1
        ));
    } else {
        // Of one that signs itself, the issuer is itself.
        let top = named(last.issuer_common_name.clone());
        let sent: Vec<_> = way[1..]
            .iter()
            .map(|ca| named(ca.common_name.clone()))
            .filter(|name| *name != top)
            .collect();
        let or_sent = match sent.as_slice() {
            [] => String::new(),
            names => format!(", or one that it sends (`{}`),", names.join("`, `")),
        };
        check.push(format!(
            "an enrollment group has `{top}`{or_sent} as its CA: this very certificate, not another of the name"
        ));
        check.push("that CA is verified, and the group is enabled".to_owned());
        let device = named(leaf.common_name.clone());
        check.push(format!(
            "`{device}` has no individual enrollment, or one that holds its leaf (SHA-1 {})",
            leaf.sha1
        ));
    }
    check.push("no operator has blocked the device".to_owned());
    check.push("the id scope is that of the application, or the DPS instance, where it is enrolled".to_owned());
    check
}

fn facts(way: &[&CertificateDer<'_>]) -> Result<Vec<CertificateFacts>, CertificateError> {
    way.iter().map(|der| CertificateFacts::from_der(der, SENT)).collect()
}

/// Which of them are not valid at `now`.
fn dates(way: &[CertificateFacts], now: Timestamp) -> Vec<String> {
    let of = |(place, certificate): (usize, &CertificateFacts)| {
        let name = named(certificate.common_name.clone());
        let what = match place {
            0 => format!("its certificate `{name}`"),
            _ => format!("the CA `{name}` that it sends"),
        };
        not_valid(&what, certificate, now)
    };
    way.iter().enumerate().filter_map(of).collect()
}

fn not_valid(what: &str, certificate: &CertificateFacts, now: Timestamp) -> Option<String> {
    if now > certificate.not_after {
        Some(format!(
            "{what} has expired: it was valid until {}",
            end(certificate.not_after)
        ))
    } else if now < certificate.not_before {
        let begin = certificate.not_before;
        Some(format!(
            "{what} is not valid before {begin}, by the clock of this machine"
        ))
    } else {
        None
    }
}

fn signed_by_itself(facts: &CertificateFacts) -> bool {
    facts.common_name == facts.issuer_common_name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::make::{CertificateAuthority, KeyType, Validity, self_signed};
    use crate::certificate::pem::certificates;

    #[test]
    fn what_is_sent_shows_what_is_wrong_and_which_enrollment_it_is_for() {
        let now: Timestamp = "2026-11-23T15:00:00Z".parse().unwrap();
        let root = CertificateAuthority::root("root", KeyType::P256, Validity::root(now)).unwrap();
        let between = root
            .intermediate("between", KeyType::P256, Validity::intermediate(now))
            .unwrap();
        let leaf = between.leaf("thermo-1", KeyType::P256, Validity::leaf(now)).unwrap();
        let alone = self_signed("lab-1", KeyType::P256, Validity::leaf(now)).unwrap();
        let at = |pem: &str, now| sent(&certificates(pem.as_bytes(), "x").unwrap(), now).unwrap();
        let shows = |pem: &str, found: &[&str], first: &str| {
            let candidates = at(pem, now);
            assert_eq!(candidates.found, found);
            assert!(candidates.check[0].starts_with(first), "{candidates:?}");
        };
        shows(
            leaf.cert_pem(),
            &[
                "its chain ends at `thermo-1`, whose issuer `between` it did not send: that is enough only where `between` \
               itself is enrolled, not a CA above it",
            ],
            "an enrollment group has `between` as its CA:",
        );
        shows(
            &leaf.fullchain_pem(),
            &[
                "its chain ends at `between`, whose issuer `root` it did not send: that is enough only where `root` itself is \
               enrolled, not a CA above it",
            ],
            "an enrollment group has `root`, or one that it sends (`between`), as its CA",
        );
        // In any order.
        let whole = format!("{}{}{}", leaf.cert_pem(), root.cert_pem(), between.cert_pem());
        shows(
            &whole,
            &[],
            "an enrollment group has `root`, or one that it sends (`between`), as its CA",
        );
        shows(alone.cert_pem(), &[], "it sends a certificate that signs itself");
        assert!(at(alone.cert_pem(), now).check[0].contains(&alone.facts().sha1));

        let late = "2126-11-23T15:00:00Z".parse().unwrap();
        let found = at(&whole, late).found;
        let begins = |place: usize, words: &str| assert!(found[place].starts_with(words), "{found:?}");
        begins(0, "its certificate `thermo-1` has expired: it was valid until 20");
        begins(1, "the CA `between` that it sends has expired");
        let early = "2016-11-23T15:00:00Z".parse().unwrap();
        assert!(at(&whole, early).found[0].starts_with("its certificate `thermo-1` is not valid before 2026-11-23T"));
    }
}
