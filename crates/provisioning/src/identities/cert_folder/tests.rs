use std::fs;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::certificate::load::{Identity, LoadOptions};

fn now() -> Timestamp {
    "2026-11-23T15:00:00Z".parse().unwrap()
}

fn spec() -> CertSpec {
    CertSpec {
        key_type: KeyType::P256,
        validity: Validity::leaf(now()),
        pfx: Some(PfxSpec {
            password: Password::new("1234"),
            cipher: PfxCipher::Modern,
        }),
    }
}

fn no_pfx() -> CertSpec {
    CertSpec { pfx: None, ..spec() }
}

fn folder() -> (tempfile::TempDir, CertFolder) {
    let place = tempfile::tempdir().unwrap();
    let folder = CertFolder::new(place.path().join("certs"), false);
    (place, folder)
}

fn names(written: &Written) -> Vec<String> {
    let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    written.files.iter().map(name).collect()
}

#[test]
fn the_how_to_s_commands_make_the_files_that_the_tool_makes() {
    let (_place, folder) = folder();
    let root = folder.root("My Test Root Certificate", &spec()).unwrap();
    assert_eq!(
        names(&root),
        [
            "myTestRootCertificate_cert.pem",
            "myTestRootCertificate_key.pem",
            "myTestRootCertificate_fullchain.pem",
            "myTestRootCertificate.pfx"
        ]
    );
    folder
        .intermediate("My Intermediate", "My Test Root Certificate", &spec())
        .unwrap();
    // Microsoft's tool allows intermediates below intermediates.
    folder.intermediate("Deeper", "My Intermediate", &spec()).unwrap();
    let device = folder.device("sample-device-01", Some("Deeper"), &spec()).unwrap();
    assert_eq!(device.facts.issuer_common_name.as_deref(), Some("Deeper"));

    let paths = folder.paths("sampleDevice01");
    let chain = pem::certificates(&fs::read(&paths.fullchain).unwrap(), "x").unwrap();
    let subjects: Vec<_> = chain
        .iter()
        .map(|der| CertificateFacts::from_der(der, "x").unwrap().common_name.unwrap())
        .collect();
    assert_eq!(
        subjects,
        [
            "sample-device-01",
            "Deeper",
            "My Intermediate",
            "My Test Root Certificate"
        ]
    );
    let sealed = Identity::load_with(LoadOptions {
        certificate: &paths.pfx,
        key: None,
        password: Some(&Password::new("1234")),
    })
    .unwrap();
    assert_eq!(sealed.chain().len(), 3, "the root stays at home");
}

#[test]
fn a_parent_that_the_tool_has_made_is_signed_with() {
    let (_place, folder) = folder();
    folder.root("tool", &no_pfx()).unwrap();
    let fullchain = folder.paths("tool").fullchain;
    let text = fs::read_to_string(&fullchain).unwrap();
    fs::write(&fullchain, format!("{text}\nnull")).unwrap();
    folder.device("thermo-1", Some("tool"), &no_pfx()).unwrap();
    let made = fs::read_to_string(folder.paths("thermo1").fullchain).unwrap();
    assert!(made.ends_with("-----END CERTIFICATE-----\n"), "{made}");
    assert_eq!(made.matches("BEGIN").count(), 2);
}

#[test]
fn what_is_there_stays_and_all_of_it_is_named() {
    let (_place, folder) = folder();
    folder.device("device-01", None, &spec()).unwrap();
    let before = fs::read(folder.paths("device01").key).unwrap();
    // Another common name, the same files.
    let problems = folder.device("device01", None, &spec()).unwrap_err();
    assert_eq!(problems.0.len(), 4, "{problems}");
    assert_eq!(fs::read(folder.paths("device01").key).unwrap(), before);

    let forced = CertFolder::new(folder.path.clone(), true);
    forced.device("device01", None, &spec()).unwrap();
    assert_ne!(fs::read(folder.paths("device01").key).unwrap(), before);
}

#[test]
fn a_parent_that_is_not_there_is_named_before_anything_is_written() {
    let (_place, folder) = folder();
    let problems = folder.device("thermo-1", Some("My Root"), &spec()).unwrap_err();
    let text = problems.to_string();
    assert!(
        text.contains("there is no `My Root` here") && text.contains("myRoot_cert.pem"),
        "{text}"
    );
    let left: Vec<_> = fs::read_dir(&folder.path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, [".lock"]);
}

#[test]
fn a_verification_certificate_has_the_code_as_its_name_and_fixed_file_names() {
    let (_place, folder) = folder();
    folder.root("root", &no_pfx()).unwrap();
    let root = folder.paths("root");
    let proof = folder
        .verification(
            &root.cert,
            &root.key,
            "75B86466DA34D2B04C0C4C9557A119687ADAE7D4732BDDB3",
            &no_pfx(),
        )
        .unwrap();
    assert_eq!(
        names(&proof),
        [
            "verification_cert.pem",
            "verification_key.pem",
            "verification_fullchain.pem"
        ]
    );
    assert_eq!(
        proof.facts.common_name.as_deref(),
        Some("75B86466DA34D2B04C0C4C9557A119687ADAE7D4732BDDB3")
    );
}

#[test]
fn many_devices_keep_their_ids_as_file_names_and_a_second_run_makes_what_is_missing() {
    let (_place, folder) = folder();
    folder.root("root", &no_pfx()).unwrap();
    let ids: Vec<String> = (1..=20).map(|n| format!("thermo-{n:02}")).collect();
    let run = || folder.devices(&ids, Some("root"), &no_pfx(), &|_, _| {});
    assert_eq!(run().unwrap().report.made, 20);
    assert!(folder.path.join("thermo-07_fullchain.pem").exists());
    assert!(!folder.path.join("thermo-07.pfx").exists());

    let kept = fs::read(folder.path.join("thermo-01_key.pem")).unwrap();
    fs::remove_file(folder.path.join("thermo-07_fullchain.pem")).unwrap();
    let second = run().unwrap().report;
    assert_eq!((second.made, second.reused), (1, 19));
    assert_eq!(fs::read(folder.path.join("thermo-01_key.pem")).unwrap(), kept);
}

#[test]
fn a_leaf_of_another_parent_is_not_taken_for_a_resumed_one() {
    let (_place, folder) = folder();
    folder.root("root", &no_pfx()).unwrap();
    folder.root("other", &no_pfx()).unwrap();
    let ids = ["thermo-1".to_owned()];
    folder.devices(&ids, Some("root"), &no_pfx(), &|_, _| {}).unwrap();
    let problems = folder.devices(&ids, Some("other"), &no_pfx(), &|_, _| {}).unwrap_err();
    assert!(
        matches!(problems.0.as_slice(), [IdentityError::NotIssuedBy { .. }]),
        "{problems}"
    );
}

#[test]
fn a_renewed_certificate_has_the_same_name_and_issuer_another_key_and_keeps_the_old_files() {
    let (_place, folder) = folder();
    folder.root("My Root", &no_pfx()).unwrap();
    folder.device("thermo-1", Some("My Root"), &spec()).unwrap();
    let later = CertSpec {
        validity: Validity::leaf(now() + SignedDuration::from_hours(24 * 300)),
        ..spec()
    };
    let stem = folder.stem_of("thermo-1").unwrap();
    let old_key = fs::read(folder.paths(&stem).key).unwrap();
    let renewed = folder.renew(&stem, &later).unwrap();
    assert_eq!(renewed.written.facts.common_name, renewed.before.common_name);
    assert_eq!(renewed.written.facts.issuer_common_name.as_deref(), Some("My Root"));
    assert_ne!(fs::read(folder.paths(&stem).key).unwrap(), old_key);
    assert_eq!((renewed.kept.len(), renewed.written.files.len()), (4, 4));
    assert!(renewed.kept.iter().any(|path| fs::read(path).unwrap() == old_key));

    let refused = folder.renew("myRoot", &later).unwrap_err();
    assert!(
        matches!(refused.0.as_slice(), [IdentityError::RenewsNoCa { .. }]),
        "{refused}"
    );
}

fn overwriting(folder: &CertFolder) -> CertFolder {
    CertFolder::new(folder.path.clone(), true)
}

#[test]
fn a_ca_that_is_made_again_names_all_that_hung_below_it() {
    let (_place, folder) = folder();
    folder.root("r", &no_pfx()).unwrap();
    folder.root("other", &no_pfx()).unwrap();
    folder.intermediate("i", "r", &no_pfx()).unwrap();
    folder.device("b-1", Some("r"), &no_pfx()).unwrap();
    folder.device("b-2", Some("i"), &no_pfx()).unwrap();
    folder.device("c-1", Some("other"), &no_pfx()).unwrap();
    folder.device("alone", None, &no_pfx()).unwrap();

    let again = overwriting(&folder).root("r", &no_pfx()).unwrap();
    let expected = ["b1", "b2", "i"].map(|stem| folder.paths(stem).cert);
    let [Notice::Orphaned { ca, certificates }] = again.notices.as_slice() else {
        panic!("{:?}", again.notices);
    };
    assert_eq!((ca.as_str(), certificates.as_slice()), ("r", expected.as_slice()));
    // Once more: nothing hangs below the one that was replaced now.
    assert_eq!(overwriting(&folder).root("r", &no_pfx()).unwrap().notices, []);
}

#[test]
fn an_intermediate_below_a_root_that_was_made_again_is_named_until_it_is_made_again_too() {
    let (_place, folder) = folder();
    folder.root("r", &no_pfx()).unwrap();
    folder.intermediate("i", "r", &no_pfx()).unwrap();
    assert_eq!(folder.device("b-1", Some("i"), &no_pfx()).unwrap().notices, []);
    overwriting(&folder).root("r", &no_pfx()).unwrap();

    let former = Notice::OldIssuer {
        ca: "i".into(),
        issuer: "r".into(),
        now: folder.paths("r").cert,
    };
    let device = folder.device("b-2", Some("i"), &no_pfx()).unwrap();
    assert_eq!(device.notices, std::slice::from_ref(&former));
    let many = folder.devices(&["b-0003".to_owned()], Some("i"), &no_pfx(), &|_, _| {});
    assert_eq!(many.unwrap().notices, std::slice::from_ref(&former));
    let renewed = folder.renew(&folder.stem_of("b-2").unwrap(), &no_pfx()).unwrap();
    assert_eq!(renewed.written.notices, [former]);

    overwriting(&folder).intermediate("i", "r", &no_pfx()).unwrap();
    assert_eq!(folder.device("b-4", Some("i"), &no_pfx()).unwrap().notices, []);
}

#[test]
fn a_second_proof_takes_the_place_of_the_first_but_not_of_a_device() {
    let (_place, folder) = folder();
    folder.root("root", &no_pfx()).unwrap();
    let root = folder.paths("root");
    let proof = |code: &str| folder.verification(&root.cert, &root.key, code, &no_pfx());
    assert_eq!(proof("CODE1").unwrap().notices, []);
    let second = proof("CODE2").unwrap();
    assert_eq!(second.notices, [Notice::ProofReplaced { code: "CODE1".into() }]);
    assert_eq!(second.facts.common_name.as_deref(), Some("CODE2"));

    overwriting(&folder).device("verification", None, &no_pfx()).unwrap();
    let refused = proof("CODE3").unwrap_err();
    assert!(
        matches!(refused.0.as_slice(), [IdentityError::Exists { .. }, ..]),
        "{refused}"
    );
}

#[test]
fn the_ca_may_be_in_another_folder_than_its_devices() {
    let (_place, folder) = folder();
    folder.root("r", &no_pfx()).unwrap();
    let devices = CertFolder::new(folder.path.join("devices"), false).with_parents(&folder.path);
    devices.device("b-1", Some("r"), &no_pfx()).unwrap();
    let ids = ["b-0002".to_owned()];
    devices.devices(&ids, Some("r"), &no_pfx(), &|_, _| {}).unwrap();
    assert!(devices.paths("b1").fullchain.exists() && devices.paths("b-0002").fullchain.exists());
    let stem = devices.stem_of("b-1").unwrap();
    devices.renew(&stem, &no_pfx()).unwrap();
}

#[test]
fn a_device_that_signs_itself_is_renewed_whatever_stands_under_its_name_where_cas_are_looked_for() {
    let (_place, near) = folder();
    let folder = CertFolder::new(near.path.join("devices"), false).looking_in(&near.path);
    for folder in [&near, &folder] {
        folder.device("lab", None, &no_pfx()).unwrap();
    }
    let renewed = folder.renew("lab", &no_pfx()).unwrap();
    assert_eq!(renewed.written.facts.issuer_common_name.as_deref(), Some("lab"));
}

#[test]
fn dates_in_the_wrong_order_are_not_blamed_on_the_issuer() {
    let (_place, folder) = folder();
    folder.root("r", &no_pfx()).unwrap();
    let Validity { not_before, not_after } = no_pfx().validity;
    let reversed = CertSpec {
        validity: Validity {
            not_before: not_after,
            not_after: not_before,
        },
        ..no_pfx()
    };
    let refused = folder.device("b-1", Some("r"), &reversed).unwrap_err().to_string();
    assert!(refused.ends_with("it would end before it begins"), "{refused}");
}

#[cfg(unix)]
#[test]
fn programs_that_make_the_same_certificate_at_once_leave_a_pair() {
    let (_place, folder) = folder();
    folder.root("r", &no_pfx()).unwrap();
    for round in 0..20 {
        let name = format!("x-{round}");
        // Half of them overwrite, so that each round has several writers.
        let made = std::thread::scope(|scope| {
            let one = |overwrite| {
                let (folder, name) = (CertFolder::new(folder.path.clone(), overwrite), name.as_str());
                scope.spawn(move || folder.device(name, Some("r"), &no_pfx()).is_ok())
            };
            let threads = [true, false, true, false].map(one);
            threads.map(|thread| thread.join().unwrap())
        });
        assert!(made.contains(&true), "{made:?}");
        let paths = folder.paths(&camel_case(&name));
        Identity::load(&paths.cert, &paths.key).unwrap();
        Identity::load(&paths.fullchain, &paths.key).unwrap();
    }
}
