//! The way from a leaf to the enrolled CA, and what each certificate on it may be used for
//! ([RFC 5280](https://www.rfc-editor.org/rfc/rfc5280), 4.2.1 and 6.1).

use rustls_pki_types::CertificateDer;
use x509_parser::extensions::{BasicConstraints, GeneralName, NameConstraints, ParsedExtension};
use x509_parser::prelude::{X509Certificate, X509Version};
use x509_parser::x509::X509Name;

use super::Detail;
use crate::certificate::{CertificateError, inspect};

/// Extensions that .NET and OpenSSL support. Any other one that is critical makes a certificate unusable (4.2).
const KNOWN: [&str; 14] = [
    "2.5.29.14",
    "2.5.29.15",
    "2.5.29.17",
    "2.5.29.18",
    "2.5.29.19",
    "2.5.29.30",
    "2.5.29.31",
    "2.5.29.32",
    "2.5.29.33",
    "2.5.29.35",
    "2.5.29.36",
    "2.5.29.37",
    "2.5.29.54",
    "1.3.6.1.5.5.7.1.1",
];

/// A certificate with what has been read of it.
pub(super) struct Link<'a> {
    der: &'a CertificateDer<'a>,
    parsed: X509Certificate<'a>,
    pub(super) detail: Detail,
}

/// The way from a leaf upwards.
pub(super) struct Path<'a> {
    /// The leaf, its issuer, the issuer's issuer and so on, of those that are sent.
    pub(super) links: Vec<&'a Link<'a>>,
    /// The enrolled CA that has signed the last of them.
    pub(super) anchor: Option<&'a Link<'a>>,
    /// What was sent and is not on the way.
    pub(super) beside: Vec<&'a Link<'a>>,
}

impl<'a> Link<'a> {
    pub(super) fn of(der: &'a CertificateDer<'a>, file: &str) -> Result<Self, CertificateError> {
        Ok(Self {
            der,
            parsed: inspect::parse(der, file)?,
            detail: Detail::of(der, file)?,
        })
    }

    /// Whether `issuer` has signed it. A certificate does not vouch for itself.
    pub(super) fn is_below(&self, issuer: &Self) -> bool {
        self.der != issuer.der && self.names(issuer) && inspect::is_signed(&self.parsed, issuer.parsed.public_key())
    }

    /// Whether it calls its issuer as `issuer` is called.
    pub(super) fn names(&self, issuer: &Self) -> bool {
        self.parsed.issuer().as_raw() == issuer.parsed.subject().as_raw()
    }

    pub(super) fn has_extensions(&self) -> bool {
        self.parsed.version() == X509Version::V3
    }

    /// A critical extension that is not known, or that can't be read.
    pub(super) fn unknown_extension(&self) -> Option<String> {
        let mut critical = self.parsed.extensions().iter().filter(|extension| extension.critical);
        let unknown = critical.find(|extension| {
            let is_broken = matches!(extension.parsed_extension(), ParsedExtension::ParseError { .. });
            is_broken || !KNOWN.contains(&extension.oid.to_id_string().as_str())
        });
        unknown.map(|extension| extension.oid.to_id_string())
    }

    /// An extension that is there more than once, so that each reader may take another one of them (4.2).
    pub(super) fn doubled_extension(&self) -> Option<String> {
        let extensions = self.parsed.extensions();
        let mut later = extensions.iter().enumerate().skip(1);
        let doubled = later.find(|(place, it)| extensions[..*place].iter().any(|earlier| earlier.oid == it.oid));
        doubled.map(|(_, extension)| extension.oid.to_id_string())
    }

    /// The key usage is there and has no `keyCertSign`.
    pub(super) fn may_not_sign(&self) -> bool {
        matches!(
            self.extension(|it| match it {
                ParsedExtension::KeyUsage(usage) => Some(usage.key_cert_sign()),
                _ => None,
            }),
            Some(false)
        )
    }

    /// The path length, if `below` has more authorities than that. Self-issued ones, as a renewal may leave them, do not
    /// count (6.1.4, l).
    pub(super) fn exceeded_path_length(&self, below: &[&Self]) -> Option<u32> {
        let is_self_issued = |it: &Self| it.names(it);
        let authorities = below.iter().skip(1).filter(|it| !is_self_issued(it)).count();
        let limit = self.extension(|it| match it {
            ParsedExtension::BasicConstraints(BasicConstraints {
                path_len_constraint, ..
            }) => *path_len_constraint,
            _ => None,
        })?;
        u32::try_from(authorities)
            .map_or(true, |count| count > limit)
            .then_some(limit)
    }

    /// The first certificate of `below`, which begins with the leaf, whose names its name constraints do not allow.
    pub(super) fn excluded<'b>(&self, below: &[&'b Self]) -> Option<&'b Self> {
        let constraints = self.extension(|it| match it {
            ParsedExtension::NameConstraints(constraints) => Some(constraints),
            _ => None,
        })?;
        // A self-issued authority is exempt (4.2.1.10), a leaf never is.
        let mut concerned = below
            .iter()
            .enumerate()
            .filter(|(place, it)| *place == 0 || !it.names(it))
            .map(|(_, it)| *it);
        concerned.find(|it| !keeps(constraints, &it.parsed))
    }

    fn extension<'b, T>(&'b self, pick: impl Fn(&'b ParsedExtension<'a>) -> Option<T>) -> Option<T> {
        let mut extensions = self.parsed.extensions().iter();
        extensions.find_map(|extension| pick(extension.parsed_extension()))
    }
}

impl<'a> Path<'a> {
    /// Climbs from `links[start]` to one of `anchors`. The order of the others does not count, none is used twice, and of
    /// several that have signed, a valid one goes first.
    pub(super) fn climb(
        links: &'a [Link<'a>],
        start: usize,
        anchors: &'a [Link<'a>],
        is_valid: impl Fn(&Detail) -> bool,
    ) -> Option<Self> {
        let mut path = vec![links.get(start)?];
        let mut left: Vec<&Link<'a>> = links
            .iter()
            .enumerate()
            .filter(|(place, _)| *place != start)
            .map(|(_, it)| it)
            .collect();
        loop {
            let current = *path.last()?;
            let signers = anchors.iter().filter(|it| current.is_below(it));
            if let Some(anchor) = signers.min_by_key(|it| !is_valid(&it.detail)) {
                return Some(Self {
                    links: path,
                    anchor: Some(anchor),
                    beside: left,
                });
            }
            let signers = left.iter().enumerate().filter(|(_, it)| current.is_below(it));
            let best = signers
                .min_by_key(|(_, it)| !is_valid(&it.detail))
                .map(|(place, _)| place);
            match best {
                Some(place) => path.push(left.remove(place)),
                None => {
                    return Some(Self {
                        links: path,
                        anchor: None,
                        beside: left,
                    });
                }
            }
        }
    }
}

/// A name that constraints speak of. Devices have none of the other kinds.
enum Name<'a> {
    Directory(&'a X509Name<'a>),
    Host(&'a str),
}

fn keeps(constraints: &NameConstraints<'_>, certificate: &X509Certificate<'_>) -> bool {
    let subject = Some(certificate.subject()).filter(|subject| subject.iter().next().is_some());
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let alternative = alternative.map_or(&[][..], |extension| &extension.value.general_names);
    let names = subject
        .into_iter()
        .map(Name::Directory)
        .chain(alternative.iter().filter_map(|name| match name {
            GeneralName::DirectoryName(name) => Some(Name::Directory(name)),
            GeneralName::DNSName(host) => Some(Name::Host(host)),
            _ => None,
        }));
    let mut names = names.into_iter();
    names.all(|name| {
        // `None`: the tree is about names of another kind.
        let mut excluded = constraints
            .excluded_subtrees
            .iter()
            .flatten()
            .filter_map(|tree| name.is_within(&tree.base));
        let permitted = constraints
            .permitted_subtrees
            .iter()
            .flatten()
            .filter_map(|tree| name.is_within(&tree.base));
        let permitted: Vec<bool> = permitted.collect();
        !excluded.any(|is_within| is_within) && (permitted.is_empty() || permitted.contains(&true))
    })
}

impl Name<'_> {
    fn is_within(&self, base: &GeneralName<'_>) -> Option<bool> {
        match (self, base) {
            (Self::Directory(name), GeneralName::DirectoryName(base)) => Some(parts(name).starts_with(&parts(base))),
            (Self::Host(host), GeneralName::DNSName(base)) => {
                let (host, base) = (host.to_ascii_lowercase(), base.to_ascii_lowercase());
                let base = base.trim_start_matches('.');
                let rest = host.strip_suffix(base);
                Some(rest.is_some_and(|rest| base.is_empty() || rest.is_empty() || rest.ends_with('.')))
            }
            _ => None,
        }
    }
}

/// A name part by part, compared without case.
fn parts(name: &X509Name<'_>) -> Vec<Vec<(String, String)>> {
    let part = |attribute: &x509_parser::x509::AttributeTypeAndValue<'_>| {
        let value = attribute.as_str().unwrap_or_default().trim().to_lowercase();
        (attribute.attr_type().to_id_string(), value)
    };
    name.iter().map(|parts| parts.iter().map(part).collect()).collect()
}
