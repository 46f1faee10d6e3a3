//! Every file of an export, compared with those in `tests/export`, which people read and `scripts/cluster-check`
//! validates. `FLEET_UPDATE_GOLDEN=1` writes them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use super::model::{Application, Collector, Enroll, Export, ExportFile, Needs, ShardFiles};
use super::{compose, container, kubernetes};

#[test]
fn kubernetes_with_everything() {
    check("kubernetes", &kubernetes::render(&everything()).unwrap());
}

#[test]
fn kubernetes_with_nothing_that_can_be_left_out() {
    check("kubernetes-small", &kubernetes::render(&small()).unwrap());
}

#[test]
fn compose_with_everything() {
    check("compose", &compose::render(&everything()).unwrap());
}

#[test]
fn compose_with_nothing_that_can_be_left_out() {
    check("compose-small", &compose::render(&small()).unwrap());
}

/// Two shards of a group, one of them with a device of an individual enrollment besides, and a collector.
pub(super) fn everything() -> Export {
    let authority = |shard: u32| {
        ["ca.crt", "ca.key"].map(|name| ExportFile::secret(format!("thermostats/{name}"), format!("{name} {shard}\n")))
    };
    let sim = |shard: u32| {
        ["ca.crt", "sim.crt", "sim.key"].map(|name| ExportFile::secret(name, format!("{name} of sim {shard}\n")))
    };
    let mut export = small();
    export.shards = NonZeroU32::new(2).unwrap();
    export.devices = 20_001;
    export
        .config
        .push(ExportFile::open(container::TARGET_CA, "the CA of the target\n"));
    export.leaf_flags = vec!["--validity=thermostats=90d".to_owned()];
    export.shard_files = vec![
        ShardFiles {
            authorities: authority(0).to_vec(),
            certificates: vec![ExportFile::secret(
                "individual/lab:1/primary_key.pem",
                "the key of lab:1\n",
            )],
            devices: 10_001,
        },
        ShardFiles {
            authorities: authority(1).to_vec(),
            certificates: Vec::new(),
            devices: 10_000,
        },
    ];
    export.application = Some(Application {
        port: 443,
        token_variable: Some("IOTC_API_TOKEN".to_owned()),
    });
    export.enroll = Some(Enroll {
        certificates: vec![ExportFile::open("thermostats/ca/root_cert.pem", "the root\n")],
        flags: vec![format!("--set=fleet.certs={}", container::ENROLLED)],
    });
    export.collector = Some(Collector {
        needs: Needs {
            millicores: 66,
            memory_mib: 68,
            memory_limit_mib: 264,
            disk_mib: 256,
        },
        flags: vec![format!("--set=fleet.state={}/state", container::WORK)],
        credentials: ["ca.crt", "collector.crt", "collector.key"]
            .map(|name| ExportFile::secret(name, format!("{name} of the collector\n")))
            .to_vec(),
        sims: vec![sim(0).to_vec(), sim(1).to_vec()],
    });
    export
}

/// One shard with one device that has its certificate.
fn small() -> Export {
    Export {
        run_id: "20261127T055202000".to_owned(),
        image: "registry.example/fleet:1.0".to_owned(),
        shards: NonZeroU32::MIN,
        devices: 1,
        deadline_s: 7200,
        sim: Needs {
            millicores: 210,
            memory_mib: 163,
            memory_limit_mib: 390,
            disk_mib: 182,
        },
        config: vec![
            ExportFile::open(container::PLAN, "{}\n"),
            ExportFile::open(container::MANIFEST, "# the manifest\n"),
        ],
        shard_files: vec![ShardFiles {
            authorities: Vec::new(),
            certificates: vec![ExportFile::secret(
                "individual/lab-1/primary_key.pem",
                "the key of lab-1\n",
            )],
            devices: 1,
        }],
        leaf_flags: Vec::new(),
        device_port: 8883,
        application: None,
        enroll: None,
        collector: None,
    }
}

pub(super) fn check(case: &str, files: &[ExportFile]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/export").join(case);
    let made: BTreeMap<PathBuf, &[u8]> = files
        .iter()
        .map(|file| (folder.join(&file.path), file.content.as_slice()))
        .collect();
    assert_eq!(made.len(), files.len(), "a file is rendered twice");
    if std::env::var_os("FLEET_UPDATE_GOLDEN").is_some() {
        // Only what an earlier export of this case has left.
        let _ = fs::remove_dir_all(&folder);
        for (path, content) in &made {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
    }
    let names: BTreeSet<&PathBuf> = made.keys().collect();
    let there = there(&folder);
    assert_eq!(names, there.iter().collect(), "the files of {case}");
    for (path, content) in made {
        let expected = String::from_utf8(fs::read(&path).unwrap()).unwrap();
        let content = std::str::from_utf8(content).unwrap();
        assert_eq!(content, expected, "{}", path.display());
    }
}

fn there(folder: &Path) -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(there(&path)),
            false => drop(files.insert(path)),
        }
    }
    files
}
