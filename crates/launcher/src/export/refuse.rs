//! What can't be exported, with the reason: all of it at once, before anything is made.

use anyhow::anyhow;

use super::args::ExportArgs;
use crate::exit::Failure;
use crate::manifest::Manifest;
use crate::manifest::events::Effect;
use crate::manifest::types::{Group, GroupKind, Individual, Secret, Target};
use crate::prepare::plan::{device_count, groups};
use fleet_report::words;
use provisioning::identities::Issuer;

/// The most shards of one collector.
const MOST_COLLECTED: u32 = 256;

/// A reason, and what helps.
struct Problem {
    reason: String,
    hint: &'static str,
}

/// Refuses a manifest that containers on other machines can't run.
///
/// # Errors
///
/// All that is in the way.
pub(super) fn check(manifest: &Manifest, args: &ExportArgs) -> Result<(), Failure> {
    let mut problems = Vec::new();
    problems.extend(target(&manifest.target));
    for group in &manifest.group {
        problems.extend(self::group(group));
    }
    let negative = manifest.group.iter().any(|group| group.expect.is_some())
        || manifest.individual.iter().any(|individual| individual.expect.is_some());
    if negative {
        problems.push(Problem {
            reason: "expect: the certificates of devices that must be refused are made where a run is started"
                .to_owned(),
            hint: "`fleet run` runs them on one machine; leave them out of what is exported",
        });
    }
    for individual in &manifest.individual {
        problems.extend(self::individual(individual));
    }
    let devices = device_count(&groups(manifest).map_err(Failure::Refused)?);
    if args.shards.get() > devices {
        problems.push(Problem {
            reason: format!(
                "--shards {}: there are only {}, and a shard without a device would end at once",
                args.shards,
                words::devices(devices)
            ),
            hint: "a shard may have ten thousand devices and more",
        });
    }
    problems.extend(enroll_later(manifest, args));
    if args.collect {
        problems.extend(collector(manifest, args));
    }
    if args.image.is_empty() || args.image.chars().any(|c| c.is_whitespace() || c.is_control()) {
        problems.push(Problem {
            reason: "--image: accepted: the name of an image, such as registry.example/fleet:1.0".to_owned(),
            hint: "docker/Dockerfile builds it",
        });
    }
    if problems.is_empty() {
        return Ok(());
    }
    let mut lines = vec!["this manifest can't be exported".to_owned()];
    for Problem { reason, hint } in problems {
        lines.push(format!("  {reason}\n    hint: {hint}"));
    }
    Err(Failure::refused(anyhow!(lines.join("\n"))))
}

/// What a collector can't do.
fn collector(manifest: &Manifest, args: &ExportArgs) -> Vec<Problem> {
    let mut problems = Vec::new();
    if args.shards.get() > MOST_COLLECTED {
        problems.push(Problem {
            reason: format!("--shards {}: a collector takes {MOST_COLLECTED} at most", args.shards),
            hint: "give fewer shards with more devices each",
        });
    }
    let rolls = manifest.event.iter().enumerate();
    for (index, _) in rolls.filter(|(_, event)| matches!(event.effect(), Effect::Roll(_))) {
        problems.push(Problem {
            reason: format!("event.{index}: a roll needs the CAs' keys, which stay here"),
            hint: "`fleet run` rolls certificates on one machine",
        });
    }
    problems
}

/// Enrolling without a key is for what is made here, and needs an application.
fn enroll_later(manifest: &Manifest, args: &ExportArgs) -> Option<Problem> {
    if !args.enroll_later {
        return None;
    }
    let problem = |reason: &str, hint| {
        Some(Problem {
            reason: format!("--enroll-later: {reason}"),
            hint,
        })
    };
    let own = manifest.group.iter().any(|group| group.certificates.is_some())
        || manifest.individual.iter().any(|one| one.certificates.is_some());
    match &manifest.target {
        Target::IotCentral(target) if target.api_token.is_none() => problem(
            "there is no target.api_token to enroll with",
            "leave --enroll-later out: without a token, enrolling is up to you",
        ),
        Target::IotCentral(target) if target.id_scope.is_none() => problem(
            "the id scope is not in the manifest, and the application is not asked",
            "target.id_scope = \"0ne…\" (IoT Central: Permissions, Device connection groups)",
        ),
        Target::IotCentral(_) if own => problem(
            "certificates of your own are enrolled from where they are",
            "leave --enroll-later out",
        ),
        Target::IotCentral(_) => None,
        Target::Dps(_) | Target::Emulator(_) => problem(
            "only an application is enrolled with by way of REST",
            "leave --enroll-later out; enrolling with a DPS instance is up to you",
        ),
    }
}

fn target(target: &Target) -> Option<Problem> {
    matches!(target, Target::Emulator(_)).then(|| Problem {
        reason: "target.kind = \"emulator\": that emulator lives only as long as the `fleet run` that starts it".to_owned(),
        hint: "start `fleet emulator` where the containers reach it, and describe it as a target of kind `iot-central` with \
               its CA",
    })
}

fn group(group: &Group) -> Vec<Problem> {
    let id = &group.id;
    let mut problems = Vec::new();
    if group.kind == GroupKind::Edge {
        problems.push(Problem {
            reason: format!("group `{id}`: IoT Edge devices are gateways with a place and an address of their own"),
            hint: "run them beside the cluster, or leave the group out",
        });
    }
    if let Some(via) = &group.via {
        problems.push(behind(&format!("group `{id}`"), via.as_str()));
    }
    let own = group.certificates.as_ref();
    if own.is_none() && group.enroll == Issuer::Intermediate {
        problems.push(Problem {
            reason: format!(
                "group `{id}`: its enrollment holds the intermediate, which may sign no authorities for shards"
            ),
            hint: "enroll = \"root\": each shard gets an authority below the root",
        });
    }
    if own.is_some_and(|own| matches!(own.password, Some(Secret::Env(_)))) {
        problems.push(password(&format!("group `{id}`")));
    }
    problems
}

fn individual(individual: &Individual) -> Vec<Problem> {
    let name = match (&individual.device_id, &individual.devices) {
        (Some(id), _) => format!("individual `{id}`"),
        (None, Some(range)) => format!("individual `{}…`", range.prefix),
        (None, None) => "individual".to_owned(),
    };
    let mut problems = Vec::new();
    if let Some(via) = &individual.via {
        problems.push(behind(&name, via.as_str()));
    }
    let own = individual.certificates.as_ref();
    if own.is_some_and(|own| matches!(own.password, Some(Secret::Env(_)))) {
        problems.push(password(&name));
    }
    problems
}

fn behind(name: &str, via: &str) -> Problem {
    Problem {
        reason: format!("{name}: its devices are behind the gateway `{via}`, whose address is not the cluster's"),
        hint: "leave `via` out, or run these devices where the gateway is",
    }
}

fn password(name: &str) -> Problem {
    Problem {
        reason: format!("{name}: the password of its certificates is in an environment variable of this machine"),
        hint: "password = { file = \"PATH\" }: the file goes along with the certificates of each shard",
    }
}
