//! `ENCRYPTED PRIVATE KEY`: PKCS#8 under a password (RFC 5958, RFC 8018 PBES2).

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use pkcs8::{EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::password::Password;
use super::{CertificateError, armour::Flaw, cost};

const BEGIN: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
const END: &str = "-----END ENCRYPTED PRIVATE KEY-----";

/// The DER of the first encrypted key of `pem`, if there is one.
pub(super) fn find(pem: &[u8], file: &str) -> Result<Option<Vec<u8>>, CertificateError> {
    let Some((_, after)) = split(pem, BEGIN) else {
        return Ok(None);
    };
    let malformed = |flaw| CertificateError::NotPem {
        file: file.to_owned(),
        flaw,
    };
    let (body, _) = split(after, END).ok_or_else(|| malformed(Flaw::NoEnd { line: 1 }))?;
    let digits: Vec<u8> = body
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    BASE64.decode(digits).map(Some).map_err(|_| malformed(Flaw::NotBase64))
}

/// Unlocks what [`find`] found.
pub(super) fn decrypt(der: &[u8], password: &Password, file: &str) -> Result<PrivateKeyDer<'static>, CertificateError> {
    let unsupported = |reason: &dyn ToString| CertificateError::UnsupportedEncryption {
        file: file.to_owned(),
        reason: reason.to_string(),
    };
    cost::check(der, None, file)?;
    let key = EncryptedPrivateKeyInfoRef::try_from(der).map_err(|reason| unsupported(&reason))?;
    let wrong = || CertificateError::WrongPassword { file: file.to_owned() };
    let plain = key.decrypt(password.secret()).map_err(|reason| match reason {
        pkcs8::Error::EncryptedPrivateKey(
            reason @ (pkcs8::pkcs5::Error::UnsupportedAlgorithm { .. }
            | pkcs8::pkcs5::Error::AlgorithmParametersInvalid { .. }
            | pkcs8::pkcs5::Error::NoPbes1CryptSupport),
        ) => unsupported(&reason),
        _ => wrong(),
    })?;
    // One wrong password in 256 leaves what looks like padding, and noise before it.
    PrivateKeyInfoRef::try_from(plain.as_bytes()).map_err(|_| wrong())?;
    Ok(PrivatePkcs8KeyDer::from(plain.as_bytes().to_vec()).into())
}

fn split<'a>(bytes: &'a [u8], marker: &str) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes
        .windows(marker.len())
        .position(|window| window == marker.as_bytes())?;
    let (before, from) = bytes.split_at(at);
    Some((before, &from[marker.len()..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LOCKED: &[u8] = include_bytes!("../../tests/data/key_aes256.pem");

    fn password() -> Password {
        Password::new("1234")
    }

    #[test]
    fn a_key_is_found_between_other_text_and_line_ends() {
        let locked = String::from_utf8(LOCKED.to_vec()).unwrap();
        let der = find(LOCKED, "k").unwrap().unwrap();
        for text in [
            locked.replace('\n', "\r\n"),
            format!("Bag Attributes\n    friendlyName: x\n{locked}null"),
            format!("{}null", locked.trim_end()),
        ] {
            assert_eq!(find(text.as_bytes(), "k").unwrap().as_ref(), Some(&der), "{text}");
        }
        assert!(find(b"-----BEGIN PRIVATE KEY-----", "k").unwrap().is_none());
    }

    #[test]
    fn a_key_that_breaks_off_is_malformed() {
        let half = &LOCKED[..LOCKED.len() / 2];
        assert!(matches!(find(half, "k"), Err(CertificateError::NotPem { .. })));
    }

    #[test]
    fn no_wrong_password_is_taken_for_a_broken_key() {
        // Enough of them that padding comes out right by chance in about two.
        let der = find(LOCKED, "k").unwrap().unwrap();
        for number in 0..600 {
            let error = decrypt(&der, &Password::new(format!("wrong {number}")), "k").unwrap_err();
            assert!(
                matches!(error, CertificateError::WrongPassword { .. }),
                "{number}: {error}"
            );
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
            let _ = find(&bytes, "k");
            let _ = decrypt(&bytes, &password(), "k");
        }

        #[test]
        fn a_mutated_key_never_panics(at in any::<prop::sample::Index>(), byte: u8, end in any::<prop::sample::Index>()) {
            let mut der = find(LOCKED, "k").unwrap().unwrap();
            let at = at.index(der.len());
            der[at] = byte;
            let _ = decrypt(&der, &password(), "k");
            der.truncate(end.index(der.len()));
            let _ = decrypt(&der, &password(), "k");
        }
    }
}
