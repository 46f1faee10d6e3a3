//! PFX, alias PKCS#12 (RFC 7292): certificates and keys in one binary file under one password.

use p12_keystore::Pkcs12Archive;
use p12_keystore::error::Error;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use x509_parser::asn1_rs::{Any, FromDer, Sequence};
use zeroize::Zeroizing;

use super::error::Binary;
use super::password::Password;
use super::{CertificateError, cost, inspect};

/// What the library refuses by itself, then without saying why.
const ITERATIONS: u64 = 1_000_000;

/// More CAs than any chain has.
const CHAIN: usize = 10;

/// What stands in a PFX file.
pub(super) struct Pfx {
    certificates: Vec<CertificateDer<'static>>,
    keys: Vec<Zeroizing<PrivateKeyDer<'static>>>,
}

/// Whether `bytes` are DER (or BER) rather than text: a SEQUENCE with a length no ASCII letter stands for.
pub(super) fn is_binary(bytes: &[u8]) -> bool {
    matches!(bytes, [0x30, 0x80..=0xFF, ..])
}

impl Pfx {
    /// Opens a PFX file; without a password the empty one is tried.
    ///
    /// The work a file may ask for is bounded as far as it can be seen before decrypting. What lies behind the first
    /// encryption is limited only per derivation, by the library; to build a file that is slow there takes the password.
    pub(super) fn open(bytes: &[u8], password: Option<&Password>, file: &str) -> Result<Self, CertificateError> {
        let authenticated = is_authenticated(bytes).ok_or_else(|| CertificateError::Binary {
            file: file.to_owned(),
            what: Binary::Unknown,
        })?;
        cost::check(bytes, Some(ITERATIONS), file)?;
        let archive = Pkcs12Archive::from_pkcs12(bytes, password.map_or("", Password::secret))
            .map_err(|reason| refusal(reason, authenticated, password.is_some(), file))?;
        Ok(Self {
            certificates: archive
                .certs
                .iter()
                .map(|bag| CertificateDer::from(bag.cert.as_der().to_vec()))
                .collect(),
            keys: archive
                .keys
                .iter()
                .map(|bag| Zeroizing::new(PrivatePkcs8KeyDer::from(bag.key.as_der().to_vec()).into()))
                .collect(),
        })
    }

    /// Every certificate, in the order of the file; may be empty.
    pub(super) fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }

    /// Every key, in the order of the file; may be empty.
    pub(super) fn keys(&self) -> Vec<Zeroizing<PrivateKeyDer<'static>>> {
        self.keys.iter().map(|key| Zeroizing::new(key.clone_key())).collect()
    }

    /// The leaf over a public key, by its bits, and the CAs above it, whatever their order in the file; `None` if no certificate fits.
    pub(super) fn chain(
        &self,
        public_bits: &[u8],
        file: &str,
    ) -> Result<Option<Vec<CertificateDer<'static>>>, CertificateError> {
        if self.certificates.is_empty() {
            return Err(CertificateError::NoCertificate {
                file: file.to_owned(),
                found: None,
            });
        }
        let mut chain: Vec<CertificateDer<'static>> = Vec::new();
        for certificate in &self.certificates {
            if inspect::is_over(certificate, public_bits, file)? {
                chain.push(certificate.clone());
                break;
            }
        }
        while let Some(last) = chain.last()
            && chain.len() < CHAIN
        {
            let mut above = None;
            for candidate in &self.certificates {
                if !chain.contains(candidate) && inspect::issued_by(last, candidate, file)? {
                    above = Some(candidate.clone());
                    break;
                }
            }
            let Some(above) = above else { break };
            chain.push(above);
        }
        Ok((!chain.is_empty()).then_some(chain))
    }
}

/// Whether a PFX file carries a MAC, by which a wrong password differs from a broken file; `None` if it is no PFX.
pub(super) fn is_authenticated(bytes: &[u8]) -> Option<bool> {
    let (_, pfx) = Sequence::from_der(bytes).ok()?;
    let (rest, version) = u32::from_der(&pfx.content).ok()?;
    let (rest, _) = Any::from_der(rest).ok()?;
    (version == 3).then_some(!rest.is_empty())
}

fn refusal(reason: Error, authenticated: bool, has_password: bool, file: &str) -> CertificateError {
    let file = file.to_owned();
    let wrong_password = match reason {
        Error::MacError(_) => true,
        // With a MAC the password was right, so the cipher is strange; without one this is how a wrong password shows.
        Error::UnpadError | Error::Pkcs5Error(_) | Error::DerError(_) | Error::InvalidPrivateKey => !authenticated,
        _ => false,
    };
    match (wrong_password, has_password) {
        (true, true) => CertificateError::WrongPassword { file },
        (true, false) => CertificateError::PasswordMissing { file },
        (false, _) => CertificateError::UnsupportedPfx {
            file,
            reason: reason.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MODERN: &[u8] = include_bytes!("../../tests/data/modern.pfx");
    const LEGACY: &[u8] = include_bytes!("../../tests/data/legacy.pfx");
    const NO_MAC: &[u8] = include_bytes!("../../tests/data/no_mac.pfx");
    const PLAIN: &[u8] = include_bytes!("../../tests/data/plain.pfx");

    fn open(bytes: &[u8]) -> Result<Pfx, CertificateError> {
        Pfx::open(bytes, Some(&Password::new("1234")), "x")
    }

    #[test]
    fn text_is_not_taken_for_binary() {
        assert!(is_binary(MODERN));
        assert!(!is_binary(b"0123"));
        assert!(!is_binary(b"-----BEGIN CERTIFICATE-----"));
        assert!(!is_binary(b""));
    }

    #[test]
    fn a_mac_is_seen() {
        assert_eq!(is_authenticated(MODERN), Some(true));
        assert_eq!(is_authenticated(NO_MAC), Some(false));
        assert_eq!(is_authenticated(&MODERN[..MODERN.len() - 1]), None);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
            let _ = open(&bytes);
            let _ = open(&[&[0x30, 0x82, 0x01, 0x00, 0x02, 0x01, 0x03], bytes.as_slice()].concat());
        }

        // Without a MAC every change gets through to the bags.
        #[test]
        fn a_mutated_file_never_panics(
            file in prop::sample::select(vec![MODERN, LEGACY, NO_MAC, PLAIN]),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        ) {
            let mut bytes = file.to_vec();
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if let Ok(pfx) = open(&bytes) {
                let _ = pfx.chain(b"", "x");
            }
        }
    }
}
