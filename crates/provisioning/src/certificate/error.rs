//! Every way a certificate or its key can be unusable.

use std::io;
use std::path::PathBuf;

use iot_protocol::shown;
use jiff::Timestamp;

pub use super::armour::Flaw;
use super::finding::{Finding, Level};

/// Why a certificate could not be made, read or used.
///
/// Files are named as the caller named them; nothing of a key is ever part of a message.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The operating system refused the file.
    #[error("cannot read `{}`: {reason}", shown::path(path))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        reason: io::Error,
    },
    /// The file is larger than any with certificates or keys.
    #[error("{} is larger than {} MB, which no file of certificates or keys is", shown::path(path), limit >> 20)]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// How much is read, in bytes.
        limit: u64,
    },
    /// The file holds no certificate.
    #[error("no certificate in {file}{}", Found::but(*found))]
    NoCertificate {
        /// The file.
        file: String,
        /// What it holds instead.
        found: Option<Found>,
    },
    /// The file holds no private key.
    #[error("no private key in {file}{}", Found::but(*found))]
    NoKey {
        /// The file.
        file: String,
        /// What it holds instead.
        found: Option<Found>,
    },
    /// The file is text, but not as PEM stands in lines.
    #[error("{file} {flaw}")]
    NotPem {
        /// The file.
        file: String,
        /// What is wrong with it.
        flaw: Flaw,
    },
    /// The private key is encrypted, and no password was given.
    #[error(
        "the private key in {file} is encrypted and no password was given; give it, or decrypt the key with `openssl pkey -in … -out …`"
    )]
    EncryptedKey {
        /// The file.
        file: String,
    },
    /// The private key is encrypted in a way that can't be undone here, whatever the password.
    #[error(
        "the private key in {file} is encrypted in a way that is not supported ({reason}); decrypt it with `openssl pkey -in … -out …`"
    )]
    UnsupportedEncryption {
        /// The file.
        file: String,
        /// What is not supported.
        reason: String,
    },
    /// The PFX file is protected, and no password was given.
    #[error("{file} is protected by a password, and none was given")]
    PasswordMissing {
        /// The file.
        file: String,
    },
    /// The password does not unlock the file.
    #[error("the password given is not the one of {file}")]
    WrongPassword {
        /// The file.
        file: String,
    },
    /// The file is binary, and nothing that is read here.
    #[error("{file} is {what}")]
    Binary {
        /// The file.
        file: String,
        /// What it is, and how it becomes something that is read.
        what: Binary,
    },
    /// The PFX file is damaged or uses something that is not read here.
    #[error(
        "{file} is a PKCS#12 file that can't be read here ({reason}); convert it with `openssl pkcs12 -legacy -in … -nodes -out identity.pem` (OpenSSL 1 has no `-legacy`) and load that as certificate and key"
    )]
    UnsupportedPfx {
        /// The file.
        file: String,
        /// What stood in the way.
        reason: String,
    },
    /// Deriving the keys of the file would keep the machine busy, as no honest file does.
    #[error("{file} asks for {iterations} iterations to derive its keys, at most {limit} are done")]
    TooCostly {
        /// The file.
        file: String,
        /// What it asks for.
        iterations: u64,
        /// What is allowed.
        limit: u64,
    },
    /// The file is what it should be, but what is in it can't be decoded.
    #[error("{file} can't be decoded: {reason}")]
    Malformed {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The key is good, but not for this.
    #[error(
        "the private key in {file} is {kind}; supported are RSA of 2048 bits or more, and EC on P-256, P-384 or P-521"
    )]
    UnsupportedKey {
        /// The file.
        file: String,
        /// Such as `RSA 1024` or `EC secp256k1`.
        kind: String,
    },
    /// The certificate describes its curve in numbers, where X.509 allows a name only (RFC 5480, 2.1.1).
    #[error(
        "the certificate in {file} has a key with explicit EC parameters, which TLS libraries refuse; make key and certificate anew with a named curve (`openssl ecparam -name prime256v1 -param_enc named_curve -genkey`)"
    )]
    ExplicitCurve {
        /// The file.
        file: String,
    },
    /// The certificate of the key is in the file, but others stand before it.
    #[error(
        "{file} is in the wrong order: the certificate that belongs to the key is number {place} in it. It comes first, then the CA that signed it, then the CA that signed that one"
    )]
    LeafNotFirst {
        /// The file.
        file: String,
        /// Where the leaf stands, from 1.
        place: usize,
    },
    /// Certificate and key are no pair.
    #[error("the key in {key} does not belong to the certificate in {certificate}")]
    KeyMismatch {
        /// The file of the certificate.
        certificate: String,
        /// The file of the key.
        key: String,
    },
    /// The certificate's time is over.
    #[error(
        "the certificate in {file} expired on {not_after}; it was valid from {not_before}, and this machine's clock says {now:.0}"
    )]
    Expired {
        /// The file.
        file: String,
        /// What this machine's clock says.
        now: Timestamp,
        /// The first second it was valid.
        not_before: Timestamp,
        /// The last second it was valid.
        not_after: Timestamp,
    },
    /// The certificate's time has not begun.
    #[error(
        "the certificate in {file} is not valid before {not_before}; it is valid until {not_after}, and this machine's clock says {now:.0}"
    )]
    NotYetValid {
        /// The file.
        file: String,
        /// What this machine's clock says.
        now: Timestamp,
        /// The last second it will be valid.
        not_after: Timestamp,
        /// The first second it will be valid.
        not_before: Timestamp,
    },
    /// Azure refuses it, for all of these reasons.
    #[error("the certificate in {file} can't be used: {}", shown::text(&objections.join("; ")))]
    Unfit {
        /// The file.
        file: String,
        /// Why, each in a sentence without its full stop.
        objections: Vec<String>,
    },
    /// DPS takes the subject's common name for the registration id, so the two must be equal.
    #[error(
        "the certificate in {file} has the common name `{}`, but the registration id is `{registration_id}`",
        shown::text(common_name)
    )]
    CommonName {
        /// The file.
        file: String,
        /// The subject's common name, empty if it has none.
        common_name: String,
        /// What it had to be.
        registration_id: String,
    },
    /// A subject with several common names names nothing: services differ in which they take.
    #[error(
        "the certificate in {file} has {count} common names in its subject, and the registration id can be only one"
    )]
    SeveralCommonNames {
        /// The file.
        file: String,
        /// How many.
        count: usize,
    },
    /// A CA was asked for, and this certificate may not sign others.
    #[error("the certificate in {file} is not a CA certificate")]
    NotACa {
        /// The file.
        file: String,
    },
    /// X.509 allows 1 to 64 characters in a common name (RFC 5280, `ub-common-name`), and no use is known for a name that a
    /// terminal obeys.
    #[error("`{}` can't be a common name: it has {} characters, 1 to 64 are allowed, and no control characters", shown::text(common_name), common_name.chars().count())]
    BadCommonName {
        /// What was asked for.
        common_name: String,
    },
    /// The new certificate and its issuer would never be valid at the same time.
    #[error(
        "`{issuer}` is valid from {issuer_not_before} to {issuer_not_after} and can't sign a certificate for {not_before} to {not_after}"
    )]
    OutsideIssuer {
        /// The issuer's common name.
        issuer: String,
        /// The issuer's begin.
        issuer_not_before: Timestamp,
        /// The issuer's end.
        issuer_not_after: Timestamp,
        /// The asked-for begin.
        not_before: Timestamp,
        /// The asked-for end.
        not_after: Timestamp,
    },
    /// A CA whose path length forbids CAs below it was asked to sign one.
    #[error("`{issuer}` may sign leaves, but no further CAs")]
    NoCasBelow {
        /// The issuer's common name.
        issuer: String,
    },
    /// A validity that ends before it begins or leaves the calendar.
    #[error("a certificate can't be valid from {not_before} to {not_after}{}", if not_after <= not_before { ": it would end before it begins" } else { "" })]
    BadValidity {
        /// The asked-for begin.
        not_before: Timestamp,
        /// The asked-for end.
        not_after: Timestamp,
    },
    /// The crypto library refused to make or sign.
    #[error("the certificate for `{common_name}` could not be made: {reason}")]
    Make {
        /// The subject's common name.
        common_name: String,
        /// The library's reason.
        reason: rcgen::Error,
    },
}

/// What a section of PEM holds, as far as it has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// `CERTIFICATE`
    Certificate,
    /// `PRIVATE KEY` and its relatives
    PrivateKey,
    /// `PUBLIC KEY`
    PublicKey,
    /// `CERTIFICATE REQUEST`
    Request,
    /// `TRUSTED CERTIFICATE`, a certificate with OpenSSL's own additions
    Trusted,
    /// `PKCS7`, a bag of certificates
    Pkcs7,
    /// `OPENSSH PRIVATE KEY`
    OpenSsh,
    /// Anything else. Its label is not kept: it is text of the file.
    Other,
}

impl Found {
    pub(super) fn of(label: &[u8]) -> Self {
        match label {
            b"CERTIFICATE" => Self::Certificate,
            b"PRIVATE KEY" | b"RSA PRIVATE KEY" | b"EC PRIVATE KEY" | b"ENCRYPTED PRIVATE KEY" => Self::PrivateKey,
            b"PUBLIC KEY" | b"RSA PUBLIC KEY" => Self::PublicKey,
            b"CERTIFICATE REQUEST" | b"NEW CERTIFICATE REQUEST" => Self::Request,
            b"TRUSTED CERTIFICATE" | b"X509 CERTIFICATE" => Self::Trusted,
            b"PKCS7" | b"CMS" => Self::Pkcs7,
            b"OPENSSH PRIVATE KEY" => Self::OpenSsh,
            _ => Self::Other,
        }
    }

    /// Ends a sentence on what is missing.
    fn but(found: Option<Self>) -> &'static str {
        match found {
            None | Some(Self::Other) => "",
            Some(Self::Certificate) => ", but a certificate",
            Some(Self::PrivateKey) => ", but a private key",
            Some(Self::PublicKey) => ", but a public key",
            Some(Self::Request) => ", but a certificate request (CSR), which a CA has yet to sign",
            Some(Self::Trusted) => {
                ", but one in OpenSSL's own form; `openssl x509 -in … -out …` makes an ordinary one of it"
            }
            Some(Self::Pkcs7) => {
                ", but PKCS#7; `openssl pkcs7 -in … -print_certs -out …` takes the certificates out of it"
            }
            Some(Self::OpenSsh) => ", but an OpenSSH key; `ssh-keygen -p -m PKCS8 -f …` converts it in its place",
        }
    }
}

/// What a binary file is, where it can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Binary {
    /// A private key without PEM around it.
    #[error("a private key in DER, which is read as PEM only; `openssl pkey -inform der -in … -out …` converts it")]
    Key,
    /// A bag of certificates (`.p7b`).
    #[error("PKCS#7 in DER; `openssl pkcs7 -inform der -in … -print_certs -out …` takes the certificates out of it")]
    Pkcs7,
    /// A PFX where only certificates are read.
    #[error(
        "PKCS#12 (PFX), and certificates of CAs are read as PEM or DER; `openssl pkcs12 -in … -nokeys -out …` takes the certificates out of it"
    )]
    Pfx,
    /// Something else.
    #[error("neither PEM, nor a certificate in DER, nor PKCS#12 (PFX)")]
    Unknown,
}
impl CertificateError {
    /// An error if there is one among the findings about what stands in `file`; otherwise the warnings among them.
    pub(crate) fn unfit(file: &str, mut findings: Vec<Finding>) -> Result<Vec<Finding>, Self> {
        let level = findings.iter().map(|finding| finding.level).max();
        if level == Some(Level::Error) {
            findings.retain(|finding| finding.level == Level::Error);
            return Err(Self::Unfit {
                file: file.to_owned(),
                objections: findings.into_iter().map(|finding| finding.text).collect(),
            });
        }
        findings.retain(|finding| finding.level == Level::Warning);
        Ok(findings)
    }
}
