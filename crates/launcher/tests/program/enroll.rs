//! `fleet enroll` and `fleet unenroll`, against an emulator that runs by itself and against one that is started for them.

use std::process::Stdio;

use serde_json::{Value, json};
use testing::emulator::Place;
use testing::rest::plain_client;

use crate::support::{EMULATOR, Fleet, ON_FREE_PORTS, Running, SHORT, central, dps, manifest};

/// A fleet whose target is an emulator that runs already.
struct World {
    fleet: Fleet,
    emulator: Running,
    http: String,
    runtime: tokio::runtime::Runtime,
}

impl World {
    fn new() -> Self {
        let fleet = Fleet::new("");
        let (emulator, ready) = fleet.start_emulator(ON_FREE_PORTS);
        let central = format!("{}\nconnect_host = \"localhost\"", central(&ready));
        let dps = format!(
            "kind = \"dps\"\nid_scope = {}\n{}\nconnect_host = \"localhost\"",
            ready.0["id_scope"],
            dps(&ready)
        );
        std::fs::write(fleet.path("fleet.toml"), manifest(&central, SHORT)).unwrap();
        std::fs::write(fleet.path("dps.toml"), manifest(&dps, SHORT)).unwrap();
        let http = format!("http://{}", ready.http());
        let runtime = tokio::runtime::Runtime::new().unwrap();
        Self {
            fleet,
            emulator,
            http,
            runtime,
        }
    }

    /// Does a step by hand.
    fn rest(&self, method: reqwest::Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let token = std::fs::read_to_string(self.fleet.path("emulator/api_token")).unwrap();
        self.runtime.block_on(async {
            let url = format!("{}/api{path}?api-version=2022-07-31", self.http);
            let mut request = plain_client()
                .request(method, url)
                .header("authorization", token.trim());
            if let Some(body) = body {
                request = request.json(&body);
            }
            let answer = request.send().await.unwrap();
            let status = answer.status().as_u16();
            (status, answer.json().await.unwrap_or(Value::Null))
        })
    }

    fn get(&self, path: &str) -> (u16, Value) {
        self.rest(reqwest::Method::GET, path, None)
    }

    fn everything(&self) -> String {
        ["/enrollmentGroups", "/devices", "/deviceTemplates"]
            .map(|path| self.get(path).1.to_string())
            .join("\n")
    }

    fn end(self) {
        self.emulator.interrupt();
        assert_eq!(self.emulator.end().0, Some(0));
    }
}

#[test]
fn a_fleet_is_enrolled_once_and_taken_back_once() {
    let world = World::new();
    let fleet = &world.fleet;

    // Looking makes nothing, here or there.
    let empty = world.everything();
    let look = fleet.fleet(&["enroll", "fleet.toml", "--dry-run"]).expect(0);
    assert!(
        look.stdout
            .contains("would create enrollment group thermostats of type iot\n"),
        "{}",
        look.stdout
    );
    assert!(
        look.stdout
            .contains("would publish a device template of dtmi:com:example:Thermostat;1\n"),
        "{}",
        look.stdout
    );
    assert!(
        look.stdout.contains("would create device lab-0002\n"),
        "{}",
        look.stdout
    );
    assert_eq!(world.everything(), empty);
    assert!(!fleet.path("certs").exists());

    // The id scope is the only thing on stdout.
    let first = fleet.fleet(&["enroll", "fleet.toml"]).expect(0);
    assert_eq!(first.stdout, "0ne00EMULATOR\n");
    for words in [
        "device template of dtmi:com:example:Thermostat;1 published",
        "enrollment group thermostats created",
        "CA `thermostats root` uploaded as primary certificate",
        "group thermostats is enrolled: ",
        "device lab-0001 created",
        "enrolled: 1 device template, 1 enrollment group and 2 individual enrollments",
    ] {
        assert!(first.stderr.contains(words), "{words}:\n{}", first.stderr);
    }
    let (_, group) = world.get("/enrollmentGroups/thermostats");
    assert_eq!(
        group["attestation"]["x509"]["signingCertificates"]["primary"]["verified"],
        true
    );

    // A second time nothing is touched: every etag is what it was.
    let enrolled = world.everything();
    let second = fleet.fleet(&["enroll", "fleet.toml"]).expect(0);
    assert!(
        second
            .stderr
            .contains("nothing to change: 1 device template, 1 enrollment group and 2 individual enrollments"),
        "{}",
        second.stderr
    );
    assert_eq!(
        (second.stdout.as_str(), world.everything()),
        ("0ne00EMULATOR\n", enrolled)
    );
    let look = fleet.fleet(&["enroll", "fleet.toml", "--dry-run"]).expect(0);
    assert_eq!(look.stdout, "");
    assert!(look.stderr.contains("nothing to change: "), "{}", look.stderr);

    // What was enrolled this way is all that a run needs.
    let run = fleet.fleet(&["run", "fleet.toml"]).expect(0);
    assert_eq!(run.figure("connected"), 6);
    assert!(
        !run.stderr.contains("created") && !run.stderr.contains("published"),
        "{}",
        run.stderr
    );

    // Without a yes, nothing goes; with one, the group and the individuals; with --devices, the rest.
    let asked = fleet
        .command(&["unenroll", "fleet.toml"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(asked.status.code(), Some(2));
    assert!(
        String::from_utf8(asked.stderr)
            .unwrap()
            .contains("hint: --yes removes without asking")
    );
    let look = fleet
        .fleet(&["unenroll", "fleet.toml", "--devices", "--dry-run"])
        .expect(0);
    assert_eq!(look.stdout.lines().count(), 1 + 2 + 4, "{}", look.stdout);
    assert!(
        look.stdout.starts_with("would remove enrollment group thermostats\n"),
        "{}",
        look.stdout
    );
    assert_eq!(world.get("/enrollmentGroups/thermostats").0, 200);
    fleet.fleet(&["unenroll", "fleet.toml", "--yes"]).expect(0);
    assert_eq!(world.get("/enrollmentGroups/thermostats").0, 404);
    assert_eq!(world.get("/devices/lab-0001").0, 404);
    assert_eq!(world.get("/devices/thermo-0001").0, 200);
    let removed = fleet.fleet(&["unenroll", "fleet.toml", "--yes", "--devices"]).expect(0);
    assert!(removed.stderr.contains("removed: 4 devices"), "{}", removed.stderr);
    assert_eq!(world.get("/devices").1["value"], json!([]));
    let again = fleet.fleet(&["unenroll", "fleet.toml", "--yes", "--devices"]).expect(0);
    assert!(again.stderr.contains("nothing to remove"), "{}", again.stderr);

    // The token went nowhere.
    let token = std::fs::read_to_string(fleet.path("emulator/api_token")).unwrap();
    for told in [&first, &second, &look, &removed] {
        assert!(!told.stdout.contains(token.trim()) && !told.stderr.contains(token.trim()));
    }
    world.end();
}

#[test]
fn an_enrollment_that_stopped_after_any_step_is_completed() {
    let world = World::new();
    let fleet = &world.fleet;
    // The certificates, and how all of it looks when it is whole.
    fleet.fleet(&["enroll", "fleet.toml"]).expect(0);
    let ca = std::fs::read_to_string(fleet.path("certs/small/thermostats/ca/root_cert.pem")).unwrap();
    let delete = |path: &str| {
        world.rest(reqwest::Method::DELETE, path, None);
    };
    let put = |path: &str, body: Value| {
        let (status, answer) = world.rest(reqwest::Method::PUT, path, Some(body));
        assert_eq!(status, 200, "{path}: {answer}");
    };
    let group = "/enrollmentGroups/thermostats";
    let empty_group = || {
        delete(group);
        let body = json!({"displayName": "small thermostats", "type": "iot", "attestation": {"type": "x509"}});
        put(group, body);
    };
    let unverified = || {
        empty_group();
        put(
            &format!("{group}/certificates/primary"),
            json!({"certificate": ca, "verified": false}),
        );
    };
    let steps: [(&str, &dyn Fn()); 7] = [
        ("before the template", &|| {
            delete("/deviceTemplates/dtmi:com:example:Thermostat;1")
        }),
        ("before the group", &|| delete(group)),
        ("before the upload", &empty_group),
        ("before the code", &unverified),
        ("between code and proof", &|| {
            unverified();
            let code = format!("{group}/certificates/primary/generateVerificationCode");
            assert_eq!(world.rest(reqwest::Method::POST, &code, None).0, 200);
        }),
        ("before a device", &|| delete("/devices/lab-0002")),
        ("before its certificate", &|| delete("/devices/lab-0002/attestation")),
    ];
    for (when, undo) in steps {
        undo();
        let look = fleet.fleet(&["enroll", "fleet.toml", "--dry-run"]).expect(0);
        assert!(look.stdout.starts_with("would "), "{when}: {}", look.stdout);
        let completed = fleet.fleet(&["enroll", "fleet.toml"]).expect(0);
        assert!(completed.stderr.contains("enrolled: "), "{when}: {}", completed.stderr);
        let again = fleet.fleet(&["enroll", "fleet.toml"]).expect(0);
        assert!(again.stderr.contains("nothing to change: "), "{when}: {}", again.stderr);
    }
    world.end();
}

#[test]
fn a_group_of_another_owner_is_left_alone() {
    let world = World::new();
    let fleet = &world.fleet;
    let stranger = Fleet::new("");
    stranger.fleet(&["cert", "root", "stranger"]).expect(0);
    let ca = std::fs::read_to_string(stranger.path("stranger_cert.pem")).unwrap();
    let group = "/enrollmentGroups/thermostats";
    let body = json!({"displayName": "Theirs", "type": "iot", "attestation": {"type": "x509", "x509":
        {"signingCertificates": {"primary": {"certificate": ca, "verified": true}}}}});
    assert_eq!(world.rest(reqwest::Method::PUT, group, Some(body)).0, 200);
    let before = world.get(group);

    let refused = fleet.fleet(&["enroll", "fleet.toml"]).expect(1);
    assert!(
        refused
            .stderr
            .contains("the primary certificate of enrollment group thermostats is another one already"),
        "{}",
        refused.stderr
    );
    let look = fleet.fleet(&["enroll", "fleet.toml", "--dry-run"]).expect(2);
    assert!(
        look.stderr.contains("in the way: the primary certificate"),
        "{}",
        look.stderr
    );
    let kept = fleet.fleet(&["unenroll", "fleet.toml", "--yes", "--devices"]).expect(1);
    assert!(
        kept.stderr
            .contains("left alone: enrollment group thermostats: its primary certificate"),
        "{}",
        kept.stderr
    );
    assert_eq!(world.get(group), before);
    world.end();
}

#[test]
fn an_emulator_of_the_manifest_remembers_its_enrollments_for_the_next_run() {
    let fleet = Fleet::new(&manifest(EMULATOR, SHORT));
    let look = fleet.fleet(&["enroll", "fleet.toml", "--dry-run"]).expect(0);
    assert!(
        look.stdout.contains("would make a CA for group thermostats"),
        "{}",
        look.stdout
    );
    assert_eq!(fleet.entries(), ["fleet.toml"]);
    let enrolled = fleet.fleet(&["enroll", "fleet.toml", "--verified"]).expect(0);
    assert!(
        enrolled.stderr.contains("uploaded as verified primary certificate"),
        "{}",
        enrolled.stderr
    );
    fleet.wait_until_nothing_runs();
    let run = fleet.fleet(&["run", "fleet.toml"]).expect(0);
    assert_eq!(run.figure("connected"), 6);
    assert!(
        run.stderr.contains("enrollment group thermostats exists"),
        "{}",
        run.stderr
    );
    let removed = fleet.fleet(&["unenroll", "fleet.toml", "--devices", "--yes"]).expect(0);
    assert!(
        removed
            .stderr
            .contains("removed: enrollment group thermostats and 6 devices"),
        "{}",
        removed.stderr
    );
}

#[test]
fn enrolling_by_hand_gets_files_and_steps() {
    let target =
        "kind = \"iot-central\"\napp = \"https://contoso.azureiotcentral.com\"\napi_token = { env = \"UNSET\" }";
    let fleet = Fleet::new(&manifest(target, SHORT));
    let steps = fleet.fleet(&["enroll", "fleet.toml", "--manual"]).expect(0);
    insta::assert_snapshot!("steps_in_the_portal", steps.stdout);
    assert_eq!(
        std::fs::read_to_string(fleet.path("small-enrollment/STEPS.txt")).unwrap(),
        steps.stdout
    );
    let uploaded = std::fs::read(fleet.path("small-enrollment/thermostats_primary_cert.pem")).unwrap();
    assert_eq!(
        uploaded,
        std::fs::read(fleet.path("certs/small/thermostats/ca/root_cert.pem")).unwrap()
    );
    for entry in std::fs::read_dir(fleet.path("small-enrollment")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(!text.contains("PRIVATE KEY"));
    }
    // The command in the steps works as it stands.
    let command = steps
        .stdout
        .lines()
        .find(|line| line.contains("fleet cert verification"))
        .unwrap();
    let words: Vec<_> = command.split_whitespace().skip(1).collect();
    fleet.fleet(&words).expect(0);
    assert!(fleet.path("small-enrollment/verification_cert.pem").exists());

    fleet.fleet(&["enroll", "fleet.toml", "--manual"]).expect(0);
    std::fs::write(fleet.path("small-enrollment/thermostats_primary_cert.pem"), "another").unwrap();
    let refused = fleet.fleet(&["enroll", "fleet.toml", "--manual"]).expect(2);
    assert!(
        refused.stderr.contains("exists already, with another content"),
        "{}",
        refused.stderr
    );
}

#[test]
fn for_dps_alone_there_is_a_script() {
    let fleet = Fleet::new(&manifest("kind = \"dps\"\nid_scope = \"0ne00123456\"", SHORT));
    let script = fleet.fleet(&["enroll", "fleet.toml"]).expect(0);
    insta::assert_snapshot!("script_for_dps", script.stdout);
    let set = [
        "--set",
        "group.thermostats.issuer=intermediate",
        "--set",
        "group.thermostats.enroll=intermediate",
    ];
    let fleet = Fleet::new(&manifest("kind = \"dps\"\nid_scope = \"0ne00123456\"", SHORT));
    let script = fleet.fleet(&[&["enroll", "fleet.toml"][..], &set].concat()).expect(0);
    assert!(
        script.stdout.contains(
            "--enrollment-id thermostats --certificate-path certs/small/thermostats/ca/intermediate_cert.pem"
        ),
        "{}",
        script.stdout
    );
    // DPS refuses a chain that does not lead to a verified certificate.
    let uploaded = script.stdout.find("certificate create").unwrap();
    let verified = script.stdout.find("certificate verify").unwrap();
    let enrolled = script.stdout.find("enrollment-group create").unwrap();
    assert!(uploaded < verified && verified < enrolled, "{}", script.stdout);
    assert!(
        script
            .stdout
            .contains("--certificate-name thermostats-primary --path certs/small/thermostats/ca/intermediate_cert.pem"),
        "{}",
        script.stdout
    );
    // A shell can read it.
    let path = fleet.path("enroll.sh");
    std::fs::write(&path, &script.stdout).unwrap();
    let read = std::process::Command::new("sh").arg("-n").arg(&path).status().unwrap();
    assert!(read.success());
}

#[test]
fn a_refusal_is_explained() {
    let world = World::new();
    let fleet = &world.fleet;

    // A token that is none: what IoT Central says, what is behind it, and what to do.
    std::fs::write(
        fleet.path("expired"),
        "SharedAccessSignature sr=0&sig=expired&skn=t&se=1",
    )
    .unwrap();
    let set = [
        "enroll",
        "fleet.toml",
        "--set",
        "target.api_token={ file = \"expired\" }",
    ];
    let refused = fleet.fleet(&set).expect(1);
    insta::assert_snapshot!("a_token_that_is_not_accepted", words(&refused.stderr));
    assert!(!refused.stderr.contains("sig=expired"));

    // Devices that are not enrolled are reported once, and not each of them.
    let mut running = fleet.start(&["run", "dps.toml"]);
    running.wait_for("is parked: registration of");
    running.wait_for("likely cause: no enrollment has the device's certificate");
    running.wait_for("hint: `fleet enroll` enrolls what a manifest names");
    running.interrupt();
    let (_, progress) = running.end();
    assert_eq!(progress.matches("likely cause: ").count(), 1, "{progress}");
    world.end();
}

/// What is said, without ids and times.
fn words(said: &str) -> String {
    let without_time = |line: &str| line.split_once("s] ").map_or(line, |(_, rest)| rest).to_owned();
    let without_id = |line: String| match line.split_once(" (request ") {
        Some((before, _)) => format!("{before} (request …)"),
        None => line,
    };
    let lines: Vec<_> = said.lines().map(|line| without_id(without_time(line))).collect();
    lines.join("\n")
}

#[test]
fn devices_that_are_enrolled_by_hand_run_without_a_token() {
    let fleet = Fleet::new("");
    let (emulator, ready) = fleet.start_emulator(ON_FREE_PORTS);
    std::fs::write(fleet.path("fleet.toml"), manifest(&central(&ready), SHORT)).unwrap();
    fleet.fleet(&["enroll", "fleet.toml"]).expect(0);

    let off = "--set=target.api_token=off";
    let run = fleet.fleet(&["run", "fleet.toml", off, "--set=target.id_scope=0ne00EMULATOR"]);
    let run = run.expect(0);
    assert_eq!(run.figure("connected"), 6, "{}", run.stdout);
    assert!(run.stderr.contains("enrolling is up to you"), "{}", run.stderr);

    let refused = fleet.fleet(&["run", "fleet.toml", off]).expect(2);
    assert!(
        refused.stderr.contains("`target` has neither api_token nor id_scope"),
        "{}",
        refused.stderr
    );
    for words in [&["enroll"][..], &["unenroll", "--yes"]] {
        let scope = "--set=target.id_scope=0ne00EMULATOR";
        let refused = fleet.fleet(&[words, &["fleet.toml", off, scope]].concat()).expect(2);
        assert!(
            refused.stderr.contains("without `target.api_token`"),
            "{}",
            refused.stderr
        );
    }
    emulator.interrupt();
    emulator.end();
}
