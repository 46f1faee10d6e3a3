//! OpenSSL as a second opinion on what we make, and as the maker of what we load. Without an `openssl` program these
//! tests say so and pass, unless `FLEET_REQUIRE_REFEREES` is set, as it is in CI.
#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::{SignedDuration, Timestamp};
use provisioning::certificate::examine::{Enrolled, ExamineRequest, Examined, Level, conclude, examine};
use provisioning::certificate::inspect::{self, CertificateFacts};
use provisioning::certificate::load::{self, Identity, LoadOptions};
use provisioning::certificate::make::{CertificateAuthority, KeyType, PfxCipher, Validity, self_signed, to_pfx};
use provisioning::certificate::{CertificateError, Password};
use provisioning::identities::{Generation, GroupSpec, Issuer, Lifetime};

struct OpenSsl {
    folder: tempfile::TempDir,
}

impl OpenSsl {
    fn find() -> Option<Self> {
        let found = Command::new("openssl")
            .arg("version")
            .output()
            .is_ok_and(|output| output.status.success());
        if !found {
            assert!(
                std::env::var_os("FLEET_REQUIRE_REFEREES").is_none(),
                "FLEET_REQUIRE_REFEREES is set, and there is no openssl"
            );
            eprintln!("no openssl here, nothing compared");
            return None;
        }
        Some(Self {
            folder: tempfile::tempdir().unwrap(),
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn put(&self, name: &str, content: &str) -> PathBuf {
        fs::write(self.path(name), content).unwrap();
        self.path(name)
    }

    /// Runs `openssl <line>` in the folder and returns what it said, on either channel.
    fn run(&self, line: &str) -> Result<String, String> {
        let output = Command::new("openssl")
            .args(line.split_whitespace())
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        if output.status.success() { Ok(said) } else { Err(said) }
    }
}

/// OpenSSL judges by the machine's clock, so these certificates are made for the real now: the root's own begin and end
/// would betray a made-up one.
fn now() -> Timestamp {
    Timestamp::now()
}

#[test]
fn openssl_accepts_our_chains_and_reads_what_we_wrote() {
    let Some(openssl) = OpenSsl::find() else { return };
    let root = CertificateAuthority::root("our root", KeyType::P256, Validity::root(now())).unwrap();
    let intermediate = root
        .intermediate("our intermediate", KeyType::P256, Validity::intermediate(now()))
        .unwrap();
    let leaf = intermediate
        .leaf("thermo-0001", KeyType::P256, Validity::leaf(now()))
        .unwrap();
    openssl.put("root.pem", root.cert_pem());
    openssl.put("intermediate.pem", intermediate.cert_pem());
    openssl.put("leaf.pem", leaf.cert_pem());
    openssl.put("fullchain.pem", &leaf.fullchain_pem());
    openssl.put("leaf_key.pem", leaf.key_pem());
    openssl.put(
        "proof.pem",
        root.verification("1A2B3C", KeyType::P256, Validity::verification(now()))
            .unwrap()
            .cert_pem(),
    );

    let strict = "verify -x509_strict -purpose sslclient -CAfile root.pem";
    openssl
        .run(&format!("{strict} -untrusted intermediate.pem leaf.pem"))
        .unwrap();
    // The device's own file is enough.
    openssl
        .run(&format!("{strict} -untrusted fullchain.pem fullchain.pem"))
        .unwrap();
    openssl.run(&format!("{strict} proof.pem")).unwrap();
    openssl.run(&format!("{strict} leaf.pem")).unwrap_err();

    let text = |name: &str| openssl.run(&format!("x509 -noout -text -in {name}")).unwrap();
    let root_text = text("root.pem");
    assert!(
        root_text.contains("X509v3 Basic Constraints: critical\n                CA:TRUE\n"),
        "{root_text}"
    );
    assert!(
        root_text.contains("Digital Signature, Certificate Sign, CRL Sign"),
        "{root_text}"
    );
    assert!(text("intermediate.pem").contains("CA:TRUE, pathlen:0"));
    let leaf_text = text("leaf.pem");
    for part in [
        "TLS Web Client Authentication",
        "CA:FALSE",
        "X509v3 Authority Key Identifier",
        "X509v3 Subject Key Identifier",
    ] {
        assert!(leaf_text.contains(part), "{part} in {leaf_text}");
    }

    let facts = |option: &str| {
        openssl
            .run(&format!("x509 -noout -in leaf.pem {option}"))
            .unwrap()
            .replace(':', "")
    };
    assert_eq!(facts("-subject -nameopt RFC2253").trim(), "subject=CN=thermo-0001");
    assert_eq!(facts("-issuer -nameopt RFC2253").trim(), "issuer=CN=our intermediate");
    assert!(facts("-fingerprint -sha1").trim().ends_with(&leaf.facts().sha1));
    assert!(facts("-fingerprint -sha256").trim().ends_with(&leaf.facts().sha256));
    assert_eq!(facts("-serial").trim(), format!("serial={}", leaf.facts().serial));
    assert!(
        openssl
            .run("pkey -in leaf_key.pem -noout -text")
            .unwrap()
            .contains("P-256")
    );
}

#[test]
fn openssl_accepts_the_folders_of_groups_that_share_a_root_whatever_their_keys() {
    let Some(openssl) = OpenSsl::find() else { return };
    let certs = openssl.path("certs");
    let main = GroupSpec {
        secondary: true,
        key_type: KeyType::P384,
        ..GroupSpec::new(&certs, "main", Issuer::Root)
    };
    let annex = GroupSpec {
        root_of: Some("main".to_owned()),
        key_type: KeyType::Rsa2048,
        lifetime: Lifetime::of_leaves(SignedDuration::from_hours(12)),
        ..GroupSpec::new(&certs, "annex", Issuer::Intermediate)
    };
    main.open_or_create(["main-1"], now(), &|_, _| {}).unwrap();
    annex.open_or_create(["annex-1"], now(), &|_, _| {}).unwrap();
    let next = Generation::FIRST.next();
    main.issue(next, ["main-1"], now(), &|_, _| {}).unwrap();

    let verify = |root: &str, group: &str, leaf: &str, chain: &str| {
        let folder = format!("certs/{group}/leaves/{leaf}");
        openssl.run(&format!(
            "verify -x509_strict -purpose sslclient -CAfile certs/main/{root}/root_cert.pem \
             -untrusted {folder}_{chain}.pem {folder}_cert.pem"
        ))
    };
    verify("ca", "main", "0001/main-1", "cert").unwrap();
    verify("ca-0002", "main", "0002/main-1", "cert").unwrap();
    verify("ca", "main", "0002/main-1", "cert").unwrap_err();
    verify("ca", "annex", "0001/annex-1", "fullchain").unwrap();
    let leaf = "certs/annex/leaves/0001/annex-1_cert.pem";
    openssl.run(&format!("x509 -in {leaf} -noout -checkend 40000")).unwrap();
    openssl
        .run(&format!("x509 -in {leaf} -noout -checkend 44000"))
        .unwrap_err();
}

#[test]
fn openssl_accepts_our_self_signed_certificate_as_its_own_root() {
    let Some(openssl) = OpenSsl::find() else { return };
    let made = self_signed("lab", KeyType::P256, Validity::leaf(now())).unwrap();
    openssl.put("lab.pem", made.cert_pem());
    openssl
        .run("verify -purpose sslclient -CAfile lab.pem lab.pem")
        .unwrap();
    let names = openssl
        .run("x509 -noout -subject -issuer -nameopt RFC2253 -in lab.pem")
        .unwrap();
    assert_eq!(names, "subject=CN=lab\nissuer=CN=lab\n");
}

#[test]
fn keys_made_by_openssl_load_in_every_form() {
    let Some(openssl) = OpenSsl::find() else { return };
    let self_sign = "-days 2 -subj /CN=lab -out";
    // With `-param_enc` left alone EC files also carry an `EC PARAMETERS` section before the key, which is to be skipped.
    openssl.run("ecparam -name prime256v1 -genkey -out sec1.pem").unwrap();
    openssl.run("genrsa -traditional -out pkcs1.pem 2048").unwrap();
    openssl
        .run("pkcs8 -topk8 -nocrypt -in sec1.pem -out ec_pkcs8.pem")
        .unwrap();
    openssl
        .run("pkcs8 -topk8 -nocrypt -in pkcs1.pem -out rsa_pkcs8.pem")
        .unwrap();
    openssl.run("ecparam -name secp384r1 -genkey -out p384.pem").unwrap();

    for (key, label) in [
        ("sec1.pem", "BEGIN EC PRIVATE KEY"),
        ("pkcs1.pem", "BEGIN RSA PRIVATE KEY"),
        ("ec_pkcs8.pem", "BEGIN PRIVATE KEY"),
        ("rsa_pkcs8.pem", "BEGIN PRIVATE KEY"),
        ("p384.pem", "BEGIN EC PRIVATE KEY"),
    ] {
        assert!(
            fs::read_to_string(openssl.path(key)).unwrap().contains(label),
            "{key} is not what this test is about"
        );
        openssl
            .run(&format!("req -x509 -new -key {key} {self_sign} cert.pem"))
            .unwrap();
        // The official tool leaves the word `null` behind the last certificate.
        let cert = fs::read_to_string(openssl.path("cert.pem")).unwrap();
        openssl.put("cert.pem", &format!("{cert}null"));
        let identity = Identity::load(&openssl.path("cert.pem"), &openssl.path(key)).unwrap();
        identity.check("lab", now() + SignedDuration::from_mins(1)).unwrap();
    }

    let other = Identity::load(&openssl.path("cert.pem"), &openssl.path("pkcs1.pem")).unwrap_err();
    assert!(matches!(other, CertificateError::KeyMismatch { .. }), "{other}");

    openssl
        .run("rsa -aes128 -passout pass:secret -in pkcs1.pem -out locked.pem")
        .unwrap();
    let locked = Identity::load(&openssl.path("cert.pem"), &openssl.path("locked.pem")).unwrap_err();
    assert!(matches!(locked, CertificateError::EncryptedKey { .. }), "{locked}");
}

#[test]
fn keys_encrypted_and_pfx_files_made_by_openssl_load() {
    let Some(openssl) = OpenSsl::find() else { return };
    let password = Password::new("pass wörd");
    openssl.put("password", "pass wörd\n");
    let load = |certificate: &str, key: Option<&str>| {
        let key = key.map(|key| openssl.path(key));
        Identity::load_with(LoadOptions {
            certificate: &openssl.path(certificate),
            key: key.as_deref(),
            password: Some(&password),
        })
    };
    let makers = [
        "ecparam -name prime256v1 -genkey -noout -out key.pem",
        "genrsa -traditional -out key.pem 2048",
    ];
    for maker in makers {
        openssl.run(maker).unwrap();
        openssl
            .run("req -x509 -new -key key.pem -days 2 -subj /CN=lab -out cert.pem")
            .unwrap();
        for cipher in [
            "-v2 aes-128-cbc",
            "-v2 aes-192-cbc",
            "-v2 aes-256-cbc -v2prf hmacWithSHA512",
            "-v2 des3 -iter 1",
            "-scrypt",
        ] {
            openssl
                .run(&format!(
                    "pkcs8 -topk8 -in key.pem {cipher} -passout file:password -out locked.pem"
                ))
                .unwrap();
            load("cert.pem", Some("locked.pem")).unwrap_or_else(|error| panic!("{cipher}: {error}"));
        }

        let mut ciphers = vec!["-keypbe AES-256-CBC -certpbe AES-256-CBC -macalg sha256"];
        // The old ciphers are a module that distributions may leave out.
        if openssl.run("list -providers -provider legacy").is_ok() {
            ciphers.push("-legacy");
            ciphers.push("-keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES -macalg sha1");
        }
        for cipher in ciphers {
            openssl
                .run(&format!(
                    "pkcs12 -export -in cert.pem -inkey key.pem {cipher} -passout file:password -out lab.pfx"
                ))
                .unwrap();
            let identity = load("lab.pfx", None).unwrap_or_else(|error| panic!("{cipher}: {error}"));
            identity.check("lab", now() + SignedDuration::from_mins(1)).unwrap();

            let refused = Identity::load(&openssl.path("lab.pfx"), &openssl.path("key.pem")).unwrap_err();
            assert!(matches!(refused, CertificateError::PasswordMissing { .. }), "{refused}");
        }
    }
}

#[test]
fn the_remedy_for_a_pfx_that_is_not_read_makes_a_file_that_is() {
    let Some(openssl) = OpenSsl::find() else { return };
    if openssl.run("list -providers -provider legacy").is_err() {
        eprintln!("no legacy provider here, nothing converted");
        return;
    }
    openssl
        .run("ecparam -name prime256v1 -genkey -noout -out key.pem")
        .unwrap();
    openssl
        .run("req -x509 -new -key key.pem -days 2 -subj /CN=lab -out cert.pem")
        .unwrap();
    openssl
        .run("pkcs12 -export -in cert.pem -inkey key.pem -legacy -certpbe PBE-SHA1-RC2-128 -passout pass:1234 -out lab.pfx")
        .unwrap();
    let password = Password::new("1234");
    let load = |name: &str| {
        Identity::load_with(LoadOptions {
            certificate: &openssl.path(name),
            key: None,
            password: Some(&password),
        })
    };
    let refused = load("lab.pfx").unwrap_err();
    assert!(matches!(refused, CertificateError::UnsupportedPfx { .. }), "{refused}");
    openssl
        .run("pkcs12 -legacy -in lab.pfx -nodes -passin pass:1234 -out identity.pem")
        .unwrap();
    load("identity.pem").unwrap();
}

#[test]
fn a_ca_made_by_openssl_signs_our_leaves() {
    let Some(openssl) = OpenSsl::find() else { return };
    openssl.run("genrsa -traditional -out rsa_key.pem 2048").unwrap();
    openssl
        .run("ecparam -name prime256v1 -genkey -noout -out ec_key.pem")
        .unwrap();
    // A subject of several parts, and without key usage, as create_test_cert.js makes its CAs.
    openssl.put(
        "ca.cnf",
        "[req]\ndistinguished_name=dn\nx509_extensions=ca\n[dn]\n[ca]\nbasicConstraints=critical,CA:true\n",
    );
    for key in ["rsa_key.pem", "ec_key.pem"] {
        openssl
            .run(&format!(
                "req -x509 -new -config ca.cnf -key {key} -days 2 -subj /C=CH/O=Contoso/CN=theirs -out ca.pem"
            ))
            .unwrap();
        let ca = CertificateAuthority::load(&openssl.path("ca.pem"), &openssl.path(key)).unwrap();
        assert_eq!(ca.name(), "theirs");
        let made_at = now();
        let leaf = ca.leaf("thermo-1", KeyType::P256, Validity::leaf(made_at)).unwrap();
        assert_eq!(leaf.facts().not_after, ca.facts().not_after, "two days, not a year");
        let intermediate = ca
            .intermediate("between", KeyType::P256, Validity::intermediate(made_at))
            .unwrap();
        let below = intermediate
            .leaf("thermo-2", KeyType::P256, Validity::leaf(made_at))
            .unwrap();
        openssl.put("leaf.pem", leaf.cert_pem());
        openssl.put("below.pem", &below.fullchain_pem());
        openssl
            .run("verify -purpose sslclient -CAfile ca.pem leaf.pem")
            .unwrap();
        openssl
            .run("verify -purpose sslclient -CAfile ca.pem -untrusted below.pem below.pem")
            .unwrap();
    }
}

#[test]
fn a_certificate_without_an_end_is_readable() {
    let Some(openssl) = OpenSsl::find() else { return };
    openssl
        .run("ecparam -name prime256v1 -genkey -noout -out key.pem")
        .unwrap();
    openssl
        .run("req -new -key key.pem -subj /CN=forever -out request.pem")
        .unwrap();
    openssl.put("index.txt", "");
    openssl.put(
        "ca.cnf",
        "[ca]\ndefault_ca=c\n[c]\nnew_certs_dir=.\ndatabase=index.txt\nrand_serial=yes\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n",
    );
    let dates = "-startdate 20200101000000Z -enddate 99991231235959Z";
    openssl
        .run(&format!(
            "ca -batch -config ca.cnf -selfsign -keyfile key.pem -in request.pem {dates} -out cert.pem"
        ))
        .unwrap();
    let facts = CertificateFacts::load(Path::new(&openssl.path("cert.pem"))).unwrap();
    assert_eq!(facts.common_name.as_deref(), Some("forever"));
    facts
        .check_validity("9999-01-01T00:00:00Z".parse().unwrap(), "x")
        .unwrap();
    assert_eq!(inspect::end(facts.not_after), "9999-12-31T23:59:59Z");
    let shown = &look(&openssl, &["cert.pem"])[0].certificates[0];
    assert_eq!(
        (shown.valid_from.as_str(), shown.valid_to.as_str()),
        ("2020-01-01T00:00:00Z", "9999-12-31T23:59:59Z")
    );
}

fn look(openssl: &OpenSsl, files: &[&str]) -> Vec<Examined> {
    look_for(openssl, files, None)
}

fn look_for(openssl: &OpenSsl, files: &[&str], registration_id: Option<&str>) -> Vec<Examined> {
    let request = ExamineRequest {
        now: now(),
        soon: SignedDuration::ZERO,
        registration_id,
        enrolled: Enrolled::Unknown,
        password: None,
    };
    let look = |name: &&str| examine(&fs::read(openssl.path(name)).unwrap(), name, &request).unwrap();
    let mut examined: Vec<_> = files.iter().map(look).collect();
    conclude(&mut examined);
    examined
}

#[test]
fn keys_that_can_not_be_used_are_named_and_found_beside_their_certificates() {
    let Some(openssl) = OpenSsl::find() else { return };
    for (name, options, kind) in [
        ("rsa1024", "-algorithm RSA -pkeyopt rsa_keygen_bits:1024", "RSA 1024"),
        ("rsa2048", "-algorithm RSA -pkeyopt rsa_keygen_bits:2048", "RSA 2048"),
        (
            "k1",
            "-algorithm EC -pkeyopt ec_paramgen_curve:secp256k1",
            "EC secp256k1",
        ),
        ("p521", "-algorithm EC -pkeyopt ec_paramgen_curve:P-521", "EC P-521"),
        ("ed", "-algorithm ED25519", "Ed25519"),
        (
            "explicit",
            "-algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit",
            "EC with explicit parameters",
        ),
    ] {
        let (key, cert) = (format!("{name}.key"), format!("{name}.pem"));
        openssl.run(&format!("genpkey {options} -out {key}")).unwrap();
        openssl
            .run(&format!(
                "req -x509 -new -key {key} -days 2 -subj /CN=thermo-1 -out {cert}"
            ))
            .unwrap();
        let examined = look(&openssl, &[&cert, &key]);
        let shown = &examined[1].keys[0];
        assert_eq!(
            (examined[0].certificates[0].key.as_str(), shown.kind.as_str()),
            (kind, kind)
        );
        let owner = format!("`thermo-1` in {cert}");
        // OpenSSL leaves nothing out of an EC key; what Ed25519 leaves out is found again.
        assert_eq!(shown.belongs_to.as_deref(), Some(owner.as_str()), "{name}");
        assert!(examined[1].findings.is_empty(), "{name}: {:?}", examined[1].findings);

        let loaded = Identity::load(&openssl.path(&cert), &openssl.path(&key)).map_err(|error| error.to_string());
        let (key, cert) = (openssl.path(&key), openssl.path(&cert));
        match name {
            "rsa2048" | "p521" | "ed" => assert!(loaded.is_ok(), "{name}: {loaded:?}"),
            "explicit" => assert!(loaded.unwrap_err().starts_with(&format!(
                "the certificate in `{}` has a key with explicit EC parameters",
                cert.display()
            )),),
            _ => assert_eq!(
                loaded.unwrap_err(),
                format!(
                    "the private key in `{}` is {kind}; supported are RSA of 2048 bits or more, and EC on P-256, P-384 or P-521",
                    key.display()
                )
            ),
        }
    }
}

#[test]
fn the_key_after_its_parameters_is_found_and_so_is_one_in_each_old_form() {
    let Some(openssl) = OpenSsl::find() else { return };
    // `openssl ecparam` writes the curve before the key unless it is told not to.
    openssl.run("ecparam -name prime256v1 -genkey -out key.pem").unwrap();
    openssl
        .run("req -x509 -new -key key.pem -days 2 -subj /CN=thermo-1 -out cert.pem")
        .unwrap();
    assert_eq!(look(&openssl, &["cert.pem", "key.pem"])[1].keys[0].kind, "EC P-256");
    Identity::load(&openssl.path("cert.pem"), &openssl.path("key.pem")).unwrap();
}

#[test]
fn a_subject_with_two_common_names_names_no_device() {
    let Some(openssl) = OpenSsl::find() else { return };
    openssl
        .run("req -x509 -newkey rsa:2048 -nodes -keyout key.pem -days 2 -subj /CN=thermo-1/CN=thermo-2 -out cert.pem")
        .unwrap();
    let identity = Identity::load(&openssl.path("cert.pem"), &openssl.path("key.pem")).unwrap();
    assert!(identity.registration_id().is_err());
    for id in ["thermo-1", "thermo-2"] {
        let error = identity.check(id, now()).unwrap_err();
        assert!(
            error.to_string().contains("has 2 common names in its subject"),
            "{error}"
        );
    }
    let examined = &look_for(&openssl, &["cert.pem"], Some("thermo-1"))[0];
    assert!(
        examined
            .findings
            .iter()
            .any(|finding| finding.level == Level::Error && finding.text.contains("has 2 common names")),
        "{:?}",
        examined.findings
    );
}

#[test]
fn files_in_the_forms_of_windows_are_read_or_named() {
    let Some(openssl) = OpenSsl::find() else { return };
    openssl
        .run("req -x509 -newkey rsa:2048 -nodes -keyout key.pem -days 2 -subj /CN=thermo-1 -out cert.pem")
        .unwrap();
    openssl.run("x509 -in cert.pem -outform der -out cert.cer").unwrap();
    openssl
        .run("pkcs12 -export -in cert.pem -inkey key.pem -passout pass:x -out both.pfx")
        .unwrap();
    openssl
        .run("crl2pkcs7 -nocrl -certfile cert.pem -outform der -out bag.p7b")
        .unwrap();
    openssl.run("crl2pkcs7 -nocrl -certfile cert.pem -out bag.p7").unwrap();
    openssl.run("pkey -in key.pem -outform der -out key.der").unwrap();
    openssl
        .run("rsa -in key.pem -traditional -outform der -out old.der")
        .unwrap();
    let text = fs::read_to_string(openssl.path("cert.pem")).unwrap();
    openssl.put("bom.pem", &format!("\u{feff}{}", text.replace('\n', "\r\n")));
    let wide: Vec<u8> = format!("\u{feff}{text}")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    fs::write(openssl.path("wide.pem"), wide).unwrap();

    for name in ["cert.pem", "cert.cer", "bom.pem"] {
        assert_eq!(load::certificates(&openssl.path(name)).unwrap().len(), 1, "{name}");
        assert_eq!(
            CertificateFacts::load(&openssl.path(name))
                .unwrap()
                .common_name
                .as_deref(),
            Some("thermo-1")
        );
        Identity::load(&openssl.path(name), &openssl.path("key.pem")).unwrap();
        CertificateAuthority::load(&openssl.path(name), &openssl.path("key.pem")).unwrap();
    }
    for (name, words) in [
        (
            "both.pfx",
            "PKCS#12 (PFX), and certificates of CAs are read as PEM or DER; `openssl pkcs12 -in … -nokeys -out …`",
        ),
        (
            "bag.p7b",
            "PKCS#7 in DER; `openssl pkcs7 -inform der -in … -print_certs -out …`",
        ),
        ("bag.p7", "but PKCS#7; `openssl pkcs7 -in … -print_certs -out …`"),
        ("key.der", "a private key in DER"),
        ("old.der", "a private key in DER"),
        ("key.pem", "but a private key"),
        ("wide.pem", "UTF-16, as `>` of Windows PowerShell 5 writes it"),
    ] {
        let error = load::certificates(&openssl.path(name)).unwrap_err().to_string();
        assert!(error.contains(words) && error.contains(name), "{name}: {error}");
    }
}

#[test]
fn a_chain_file_in_the_wrong_order_differs_from_a_foreign_key() {
    let Some(openssl) = OpenSsl::find() else { return };
    let root = CertificateAuthority::root("root", KeyType::P256, Validity::root(now())).unwrap();
    let leaf = root.leaf("thermo-1", KeyType::P256, Validity::leaf(now())).unwrap();
    openssl.put("chain.pem", &format!("{}{}", root.cert_pem(), leaf.cert_pem()));
    openssl.put("key.pem", leaf.key_pem());
    openssl.put("root.key", root.key_pem());
    let error = Identity::load(&openssl.path("chain.pem"), &openssl.path("key.pem")).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "`{}` is in the wrong order: the certificate that belongs to the key is number 2 in it. It comes first, then the CA \
             that signed it, then the CA that signed that one",
            openssl.path("chain.pem").display()
        )
    );
    openssl.put("chain.pem", &format!("{}{}", leaf.cert_pem(), root.cert_pem()));
    Identity::load(&openssl.path("chain.pem"), &openssl.path("key.pem")).unwrap();
    let error = CertificateAuthority::load(&openssl.path("chain.pem"), &openssl.path("root.key")).unwrap_err();
    assert!(
        matches!(error, CertificateError::LeafNotFirst { place: 2, .. }),
        "{error}"
    );
}

#[test]
fn a_legacy_pfx_is_what_old_windows_imports() {
    let Some(openssl) = OpenSsl::find() else { return };
    let made = self_signed("lab-1", KeyType::Rsa2048, Validity::leaf(Timestamp::now())).unwrap();
    let password = Password::new("1234");
    let put = |name: &str, cipher| {
        let pfx = to_pfx(made.cert_pem(), made.key_pem(), &password, cipher, "lab-1").unwrap();
        fs::write(openssl.path(name), pfx.as_slice()).unwrap();
    };
    put("legacy.pfx", PfxCipher::Legacy);
    put("modern.pfx", PfxCipher::Modern);

    let shown = openssl
        .run("pkcs12 -legacy -in legacy.pfx -passin pass:1234 -nodes -info")
        .unwrap();
    for words in [
        "MAC: sha1",
        "pbeWithSHA1And3-KeyTripleDES-CBC",
        "BEGIN PRIVATE KEY",
        "CN = lab-1",
    ] {
        assert!(
            shown.contains(words) || shown.replace("CN=", "CN = ").contains(words),
            "no `{words}` in {shown}"
        );
    }
    assert!(!shown.contains("PBES2"), "{shown}");
    // Without `-legacy` it opens as well, since triple DES is still part of OpenSSL 3; the other kind has none of it.
    let shown = openssl
        .run("pkcs12 -in modern.pfx -passin pass:1234 -nodes -info")
        .unwrap();
    assert!(shown.contains("PBES2") && !shown.contains("TripleDES"), "{shown}");
}
