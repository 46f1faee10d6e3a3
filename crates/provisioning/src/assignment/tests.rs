use super::*;

const ONLY: Shard = Shard { index: 0, count: 1 };

fn key(id: &str) -> AssignmentKey {
    AssignmentKey {
        dps_endpoint: "global.azure-devices-provisioning.net".to_owned(),
        id_scope: "0ne00000000".to_owned(),
        registration_id: id.to_owned(),
        leaf_sha256: "AB".repeat(32),
    }
}

fn hub(name: &str) -> Assignment {
    Assignment {
        assigned_hub: format!("{name}.azure-devices.net"),
        device_id: "thermo-1".to_owned(),
    }
}

#[test]
fn an_assignment_is_found_after_a_restart_by_its_whole_key_only() {
    let dir = tempfile::tempdir().unwrap();
    AssignmentCache::open(dir.path(), ONLY)
        .unwrap()
        .store(&key("thermo-1"), hub("one"))
        .unwrap();

    let cache = AssignmentCache::open(dir.path(), ONLY).unwrap();
    assert_eq!(cache.lookup(&key("thermo-1")), Some(hub("one")));
    let renewed = AssignmentKey {
        leaf_sha256: "CD".repeat(32),
        ..key("thermo-1")
    };
    let elsewhere = AssignmentKey {
        id_scope: "0ne00000001".to_owned(),
        ..key("thermo-1")
    };
    let other_dps = AssignmentKey {
        dps_endpoint: "localhost".to_owned(),
        ..key("thermo-1")
    };
    for other in [renewed, elsewhere, other_dps, key("thermo-2")] {
        assert_eq!(cache.lookup(&other), None);
    }
}

#[test]
fn the_last_line_counts_and_a_removal_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let cache = AssignmentCache::open(dir.path(), ONLY).unwrap();
    cache.store(&key("a"), hub("one")).unwrap();
    cache.store(&key("a"), hub("two")).unwrap();
    cache.store(&key("b"), hub("one")).unwrap();
    cache.remove(&key("b")).unwrap();
    drop(cache);

    let cache = AssignmentCache::open(dir.path(), ONLY).unwrap();
    assert_eq!(cache.lookup(&key("a")), Some(hub("two")));
    assert_eq!(cache.lookup(&key("b")), None);
    assert_eq!(cache.len(), 1);
}

#[test]
fn another_number_of_shards_finds_everything_and_its_newer_word_counts() {
    let dir = tempfile::tempdir().unwrap();
    let half = |index| Shard { index, count: 2 };
    for index in 0..2 {
        let cache = AssignmentCache::open(dir.path(), half(index)).unwrap();
        cache.store(&key(&format!("thermo-{index}")), hub("old")).unwrap();
    }
    let whole = AssignmentCache::open(dir.path(), ONLY).unwrap();
    assert_eq!(whole.len(), 2);
    whole.store(&key("thermo-0"), hub("new")).unwrap();
    whole.remove(&key("thermo-1")).unwrap();
    drop(whole);

    // Twice, since the first opening may rewrite a file.
    for _ in 0..2 {
        let again = AssignmentCache::open(dir.path(), half(1)).unwrap();
        assert_eq!(again.lookup(&key("thermo-0")), Some(hub("new")));
        assert_eq!(again.lookup(&key("thermo-1")), None);
    }
}

#[test]
fn torn_and_strange_lines_cost_only_themselves() {
    let dir = tempfile::tempdir().unwrap();
    let cache = AssignmentCache::open(dir.path(), ONLY).unwrap();
    cache.store(&key("a"), hub("one")).unwrap();
    cache.store(&key("b"), hub("one")).unwrap();
    drop(cache);
    let path = dir.path().join("assignments-0-of-1.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let torn = format!("{{}}\n\u{7}\n[1]\n{}", &text[..text.len() - 20]);
    fs::write(&path, [torn.as_bytes(), b"\xff"].concat()).unwrap();

    let cache = AssignmentCache::open(dir.path(), ONLY).unwrap();
    assert_eq!(
        (cache.lookup(&key("a")), cache.lookup(&key("b"))),
        (Some(hub("one")), None)
    );
    cache.store(&key("c"), hub("one")).unwrap();
    drop(cache);
    let cache = AssignmentCache::open(dir.path(), ONLY).unwrap();
    assert_eq!(
        cache.lookup(&key("c")),
        Some(hub("one")),
        "the new line became the torn one's end"
    );
}

#[test]
fn a_file_does_not_grow_from_run_to_run() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("assignments-0-of-1.jsonl");
    let lines = || fs::read_to_string(&path).unwrap().lines().count();
    for run in 0..5 {
        let cache = AssignmentCache::open(dir.path(), ONLY).unwrap();
        cache.store(&key("a"), hub(&format!("hub-{run}"))).unwrap();
        cache.store(&key("b"), hub("same")).unwrap();
        cache.store(&key("b"), hub("same")).unwrap();
    }
    assert!(lines() <= 3, "{}", lines());
    assert_eq!(
        AssignmentCache::open(dir.path(), ONLY).unwrap().lookup(&key("a")),
        Some(hub("hub-4"))
    );
    assert_eq!(lines(), 2);
}

#[test]
fn removing_what_is_not_there_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    AssignmentCache::open(dir.path(), ONLY)
        .unwrap()
        .remove(&key("a"))
        .unwrap();
    assert_eq!(fs::read(dir.path().join("assignments-0-of-1.jsonl")).unwrap(), b"");
}
