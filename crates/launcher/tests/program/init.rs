//! `fleet init --app`: the templates of an application become a manifest that runs.

use mqtt_link::TrustRoots;
use provisioning::central::{ApiToken, Central, GroupType};
use serde_json::{Value, json};
use testing::emulator::{Place, Ready};

use crate::configs::copy_configs;
use crate::support::{Finished, Fleet, ON_FREE_PORTS, Running};

/// An emulator that is the application, and what it takes to reach it.
struct World {
    fleet: Fleet,
    ready: Ready,
    token: String,
    central: Central,
    runtime: tokio::runtime::Runtime,
    _emulator: Running,
}

/// The template of a model in `configs/own-models`, by another name.
fn template(fleet: &Fleet, file: &str, id: &str, name: &str) -> Value {
    let text = std::fs::read(fleet.path(&format!("configs/own-models/{file}"))).unwrap();
    let mut documents = dtdl::Documents::new();
    documents.add(file, &serde_json::from_slice(&text).unwrap());
    let mut template = dtdl::template(&documents.read(None).unwrap().document);
    template["@id"] = id.into();
    template["displayName"] = name.into();
    template
}

impl World {
    /// An application that has no template yet.
    fn new() -> Self {
        let fleet = Fleet::new("");
        copy_configs(&fleet);
        let (emulator, ready) = fleet.start_emulator(ON_FREE_PORTS);
        let token = ready.token().trim().to_owned();
        let app = format!("http://{}", ready.http());
        Self {
            central: Central::new(&app, &ApiToken::new(token.as_str()), TrustRoots::WebPki).unwrap(),
            runtime: tokio::runtime::Runtime::new().unwrap(),
            _emulator: emulator,
            fleet,
            ready,
            token,
        }
    }

    fn publish(&self, file: &str, id: &str, name: &str, change: impl FnOnce(&mut Value)) {
        let mut template = template(&self.fleet, file, id, name);
        change(&mut template);
        let published = self.central.put_device_template(id, &template);
        self.runtime.block_on(published).unwrap();
    }

    /// Pumps, gateways, and IoT Edge devices, which are not simulated.
    fn with_templates(self) -> Self {
        self.publish("pump.json", "dtmi:contoso:templates:pump;3", "Cooling pump", |_| {});
        self.publish("gateway.json", "dtmi:contoso:gateway;1", "Radio gateway", |_| {});
        self.publish("gateway.json", "dtmi:contoso:edge;1", "Edge", |template| {
            template["@type"] = json!(["ModelDefinition", "EdgeModel"]);
        });
        self
    }

    /// `fleet init lab.toml` for this application.
    fn init(&self, token: &str, more: &[&str]) -> Finished {
        let app = format!("https://localhost:{}", self.ready.https().port());
        let dps = format!("localhost:{}", self.ready.mqtt().port());
        let own = ["--app", &app, "--ca", "emulator/ca_cert.pem", "--dps-endpoint", &dps];
        let arguments = [&["init", "lab.toml"], &own[..], more].concat();
        let mut command = self.fleet.command(&arguments);
        command.env("IOTC_API_TOKEN", token);
        command.output().unwrap().into()
    }

    fn with_token(&self, arguments: &[&str]) -> Finished {
        let mut command = self.fleet.command(arguments);
        command.env("IOTC_API_TOKEN", &self.token);
        command.output().unwrap().into()
    }

    fn manifest(&self) -> String {
        std::fs::read_to_string(self.fleet.path("lab.toml")).unwrap()
    }
}

#[test]
fn the_templates_of_an_application_become_a_manifest_that_runs() {
    let world = World::new().with_templates();
    // A group of somebody else has the id that would be chosen.
    let theirs = world
        .central
        .put_enrollment_group("Lab-Cooling-Pump", "Theirs", GroupType::Iot);
    world.runtime.block_on(theirs).unwrap();
    let flags = ["--devices", "2", "--interval", "500ms", "--stay", "3s"];
    let written = world.init(&world.token, &flags).expect(0);
    for words in [
        "the application has 2 device templates of which devices can be simulated:",
        "Cooling pump   dtmi:contoso:templates:pump;3\n",
        "left out: `Edge` (dtmi:contoso:edge;1): its devices are IoT Edge devices",
        "all of them are taken",
        "enrollment group lab-cooling-pump is in use in the application, so the group of `Cooling pump` is called \
         lab-cooling-pump-2\n",
        "`lab.toml` is written. Next:\n  fleet plan lab.toml ",
    ] {
        assert!(written.stderr.contains(words), "{words} in\n{}", written.stderr);
    }
    let first = world.manifest();
    assert!(!first.contains(&world.token) && !written.stderr.contains(&world.token));

    let plan = world.with_token(&["plan", "lab.toml"]).expect(0);
    for words in [
        "lab: 4 devices",
        "enrollment group lab-cooling-pump-2",
        "lab-radio-gateway",
    ] {
        assert!(plan.stdout.contains(words), "{words} in\n{}", plan.stdout);
    }
    // The model is here only when the template was read, and is held against the profiles then.
    let profile = "group.lab-cooling-pump-2.profile=[{ name = \"q\", on_change = { by = 1, heartbeat = \"1m\" } }]";
    let refused = world.with_token(&["plan", "lab.toml", "--set", profile]).expect(2);
    let words =
        "`on_change` of the profile q compares one number of each message, but a message of `dtmi:contoso:pump;1` has";
    assert!(refused.stderr.contains(words), "{}", refused.stderr);
    let enrolled = world.with_token(&["enroll", "lab.toml"]).expect(0);
    // Both templates are the application's, and stay as they are.
    assert!(
        enrolled.stderr.contains("enrolled: 2 enrollment groups\n"),
        "{}",
        enrolled.stderr
    );
    let stages = "load.stages=[\"100%@1s\", \"100%@3s\", \"0%@500ms\"]";
    let run = world.with_token(&["run", "lab.toml", "--set", stages]).expect(0);
    assert!(run.stdout.starts_with("PASSED: 2 thresholds"), "{}", run.stdout);
    assert_eq!(run.figure("connected"), 4);
    for (device, component, telemetry) in [
        ("lab-cooling-pump-2-0001", None, "pressure"),
        ("lab-radio-gateway-0002", Some("radio"), "packetCount"),
    ] {
        let last = world.central.telemetry(device, component, telemetry);
        assert!(world.runtime.block_on(last).unwrap().value.is_number(), "{device}");
    }

    // A second time, the groups are ours.
    let again = world.init(&world.token, &[&flags[..], &["--force"]].concat()).expect(0);
    assert_eq!(world.manifest(), first);
    let ours = "enrollment group lab-radio-gateway is there already, with the CA in `certs/lab/lab-radio-gateway`";
    assert!(again.stderr.contains(ours), "{}", again.stderr);
}

#[test]
fn one_template_is_written_where_one_is_wanted() {
    let world = World::new().with_templates();
    let written = world
        .init(&world.token, &["--template", "radio GATEWAY", "--stdout"])
        .expect(0);
    assert_eq!(written.stdout.matches("[[group]]").count(), 1, "{}", written.stdout);
    let group = "id = \"lab-radio-gateway\"\nmodel = { template = \"dtmi:contoso:gateway;1\" }   # Radio gateway\n";
    assert!(written.stdout.contains(group), "{}", written.stdout);
    assert!(!world.fleet.path("lab.toml").exists());
}

#[test]
fn what_can_not_be_written_is_refused_and_leaves_nothing() {
    let world = World::new();
    let empty = world.init(&world.token, &[]).expect(2);
    assert!(
        empty
            .stderr
            .contains("the application has no device template\nhint: publish a device template"),
        "{}",
        empty.stderr
    );
    let world = world.with_templates();
    world.publish("pump.json", "dtmi:contoso:templates:pump;4", "Cooling pump", |_| {});
    let (token, wrong) = (world.token.as_str(), "SharedAccessSignature sr=x&sig=wrong&skn=a&se=1");
    let cases: [(&str, &[&str], &[&str]); 8] = [
        (
            "",
            &[],
            &[
                "the environment variable IOTC_API_TOKEN, for the API token, is empty",
                "hint: or give --group",
            ],
        ),
        (
            token,
            &["--token-variable", "NOT_SET_HERE"],
            &["NOT_SET_HERE, for the API token, is not set"],
        ),
        (
            wrong,
            &[],
            &[
                "the device templates of the application can't be listed: ",
                " 401 ",
                "likely cause: ",
            ],
        ),
        (
            token,
            &[
                "--template",
                "Coolign pump",
                "--template",
                "Cooling pump",
                "--template",
                "Edge",
            ],
            &[
                "no device template `Coolign pump`; did you mean `Cooling pump`?",
                "`Cooling pump` means 2 device templates: give one of `dtmi:contoso:templates:pump;3`, `",
                "no device can be simulated of `Edge` (dtmi:contoso:edge;1): ",
                "it has:\n",
                "  `Radio gateway` (dtmi:contoso:gateway;1)\n",
            ],
        ),
        (
            token,
            &["--interval", "100ms", "--devices", "1000"],
            &[
                "messages: ",
                " of 200/s, ",
                "(central.messages)",
                "hint: an interval of ",
            ],
        ),
        (
            token,
            &["--devices", "200001"],
            &["(central.devices)", "hint: take fewer devices"],
        ),
        (
            token,
            &["--group", "a=1", "--template", "Edge"],
            &["cannot be used with"],
        ),
        (
            token,
            &["--target", "emulator", "--template", "Edge"],
            &["hint: give --app URL"],
        ),
    ];
    for (token, more, expected) in cases {
        let refused = world.init(token, more).expect(2);
        for words in expected {
            assert!(refused.stderr.contains(words), "{words} in\n{}", refused.stderr);
        }
        assert!(!refused.stderr.contains("sig="), "{}", refused.stderr);
    }
    // Whether the application can be reached, and trusted, is known within seconds.
    let public = format!("https://localhost:{}", world.ready.https().port());
    for (arguments, words) in [
        (
            ["--app", "https://localhost:1"],
            "localhost refuses connections on port 1\nhint: check `--app`",
        ),
        (
            ["--app", &public],
            "does not come from a public CA\nhint: check `--app`; the CA of an emulator",
        ),
    ] {
        let refused = world
            .with_token(&[&["init", "lab.toml"], &arguments[..]].concat())
            .expect(2);
        assert!(refused.stderr.contains(words), "{words} in\n{}", refused.stderr);
    }
    assert!(!world.fleet.path("lab.toml").exists());

    // A file that is there is found before the application is asked, which would refuse this token.
    std::fs::write(world.fleet.path("lab.toml"), "# mine").unwrap();
    let refused = world.init(wrong, &[]).expect(2);
    assert!(
        refused.stderr.starts_with("error: `lab.toml` exists already"),
        "{}",
        refused.stderr
    );
    assert_eq!(world.manifest(), "# mine");
}
