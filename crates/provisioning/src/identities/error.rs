//! What can be wrong with the identities on disk.

use std::path::PathBuf;
use std::{fmt, io};

use iot_protocol::shown;

use crate::certificate::CertificateError;

/// One thing that is wrong with an identity on disk.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The operating system refused to read, write, create or lock something.
    #[error("cannot {doing} `{}`: {reason}", shown::path(path))]
    Io {
        /// What was tried, as a verb.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        reason: io::Error,
    },
    /// A certificate or key can't be made, read or used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A certificate without the key that belongs to it; the key can't be made again.
    #[error("`{}` has no key: `{}` is missing", shown::path(certificate), shown::path(key))]
    WithoutKey {
        /// The certificate that is there.
        certificate: PathBuf,
        /// The key that is not.
        key: PathBuf,
    },
    /// A leaf's own file and the beginning of its chain are not the same certificate.
    #[error(
        "`{}` does not hold the certificate with which `{}` begins",
        shown::path(certificate),
        shown::path(fullchain)
    )]
    NotTheLeaf {
        /// The file of the leaf alone.
        certificate: PathBuf,
        /// The chain.
        fullchain: PathBuf,
    },
    /// The certificate was not signed by the CA that stands on disk.
    #[error(
        "`{}` was not issued by `{}`, the CA in `{}`",
        shown::path(certificate),
        shown::text(issuer),
        shown::path(ca)
    )]
    NotIssuedBy {
        /// The certificate.
        certificate: PathBuf,
        /// The CA's common name.
        issuer: String,
        /// The CA's certificate.
        ca: PathBuf,
    },
    /// A certificate whose dates are to be wrong on purpose has others.
    #[error("`{}` {wanted}", shown::text(certificate))]
    OtherDates {
        /// The certificate.
        certificate: String,
        /// What it was to be.
        wanted: &'static str,
    },
    /// The chain a device would send does not hold the intermediate CAs between its leaf and the root.
    #[error(
        "`{}` lacks the intermediate CA `{}` after its leaf",
        shown::path(fullchain),
        shown::text(issuer)
    )]
    IncompleteChain {
        /// The chain.
        fullchain: PathBuf,
        /// The CA that had to follow.
        issuer: String,
    },
    /// A generation of CAs that was never made.
    #[error("there is no such generation of CAs: `{}` is missing", shown::path(certificate))]
    NoGeneration {
        /// The certificate that would sign.
        certificate: PathBuf,
    },
    /// The environment variable of a password is not set, or is not text.
    #[error("there is no password in the environment variable {variable}")]
    NoPassword {
        /// Its name.
        variable: String,
    },
    /// Something would have been overwritten.
    #[error("`{}` exists already", shown::path(path))]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A parent was named that has no certificate in the folder.
    #[error(
        "there is no `{}` here: `{}` is missing",
        shown::text(parent),
        shown::path(certificate)
    )]
    NoParent {
        /// The parent's common name.
        parent: String,
        /// Where its certificate had to be.
        certificate: PathBuf,
    },
    /// A parent was named that two folders have, and the two are different CAs.
    #[error(
        "there are two CAs called `{}`: `{}` and `{}` are different certificates",
        shown::text(parent),
        shown::path(&certificates[0]),
        shown::path(&certificates[1])
    )]
    TwoParents {
        /// The parent's name.
        parent: String,
        /// Their certificates.
        certificates: [PathBuf; 2],
    },
    /// A CA's certificate was to be renewed.
    #[error(
        "`{}` is a CA: everything below it would have to be issued anew; make a new CA under another name instead",
        shown::path(certificate)
    )]
    RenewsNoCa {
        /// The CA's certificate.
        certificate: PathBuf,
    },
    /// A group or device id that can't be a file's or folder's name.
    #[error("`{}` can't be the name of a file or folder", shown::text(name))]
    BadName {
        /// The id.
        name: String,
    },
    /// The `current` file does not name what to use.
    #[error("`{}` holds `{}`, expected {expected}", shown::path(path), shown::text(content))]
    BadCurrent {
        /// The file.
        path: PathBuf,
        /// What stands in it.
        content: String,
        /// The accepted form.
        expected: &'static str,
    },
}

/// Everything that is wrong, at once; never empty.
#[derive(Debug)]
pub struct Problems(pub Vec<IdentityError>);

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl<E: Into<IdentityError>> From<E> for Problems {
    fn from(problem: E) -> Self {
        Self(vec![problem.into()])
    }
}
