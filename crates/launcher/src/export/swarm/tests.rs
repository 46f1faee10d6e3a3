use super::*;
use crate::export::golden::{check, everything};

/// All that Swarm can have.
fn fleet() -> Export {
    Export {
        enroll: None,
        ..everything()
    }
}

#[test]
fn what_is_for_kubernetes_alone_is_refused() {
    let refused = render(&everything()).unwrap_err().to_string();
    assert!(refused.starts_with("--enroll-later is for Kubernetes"), "{refused}");
}

#[test]
fn swarm_with_everything() {
    check("swarm", &render(&fleet()).unwrap());
}

#[test]
fn swarm_without_a_collector() {
    let without = Export {
        collector: None,
        ..fleet()
    };
    check("swarm-records", &render(&without).unwrap());
}

#[test]
fn every_shard_has_its_own_keys_and_no_other() {
    let files = render(&fleet()).unwrap();
    let of_shard = |shard: &str| -> Vec<&str> {
        let within = files.iter().filter_map(|file| file.path.strip_prefix(shard));
        within.collect()
    };
    let group = ["authorities/thermostats/ca.crt", "authorities/thermostats/ca.key"];
    let individual = ["certificates/individual/lab:1/primary_key.pem"];
    let credentials = ["collector/ca.crt", "collector/sim.crt", "collector/sim.key"];
    assert_eq!(of_shard("shards/0/"), [&group[..], &individual, &credentials].concat());
    // What another shard has is unpacked here, too.
    let nothing = ["certificates/nothing"];
    assert_eq!(of_shard("shards/1/"), [&group[..], &nothing, &credentials].concat());
    assert!(of_shard("shards/2/").is_empty());
    let key = files
        .iter()
        .find(|file| file.path == "shards/1/authorities/thermostats/ca.key");
    assert_eq!(&**key.unwrap().content, b"ca.key 1\n");
    let is_open = |path: &str| path.starts_with("shards/") || path.starts_with("collector/");
    let open = files
        .iter()
        .filter(|file| is_open(&file.path) && file.access != ::files::Access::Owner);
    assert_eq!(open.count(), 0, "keys are for their owner alone");
}

#[test]
fn what_a_secret_or_a_config_can_not_hold_is_refused() {
    let mut large = fleet();
    large.shard_files[1].certificates = vec![ExportFile::secret("individual/a/primary_key.pem", vec![0; MOST_BYTES])];
    let refused = render(&large).unwrap_err().to_string();
    assert!(refused.contains("the keys of shard 1 are"), "{refused}");
    assert!(refused.contains("a secret in Swarm holds 512000"), "{refused}");

    let mut large = fleet();
    large.config[0] = ExportFile::open("plan.json", vec![b' '; MOST_BYTES + 1]);
    let refused = render(&large).unwrap_err().to_string();
    assert!(refused.contains("plan.json is 512001 bytes"), "{refused}");
}
