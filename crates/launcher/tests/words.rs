//! The words of `fleet`: help, plans, and the errors of each kind; and that the shipped manifests are accepted.
#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test that can't go on has no other way to say so"
)]

use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

fn fleet(arguments: &[&str]) -> String {
    let (code, stdout, stderr) = ended(arguments);
    assert_eq!(code, Some(0), "{stderr}");
    stdout
}

/// The exit code, stdout and stderr.
fn ended(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_fleet"))
        .current_dir(root())
        .args(arguments)
        .env("COLUMNS", "100")
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every command, with those below it, as the help of the one above lists them.
fn commands(of: &[&str]) -> Vec<Vec<String>> {
    let help = fleet(&[of, &["--help"]].concat());
    let listed = help.split_once("\nCommands:\n").map_or("", |(_, rest)| rest);
    let listed = listed.lines().take_while(|line| !line.is_empty());
    // A description that goes on is indented more.
    let names = listed.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let mut commands = vec![of.iter().map(|word| (*word).to_owned()).collect()];
    for name in names.filter(|name| !name.is_empty() && *name != "help") {
        commands.extend(self::commands(&[of, &[name]].concat()));
    }
    commands
}

#[test]
fn help_names_only_what_is_built() {
    let commands = commands(&[]);
    assert!(commands.len() > 20, "{commands:?}");
    for command in commands {
        let mut arguments: Vec<_> = command.iter().map(String::as_str).collect();
        arguments.push("--help");
        let name = ["help_of"].into_iter().chain(command.iter().map(String::as_str));
        let name = name.collect::<Vec<_>>().join("_").replace('-', "_");
        let name = if command.is_empty() { "help".to_owned() } else { name };
        insta::assert_snapshot!(name, fleet(&arguments));
    }
}

#[test]
fn the_shipped_manifests_are_plans() {
    for entry in std::fs::read_dir(root().join("configs")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let name = path.file_stem().unwrap().to_str().unwrap();
            let plan = fleet(&["plan", &format!("configs/{name}.toml")]);
            insta::assert_snapshot!(format!("plan_of_{}", name.replace('-', "_")), plan);
        }
    }
}

#[test]
fn a_plan_shows_what_is_more_than_the_quota() {
    let words = fleet(&[
        "plan",
        "configs/iot-central.toml",
        "--set=group.central.devices.count=10000",
        "--set=load.register_rate=5/s",
        "--duration=1h",
    ]);
    insta::assert_snapshot!(words);
}

#[test]
fn a_plan_in_json_is_the_one_of_the_report() {
    let text = fleet(&[
        "plan",
        "configs/dps.toml",
        "--quota=hub-s1",
        "--set=target.units=2",
        "--format=json",
    ]);
    let summary: fleet_report::plan::PlanSummary = serde_json::from_str(&text).unwrap();
    assert_eq!((summary.quota.as_deref(), summary.units), (Some("hub-s1"), 2));
    insta::assert_snapshot!(text);
}

/// More than a free hub takes in a day, and more than it takes of connections.
const LOUD: [&str; 4] = [
    "--set=target.quota=hub-f1",
    "--set=group.thermostats.telemetry.interval=20ms",
    "--set=group.thermostats.devices.count=1000",
    "--set=load.connect_rate=500/s",
];

#[test]
fn a_plan_above_a_fixed_limit_is_shown_and_refused() {
    let plan = [&["plan", "configs/demo.toml"], &LOUD[..]].concat();
    let (code, stdout, stderr) = ended(&plan);
    assert_eq!(code, Some(2), "{stderr}");
    insta::assert_snapshot!(format!("{stdout}---\n{stderr}"));
    let forced = fleet(&[&plan[..], &["--force"]].concat());
    assert_eq!(forced, stdout);
    assert_eq!(fleet(&[&plan[..], &["--max-quota=100000%"]].concat()), stdout);
    // A lower bound refuses what is within the limits.
    let (code, _, stderr) = ended(&["plan", "configs/demo.toml", "--quota=hub-f1", "--max-quota=5%"]);
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("more than 5 % of what hub-f1 allows"), "{stderr}");
}

#[test]
fn a_run_above_a_fixed_limit_starts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let state = format!("--set=fleet.state={}", folder.path().join("state").display());
    let certs = format!("--set=fleet.certs={}", folder.path().join("certs").display());
    let (code, stdout, stderr) = ended(&[&["run", "configs/demo.toml", &state, &certs], &LOUD[..]].concat());
    assert_eq!((code, stdout.as_str()), (Some(2), ""), "{stderr}");
    assert!(
        stderr.contains("so nothing is started") && stderr.contains("(hub.daily)"),
        "{stderr}"
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn what_is_no_quota_and_no_bound_is_refused_with_what_would_be() {
    for (arguments, words) in [
        (&["--quota=hub-s9"][..], "did you mean `hub-s1`?"),
        (&["--quota=hub-s1", "--set=target.units=0"], "0 is too small"),
        (&["--quota=hub-s1", "--set=target.units=201"], "201 is too large"),
        (&["--quota=hub-f1", "--set=target.units=2"], "hub-f1 has 1 unit"),
        (&["--max-quota=100"], "`100` is not a share in percent, such as 100%"),
        (&["--max-quota=0%"], "`0%` is not above 0%"),
        (&["--format=xml"], "[possible values: text, json]"),
        (&["--format=json", "--json"], "cannot be used with"),
    ] {
        let (code, stdout, stderr) = ended(&[&["plan", "configs/demo.toml"], arguments].concat());
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{arguments:?}: {stderr}");
        let told = stderr.replace('│', " ");
        let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains(words), "{arguments:?}: {stderr}");
    }
}

/// A file is looked for where the command is typed, not where the manifest is.
#[test]
fn a_quota_of_ones_own_is_a_file_where_the_command_is_typed() {
    let plan = fleet(&["plan", "configs/demo.toml", "--quota=configs/quotas/hub-s2.toml"]);
    assert!(plan.contains("hub-s2.toml\n"), "{plan}");
    assert!(plan.contains("of 120/s"), "{plan}");
}

#[test]
fn the_plan_as_json_is_what_device_sim_reads() {
    let text = fleet(&["plan", "configs/dps.toml", "--json"]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan.json");
    std::fs::write(&path, text).unwrap();
    let plan = device_sim::plan_file::read(&path).unwrap();
    assert_eq!(plan.device_count(), 20);
    assert!(plan.state.as_ref().is_some_and(|state| state.is_absolute()));
    assert!((plan.rates.register_per_s - 1000.0 / 60.0).abs() < 1e-9);
}

/// A manifest without mistakes, into which a case puts one.
const MANIFEST: &str = r#"[fleet]
name = "small"
seed = 7

[target]
kind = "emulator"

[[group]]
id = "thermostats"
devices = { prefix = "t", count = 2 }

[load]
connect_rate = "5/s"
stages = ["100%@10s"]
"#;

/// One kind of mistake: a command, with the files that it is given.
struct Mistake {
    kind: &'static str,
    arguments: Vec<String>,
}

/// The mistakes, in a folder with what they need.
fn mistakes(folder: &Path, busy: u16) -> Vec<Mistake> {
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    write("fleet.toml", MANIFEST);
    write("typo.toml", &MANIFEST.replace("seed", "sed"));
    write(
        "types.toml",
        &MANIFEST
            .replace("count = 2", "count = \"two\"")
            .replace("5/s", "5/fortnight"),
    );
    write("broken.toml", &MANIFEST.replace("[fleet]", "[fleet"));
    let central = "kind = \"iot-central\"\napp = \"https://localhost:1\"\napi_token = { env = \"NO_SUCH_TOKEN\" }";
    write("central.toml", &MANIFEST.replace("kind = \"emulator\"", central));
    let own = r#"certificates = { leaf = "made/{device_id}_cert.pem", key = "made/{device_id}_other.pem", ca = "made/a_cert.pem", ca_key = "made/a_key.pem" }"#;
    write(
        "own.toml",
        &MANIFEST.replace("count = 2 }", &format!("count = 1 }}\n{own}")),
    );
    write("rules.toml", "[[rule]]\non = \"publish\"\ndo = { explode = true }\n");
    write("old.json", "{\"version\": 99}");
    write("text.pem", "this is not a certificate\n");
    write(
        "damaged.pem",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    std::fs::create_dir(folder.join("folder.toml")).unwrap();
    for name in ["a", "b"] {
        run_in(folder, &["cert", "root", name, "--out", "made"]);
    }
    run_in(folder, &["cert", "device", "t0001", "a", "--out", "made"]);
    std::fs::copy(folder.join("made/b_key.pem"), folder.join("made/t0001_other.pem")).unwrap();
    let port = format!("target.port={busy}");
    let mistake = |(kind, line): (&'static str, &str)| Mistake {
        kind,
        arguments: line.split(' ').map(|word| word.replace("PORT", &port)).collect(),
    };
    [
        ("an unknown verb", "rum fleet.toml"),
        ("a flag that does not exist", "run fleet.toml --sed 7"),
        ("an argument left out", "cert intermediate lonely"),
        ("a value that a flag does not accept", "cert root x --key dsa"),
        ("an invalid date", "cert root x --not-before soon"),
        ("a manifest that is not there", "plan missing.toml"),
        ("a file that can't be read", "plan folder.toml"),
        ("text that is not TOML", "plan broken.toml"),
        ("an unknown key", "plan typo.toml"),
        ("a wrong type and a wrong unit", "plan types.toml"),
        ("a wrong value by --set", "plan fleet.toml --set load.processes=0"),
        ("a port in use", "run fleet.toml --set PORT"),
        ("a token that is not set", "run central.toml"),
        ("a key that does not match its certificate", "run own.toml"),
        (
            "a key of another CA",
            "cert verification --ca made/a_cert.pem --key made/b_key.pem --nonce CODE",
        ),
        ("a file that is no certificate", "cert inspect text.pem"),
        ("a damaged certificate", "cert inspect damaged.pem"),
        ("a wrong password", "cert inspect made/a.pfx --password 4321"),
        ("a file that exists", "cert root a --out made"),
        ("a CA that is not there", "cert device t-1 c --out made"),
        (
            "a group that is not there",
            "roll fleet.toml --case group-breach --group others",
        ),
        ("a roll without a run", "roll fleet.toml --case group-expiry"),
        ("a plan that is none", "device-sim --plan text.pem"),
        ("a plan of another version", "device-sim --plan old.json"),
        (
            "a plan that is not there",
            "sim --plan missing.json --results results --shards 2",
        ),
        (
            "rules of faults that make no sense",
            "emulator --faults rules.toml --state state",
        ),
        ("nothing to put together", "report merge made"),
        ("an emulator that is not there", "health emulator --state nowhere"),
        (
            "a device that is not in the manifest",
            "edge-config fleet.toml --device t-9",
        ),
        ("no terminal to ask on", "unenroll fleet.toml"),
    ]
    .into_iter()
    .map(mistake)
    .collect()
}

fn run_in(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_fleet"))
        .current_dir(folder)
        .args(arguments)
        .env("COLUMNS", "100")
        .env("NO_COLOR", "1")
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// A line of progress begins with the time since the program started.
fn without_time(line: &str) -> String {
    match line.split_once("s] ") {
        Some((time, rest)) if time.starts_with('[') => format!("[TIME] {rest}\n"),
        _ => format!("{line}\n"),
    }
}

/// What a person reads who makes a mistake, one of each kind.
#[test]
fn errors_of_each_kind_name_what_is_wrong_and_what_helps() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let busy = listener.local_addr().unwrap().port();
    let mut words = String::new();
    for Mistake { kind, arguments } in mistakes(folder.path(), busy) {
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let (code, stderr) = run_in(folder.path(), &arguments);
        assert!(
            code.is_some_and(|code| code == 1 || code == 2),
            "{kind}: {code:?}\n{stderr}"
        );
        let stderr: String = stderr.lines().map(without_time).collect();
        let _ = writeln!(
            words,
            "== {kind}\n$ fleet {}\n{stderr}-> {}\n",
            arguments.join(" "),
            code.unwrap_or(-1)
        );
    }
    let real = folder.path().canonicalize().unwrap();
    for path in [real.as_path(), folder.path()] {
        words = words.replace(path.to_str().unwrap(), "[DIR]");
    }
    insta::assert_snapshot!(words.replace(&busy.to_string(), "[PORT]"));
}

/// Two that share a name meet each other's certificates on one emulator, or in one application.
#[test]
fn no_two_shipped_manifests_share_a_group_or_a_device() {
    let mut owners = std::collections::BTreeMap::new();
    let mut manifests = 0;
    for folder in ["configs", "docker"] {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "toml") {
                continue;
            }
            manifests += 1;
            let manifest: toml::Table = toml::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            let tables = ["group", "individual"]
                .into_iter()
                .filter_map(|kind| manifest.get(kind)?.as_array());
            for table in tables.flatten() {
                let group = table.get("id").map(|id| ("group", id));
                let prefix = table.get("devices").and_then(|devices| devices.get("prefix"));
                let device = table.get("device_id").or(prefix).map(|id| ("device", id));
                for (kind, name) in group.into_iter().chain(device) {
                    let taken = owners.insert((kind, name.as_str().unwrap().to_owned()), path.clone());
                    assert_eq!(taken, None, "{kind} {name} is in {} too", path.display());
                }
            }
        }
    }
    assert!(manifests >= 20, "{manifests}");
}

/// What a crate embeds is below it, so that its package is whole; people find a copy among the manifests.
#[test]
fn what_is_built_in_is_the_same_in_configs() {
    let read = |folder: PathBuf| -> std::collections::BTreeMap<_, _> {
        let files = std::fs::read_dir(&folder).unwrap().map(Result::unwrap);
        files
            .map(|file| (file.file_name(), std::fs::read_to_string(file.path()).unwrap()))
            .collect()
    };
    for (copy, embedded) in [
        ("configs/quotas", "crates/quotas/presets"),
        ("configs/faults", "crates/iot-emulator/presets"),
        ("configs/models", "crates/dtdl/models"),
    ] {
        let (copies, originals) = (read(root().join(copy)), read(root().join(embedded)));
        assert!(!originals.is_empty(), "{embedded}");
        assert!(copies == originals, "copy {embedded} to {copy}");
    }
}
