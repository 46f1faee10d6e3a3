//! Certificates that a user brings: taken as they are, refused with reasons.
#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::fs;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use provisioning::certificate::make::{CertificateAuthority, KeyType, Validity, self_signed};
use provisioning::identities::{
    BroughtCa, BroughtFiles, BroughtGroup, BroughtIndividual, GroupFolder, GroupIdentities, Issuer, PasswordSource,
    Problems, path_of_device,
};

fn now() -> Timestamp {
    "2026-11-23T15:00:00Z".parse().unwrap()
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn put(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn group(&self, ca: Option<BroughtCa>) -> BroughtGroup {
        BroughtGroup {
            files: BroughtFiles {
                certificate: self.0.path().join("{device_id}.pem"),
                key: Some(self.0.path().join("{device_id}_key.pem")),
                password: None,
            },
            ca,
            secondary: None,
        }
    }

    fn open(&self, group: &BroughtGroup, ids: &[&str]) -> Result<GroupIdentities, Problems> {
        let folder = GroupFolder::new(self.0.path(), "nowhere");
        group.open(folder, ids.iter().copied(), now(), &|_, _| {})
    }
}

struct Ca {
    root: CertificateAuthority,
    intermediate: CertificateAuthority,
}

fn ca(name: &str) -> Ca {
    let root = CertificateAuthority::root(name, KeyType::P256, Validity::root(now())).unwrap();
    let below = format!("{name} intermediate");
    let intermediate = root
        .intermediate(&below, KeyType::P256, Validity::intermediate(now()))
        .unwrap();
    Ca { root, intermediate }
}

#[test]
fn a_chain_reaches_the_ca_whether_that_is_the_root_or_the_intermediate_and_with_or_without_the_root() {
    let (folder, ca) = (Folder::new(), ca("ours"));
    let leaf = ca.intermediate.leaf("a", KeyType::P256, Validity::leaf(now())).unwrap();
    folder.put("a_key.pem", leaf.key_pem());
    let root = folder.put("root.pem", ca.root.cert_pem());
    let intermediate = folder.put("intermediate.pem", ca.intermediate.cert_pem());
    let with_root = format!("{}{}", leaf.fullchain_pem(), ca.root.cert_pem());
    let enrolled = |certificate: &Path| {
        folder.group(Some(BroughtCa {
            certificate: certificate.to_owned(),
            key: None,
        }))
    };
    for (chain, certificate) in [
        (leaf.fullchain_pem().as_str(), &root),
        (&with_root, &root),
        (&with_root, &intermediate),
        (leaf.cert_pem(), &intermediate),
    ] {
        folder.put("a.pem", chain);
        let group = folder.open(&enrolled(certificate), &["a"]).unwrap();
        assert_eq!(group.leaves.reused, 1);
        assert_eq!(group.ca.cert_path(Issuer::Root), Some(certificate.clone()));
        assert!(group.authority(Issuer::Root).is_none(), "its key was not given");
    }
    // Without the intermediate between them, the leaf does not reach the root.
    folder.put("a.pem", leaf.cert_pem());
    let problems = folder.open(&enrolled(&root), &["a"]).unwrap_err().to_string();
    assert!(
        problems.ends_with("after `a` the certificate of `CN=ours intermediate` is missing"),
        "{problems}"
    );
}

#[test]
fn where_another_owner_enrolls_a_chain_only_has_to_hold_together() {
    let (folder, ours, theirs) = (Folder::new(), ca("ours"), ca("theirs"));
    let leaf = ours
        .intermediate
        .leaf("a", KeyType::P256, Validity::leaf(now()))
        .unwrap();
    folder.put("a_key.pem", leaf.key_pem());
    folder.put("a.pem", &leaf.fullchain_pem());
    let group = folder.open(&folder.group(None), &["a"]).unwrap();
    assert_eq!(group.ca.cert_path(Issuer::Root), None);
    folder.put(
        "a.pem",
        &format!("{}{}", leaf.cert_pem(), theirs.intermediate.cert_pem()),
    );
    let problems = folder.open(&folder.group(None), &["a"]).unwrap_err().to_string();
    assert!(
        problems.contains("`a` was issued by `CN=ours intermediate`, but `theirs intermediate` follows it"),
        "{problems}"
    );
}

#[test]
fn a_ca_that_is_none_or_has_expired_or_another_key_is_refused_once_and_not_for_each_leaf() {
    let (folder, ours) = (Folder::new(), ca("ours"));
    let leaf = ours.root.leaf("a", KeyType::P256, Validity::leaf(now())).unwrap();
    folder.put("a_key.pem", leaf.key_pem());
    folder.put("a.pem", leaf.cert_pem());
    let long_ago = Validity::root(now() - SignedDuration::from_hours(24 * 3650 + 1));
    let expired = CertificateAuthority::root("old", KeyType::P256, long_ago).unwrap();
    for (certificate, key, words) in [
        (leaf.cert_pem(), None, "is not a CA"),
        (expired.cert_pem(), None, "expired on"),
        (
            ours.root.cert_pem(),
            Some(expired.key_pem()),
            "does not belong to the certificate",
        ),
        ("not a certificate", None, "ca.pem"),
    ] {
        let ca = BroughtCa {
            certificate: folder.put("ca.pem", certificate),
            key: key.map(|key| folder.put("ca_key.pem", key)),
        };
        let Problems(problems) = folder.open(&folder.group(Some(ca)), &["a"]).unwrap_err();
        let [problem] = problems.as_slice() else {
            panic!("{problems:?}");
        };
        assert!(problem.to_string().contains(words), "{problem}");
    }
}

#[test]
fn both_certificates_of_an_individual_are_checked() {
    let folder = Folder::new();
    let own = |id: &str, name: &str| {
        let made = self_signed(id, KeyType::P256, Validity::leaf(now())).unwrap();
        BroughtFiles {
            certificate: folder.put(name, &format!("{}{}", made.cert_pem(), made.key_pem())),
            key: None,
            password: None,
        }
    };
    let mut wanted = BroughtIndividual {
        primary: own("lab", "one.pem"),
        secondary: Some(own("lab", "two.pem")),
    };
    let lab = wanted.open("lab", now()).unwrap();
    assert_ne!(lab.secondary_pem().unwrap(), lab.primary_pem());
    wanted.primary.certificate = folder.0.path().join("absent.pem");
    wanted.secondary = Some(own("roof", "two.pem"));
    let Problems(problems) = wanted.open("lab", now()).unwrap_err();
    assert_eq!(problems.len(), 2, "{problems:?}");
}

#[test]
fn a_password_in_a_file_ends_before_the_end_of_its_line_and_is_never_shown() {
    let folder = Folder::new();
    let source = PasswordSource::File(folder.put("password", " s3cret \r\n"));
    let password = source.read().unwrap();
    assert_eq!(format!("{password:?} {source:?}").matches("s3cret").count(), 0);
    let made = self_signed("lab", KeyType::P256, Validity::leaf(now())).unwrap();
    let pfx = provisioning::certificate::make::to_pfx(
        made.cert_pem(),
        made.key_pem(),
        &" s3cret ".to_owned().into(),
        provisioning::certificate::make::PfxCipher::Modern,
        "lab",
    );
    fs::write(folder.0.path().join("lab.pfx"), pfx.unwrap()).unwrap();
    let files = BroughtFiles {
        certificate: folder.0.path().join("{device_id}.pfx"),
        key: None,
        password: Some(source),
    };
    assert_eq!(files.load("lab").unwrap().leaf.common_name.as_deref(), Some("lab"));
    assert!(files.load("../lab").is_err());
    assert_eq!(path_of_device(Path::new("a/{device_id}/b"), "c"), Path::new("a/c/b"));
}
