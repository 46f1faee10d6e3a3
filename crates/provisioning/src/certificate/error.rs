//! Every way a certificate or its key can be unusable.

use std::io;
use std::path::PathBuf;

use jiff::Timestamp;

/// Why a certificate could not be made, read or used.
///
/// Files are named as the caller named them; nothing of a key is ever part of a message.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The operating system refused the file.
    #[error("cannot read `{}`: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        reason: io::Error,
    },
    /// The file holds no certificate.
    #[error("no certificate in {file}")]
    NoCertificate {
        /// The file.
        file: String,
    },
    /// The file holds no private key.
    #[error("no private key in {file}")]
    NoKey {
        /// The file.
        file: String,
    },
    /// The private key is encrypted, and nobody said with what.
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
    /// The PFX file is protected, and nobody said with what.
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
    /// The file is binary, but no PFX in DER: a certificate or key in DER, or something else altogether.
    #[error(
        "{file} is neither PEM nor PKCS#12 (PFX); if it is a certificate in DER, convert it with `openssl x509 -inform der -in … -out …`, a key with `openssl pkey -inform der -in … -out …`"
    )]
    NotPfx {
        /// The file.
        file: String,
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
    /// Certificate and key are no pair.
    #[error("the key in {key} does not belong to the certificate in {certificate}")]
    KeyMismatch {
        /// The file of the certificate.
        certificate: String,
        /// The file of the key.
        key: String,
    },
    /// The certificate's time is over.
    #[error("the certificate in {file} expired on {not_after}")]
    Expired {
        /// The file.
        file: String,
        /// The last second it was valid.
        not_after: Timestamp,
    },
    /// The certificate's time has not begun.
    #[error("the certificate in {file} is not valid before {not_before}")]
    NotYetValid {
        /// The file.
        file: String,
        /// The first second it will be valid.
        not_before: Timestamp,
    },
    /// DPS takes the subject's common name for the registration id, so the two must be equal.
    #[error(
        "the certificate in {file} has the common name `{common_name}`, but the registration id is `{registration_id}`"
    )]
    CommonName {
        /// The file.
        file: String,
        /// The subject's common name, empty if it has none.
        common_name: String,
        /// What it had to be.
        registration_id: String,
    },
    /// A CA was asked for, and this certificate may not sign others.
    #[error("the certificate in {file} is not a CA certificate")]
    NotACa {
        /// The file.
        file: String,
    },
    /// X.509 allows 1 to 64 characters in a common name (RFC 5280, `ub-common-name`).
    #[error("`{common_name}` can't be a common name: it has {} characters, 1 to 64 are allowed", common_name.chars().count())]
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
        /// What the library said.
        reason: rcgen::Error,
    },
}
