//! `fleet export kubernetes`, and its containers run as processes: each with the arguments, the environment, the
//! mounts, the user and the read-only root that the rendered Job gives it.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::Signal;
use serde_json::Value;
use testing::emulator::Place;
use testing::skip;

use crate::support::{Finished, Fleet, LONG, ON_FREE_PORTS, Running, central, manifest, signal};

const SHARDS: u32 = 2;

/// Puts a container's root together and enters it. The arguments: the root, our program, the user; then for each mount
/// its source, its place and `ro` or `rw`, an empty one, and the arguments of the container.
const ENTER: &str = r#"
set -eu
root=$1 program=$2 user=$3
shift 3
mount --make-rprivate /
mount --bind "$root" "$root"
for folder in usr lib lib64 bin sbin dev proc; do
    [ -e "/$folder" ] || continue
    mount --rbind "/$folder" "$root/$folder"
done
mount --bind "$program" "$root/fleet"
while [ -n "$1" ]; do
    mount --bind "$1" "$root$2"
    [ "$3" = rw ] || mount -o remount,bind,ro "$root$2"
    shift 3
done
shift
mount -o remount,bind,ro "$root"
exec chroot --userspec="$user" "$root" /fleet "$@"
"#;

/// An export on disk, as kubectl would read it.
struct Exported {
    base: PathBuf,
    pod: Value,
}

impl Exported {
    fn read(folder: &Path) -> Self {
        let base = folder.join("base");
        let job: Value = yaml(&base.join("job.yaml"));
        assert_eq!(job["spec"]["completionMode"], "Indexed");
        Self {
            base,
            pod: job["spec"]["template"]["spec"].clone(),
        }
    }

    /// The files of a ConfigMap or a Secret, by key.
    fn generated(&self, generator: &str, name: &str) -> Vec<(String, PathBuf)> {
        let kustomization: Value = yaml(&self.base.join("kustomization.yaml"));
        let one = kustomization[generator].as_array().unwrap().iter();
        let one = one.clone().find(|one| one["name"] == name).unwrap();
        let files = one["files"]
            .as_array()
            .unwrap()
            .iter()
            .map(|file| file.as_str().unwrap());
        files
            .map(|file| {
                let (key, path) = file.split_once('=').unwrap_or((file, file));
                (key.to_owned(), self.base.join(path))
            })
            .collect()
    }
}

fn yaml(path: &Path) -> Value {
    serde_saphyr::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// A pod of one index: volumes of its own, and its containers.
struct Pod<'a> {
    exported: &'a Exported,
    folder: PathBuf,
    index: u32,
}

impl<'a> Pod<'a> {
    /// Fills its volumes, as a kubelet does.
    fn new(fleet: &Fleet, exported: &'a Exported, index: u32, attempt: u32) -> Self {
        let pod = Self {
            exported,
            folder: fleet.path(&format!("pod-{index}-{attempt}")),
            index,
        };
        for volume in list(&exported.pod["volumes"]) {
            let at = pod.volume(volume["name"].as_str().unwrap());
            fs::create_dir_all(&at).unwrap();
            if volume.get("emptyDir").is_some() {
                fs::set_permissions(&at, fs::Permissions::from_mode(0o777)).unwrap();
            } else if let Some(name) = volume["configMap"]["name"].as_str() {
                for (key, file) in exported.generated("configMapGenerator", name) {
                    fs::copy(file, at.join(&key)).unwrap();
                    fs::set_permissions(at.join(&key), fs::Permissions::from_mode(0o644)).unwrap();
                }
            } else {
                pod.fill_secret(&volume["secret"], &at);
            }
        }
        pod
    }

    fn fill_secret(&self, secret: &Value, at: &Path) {
        let files = self
            .exported
            .generated("secretGenerator", secret["secretName"].as_str().unwrap());
        let mode = u32::try_from(secret["defaultMode"].as_u64().unwrap()).unwrap();
        let group = u32::try_from(self.exported.pod["securityContext"]["fsGroup"].as_u64().unwrap()).unwrap();
        for item in list(&secret["items"]) {
            let (_, file) = files.iter().find(|(key, _)| item["key"] == **key).unwrap();
            let to = at.join(item["path"].as_str().unwrap());
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(file, &to).unwrap();
            fs::set_permissions(&to, fs::Permissions::from_mode(mode)).unwrap();
            chown(&to, None, Some(group)).unwrap();
        }
    }

    fn volume(&self, name: &str) -> PathBuf {
        self.folder.join("volumes").join(name)
    }

    /// The command of a container: its environment is what the Job controller adds.
    fn command(&self, container: &Value) -> Command {
        let root = self.folder.join(container["name"].as_str().unwrap());
        for folder in ["usr", "lib", "lib64", "bin", "sbin", "dev", "proc", "etc"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        File::create(root.join("fleet")).unwrap();
        for file in ["/etc/hosts", "/etc/nsswitch.conf", "/etc/resolv.conf"] {
            // Where one is missing here, it is in the container as well.
            let _ = fs::copy(file, root.join(&file[1..]));
        }
        let security = &self.exported.pod["securityContext"];
        let user = format!("{}:{}", security["runAsUser"], security["fsGroup"]);
        assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", ENTER, "sh"]);
        command.arg(&root).arg(env!("CARGO_BIN_EXE_fleet")).arg(user);
        let index = self.index.to_string();
        for mount in list(&container["volumeMounts"]) {
            let path = mount["mountPath"].as_str().unwrap();
            fs::create_dir_all(root.join(&path[1..])).unwrap();
            let mut source = self.volume(mount["name"].as_str().unwrap());
            if let Some(within) = mount.get("subPathExpr") {
                source.push(within.as_str().unwrap().replace("$(JOB_COMPLETION_INDEX)", &index));
            }
            let access = if mount.get("readOnly") == Some(&true.into()) {
                "ro"
            } else {
                "rw"
            };
            command.arg(source).arg(path).arg(access);
        }
        command.arg("");
        // Pods have a network each; here all of them have that of the machine.
        let own_port = |argument: &str| argument.replace("--metrics=0.0.0.0:9464", "--metrics=127.0.0.1:0");
        command.args(list(&container["args"]).map(|argument| own_port(argument.as_str().unwrap())));
        let path = std::env::var_os("PATH").unwrap();
        command.env_clear().env("PATH", path);
        command.env("JOB_COMPLETION_INDEX", index).env("NO_COLOR", "1");
        command
    }

    /// Runs the init containers, then starts the other.
    fn start(&self) -> Running {
        for container in list(&self.exported.pod["initContainers"]) {
            Finished::from(self.command(container).output().unwrap()).expect(0);
        }
        let container = list(&self.exported.pod["containers"]).next().unwrap();
        let stdout = File::create(self.folder.join("stdout")).unwrap();
        Running::spawn_into(&mut self.command(container), stdout)
    }

    fn stdout(&self) -> String {
        fs::read_to_string(self.folder.join("stdout")).unwrap()
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// All processes of a pod vanish together, as when its node does.
fn vanish(mut sim: Running) {
    let pid = i32::try_from(sim.pid()).unwrap();
    // The one that would start another in the place of its child must not see it die.
    signal(pid, Signal::STOP);
    for task in fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let children = fs::read_to_string(task.unwrap().path().join("children")).unwrap();
        for child in children.split_whitespace() {
            signal(child.parse().unwrap(), Signal::KILL);
        }
    }
    sim.kill();
}

/// What the emulator counts, asked until `enough`.
fn figures(fleet: &Fleet, app: &str, enough: impl Fn(&Value) -> bool) -> Value {
    let ask = ["health", "emulator", "--state", "emulator", "--app", app];
    for _ in 0..3_000 {
        let figures: Value = serde_json::from_str(&fleet.fleet(&ask).expect(0).stdout).unwrap();
        if enough(&figures) {
            return figures;
        }
    }
    panic!("the emulator never counted enough");
}

fn merge(fleet: &Fleet, log: &str) -> Finished {
    let mut command = fleet.command(&["report", "merge", "-"]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut merging = command.spawn().unwrap();
    merging.stdin.take().unwrap().write_all(log.as_bytes()).unwrap();
    merging.wait_with_output().unwrap().into()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found
}

/// Chains as openssl sees them: leaf, shard's authority, root; and the root's key is in no file of the export.
fn check_keys(fleet: &Fleet, exported: &Exported, pod: &Pod<'_>) {
    let group = fleet.path("certs/small/thermostats/ca");
    let root_key = fs::read_to_string(group.join("root_key.pem")).unwrap();
    for file in files(&exported.base) {
        let text = String::from_utf8_lossy(&fs::read(&file).unwrap()).into_owned();
        assert!(!text.contains(root_key.trim()), "{}", file.display());
        let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        let is_key = text.contains("PRIVATE KEY");
        assert!(!is_key || mode == 0o600, "{mode:o} {}", file.display());
    }
    let leaves = pod.volume("leaves").join("thermostats/leaves/0001");
    let leaves = files(&leaves);
    let leaf = leaves.iter().find(|path| path.to_str().unwrap().ends_with("_cert.pem"));
    let mut openssl = Command::new("openssl");
    openssl
        .arg("verify")
        .arg("-x509_strict")
        .arg("-CAfile")
        .arg(group.join("root_cert.pem"));
    let authority = format!("authorities/shard-{}/thermostats/ca.crt", pod.index);
    openssl
        .arg("-untrusted")
        .arg(exported.base.join(authority))
        .arg(leaf.unwrap());
    match openssl.output() {
        Ok(output) => drop(Finished::from(output).expect(0)),
        Err(_) => skip("openssl is not installed: the chain is not verified by it"),
    }
}

#[test]
fn the_containers_of_an_export_run_as_it_says_and_a_pod_that_vanishes_is_replaced() {
    if !rustix::process::geteuid().is_root() || Command::new("unshare").arg("--version").output().is_err() {
        return skip("only root, with unshare, can give a process the mounts and the user of a container");
    }
    let fleet = Fleet::new("");
    let (mut emulator, ready) = fleet.start_emulator(&[ON_FREE_PORTS, &["--dps-retry-after=1"]].concat());
    let text = manifest(&central(&ready), LONG) + "register_rate = \"50/s\"\n";
    fs::write(fleet.path("fleet.toml"), text).unwrap();
    let app = format!("https://localhost:{}", ready.https().port());
    let shards = SHARDS.to_string();
    let export = [
        "export",
        "kubernetes",
        "fleet.toml",
        "--shards",
        &shards,
        "--out",
        "k8s",
    ];
    fleet.fleet(&export).expect(0);
    let exported = Exported::read(&fleet.path("k8s"));

    let pods: Vec<_> = (0..SHARDS).map(|index| Pod::new(&fleet, &exported, index, 0)).collect();
    let mut sims: Vec<_> = pods.iter().map(Pod::start).collect();
    for (index, sim) in sims.iter_mut().enumerate() {
        sim.wait_for(&format!("shard {index}/2: 3 devices"));
    }
    pods.iter().for_each(|pod| check_keys(&fleet, &exported, pod));
    figures(&fleet, &app, |figures| figures["connected"] == 6);

    vanish(sims.pop().unwrap());
    figures(&fleet, &app, |figures| figures["connected"] == 3);
    let again = Pod::new(&fleet, &exported, SHARDS - 1, 1);
    sims.push(again.start());
    sims[1].wait_for("shard 1/2: 3 devices");
    figures(&fleet, &app, |figures| figures["connected"] == 6);
    // Each sim has to have counted its devices as connected, and messages of them as acknowledged.
    let before = figures(&fleet, &app, |_| true)["telemetry_received_unique"]
        .as_u64()
        .unwrap();
    figures(&fleet, &app, |figures| {
        figures["telemetry_received_unique"].as_u64().unwrap() > before + 12
    });

    let mut log = String::new();
    for sim in sims {
        sim.interrupt();
        let (code, stderr) = sim.end();
        assert_eq!(code, Some(0), "{stderr}");
        log += &stderr;
    }
    let counted = figures(&fleet, &app, |figures| figures["connected"] == 0);
    log += &(pods[0].stdout() + &again.stdout());
    let merged = merge(&fleet, &log).expect(0);
    for (word, count) in [("asked", 6), ("registered", 6), ("connected", 6), ("failed", 0)] {
        assert_eq!(merged.figure(word), count, "{word} in\n{}", merged.stdout);
    }
    let acknowledged = merged.figure("acknowledged");
    assert_eq!(merged.figure("offered"), acknowledged, "{}", merged.stdout);
    let received = counted["telemetry_received_unique"].as_u64().unwrap();
    assert!(
        acknowledged > 0 && acknowledged <= received,
        "{acknowledged} of {received}"
    );
    emulator.kill();
}

/// Two things at a time would have a person try again and again.
#[test]
fn what_can_not_be_exported_is_refused_all_at_once_before_anything_is_made() {
    let fleet = Fleet::new(
        r#"
[fleet]
name = "refused"

[target]
kind = "emulator"

[[group]]
id = "edge"
kind = "edge"
devices = { prefix = "gw-", count = 1 }

[[group]]
id = "behind"
via = "gw-0001"
devices = { prefix = "b-", count = 2 }

[[group]]
id = "under"
enroll = "intermediate"
issuer = "intermediate"
devices = { prefix = "u-", count = 2 }

[[group]]
id = "mine"
devices = { prefix = "m-", count = 2 }
certificates = { pfx = "{device_id}.pfx", password = { env = "PASSWORD" }, ca = "ca.pem", ca_key = "ca_key.pem" }
"#,
    );
    let export = ["export", "kubernetes", "fleet.toml", "--shards", "299", "--out", "k8s"];
    let refused = fleet.fleet(&[&export[..], &["--collect"]].concat()).expect(2);
    assert_eq!(fleet.entries(), ["fleet.toml"]);
    insta::assert_snapshot!(refused.stderr);
}

#[test]
fn a_folder_that_is_not_empty_is_left_alone() {
    let target = "kind = \"dps\"\nid_scope = \"0ne00000001\"";
    let fleet = Fleet::new(&manifest(target, LONG));
    fs::create_dir(fleet.path("k8s")).unwrap();
    fs::write(fleet.path("k8s/precious"), "precious").unwrap();
    let export = ["export", "kubernetes", "fleet.toml", "--shards", "2", "--out", "k8s"];
    let refused = fleet.fleet(&export).expect(2);
    assert!(refused.stderr.contains("is not empty"), "{}", refused.stderr);
    assert_eq!(fleet.entries(), ["fleet.toml", "k8s"]);
    let forced = [&export[..], &["--force"]].concat();
    fleet.fleet(&forced).expect(0);
    // Fewer shards the next time: of the keys of the other nothing is left.
    let fewer = [&forced[..4], &["1", "--out", "k8s", "--force"]].concat();
    fleet.fleet(&fewer).expect(0);
    assert_eq!(fs::read_to_string(fleet.path("k8s/precious")).unwrap(), "precious");
    let keys = files(&fleet.path("k8s/base/authorities"));
    assert_eq!(keys.len(), 2, "{keys:?}");
}

#[test]
fn leaves_without_their_authority_are_refused_with_what_helps() {
    let target = "kind = \"dps\"\nid_scope = \"0ne00000001\"";
    let fleet = Fleet::new(&manifest(target, LONG));
    let export = ["export", "kubernetes", "fleet.toml", "--shards", "2", "--out", "k8s"];
    fleet.fleet(&export).expect(0);
    let fixed = ["leaves", "--plan", "k8s/base/plan.json", "--authority"];
    let mut words = String::new();
    for arguments in [
        &[
            "k8s/base",
            "--shard",
            "0/2",
            "--key",
            "other=p384",
            "--validity",
            "thermos=1d",
        ][..],
        &["k8s/base/authorities/shard-0", "--shard", "auto/2"],
        &[
            "k8s/base/authorities/shard-0",
            "--shard",
            "0/2",
            "--key",
            "thermostats=p512",
        ],
        &["k8s/base/authorities/shard-0", "--shard", "0/2", "--validity", "90d"],
    ] {
        let mut command = fleet.command(&[&fixed, arguments].concat());
        command.env("JOB_COMPLETION_INDEX", "2");
        let refused = Finished::from(command.output().unwrap()).expect(2);
        words += &format!("$ fleet leaves … {}\n{}\n", arguments.join(" "), refused.stderr);
    }
    insta::assert_snapshot!(words);
}

#[test]
fn what_was_left_to_be_enrolled_later_is_enrolled_from_certificates_alone() {
    let fleet = Fleet::new("");
    let (mut emulator, ready) = fleet.start_emulator(ON_FREE_PORTS);
    let text = manifest(&central(&ready), LONG);
    fs::write(fleet.path("fleet.toml"), text).unwrap();
    let export = ["export", "kubernetes", "fleet.toml", "--shards", "2", "--out", "k8s"];
    let later = [&export[..], &["--collect", "--enroll-later"]].concat();
    let refused = fleet.fleet(&later).expect(2);
    assert!(
        refused.stderr.contains("the id scope is not in the manifest"),
        "{}",
        refused.stderr
    );
    let id_scope = ["--set", "target.id_scope=0ne00EMULATOR"];
    let exported = fleet.fleet(&[&later[..], &id_scope].concat()).expect(0);
    assert!(!exported.stderr.contains("enrolled"), "{}", exported.stderr);

    // As in the container, but for the places of files.
    let patch = yaml(&fleet.path("k8s/overlays/iot-central/token.yaml"));
    let added = list(&patch).find(|one| one["path"].as_str().unwrap().ends_with("/initContainers"));
    let arguments = list(&added.unwrap()["value"][0]["args"]).map(|argument| argument.as_str().unwrap().to_owned());
    let here = |name: &str| fleet.path(name).to_str().unwrap().to_owned();
    let places = [
        ("/etc/fleet-enrolled", here("k8s/overlays/iot-central/enrolled")),
        ("/etc/fleet/", here("k8s/base/")),
        ("/run/secrets/fleet/", here("emulator/")),
    ];
    let moved = |argument: String| {
        let moved = places.iter();
        moved.fold(argument, |argument, (there, here)| argument.replace(there, here))
    };
    let arguments: Vec<_> = arguments.map(moved).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let before = files(&fleet.path("k8s"));
    let enrolled = fleet.fleet(&arguments).expect(0);
    assert_eq!(enrolled.stdout, "0ne00EMULATOR\n");
    let words = "enrolled: 1 device template, 1 enrollment group and 2 individual enrollments";
    assert!(enrolled.stderr.contains(words), "{}", enrolled.stderr);
    assert_eq!(files(&fleet.path("k8s")), before, "no key is needed, and none is made");
    emulator.kill();
}
