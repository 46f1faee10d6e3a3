//! Every form in which people keep a certificate and its key, as OpenSSL writes it. `tests/data/README.md` says what is
//! in the files.
#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::fs;
use std::path::{Path, PathBuf};

use provisioning::certificate::load::{Identity, LoadOptions};
use provisioning::certificate::{Binary, CertificateError, Password};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

fn load(certificate: &str, key: Option<&str>, password: Option<&str>) -> Result<Identity, CertificateError> {
    let key = key.map(data);
    let password = password.map(Password::new);
    Identity::load_with(LoadOptions {
        certificate: &data(certificate),
        key: key.as_deref(),
        password: password.as_ref(),
    })
}

fn common_name(identity: &Identity) -> &str {
    identity.leaf.common_name.as_deref().unwrap()
}

/// What `load` refuses, with the folder of the files left out.
fn refusal(certificate: &str, key: Option<&str>, password: Option<&str>) -> String {
    let folder = data("").display().to_string();
    load(certificate, key, password)
        .unwrap_err()
        .to_string()
        .replace(&folder, "")
}

#[test]
fn plain_keys_load_in_every_form() {
    for key in ["key_sec1.pem", "key_pkcs8.pem"] {
        assert_eq!(
            common_name(&load("leaf.pem", Some(key), None).unwrap()),
            "thermo-format"
        );
    }
    for key in ["rsa_key_pkcs1.pem", "rsa_key_pkcs8.pem"] {
        assert_eq!(
            common_name(&load("rsa_leaf.pem", Some(key), None).unwrap()),
            "thermo-rsa"
        );
    }
}

#[test]
fn encrypted_keys_load_with_their_password() {
    for key in [
        "key_aes128.pem",
        "key_aes256.pem",
        "key_sha1.pem",
        "key_3des.pem",
        "key_scrypt.pem",
    ] {
        let identity = load("leaf.pem", Some(key), Some("1234")).unwrap_or_else(|error| panic!("{key}: {error}"));
        assert_eq!(common_name(&identity), "thermo-format");
        assert_eq!(
            refusal("leaf.pem", Some(key), Some("12345")),
            format!("the password given is not the one of `{key}`")
        );
        assert_eq!(
            refusal("leaf.pem", Some(key), None),
            format!(
                "the private key in `{key}` is encrypted and no password was given; give it, or decrypt the key with `openssl pkey -in … -out …`"
            )
        );
    }
}

#[test]
fn keys_encrypted_in_older_ways_are_refused_with_the_remedy() {
    for key in ["key_pbes1.pem", "key_traditional.pem"] {
        let error = load("leaf.pem", Some(key), Some("1234")).unwrap_err();
        assert!(
            matches!(error, CertificateError::UnsupportedEncryption { .. }),
            "{key}: {error}"
        );
        assert!(error.to_string().contains("`openssl pkey -in … -out …`"), "{error}");
    }
}

#[test]
fn pfx_files_new_and_old_load_without_a_key_file() {
    for (file, expected) in [
        ("modern.pfx", "thermo-format"),
        ("legacy.pfx", "thermo-format"),
        ("rsa_legacy.pfx", "thermo-rsa"),
        ("no_mac.pfx", "thermo-format"),
    ] {
        let identity = load(file, None, Some("1234")).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(
            (common_name(&identity), identity.chain().len()),
            (expected, 1),
            "{file}"
        );
        let same = load(file, Some(file), Some("1234")).unwrap();
        assert_eq!(same.leaf, identity.leaf);

        assert_eq!(
            refusal(file, None, Some("12345")),
            format!("the password given is not the one of `{file}`")
        );
        assert_eq!(
            refusal(file, None, None),
            format!("`{file}` is protected by a password, and none was given")
        );
    }
    assert_eq!(common_name(&load("plain.pfx", None, None).unwrap()), "thermo-format");
}

#[test]
fn a_chain_in_a_pfx_is_put_in_order_and_strangers_are_left_out() {
    let of_one = load("chain.pfx", None, Some("1234")).unwrap();
    let of_two = load("chain_no_key.pfx", Some("key_pkcs8.pem"), Some("1234")).unwrap();
    assert_eq!(common_name(&of_one), "thermo-chain");
    assert_eq!(of_one.chain().len(), 3);
    assert_eq!(of_one.chain(), of_two.chain());
    assert_eq!(of_one.leaf.issuer_common_name.as_deref(), Some("format intermediate"));
}

#[test]
fn pem_and_pfx_may_be_mixed() {
    for (certificate, key) in [
        ("no_key.pfx", "key_sec1.pem"),
        ("no_key.pfx", "key_aes128.pem"),
        ("leaf.pem", "no_certificate.pfx"),
        ("leaf.pem", "legacy.pfx"),
    ] {
        let identity = load(certificate, Some(key), Some("1234")).unwrap();
        assert_eq!(common_name(&identity), "thermo-format", "{certificate}, {key}");
    }
}

#[test]
fn what_a_file_is_shows_in_its_content_and_not_in_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, content: &[u8]| {
        fs::write(folder.path().join(name), content).unwrap();
        folder.path().join(name)
    };
    let text = |name: &str| fs::read_to_string(data(name)).unwrap();
    let password = Password::new("1234");
    let both = text("key_aes256.pem") + &text("leaf.pem") + "null";
    for path in [
        put("modern.pem", &fs::read(data("modern.pfx")).unwrap()),
        put("both.pfx", both.as_bytes()),
        put("carriage.txt", both.replace('\n', "\r\n").as_bytes()),
        put("plain.cer", (text("leaf.pem") + &text("key_sec1.pem")).as_bytes()),
    ] {
        let identity = Identity::load_with(LoadOptions {
            certificate: &path,
            key: None,
            password: Some(&password),
        })
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(common_name(&identity), "thermo-format");
    }
}

#[test]
fn halves_and_strangers_are_named() {
    assert_eq!(
        refusal("no_key.pfx", None, Some("1234")),
        "no private key in `no_key.pfx`"
    );
    assert_eq!(
        refusal("no_certificate.pfx", None, Some("1234")),
        "no certificate in `no_certificate.pfx`"
    );
    assert_eq!(
        refusal("leaf.pem", None, None),
        "no private key in `leaf.pem`, but a certificate"
    );
    assert_eq!(
        refusal("key_sec1.pem", None, None),
        "no certificate in `key_sec1.pem`, but a private key"
    );
    assert_eq!(
        refusal("rsa_leaf.pem", Some("modern.pfx"), Some("1234")),
        "the key in `modern.pfx` does not belong to the certificate in `rsa_leaf.pem`"
    );
    assert_eq!(
        refusal("rsa_legacy.pfx", Some("key_sec1.pem"), Some("1234")),
        "the key in `key_sec1.pem` does not belong to the certificate in `rsa_legacy.pfx`"
    );
}

#[test]
fn a_pfx_that_can_not_be_read_comes_with_the_remedy() {
    let text = refusal("rc2_128.pfx", None, Some("1234"));
    assert_eq!(
        text,
        "`rc2_128.pfx` is a PKCS#12 file that can't be read here (Unsupported encryption scheme); convert it with `openssl pkcs12 -legacy -in … -nodes -out identity.pem` (OpenSSL 1 has no `-legacy`) and load that as certificate and key"
    );
}

#[test]
fn a_certificate_in_der_is_read_and_other_binary_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("leaf.cer");
    let leaf = load("leaf.pem", Some("key_sec1.pem"), None).unwrap();
    fs::write(&path, &leaf.chain()[0]).unwrap();
    let read = Identity::load(&path, &data("key_sec1.pem")).unwrap();
    assert_eq!(read.chain(), &leaf.chain()[..1]);
    let error = Identity::load(&path, &path).unwrap_err().to_string();
    assert_eq!(
        error,
        format!("no private key in `{}`, but a certificate", path.display())
    );

    fs::write(&path, b"\x30\x81\x06\x02\x01\x00\x30\x01\x00").unwrap();
    let error = Identity::load(&path, &data("key_sec1.pem")).unwrap_err();
    assert!(
        matches!(error, CertificateError::Binary { what: Binary::Key, .. }),
        "{error}"
    );
    assert!(
        error.to_string().contains("leaf.cer` is a private key in DER"),
        "{error}"
    );
}

#[test]
fn a_file_that_asks_for_too_many_iterations_is_refused() {
    assert_eq!(
        refusal("costly.pfx", None, Some("1234")),
        "`costly.pfx` asks for 11000000 iterations to derive its keys, at most 1000000 are done"
    );
    assert_eq!(
        refusal("leaf.pem", Some("costly_key.pem"), Some("1234")),
        "`costly_key.pem` asks for 11000000 iterations to derive its keys, at most 10000000 are done"
    );
}

#[test]
fn no_refusal_contains_the_password_or_the_key() {
    for (certificate, key) in [
        ("modern.pfx", None),
        ("rc2_128.pfx", None),
        ("leaf.pem", Some("key_aes256.pem")),
        ("leaf.pem", Some("key_pbes1.pem")),
    ] {
        let error = load(certificate, key, Some("s3cr3t"));
        let error = error.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cr3t"), "{error:?}");
    }
}
