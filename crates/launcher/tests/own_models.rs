//! Models of a user's own in a manifest: what is read of them, and what a person reads who has made a mistake.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use fleet_protocol::plan::Model;
use launcher::manifest::problem::Look;
use launcher::manifest::{self, Manifest, ManifestError};
use tempfile::TempDir;

const HEAD: &str = "[fleet]\nname = \"own\"\n\n[target]\nkind = \"emulator\"\n\n[[group]]\nid = \"pumps\"\n\
                    devices = { prefix = \"pump-\", count = 3 }\n";

/// A folder with the shipped pump, a recording and a model that is none.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/own-models");
    for name in ["pump.json", "gateway.json", "pressure.csv"] {
        fs::copy(models.join(name), folder.path().join(name)).unwrap();
    }
    let pump = fs::read_to_string(models.join("pump.json")).unwrap();
    let wrong = pump
        .replace("\"bar\"", "\"barr\"")
        .replace("\"double\", \"unit\": \"litre", "\"dobule\", \"unit\": \"litre");
    fs::write(folder.path().join("wrong.json"), wrong).unwrap();
    fs::write(folder.path().join("levels.csv"), "time,pressure\n0,high\n").unwrap();
    folder
}

fn read(folder: &TempDir, rest: &str) -> Result<Manifest, ManifestError> {
    manifest::parse("fleet.toml", &format!("{HEAD}{rest}"), folder.path(), &[])
}

/// What is said, with the folder of the test taken out.
#[track_caller]
fn refusal(rest: &str) -> String {
    let folder = folder();
    let error = read(&folder, rest).expect_err("the manifest is wrong");
    error
        .render(Look::Plain)
        .replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn a_model_of_a_file_is_read_once_for_all_of_its_groups() {
    let folder = folder();
    let more = "[[group]]\nid = \"more\"\ndevices = { prefix = \"more-\", count = 1 }\nmodel = { dtdl = \"pump.json\" }\n\
                [[group]]\nid = \"gateways\"\ndevices = { prefix = \"gw-\", count = 1 }\nmodel = { dtdl = \"gateway.json\" }\n\
                capability.radio.packetCount = { max = 10 }\n";
    let manifest = read(&folder, &format!("model = {{ dtdl = \"pump.json\" }}\n{more}")).unwrap();
    let models: Vec<_> = manifest.group.iter().map(|group| group.model.in_plan()).collect();
    assert_eq!(models, [Model::Own(0), Model::Own(0), Model::Own(1)]);
    assert_eq!(manifest.models.len(), 2);
    assert!(manifest.group[2].capability.contains_key("radio.packetCount"));
    let written = serde_json::to_value(&manifest).unwrap();
    assert_eq!(written["group"][0]["model"], serde_json::json!({"dtdl": "pump.json"}));
}

#[test]
fn what_is_wrong_with_a_model_is_reported_with_its_file_and_place() {
    let said = refusal("model = { dtdl = \"wrong.json\" }\n");
    for expected in [
        "wrong.json#/contents/0/unit: `barr` is not a unit of `Pressure`; did you mean `bar`?",
        "wrong.json#/contents/1/schema: there is no schema `dobule` here; did you mean `double`?",
        "fleet.toml",
        "2 problems",
    ] {
        assert!(said.contains(expected), "{expected} in {said}");
    }
    let missing = refusal("model = { dtdl = \"none.json\" }\n");
    assert!(missing.contains("can't read the model `none.json`"), "{missing}");
    let both = refusal("model = { dtdl = \"pump.json\", template = \"dtmi:a;1\" }\n");
    assert!(both.contains("has to be from a file or from a template"), "{both}");
    let several = refusal("model = { dtdl = \"gateway.json\", id = \"dtmi:contoso:radoi;1\" }\n");
    assert!(several.contains("`dtmi:contoso:radio;1`?"), "{several}");
}

#[test]
fn what_a_capability_can_not_be_is_reported_at_its_key() {
    let said = refusal(
        "model = { dtdl = \"pump.json\" }\n[group.capability]\npresure = { min = 1 }\npressure = { replay = \"levels.csv\" }\n\
         flow = { process = \"wander\" }\nselfTest = { delay = 5 }\nenergy = { process = \"counter\", noise = 3 }\n",
    );
    for expected in [
        "`group.0.capability.presure`: is not in the model `dtmi:contoso:pump;1`; did you mean `pressure`?",
        "value 1 of the recording, \"high\", must be a number",
        "`wander`",
        "`group.0.capability.selfTest.delay`",
        "`group.0.capability.energy.noise`: a counter only grows",
    ] {
        assert!(said.contains(expected), "{expected} in {said}");
    }
    let thermostat = refusal("[group.capability]\npressure = { min = 1 }\n");
    assert!(thermostat.contains("is for models of your own"), "{thermostat}");
    let room = refusal("model = { dtdl = \"pump.json\" }\nroom = { noise_k = 1 }\n");
    assert!(room.contains("is what thermostats have"), "{room}");
}

#[test]
fn a_profile_compares_messages_of_one_number_only() {
    let profile = "[[group.profile]]\nname = \"quiet\"\non_change = { by = 1, heartbeat = \"1m\" }\n";
    // A long sentence is broken.
    let whole = |said: String| said.replace("\n  │ ", " ");
    let said = whole(refusal(&format!("model = {{ dtdl = \"pump.json\" }}\n{profile}")));
    for expected in [
        "`group.0.profile.0.on_change`: compares one number of each message, but a message of `dtmi:contoso:pump;1` has \
         pressure, flow, motorTemperature",
        "accepted: `on_change` of each capability, such as [group.capability] pressure",
    ] {
        assert!(said.contains(expected), "{expected} in {said}");
    }
    // A model of one number is as good as a thermostat.
    let folder = folder();
    let meter = |schema: &str| {
        let text = format!(
            r#"{{"@context": "dtmi:dtdl:context;2", "@id": "dtmi:c:meter;1", "@type": "Interface", "contents": [
            {{"@type": "Telemetry", "name": "flow", "schema": "{schema}"}}]}}"#
        );
        fs::write(folder.path().join("meter.json"), text).unwrap();
        read(&folder, &format!("model = {{ dtdl = \"meter.json\" }}\n{profile}"))
    };
    meter("integer").unwrap();
    let said = whole(meter("string").unwrap_err().render(Look::Plain));
    assert!(said.contains("but `flow` of `dtmi:c:meter;1` is no number"), "{said}");
}
