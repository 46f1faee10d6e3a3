//! What each certificate between a leaf and an enrolled authority may be used for
//! ([RFC 5280](https://www.rfc-editor.org/rfc/rfc5280), 4.2.1 and 6.1). Signatures and dates are the climb's own.
//!
//! Not taken from rustls-webpki, which has no opinion on `keyCertSign` and refuses every constraint on directory names, those
//! too that a leaf keeps.

use jiff::Timestamp;
use x509_parser::extensions::{GeneralName, GeneralSubtree, NameConstraints, ParsedExtension};
use x509_parser::prelude::X509Certificate;
use x509_parser::x509::X509Name;

use super::refusal::{Defect, Refusal};
use crate::certificate::{Certificate, signature};

/// Whether it is valid now.
pub(super) fn check_dates(certificate: &Certificate, now: Timestamp) -> Result<(), Refusal> {
    if certificate.is_valid_at(now) {
        return Ok(());
    }
    let date =
        |date: Option<Timestamp>| date.map_or_else(|| "a date that can't be read".into(), |date| date.to_string());
    let is_over = certificate.not_after().is_some_and(|end| end < now);
    let defect = match is_over {
        true => Defect::Expired(date(certificate.not_after())),
        false => Defect::NotYetValid(date(certificate.not_before())),
    };
    unusable(certificate, defect)
}

/// Why none of `namesakes`, which are enrolled or were sent and are called as the issuer of `certificate`, has signed it.
pub(super) fn not_by(certificate: &Certificate, namesakes: &[&Certificate]) -> Refusal {
    let signature = certificate.parsed().and_then(|parsed| signature::unreliable(&parsed));
    let (subject, defect) = match (signature, namesakes) {
        (Some(name), _) => (certificate.subject(), Defect::Signature(name)),
        // What such a key has signed can't be checked.
        (None, [only]) if !only.usage.has_usable_key => (only.subject(), Defect::Key),
        (None, _) => {
            let issuer = certificate.issuer().into();
            (certificate.subject(), Defect::AnotherOfTheName(issuer))
        }
    };
    Refusal::Unusable {
        subject: subject.into(),
        defect,
    }
}

/// What is asked of every client's certificate.
pub(super) fn check_client(leaf: &Certificate) -> Result<(), Refusal> {
    check_form(leaf)?;
    match leaf.usage.may_be_client {
        true => Ok(()),
        false => unusable(leaf, Defect::NotForClients),
    }
}

/// What is asked of the leaf of a group besides: one that was enrolled individually may be any, since nothing is below it.
pub(super) fn check_below_authority(leaf: &Certificate) -> Result<(), Refusal> {
    match leaf.usage.is_authority {
        false => Ok(()),
        true => unusable(leaf, Defect::AuthorityAsLeaf),
    }
}

/// Whether `issuer` may have signed the last certificate of `path`, which begins with the leaf.
pub(super) fn check_issuer(issuer: &Certificate, path: &[&Certificate]) -> Result<(), Refusal> {
    check_form(issuer)?;
    let usage = issuer.usage;
    if !usage.is_authority {
        return unusable(issuer, Defect::NotAnAuthority);
    }
    if !usage.may_sign {
        return unusable(issuer, Defect::NoCertSign);
    }
    // Self-issued authorities, as a renewal may leave them, are not counted (6.1.4, l).
    let authorities = path.iter().skip(1).filter(|below| !below.is_self_issued()).count();
    if let Some(limit) = usage.path_length
        && u32::try_from(authorities).map_or(true, |count| count > limit)
    {
        return unusable(issuer, Defect::PathLength(limit));
    }
    if usage.constrains_names {
        check_names(issuer, path)?;
    }
    Ok(())
}

fn check_form(certificate: &Certificate) -> Result<(), Refusal> {
    if !certificate.usage.has_extensions {
        return unusable(certificate, Defect::Version);
    }
    if certificate.usage.has_doubled_extension {
        return unusable(certificate, Defect::DoubledExtension);
    }
    if certificate.usage.is_beyond_us {
        return unusable(certificate, Defect::CriticalExtension);
    }
    match certificate.usage.has_usable_key {
        true => Ok(()),
        false => unusable(certificate, Defect::Key),
    }
}

fn check_names(issuer: &Certificate, path: &[&Certificate]) -> Result<(), Refusal> {
    let Some(parsed) = issuer.parsed() else {
        return unusable(issuer, Defect::Name);
    };
    let constraints = parsed
        .extensions()
        .iter()
        .find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::NameConstraints(constraints) => Some(constraints),
            _ => None,
        });
    let keeps = |below: &&Certificate| match (below.parsed(), constraints) {
        (Some(below), Some(constraints)) => keeps(constraints, &below),
        _ => false,
    };
    // A self-issued authority is exempt (4.2.1.10), a leaf never is.
    let is_exempt = |place: usize, below: &Certificate| place > 0 && below.is_self_issued();
    let mut concerned = path
        .iter()
        .enumerate()
        .filter(|(place, below)| !is_exempt(*place, below));
    match concerned.all(|(_, below)| keeps(below)) {
        true => Ok(()),
        false => unusable(issuer, Defect::Name),
    }
}

/// Whether a certificate's subject and alternative names keep the constraints.
fn keeps(constraints: &NameConstraints<'_>, certificate: &X509Certificate<'_>) -> bool {
    let subject = certificate.subject();
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let alternative = alternative.map_or(&[][..], |extension| &extension.value.general_names);
    let list = |subtrees: &Option<Vec<GeneralSubtree<'_>>>, of_kind: fn(&GeneralName<'_>) -> bool| -> Vec<usize> {
        let subtrees = subtrees.iter().flatten().enumerate();
        subtrees
            .filter(|(_, tree)| of_kind(&tree.base))
            .map(|(place, _)| place)
            .collect()
    };
    let is_allowed = |of_kind: fn(&GeneralName<'_>) -> bool, is_within: &dyn Fn(&GeneralName<'_>) -> bool| {
        let within = |subtrees: &Option<Vec<GeneralSubtree<'_>>>| {
            let places = list(subtrees, of_kind);
            let trees = subtrees.as_deref().unwrap_or(&[]);
            (
                places.len(),
                places
                    .iter()
                    .filter_map(|place| trees.get(*place))
                    .any(|tree| is_within(&tree.base)),
            )
        };
        let (permitted, is_permitted) = within(&constraints.permitted_subtrees);
        let (_, is_excluded) = within(&constraints.excluded_subtrees);
        !is_excluded && (permitted == 0 || is_permitted)
    };
    let is_directory: fn(&GeneralName<'_>) -> bool = |name| matches!(name, GeneralName::DirectoryName(_));
    let is_dns: fn(&GeneralName<'_>) -> bool = |name| matches!(name, GeneralName::DNSName(_));
    let keeps_directory = |name: &X509Name<'_>| {
        is_allowed(
            is_directory,
            &|base| matches!(base, GeneralName::DirectoryName(base) if is_below(name, base)),
        )
    };
    (subject.iter().next().is_none() || keeps_directory(subject))
        && alternative.iter().all(|name| match name {
            GeneralName::DirectoryName(name) => keeps_directory(name),
            GeneralName::DNSName(host) => is_allowed(
                is_dns,
                &|base| matches!(base, GeneralName::DNSName(base) if is_host_below(host, base)),
            ),
            // Of the other kinds, devices have none.
            _ => true,
        })
}

/// Whether `name` begins with all of `base`.
fn is_below(name: &X509Name<'_>, base: &X509Name<'_>) -> bool {
    let parts = |name: &X509Name<'_>| -> Vec<Vec<(String, String)>> {
        name.iter()
            .map(|part| {
                let attribute = |attribute: &x509_parser::x509::AttributeTypeAndValue<'_>| {
                    let value = attribute.as_str().unwrap_or_default().trim().to_lowercase();
                    (attribute.attr_type().to_id_string(), value)
                };
                part.iter().map(attribute).collect()
            })
            .collect()
    };
    parts(name).starts_with(&parts(base))
}

/// Whether `host` is `base` or a name below it (4.2.1.10).
fn is_host_below(host: &str, base: &str) -> bool {
    let (host, base) = (
        host.to_ascii_lowercase(),
        base.trim_start_matches('.').to_ascii_lowercase(),
    );
    base.is_empty() || host == base || host.strip_suffix(&base).is_some_and(|rest| rest.ends_with('.'))
}

fn unusable(certificate: &Certificate, defect: Defect) -> Result<(), Refusal> {
    Err(Refusal::Unusable {
        subject: certificate.subject().into(),
        defect,
    })
}
