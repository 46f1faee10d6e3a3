//! A certificate and its key in one PFX file.

use p12_keystore::{
    Certificate, EncryptionAlgorithm, KeyStore, KeyStoreEntry, MacAlgorithm, PrivateKey, PrivateKeyChain,
};
use zeroize::Zeroizing;

use super::key_pair;
use crate::certificate::{CertificateError, Password, pem};

/// How PFX readers show the key's entry.
const ALIAS: &str = "device";

/// The ciphers of a PFX file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PfxCipher {
    /// What OpenSSL 3 uses: AES-256, its key by PBKDF2 with HMAC-SHA-256, and a MAC with SHA-256.
    #[default]
    Modern,
    /// What Windows up to Server 2016 and Windows 10 1703 can import, `openssl pkcs12 -legacy`: triple DES and a MAC with SHA-1.
    /// Weak by today's measure; for test certificates.
    Legacy,
}

/// Puts a key and its chain (the certificate first) into a PFX file that `password` opens. `common_name` is for messages.
pub fn to_pfx(
    chain_pem: &str,
    key_pem: &str,
    password: &Password,
    cipher: PfxCipher,
    common_name: &str,
) -> Result<Zeroizing<Vec<u8>>, CertificateError> {
    let name = format!("the PFX file for `{common_name}`");
    let failed = |reason: p12_keystore::error::Error| CertificateError::Malformed {
        file: name.clone(),
        reason: reason.to_string(),
    };
    let key_der = Zeroizing::new(key_pair(key_pem.as_bytes(), &name)?.serialize_der());
    let key = PrivateKey::from_der(&key_der).map_err(failed)?;
    let chain = pem::certificates(chain_pem.as_bytes(), &name)?
        .iter()
        .map(|der| Certificate::from_der(der).map_err(failed))
        .collect::<Result<Vec<_>, _>>()?;
    let mut store = KeyStore::new();
    store.add_entry(
        ALIAS,
        KeyStoreEntry::PrivateKeyChain(PrivateKeyChain::new(ALIAS, key, chain)),
    );
    let (encryption, mac) = match cipher {
        PfxCipher::Modern => (
            EncryptionAlgorithm::PbeWithHmacSha256AndAes256,
            MacAlgorithm::HmacSha256,
        ),
        PfxCipher::Legacy => (
            EncryptionAlgorithm::PbeWithShaAnd3KeyTripleDesCbc,
            MacAlgorithm::HmacSha1,
        ),
    };
    store
        .writer(password.secret())
        .encryption_algorithm(encryption)
        .mac_algorithm(mac)
        .write()
        .map(Zeroizing::new)
        .map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::load::{Identity, LoadOptions};
    use crate::certificate::make::{CertificateAuthority, KeyType, Validity};

    #[test]
    fn what_is_sealed_loads_again_with_its_chain_and_only_with_its_password() {
        let now = "2026-11-23T15:00:00Z".parse().unwrap();
        let root = CertificateAuthority::root("root", KeyType::P256, Validity::root(now)).unwrap();
        let middle = root
            .intermediate("middle", KeyType::P384, Validity::intermediate(now))
            .unwrap();
        let leaf = middle.leaf("thermo-1", KeyType::Rsa2048, Validity::leaf(now)).unwrap();
        for cipher in [PfxCipher::Modern, PfxCipher::Legacy] {
            let chain = leaf.fullchain_pem();
            let pfx = to_pfx(&chain, leaf.key_pem(), &Password::new("1234"), cipher, "thermo-1").unwrap();
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("thermo1.pfx");
            std::fs::write(&path, &pfx).unwrap();
            let load = |password: &str| {
                Identity::load_with(LoadOptions {
                    certificate: &path,
                    key: None,
                    password: Some(&Password::new(password)),
                })
            };
            let identity = load("1234").unwrap();
            assert_eq!(identity.leaf, *leaf.facts());
            assert_eq!(identity.chain().len(), 2);
            assert!(matches!(load("12345"), Err(CertificateError::WrongPassword { .. })));
        }
    }
}
