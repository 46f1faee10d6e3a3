//! The manifest's text.

use std::fmt::Write as _;

use iot_protocol::shown;

use super::answers::{Answers, EmulatorAnswer, TargetAnswer, TemplateAnswer};

/// A commented manifest that `fleet plan` accepts.
pub(crate) fn manifest(answers: &Answers) -> String {
    let mut text = String::new();
    let quoted = |value: &str| toml::Value::from(value).to_string();
    let of_templates = answers.groups.iter().any(|group| group.template.is_some());
    let (what, page) = match of_templates {
        true => ("devices of the application's templates", "your-own-devices"),
        false => ("simulated thermostats", "load-testing"),
    };
    // Writing into a string can't fail.
    let _ = write!(
        text,
        "# A fleet of {what}, as `fleet init` wrote it. docs/{page}.md has the other keys.\n\n\
         [fleet]\n\
         name = {name}\n\
         seed = 7                                # all randomness comes from this and a device's id\n\
         {certs:<40}# certificates and keys: keep this folder out of version control\n\
         {state:<40}# what is remembered between two runs\n\n",
        name = quoted(&answers.name),
        certs = format!("# certs = \"certs/{}\" ", answers.name),
        state = format!("# state = \"state/{}\" ", answers.name),
    );
    text.push_str("[target]\n");
    match &answers.target {
        TargetAnswer::Emulator => text.push_str(
            "kind = \"emulator\"                       # `fleet run` starts it on this machine, and stops it at the end\n\
             # quota = \"iot-central\"                 # the limits that it keeps: iot-central, dps, hub-f1, hub-s1, …\n\
             # faults = \"slow-network\"               # what goes wrong on purpose: lost-acks, throttled-dps, outage, …\n",
        ),
        TargetAnswer::IotCentral {
            app,
            token_variable,
            emulator,
        } => {
            let _ = write!(
                text,
                "kind = \"iot-central\"\n\
                 app = {}\n\
                 api_token = {{ env = {} }}      # IoT Central: Permissions, API tokens; or {{ file = \"…\" }}\n\
                 # id_scope = \"0ne00ABCDEF\"            # when it can't be found by REST\n",
                quoted(app),
                quoted(token_variable)
            );
            if let Some(EmulatorAnswer { ca, dps }) = emulator {
                let _ = writeln!(text, "ca = {}", quoted(ca));
                let _ = writeln!(text, "dps_endpoint = {}", quoted(&dps.host));
                let port = dps.port.map(|port| format!("port = {port}\n"));
                text.push_str(&port.unwrap_or_default());
            }
        }
        TargetAnswer::Dps { id_scope } => {
            let _ = write!(
                text,
                "kind = \"dps\"                            # you enroll; `fleet enroll` prints the commands\n\
                 id_scope = {}\n\
                 # quota = \"hub-s1\"                      # the hub's tier, which `fleet plan` then judges, too\n\
                 # units = 1                             # how many units it has\n",
                quoted(id_scope.as_str())
            );
        }
    }
    for group in &answers.groups {
        let _ = write!(
            text,
            "\n[[group]]                               # an enrollment group: one CA, and the leaves below it\n\
             id = {}\n\
             {}issuer = \"root\"                         # who signs the leaves; `intermediate` puts a CA between\n\
             devices = {{ prefix = {}, count = {} }}\n\
             telemetry = {{ interval = {}, jitter = 0.1 }}\n",
            quoted(&group.id),
            model(group.template.as_ref()),
            quoted(&group.prefix()),
            group.count,
            quoted(&answers.interval.to_string())
        );
    }
    let _ = write!(
        text,
        "\n[load]\n\
         # register_rate = \"200/min\"             # how fast devices register; the target's quota when left out\n\
         # connect_rate = \"50/s\"                 # how fast they connect\n\
         # All online within 30 s, for this long, then all offline. Stages begin when the devices have registered.\n\
         stages = [\"100%@30s\", {}, \"0%@10s\"]\n\n\
         [thresholds]                            # without them, a run passes when every device was online\n\
         publish_duration = [\"p(95) < 5s\"]\n\
         telemetry_lost = [\"rate < 0.01\"]\n",
        quoted(&format!("100%@{}", answers.stay))
    );
    text
}

/// What the devices of a group are, where they are no thermostats.
fn model(template: Option<&TemplateAnswer>) -> String {
    let Some(TemplateAnswer { id, name }) = template else {
        return String::new();
    };
    let id = toml::Value::from(id.as_str());
    match name == id.as_str().unwrap_or_default() {
        true => format!("model = {{ template = {id} }}\n"),
        // A name is anything, and a comment ends with its line.
        false => format!("model = {{ template = {id} }}   # {}\n", shown::text(name)),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::answers::{DpsAddress, GroupAnswer};
    use super::*;
    use crate::prepare::budget;

    fn group(text: &str) -> GroupAnswer {
        text.parse().unwrap()
    }

    #[test]
    fn every_combination_is_a_plan() {
        let targets = [
            TargetAnswer::Emulator,
            TargetAnswer::IotCentral {
                app: "https://contoso.azureiotcentral.com".to_owned(),
                token_variable: "IOTC_API_TOKEN".to_owned(),
                emulator: None,
            },
            TargetAnswer::Dps {
                id_scope: "0ne00ABCDEF".parse().unwrap(),
            },
        ];
        let groups = [
            vec![group("thermostats=1")],
            vec![group("Seattle=10"), group("Berlin-2=1000")],
            vec![group("a=100000")],
        ];
        let mut tried = 0;
        for target in targets {
            for groups in &groups {
                for (interval, stay) in [("500ms", "1s"), ("10s", "5m"), ("1h", "720h")] {
                    let answers = Answers {
                        name: "my_fleet-1".to_owned(),
                        target: target.clone(),
                        groups: groups.clone(),
                        interval: interval.parse().unwrap(),
                        stay: stay.parse().unwrap(),
                    };
                    let text = manifest(&answers);
                    let manifest = crate::manifest::parse("fleet.toml", &text, Path::new("."), &[])
                        .unwrap_or_else(|error| panic!("{error:?}\n{text}"));
                    let plan = budget::plan(&manifest).unwrap();
                    assert_eq!(plan.devices, groups.iter().map(|group| group.count).sum::<u32>());
                    assert_eq!(manifest.group[0].telemetry.interval, answers.interval);
                    tried += 1;
                }
            }
        }
        assert_eq!(tried, 27);
    }

    #[test]
    fn what_is_written_is_commented() {
        let answers = Answers {
            name: "lab".to_owned(),
            target: TargetAnswer::Emulator,
            groups: vec![group("lab-thermostats=10")],
            interval: "10s".parse().unwrap(),
            stay: "5m".parse().unwrap(),
        };
        insta::assert_snapshot!(manifest(&answers));
    }

    /// Whatever a template is called, it stays in its comment.
    #[test]
    fn a_group_of_a_template_names_it() {
        let of_template = |name: &str| GroupAnswer {
            template: Some(TemplateAnswer {
                id: "dtmi:contoso:pump;1".to_owned(),
                name: name.to_owned(),
            }),
            ..group("lab-pump=10")
        };
        let mut answers = Answers {
            name: "lab".to_owned(),
            target: TargetAnswer::IotCentral {
                app: "https://localhost:8443".to_owned(),
                token_variable: "IOTC_API_TOKEN".to_owned(),
                emulator: Some(EmulatorAnswer {
                    ca: "emulator/ca_cert.pem".to_owned(),
                    dps: DpsAddress {
                        host: "localhost".to_owned(),
                        port: Some(8884),
                    },
                }),
            },
            groups: vec![of_template("Pump\nid = \"x\"\u{7f}\u{1b}[2J")],
            interval: "10s".parse().unwrap(),
            stay: "5m".parse().unwrap(),
        };
        let text = manifest(&answers);
        let read = crate::manifest::parse("fleet.toml", &text, Path::new(""), &[]);
        let read = read.unwrap_or_else(|error| panic!("{error:?}\n{text}"));
        assert_eq!(read.models[0].source, "dtmi:contoso:pump;1");
        answers.groups = vec![of_template("Pump"), of_template("dtmi:contoso:pump;1")];
        insta::assert_snapshot!(manifest(&answers));
    }
}
