//! Identity folders: made, found again, taken up after an interruption, refused with reasons.
#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::{SignedDuration, Timestamp};
use provisioning::certificate::make::{CertificateAuthority, KeyType, Validity};
use provisioning::identities::{
    Dates, Generation, GroupFolder, GroupIdentities, GroupSpec, IdentityError, IndividualSpec, Issuer, Lifetime,
    Problems,
};

fn now() -> Timestamp {
    "2026-11-23T15:00:00Z".parse().unwrap()
}

fn ids(count: usize) -> Vec<String> {
    (1..=count).map(|n| format!("thermo-{n:04}")).collect()
}

fn open(certs: &Path, issuer: Issuer, count: usize) -> Result<GroupIdentities, Problems> {
    GroupIdentities::open_or_create(certs, "thermostats", issuer, ids(count), now(), &|_, _| {})
}

/// Every file below `folder` with its content, to see what a run changed.
fn snapshot(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(snapshot(&path));
        } else {
            files.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
    files.sort();
    files
}

#[test]
fn a_group_is_made_once_and_found_again() {
    let certs = tempfile::tempdir().unwrap();
    let first = open(certs.path(), Issuer::Intermediate, 8).unwrap();
    assert_eq!((first.leaves.made, first.leaves.reused, first.ca.made), (8, 0, true));
    let before = snapshot(certs.path());

    let second = open(certs.path(), Issuer::Intermediate, 8).unwrap();
    assert_eq!(
        (second.leaves.made, second.leaves.reused, second.ca.made),
        (0, 8, false)
    );
    assert_eq!(snapshot(certs.path()), before);
}

#[test]
fn a_device_loads_leaf_and_intermediate_of_the_current_generation() {
    let certs = tempfile::tempdir().unwrap();
    let group = open(certs.path(), Issuer::Intermediate, 2).unwrap();
    let identity = group.folder.load_current("thermo-0002").unwrap();
    identity.check("thermo-0002", now()).unwrap();
    assert_eq!(identity.chain().len(), 2);
    assert_eq!(
        identity.leaf.issuer_common_name.as_deref(),
        Some("thermostats intermediate")
    );
    assert_eq!(
        fs::read_to_string(group.folder.path().join("current")).unwrap().trim(),
        "0001"
    );
}

#[test]
fn a_group_whose_root_signs_has_no_intermediate() {
    let certs = tempfile::tempdir().unwrap();
    let group = open(certs.path(), Issuer::Root, 1).unwrap();
    assert!(group.ca.intermediate.is_none());
    assert!(!group.folder.ca_cert(Generation::FIRST, Issuer::Intermediate).exists());
    assert_eq!(group.folder.load_current("thermo-0001").unwrap().chain().len(), 1);
}

#[test]
fn a_group_grows_without_touching_what_is_there() {
    let certs = tempfile::tempdir().unwrap();
    open(certs.path(), Issuer::Root, 3).unwrap();
    let before = snapshot(certs.path());
    let grown = open(certs.path(), Issuer::Root, 5).unwrap();
    assert_eq!((grown.leaves.made, grown.leaves.reused), (2, 3));
    let after = snapshot(certs.path());
    assert!(before.iter().all(|file| after.contains(file)));
}

#[test]
fn progress_reaches_the_total() {
    let certs = tempfile::tempdir().unwrap();
    let highest = AtomicUsize::new(0);
    let progress = |done: usize, total: usize| {
        assert_eq!(total, 7);
        highest.fetch_max(done, Ordering::Relaxed);
    };
    GroupIdentities::open_or_create(certs.path(), "g", Issuer::Root, ids(7), now(), &progress).unwrap();
    assert_eq!(highest.load(Ordering::Relaxed), 7);
}

#[test]
fn an_interrupted_generation_resumes_at_every_point() {
    let certs = tempfile::tempdir().unwrap();
    let folder = open(certs.path(), Issuer::Intermediate, 4).unwrap().folder;
    // The states a kill can leave: nothing, only a key, key and certificate, everything but `current`.
    let leaf = |n: usize| folder.leaf_paths(Generation::FIRST, &format!("thermo-{n:04}"));
    fs::remove_file(folder.path().join("current")).unwrap();
    for path in [
        leaf(1).key,
        leaf(1).cert,
        leaf(1).fullchain,
        leaf(2).cert,
        leaf(2).fullchain,
        leaf(3).fullchain,
    ] {
        fs::remove_file(path).unwrap();
    }
    fs::write(leaf(1).key.with_extension("pem.partial"), "half a key").unwrap();
    let before = snapshot(certs.path());

    let resumed = open(certs.path(), Issuer::Intermediate, 4).unwrap();
    assert_eq!((resumed.leaves.made, resumed.leaves.reused), (3, 1));
    let after = snapshot(certs.path());
    let kept = |(name, _): &&(String, Vec<u8>)| !name.ends_with(".partial");
    assert!(
        before.iter().filter(kept).all(|file| after.contains(file)),
        "something that was there was overwritten"
    );
    assert!(after.iter().all(|(name, _)| !name.ends_with(".partial")));
    for id in ids(4) {
        resumed.folder.load_current(&id).unwrap().check(&id, now()).unwrap();
    }
}

#[test]
fn an_interrupted_ca_resumes() {
    let certs = tempfile::tempdir().unwrap();
    let folder = GroupFolder::new(certs.path(), "thermostats");
    open(certs.path(), Issuer::Intermediate, 0).unwrap();
    fs::remove_file(folder.ca_cert(Generation::FIRST, Issuer::Intermediate)).unwrap();
    let key = fs::read(folder.path().join("ca/intermediate_key.pem")).unwrap();
    open(certs.path(), Issuer::Intermediate, 1).unwrap();
    assert_eq!(fs::read(folder.path().join("ca/intermediate_key.pem")).unwrap(), key);
    assert_eq!(folder.load_current("thermo-0001").unwrap().chain().len(), 2);
}

#[test]
fn everything_that_is_wrong_is_reported_at_once_and_nothing_is_overwritten() {
    let certs = tempfile::tempdir().unwrap();
    let folder = open(certs.path(), Issuer::Intermediate, 6).unwrap().folder;
    let leaf = |n: usize| folder.leaf_paths(Generation::FIRST, &format!("thermo-{n:04}"));
    // 1: another's key. 2: another's certificate and key. 3: no key. 4: signed by a stranger. 5: no intermediate. 6: fine.
    fs::copy(leaf(6).key, leaf(1).key).unwrap();
    fs::copy(leaf(6).key, leaf(2).key).unwrap();
    fs::copy(leaf(6).fullchain, leaf(2).fullchain).unwrap();
    fs::remove_file(leaf(3).key).unwrap();
    let stranger =
        CertificateAuthority::root("thermostats intermediate", KeyType::P256, Validity::root(now())).unwrap();
    let forged = stranger
        .leaf("thermo-0004", KeyType::P256, Validity::leaf(now()))
        .unwrap();
    fs::write(leaf(4).key, forged.key_pem()).unwrap();
    fs::write(leaf(4).fullchain, forged.fullchain_pem()).unwrap();
    fs::copy(leaf(5).cert, leaf(5).fullchain).unwrap();
    let before = snapshot(certs.path());

    let problems = open(certs.path(), Issuer::Intermediate, 6).unwrap_err();
    let text = problems.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 5, "{text}");
    assert!(
        lines[0].contains("thermo-0001_key.pem` does not belong to the certificate in"),
        "{text}"
    );
    assert!(
        lines[1].contains("the common name `thermo-0006`, but the registration id is `thermo-0002`"),
        "{text}"
    );
    assert!(lines[2].ends_with("thermo-0003_key.pem` is missing"), "{text}");
    assert!(
        lines[3].contains("thermo-0004_fullchain.pem` was not issued by `thermostats intermediate`"),
        "{text}"
    );
    assert!(
        lines[4].ends_with("lacks the intermediate CA `thermostats intermediate` after its leaf"),
        "{text}"
    );
    assert_eq!(snapshot(certs.path()), before);
}

#[test]
fn expired_leaves_and_expired_cas_are_refused() {
    let certs = tempfile::tempdir().unwrap();
    open(certs.path(), Issuer::Root, 2).unwrap();
    let at = |days: i64| {
        let later = now() + SignedDuration::from_hours(24 * days);
        GroupIdentities::open_or_create(certs.path(), "thermostats", Issuer::Root, ids(2), later, &|_, _| {})
    };
    let problems = at(366).unwrap_err();
    assert_eq!(
        problems.to_string().matches("expired on 2027-11-23T15:00:00Z").count(),
        2,
        "{problems}"
    );
    let problems = at(3651).unwrap_err();
    assert!(problems.to_string().contains("root_cert.pem` expired on"), "{problems}");
}

#[test]
fn another_issuer_than_before_is_refused_for_leaves_that_are_there() {
    let certs = tempfile::tempdir().unwrap();
    open(certs.path(), Issuer::Root, 1).unwrap();
    let problems = open(certs.path(), Issuer::Intermediate, 1).unwrap_err();
    assert!(
        matches!(problems.0.as_slice(), [IdentityError::NotIssuedBy { .. }]),
        "{problems}"
    );
}

#[test]
fn an_intermediate_put_there_by_hand_needs_no_root() {
    let certs = tempfile::tempdir().unwrap();
    let folder = GroupFolder::new(certs.path(), "thermostats");
    let root = CertificateAuthority::root("offline", KeyType::P256, Validity::root(now())).unwrap();
    let intermediate = root
        .intermediate("ours", KeyType::P256, Validity::intermediate(now()))
        .unwrap();
    fs::create_dir_all(folder.path().join("ca")).unwrap();
    fs::write(
        folder.ca_cert(Generation::FIRST, Issuer::Intermediate),
        intermediate.cert_pem(),
    )
    .unwrap();
    fs::write(folder.path().join("ca/intermediate_key.pem"), intermediate.key_pem()).unwrap();

    let group = open(certs.path(), Issuer::Intermediate, 1).unwrap();
    assert!(group.ca.root.is_none());
    assert!(!folder.ca_cert(Generation::FIRST, Issuer::Root).exists());
    assert_eq!(
        folder
            .load_current("thermo-0001")
            .unwrap()
            .leaf
            .issuer_common_name
            .as_deref(),
        Some("ours")
    );
}

#[test]
fn a_root_without_its_key_can_not_sign() {
    let certs = tempfile::tempdir().unwrap();
    let folder = open(certs.path(), Issuer::Root, 0).unwrap().folder;
    fs::remove_file(folder.path().join("ca/root_key.pem")).unwrap();
    for issuer in [Issuer::Root, Issuer::Intermediate] {
        let problems = open(certs.path(), issuer, 1).unwrap_err();
        assert!(problems.to_string().ends_with("root_key.pem` is missing"), "{problems}");
    }
}

#[test]
fn names_that_lead_out_of_the_folder_are_refused() {
    let certs = tempfile::tempdir().unwrap();
    for (group, id) in [("..", "a"), ("g", "../a"), ("individual", "a")] {
        let problems =
            GroupIdentities::open_or_create(certs.path(), group, Issuer::Root, [id], now(), &|_, _| {}).unwrap_err();
        assert!(
            matches!(problems.0.as_slice(), [IdentityError::BadName { .. }]),
            "{problems}"
        );
    }
}

#[test]
fn a_device_without_a_complete_generation_is_named() {
    let certs = tempfile::tempdir().unwrap();
    let error = GroupFolder::new(certs.path(), "thermostats")
        .load_current("thermo-0001")
        .unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("current`: no generation of leaves is complete"),
        "{error}"
    );
}

#[cfg(unix)]
#[test]
fn keys_are_private_and_so_are_their_folders() {
    use std::os::unix::fs::PermissionsExt;

    let certs = tempfile::tempdir().unwrap();
    let folder = open(certs.path(), Issuer::Intermediate, 1).unwrap().folder;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for path in ["", "ca", "leaves", "leaves/0001"] {
        assert_eq!(mode(&folder.path().join(path)), 0o700, "{path}");
    }
    for path in [
        "ca/root_key.pem",
        "ca/intermediate_key.pem",
        "leaves/0001/thermo-0001_key.pem",
    ] {
        assert_eq!(mode(&folder.path().join(path)), 0o600, "{path}");
    }
}

#[test]
fn two_programs_at_once_agree_on_one_set() {
    let certs = tempfile::tempdir().unwrap();
    let made: usize = std::thread::scope(|scope| {
        let one = scope.spawn(|| open(certs.path(), Issuer::Intermediate, 40).unwrap().leaves.made);
        let other = scope.spawn(|| open(certs.path(), Issuer::Intermediate, 40).unwrap().leaves.made);
        one.join().unwrap() + other.join().unwrap()
    });
    assert_eq!(made, 40);
    open(certs.path(), Issuer::Intermediate, 40).unwrap();
}

fn roll_of(certs: &Path) -> GroupSpec {
    GroupSpec {
        secondary: true,
        ..GroupSpec::new(certs, "thermostats", Issuer::Intermediate)
    }
}

fn issuer_of(folder: &GroupFolder, id: &str) -> String {
    let identity = folder.load_current(id).unwrap();
    identity.check(id, now()).unwrap();
    identity.leaf.issuer_common_name.unwrap()
}

#[test]
fn a_secondary_is_a_second_generation_of_cas_from_which_no_leaf_comes() {
    let certs = tempfile::tempdir().unwrap();
    let wanted = roll_of(certs.path());
    let group = wanted.open_or_create(ids(2), now(), &|_, _| {}).unwrap();
    let secondary = group.secondary.unwrap();
    assert!(secondary.made);
    assert_eq!(secondary.generation.to_string(), "0002");
    assert!(certs.path().join("thermostats/ca-0002/intermediate_key.pem").exists());
    assert_ne!(
        secondary.root.as_ref().unwrap().facts().sha1,
        group.ca.root.as_ref().unwrap().facts().sha1
    );
    assert_eq!(secondary.root.as_ref().unwrap().name(), "thermostats root 0002");
    assert_eq!(issuer_of(&group.folder, "thermo-0001"), "thermostats intermediate");
    assert_eq!(group.folder.leaf_generations().unwrap(), [Generation::FIRST]);
    assert_eq!(group.folder.ca_generations().unwrap().len(), 2);

    let before = snapshot(certs.path());
    let again = wanted.open_or_create(ids(2), now(), &|_, _| {}).unwrap();
    assert!(!again.secondary.unwrap().made);
    assert_eq!(snapshot(certs.path()), before);
}

#[test]
fn a_roll_issues_the_next_leaves_under_the_next_ca_and_switches_when_they_are_complete() {
    let certs = tempfile::tempdir().unwrap();
    let wanted = roll_of(certs.path());
    let folder = wanted.open_or_create(ids(3), now(), &|_, _| {}).unwrap().folder;
    let next = folder.current_ca().unwrap().next();

    let issued = wanted.issue(next, ids(3), now(), &|_, _| {}).unwrap();
    assert_eq!((issued.leaves.made, issued.leaves.reused), (3, 0));
    assert_eq!(issuer_of(&folder, "thermo-0003"), "thermostats intermediate");
    issued.make_current().unwrap();
    assert_eq!(issuer_of(&folder, "thermo-0003"), "thermostats intermediate 0002");
    assert_eq!(folder.current_ca().unwrap(), next);
    assert_eq!(folder.signed_by(Generation::FIRST).unwrap(), Generation::FIRST);

    // Opening the group now finds the leaves in use, adds to them, and prepares the roll after this one.
    let grown = wanted.open_or_create(ids(4), now(), &|_, _| {}).unwrap();
    assert_eq!((grown.leaves.made, grown.leaves.reused), (1, 3));
    assert_eq!((grown.ca.generation, grown.ca.made), (next, false));
    assert_eq!(grown.secondary.unwrap().generation, next.next());
    assert_eq!(issuer_of(&folder, "thermo-0004"), "thermostats intermediate 0002");
}

#[test]
fn an_interrupted_roll_resumes_and_an_abandoned_one_is_left_alone() {
    let certs = tempfile::tempdir().unwrap();
    let wanted = roll_of(certs.path());
    let folder = wanted.open_or_create(ids(3), now(), &|_, _| {}).unwrap().folder;
    let (first, second) = (Generation::FIRST, Generation::FIRST.next());

    let begun = wanted.issue(second, ids(2), now(), &|_, _| {}).unwrap();
    let before = snapshot(certs.path());
    let resumed = wanted.issue(second, ids(3), now(), &|_, _| {}).unwrap();
    assert_eq!(resumed.generation, begun.generation);
    assert_eq!((resumed.leaves.made, resumed.leaves.reused), (1, 2));
    let after = snapshot(certs.path());
    assert!(before.iter().all(|file| after.contains(file)));

    // Renewed under the CA of before instead: what was begun under the other stays where it is.
    let renewed = wanted.issue(first, ids(3), now(), &|_, _| {}).unwrap();
    assert_eq!(renewed.generation, resumed.generation.next());
    renewed.make_current().unwrap();
    assert_eq!(issuer_of(&folder, "thermo-0001"), "thermostats intermediate");
    assert_eq!(folder.current_ca().unwrap(), first);
}

#[test]
fn leaves_of_a_ca_that_was_never_made_are_refused() {
    let certs = tempfile::tempdir().unwrap();
    let wanted = GroupSpec::new(certs.path(), "thermostats", Issuer::Root);
    wanted.open_or_create(ids(1), now(), &|_, _| {}).unwrap();
    let before = snapshot(certs.path());
    let problems = wanted
        .issue(Generation::FIRST.next(), ids(1), now(), &|_, _| {})
        .unwrap_err();
    assert!(
        problems.to_string().ends_with("ca-0002/root_cert.pem` is missing"),
        "{problems}"
    );
    assert_eq!(snapshot(certs.path()), before);
}

#[test]
fn a_shared_root_stands_above_an_intermediate_of_ones_own() {
    let certs = tempfile::tempdir().unwrap();
    let owner = open(certs.path(), Issuer::Intermediate, 1).unwrap();
    let wanted = GroupSpec {
        root_of: Some("thermostats".to_owned()),
        ..GroupSpec::new(certs.path(), "annex", Issuer::Intermediate)
    };
    let annex = wanted.open_or_create(["annex-1"], now(), &|_, _| {}).unwrap();
    let root = |group: &GroupIdentities| group.ca.root.as_ref().unwrap().facts().sha1.clone();
    assert_eq!(root(&annex), root(&owner));
    assert!(annex.ca.made);
    assert!(!annex.folder.ca_cert(Generation::FIRST, Issuer::Root).exists());
    assert_eq!(issuer_of(&annex.folder, "annex-1"), "annex intermediate");

    // The root's group rolls to a new one; what the old root has signed stays good, and the next comes from the new one.
    let owner = roll_of(certs.path());
    let next = Generation::FIRST.next();
    owner.open_or_create_ca(next, now()).unwrap();
    owner
        .issue(next, ids(1), now(), &|_, _| {})
        .unwrap()
        .make_current()
        .unwrap();
    let before = snapshot(&certs.path().join("annex"));
    let again = wanted.open_or_create(["annex-1"], now(), &|_, _| {}).unwrap();
    assert_eq!(root(&again), root(&annex));
    assert_eq!(snapshot(&certs.path().join("annex")), before);
    let rolled = wanted.open_or_create_ca(next, now()).unwrap();
    assert_eq!(rolled.root.unwrap().name(), "thermostats root 0002");
}

#[test]
fn an_intermediate_of_a_stranger_is_no_intermediate_of_a_shared_root() {
    let certs = tempfile::tempdir().unwrap();
    open(certs.path(), Issuer::Root, 1).unwrap();
    // `annex` had a root of its own until now.
    GroupIdentities::open_or_create(certs.path(), "annex", Issuer::Intermediate, ["a"], now(), &|_, _| {}).unwrap();
    let wanted = GroupSpec {
        root_of: Some("thermostats".to_owned()),
        ..GroupSpec::new(certs.path(), "annex", Issuer::Intermediate)
    };
    let problems = wanted.open_or_create(["a"], now(), &|_, _| {}).unwrap_err();
    assert!(
        problems
            .to_string()
            .contains("annex/ca/intermediate_cert.pem` was not issued by `thermostats root`"),
        "{problems}"
    );
}

#[test]
fn key_and_lifetime_are_as_wanted_and_what_is_there_stays() {
    let certs = tempfile::tempdir().unwrap();
    open(certs.path(), Issuer::Intermediate, 1).unwrap();
    let before = snapshot(certs.path());
    let wanted = GroupSpec {
        key_type: KeyType::P384,
        lifetime: Lifetime::of_leaves(SignedDuration::from_hours(12)),
        ..GroupSpec::new(certs.path(), "thermostats", Issuer::Intermediate)
    };
    let group = wanted.open_or_create(ids(2), now(), &|_, _| {}).unwrap();
    assert_eq!(
        (group.leaves.made, group.leaves.reused, group.leaves.other_key),
        (1, 1, 1)
    );
    let after = snapshot(certs.path());
    assert!(before.iter().all(|file| after.contains(file)));

    let facts = |id: &str| group.folder.load_current(id).unwrap().leaf;
    let (old, new) = (facts("thermo-0001"), facts("thermo-0002"));
    assert_eq!((old.key_type, new.key_type), (Some(KeyType::P256), Some(KeyType::P384)));
    assert_eq!(new.not_after, now() + SignedDuration::from_hours(12));
}

#[test]
fn a_truncated_leaf_file_is_noticed_though_devices_read_the_chain() {
    let certs = tempfile::tempdir().unwrap();
    let group = open(certs.path(), Issuer::Intermediate, 3).unwrap();
    let cert = |n: usize| {
        group
            .folder
            .leaf_paths(Generation::FIRST, &format!("thermo-{n:04}"))
            .cert
    };
    fs::write(cert(1), "").unwrap();
    let text = fs::read(cert(2)).unwrap();
    fs::write(cert(2), &text[..text.len() / 2]).unwrap();
    let problems = open(certs.path(), Issuer::Intermediate, 3).unwrap_err().to_string();
    let lines: Vec<&str> = problems.lines().collect();
    assert_eq!(lines.len(), 2, "{problems}");
    for (line, name) in lines.iter().zip(["thermo-0001", "thermo-0002"]) {
        assert!(
            line.contains(&format!("{name}_cert.pem` does not hold the certificate")),
            "{line}"
        );
    }
}

#[test]
fn leaves_below_an_authority_that_is_kept_elsewhere_are_all_that_is_written() {
    let (home, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let group = GroupSpec::new(home.path(), "thermostats", Issuer::Root)
        .open_or_create(Vec::<String>::new(), now(), &|_, _| {})
        .unwrap();
    let root = group.authority(Issuer::Root).unwrap();
    let authority = |name: &str| {
        let made = root
            .intermediate(name, KeyType::P256, Validity::intermediate(now()))
            .unwrap();
        let at = |ending: &str| home.path().join(format!("{name}.{ending}"));
        fs::write(at("crt"), made.cert_pem()).unwrap();
        fs::write(at("key"), made.key_pem()).unwrap();
        (CertificateAuthority::load(&at("crt"), &at("key")).unwrap(), at("crt"))
    };
    let spec = GroupSpec::new(elsewhere.path(), "thermostats", Issuer::Intermediate);
    let make = |name: &str, ids: &[&str]| {
        let (authority, certificate) = authority(name);
        spec.open_or_create_below(authority, certificate, ids.iter().copied(), now(), &|_, _| {})
    };
    let report = make("shard-0", &["thermo-0001", "thermo-0003"]).unwrap();
    assert_eq!((report.made, report.reused), (2, 0));
    let leaf = spec.folder().load_current("thermo-0003").unwrap();
    assert_eq!(leaf.leaf.issuer_common_name.as_deref(), Some("shard-0"));
    assert_eq!(leaf.chain().len(), 2, "the leaf and its authority, without the root");
    assert!(spec.folder().ca_generations().unwrap().is_empty(), "no CA is there");

    // What was made before is of an authority that signs no more here.
    let Problems(problems) = make("shard-1", &["thermo-0001"]).unwrap_err();
    assert!(
        matches!(&*problems, [IdentityError::NotIssuedBy { .. }]),
        "{problems:?}"
    );
    let report = make("shard-1", &["thermo-0002"]).unwrap();
    assert_eq!((report.made, report.reused), (1, 0));
}

#[test]
fn leaves_can_have_wrong_dates_on_purpose_and_are_taken_for_what_they_are() {
    let certs = tempfile::tempdir().unwrap();
    let made = now();
    for (group, dates) in [("expired", Dates::Expired), ("early", Dates::NotYetValid)] {
        let spec = |dates| GroupSpec {
            lifetime: Lifetime::default().dated(dates),
            ..GroupSpec::new(certs.path(), group, Issuer::Intermediate)
        };
        let identities = spec(dates).open_or_create(["a-1"], made, &|_, _| {}).unwrap();
        let leaf = identities.folder.load_current("a-1").unwrap().leaf;
        match dates {
            Dates::Expired => assert!(leaf.not_after < made, "{leaf:?}"),
            _ => assert!(leaf.not_before > made, "{leaf:?}"),
        }
        // Another day they still are, and more of them can be made.
        let later = made + SignedDuration::from_hours(24);
        let again = spec(dates).open_or_create(["a-1", "a-2"], later, &|_, _| {}).unwrap();
        assert_eq!((again.leaves.made, again.leaves.reused), (1, 1));
        // Who wants others does not get these.
        let problems = spec(Dates::Valid)
            .open_or_create(["a-1"], later, &|_, _| {})
            .unwrap_err();
        assert_eq!(problems.0.len(), 1, "{problems}");
    }
    let valid = GroupSpec::new(certs.path(), "valid", Issuer::Intermediate);
    valid.open_or_create(["a-1"], made, &|_, _| {}).unwrap();
    let expired = GroupSpec {
        lifetime: Lifetime::default().dated(Dates::Expired),
        ..valid
    };
    let problems = expired.open_or_create(["a-1"], made, &|_, _| {}).unwrap_err();
    assert!(
        problems
            .to_string()
            .contains("has not expired, which it was to have done on purpose"),
        "{problems}"
    );
    let mut individual = IndividualSpec::new(certs.path(), "lab");
    individual.lifetime = Lifetime::default().dated(Dates::Expired);
    assert!(individual.open_or_create(made).unwrap().primary.leaf.not_after < made);
}
