//! Notes for a person about certificates that were made all the same.

use std::fmt;
use std::fs;
use std::path::PathBuf;

use iot_protocol::shown;
use rustls_pki_types::CertificateDer;

use super::{CertFolder, Parent};
use crate::certificate::inspect::{CertificateFacts, issued_by};
use crate::certificate::{load, pem};
use crate::identities::camel_case;

/// More files than this are counted, not named.
const NAMED: usize = 10;

/// Something to know about what was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Certificates below the CA that was replaced: no chain leads from them to the new one.
    Orphaned {
        /// The CA's common name.
        ca: String,
        /// Their files, CAs among them included, in the order of their names.
        certificates: Vec<PathBuf>,
    },
    /// The CA that signs hangs below another certificate than the one that stands in the folder under that name.
    OldIssuer {
        /// The common name of the CA whose issuer was made again.
        ca: String,
        /// The issuer's common name.
        issuer: String,
        /// The certificate that stands there now.
        now: PathBuf,
    },
    /// The proof took the place of an earlier one.
    ProofReplaced {
        /// The verification code of the earlier one.
        code: String,
    },
}

impl Notice {
    /// What helps, if something has to be done.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Orphaned { ca, .. } => Some(format!(
                "upload and verify the new `{ca}`; make intermediates again with --force, then `fleet cert renew` issues devices' certificates anew"
            )),
            Self::OldIssuer { ca, issuer, .. } => Some(format!(
                "`fleet cert intermediate \"{ca}\" \"{issuer}\" --force` makes it again below the new one"
            )),
            Self::ProofReplaced { .. } => None,
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Orphaned { ca, certificates } => {
                let (count, them) = match certificates.len() {
                    1 => ("1 certificate was".to_owned(), "it"),
                    more => (format!("{more} certificates were"), "them"),
                };
                write!(
                    f,
                    "{count} signed below the former `{ca}`, and no chain leads from {them} to the new one:"
                )?;
                for path in certificates.iter().take(NAMED) {
                    write!(f, " {}", shown::path(path))?;
                }
                match certificates.len().saturating_sub(NAMED) {
                    0 => Ok(()),
                    more => write!(f, " and {more} more"),
                }
            }
            Self::OldIssuer { ca, issuer, now } => write!(
                f,
                "`{ca}` was signed by a former `{issuer}`, not by the one in `{}`: what it signs leads to the former only",
                shown::path(now)
            ),
            Self::ProofReplaced { code } => {
                write!(
                    f,
                    "the verification certificate for the earlier code `{code}` was replaced"
                )
            }
        }
    }
}

impl CertFolder {
    /// The certificate that stands under `stem`, if it can be read.
    pub(super) fn standing(&self, stem: &str) -> Option<CertificateDer<'static>> {
        first(&self.paths(stem).cert)
    }

    /// Which certificates of the folder hang below `former`, the CA that stood under `stem`.
    pub(super) fn orphans(&self, stem: &str, former: &CertificateDer<'static>) -> Option<Notice> {
        let ca = CertificateFacts::from_der(former, stem)
            .ok()?
            .common_name
            .unwrap_or_default();
        let own = self.paths(stem).cert;
        let mut others: Vec<_> = fs::read_dir(&self.path)
            .ok()?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| *path != own && path.to_string_lossy().ends_with("_cert.pem"))
            .filter_map(|path| first(&path).map(|der| (path, der)))
            .collect();
        let (mut issuers, mut certificates) = (vec![former.clone()], Vec::new());
        // CAs among them have signed others.
        while let Some(issuer) = issuers.pop() {
            others.retain(|(path, der)| {
                let orphaned = issued_by(der, &issuer, "").unwrap_or(false);
                if orphaned {
                    certificates.push(path.clone());
                    issuers.push(der.clone());
                }
                !orphaned
            });
        }
        certificates.sort_unstable();
        (!certificates.is_empty()).then_some(Notice::Orphaned { ca, certificates })
    }

    /// Whether a CA in the chain of `parent` was signed by another certificate than the one that stands here under its
    /// issuer's name.
    pub(super) fn former_issuers(&self, parent: &Parent) -> Vec<Notice> {
        let Ok(chain) = pem::certificates(parent.chain_pem.as_bytes(), "the parent's chain") else {
            return Vec::new();
        };
        let former = |der: &CertificateDer<'_>| {
            let facts = CertificateFacts::from_der(der, "").ok()?;
            let (ca, issuer) = (facts.common_name?, facts.issuer_common_name?);
            let now = self.parents().paths(&camel_case(&issuer)).cert;
            let standing = first(&now).filter(|_| ca != issuer)?;
            // Names that differ in capitals, blanks or `-_.` share a file.
            let same = CertificateFacts::from_der(&standing, "").ok()?.common_name.as_ref() == Some(&issuer);
            (same && !issued_by(der, &standing, "").ok()?).then_some(Notice::OldIssuer { ca, issuer, now })
        };
        chain.iter().filter_map(former).collect()
    }
}

/// The first certificate of a file. What can't be read is left out here.
fn first(path: &std::path::Path) -> Option<CertificateDer<'static>> {
    let certificates = pem::certificates(&load::read(path).ok()?, "").ok()?;
    certificates.into_iter().next()
}
