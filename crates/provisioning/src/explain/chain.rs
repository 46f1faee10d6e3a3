//! The usual reason for 401002, found without asking the service: does what a device sends lead to the CA that is enrolled?

use std::fmt;

use iot_protocol::shown;
use rustls_pki_types::CertificateDer;

use crate::certificate::CertificateError;
use crate::certificate::inspect::{CertificateFacts, issued_by};

/// What is read, as messages name it.
pub(super) const SENT: &str = "what the device sends";

/// How far a device's chain goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reach {
    /// Up to the enrolled CA.
    Reaches {
        /// Its common name.
        ca: String,
    },
    /// Not that far.
    Ends {
        /// The device.
        device: String,
        /// Certificates that it sends beyond its leaf.
        beyond_leaf: usize,
        /// Who has signed the last one.
        issuer: String,
        /// The CAs that are enrolled, by their common names.
        enrolled: Vec<String>,
    },
}

/// The certificates that a device sends, its leaf first, from the leaf upwards as far as each has signed the one before it, in
/// whatever order they are sent.
///
/// # Errors
///
/// A certificate can't be read.
pub(super) fn climb<'a>(chain: &'a [CertificateDer<'a>]) -> Result<Vec<&'a CertificateDer<'a>>, CertificateError> {
    let mut left: Vec<_> = chain.iter().collect();
    let mut way = Vec::new();
    let mut at = (!left.is_empty()).then(|| left.remove(0));
    while let Some(certificate) = at {
        way.push(certificate);
        at = None;
        for place in 0..left.len() {
            if left[place] != certificate && issued_by(certificate, left[place], SENT)? {
                at = Some(left.swap_remove(place));
                break;
            }
        }
    }
    Ok(way)
}

/// Whether one of the `enrolled` CAs has signed a certificate of `way`, as [`climb`] finds it in the `sent` certificates of a
/// device. A CA that is enrolled and sent along counts as well.
///
/// # Errors
///
/// A certificate can't be read.
pub(super) fn reach(
    device: &str,
    way: &[&CertificateDer<'_>],
    sent: usize,
    enrolled: &[CertificateDer<'_>],
) -> Result<Reach, CertificateError> {
    let facts = |der: &CertificateDer<'_>| CertificateFacts::from_der(der, SENT);
    let name = |der: &CertificateDer<'_>| facts(der).map(|facts| named(facts.common_name));
    for child in way {
        for ca in enrolled {
            if *child == ca || issued_by(child, ca, SENT)? {
                return Ok(Reach::Reaches { ca: name(ca)? });
            }
        }
    }
    let issuer = match way.last() {
        Some(last) => named(facts(last)?.issuer_common_name),
        None => String::new(),
    };
    Ok(Reach::Ends {
        device: device.to_owned(),
        beyond_leaf: sent.saturating_sub(1),
        issuer,
        enrolled: enrolled.iter().map(name).collect::<Result<_, _>>()?,
    })
}

pub(super) fn named(common_name: Option<String>) -> String {
    common_name.map_or_else(
        || "a CA without a common name".to_owned(),
        |name| shown::text(&name).to_string(),
    )
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reaches { ca } => write!(f, "its chain leads to the enrolled CA `{ca}`"),
            Self::Ends {
                device,
                beyond_leaf,
                issuer,
                enrolled,
            } => {
                match beyond_leaf {
                    0 => write!(f, "{device} sends its leaf only; ")?,
                    1 => write!(f, "{device} sends its leaf and one more certificate; ")?,
                    more => write!(f, "{device} sends its leaf and {more} more certificates; ")?,
                }
                let [first, others @ ..] = enrolled.as_slice() else {
                    return write!(f, "no CA is enrolled");
                };
                write!(f, "the enrolled CA is `{first}`")?;
                for other in others {
                    write!(f, " or `{other}`")?;
                }
                if enrolled.contains(issuer) {
                    write!(f, ", and what it sends is signed by another one of the name `{issuer}`")
                } else {
                    write!(f, "; the intermediate `{issuer}` is missing from its chain file")
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::certificate::make::{CertificateAuthority, KeyType, Validity};
    use crate::certificate::pem::certificates;

    fn now() -> Timestamp {
        "2026-11-23T15:00:00Z".parse().unwrap()
    }

    fn root() -> CertificateAuthority {
        CertificateAuthority::root("root", KeyType::P256, Validity::root(now())).unwrap()
    }

    fn of(chain: &str, enrolled: &[&CertificateAuthority]) -> String {
        let chain = certificates(chain.as_bytes(), "chain").unwrap();
        let ders: Vec<_> = enrolled
            .iter()
            .map(|ca| certificates(ca.cert_pem().as_bytes(), "ca").unwrap().swap_remove(0))
            .collect();
        let way = climb(&chain).unwrap();
        reach("thermo-0001", &way, chain.len(), &ders).unwrap().to_string()
    }

    #[test]
    fn what_is_missing_between_a_device_and_its_ca_is_named() {
        let (root, other) = (root(), root());
        let between = root
            .intermediate("between", KeyType::P256, Validity::intermediate(now()))
            .unwrap();
        let leaf = between
            .leaf("thermo-0001", KeyType::P256, Validity::leaf(now()))
            .unwrap();
        let (alone, full) = (leaf.cert_pem(), leaf.fullchain_pem());

        assert_eq!(of(&full, &[&root]), "its chain leads to the enrolled CA `root`");
        assert_eq!(of(alone, &[&between]), "its chain leads to the enrolled CA `between`");
        // A root that is sent along without need does no harm.
        let with_root = format!("{full}{}", root.cert_pem());
        assert_eq!(of(&with_root, &[&root]), "its chain leads to the enrolled CA `root`");
        assert_eq!(
            of(alone, &[&root]),
            "thermo-0001 sends its leaf only; the enrolled CA is `root`; the intermediate `between` is missing from its chain file"
        );
        assert_eq!(
            of(&full, &[&other]),
            "thermo-0001 sends its leaf and one more certificate; the enrolled CA is `root`, and what it sends is signed by \
             another one of the name `root`"
        );
        assert_eq!(of(alone, &[]), "thermo-0001 sends its leaf only; no CA is enrolled");
    }
}
