//! The scripts: POSIX shell, as a person would type it.

use fleet_report::words;

use super::{COLLECTOR_STACK, NETWORK, RUN_LABEL, SIM, TOKEN, needs_token};
use crate::export::container;
use crate::export::model::{Export, ExportFile, Needs};
use crate::shell::quoted;

/// The template of the secret that a task can read. In a replicated job the slots count from 0, and for slot 0 Swarm has
/// the id of the node.
pub(super) const SHARD_TEMPLATE: &str = r#"{{- /* For each task, Swarm makes of this the secret of the task's own shard. */ -}}
{{- if eq .Task.Slot .Node.ID }}{{ secret "shard-0" }}{{ else }}{{ secret (printf "shard-%s" .Task.Slot) }}{{ end -}}
"#;

/// The name of a secret or config of a run, in a script that has `$run`.
fn named(name: &str) -> String {
    format!("\"fleet-$run-{name}\"")
}

/// The label of all that belongs to the run, in such a script.
fn label() -> String {
    format!("--label \"{RUN_LABEL}=$run\"")
}

/// `deploy.sh`.
pub(super) fn deploy(export: &Export, folders: &[(&str, &str)]) -> String {
    let label = label();
    let mut script = format!(
        "#!/bin/sh
# Puts this fleet into a Docker Swarm: {devices} in {shards}. For a manager of the swarm.
set -eu
cd \"$(dirname \"$0\")\"
run={run}

if docker service inspect {SIM} >/dev/null 2>&1; then
    echo 'error: there is a service {SIM} already' >&2
    echo 'hint: the remove.sh beside its deploy.sh removes it' >&2
    exit 1
fi
",
        devices = words::devices(export.devices),
        shards = words::counted(export.shards.get(), "shard", "shards"),
        run = export.run_id,
    );
    if needs_token(export) {
        script += &format!(
            "if ! docker secret inspect {TOKEN} >/dev/null 2>&1; then
    echo 'error: there is no secret {TOKEN}; the collector asks the application how many messages arrived' >&2
    echo 'hint: docker secret create {TOKEN} FILE, with the API token in FILE' >&2
    exit 1
fi
"
        );
    }
    script += &format!(
        "
# The services reach each other by their names on this network.
docker network inspect {NETWORK} >/dev/null 2>&1 ||
    docker network create --driver overlay --attachable {NETWORK} >/dev/null

# The same in every container.
for file in {config}; do
    docker config create {label} {name} \"config/$file\" >/dev/null
done
",
        config = config_names(export).join(" "),
        name = named("$file"),
    );
    if let Some(collector) = &export.collector {
        script += &format!(
            "
# The collector, on a manager.
for file in {credentials}; do
    docker secret create {label} {name} \"collector/$file\" >/dev/null
done
docker stack deploy --with-registry-auth --compose-file stack.yaml {COLLECTOR_STACK}
",
            credentials = names(&collector.credentials).join(" "),
            name = named("$file"),
        );
    }
    script + &secrets(export, folders) + &job(export, folders)
}

fn names(files: &[ExportFile]) -> Vec<&str> {
    files.iter().map(|file| file.path.as_str()).collect()
}

fn config_names(export: &Export) -> Vec<&str> {
    [names(&export.config), vec!["start.sh"]].concat()
}

fn secrets(export: &Export, folders: &[(&str, &str)]) -> String {
    if folders.is_empty() {
        return "\nset --\n".to_owned();
    }
    let folders: Vec<_> = folders.iter().map(|(folder, _)| *folder).collect();
    format!(
        "
# The keys of each shard, a secret each. A task gets all of them, but readable for root only, which no process in it is;
# it can read the one that Swarm makes of shard.tmpl for each task: the keys of its own shard.
set -- --secret \"source=fleet-$run-shard,target=shard,uid={user},gid={user},mode=0400\"
shard=0
while [ \"$shard\" -lt {shards} ]; do
    tar -C \"shards/$shard\" -c {folders} |
        docker secret create {label} {name} - >/dev/null
    set -- \"$@\" --secret \"source=fleet-$run-shard-$shard,target=shard-$shard,uid=0,gid=0,mode=0400\"
    shard=$((shard + 1))
done
docker secret create {label} --template-driver golang {template} shard.tmpl >/dev/null
",
        user = container::USER,
        shards = export.shards,
        folders = folders.join(" "),
        label = label(),
        name = named("shard-$shard"),
        template = named("shard"),
    )
}

fn job(export: &Export, folders: &[(&str, &str)]) -> String {
    let mut script = String::new();
    if export.collector.is_none() {
        script += "
# The stages of all shards begin at one instant: FLEET_START_AT=$(date -u -d '+5 minutes' +%FT%TZ) sh deploy.sh
[ -z \"${FLEET_START_AT:-}\" ] || set -- \"$@\" --env \"FLEET_START_AT=$FLEET_START_AT\"
";
    }
    script += "
# A task for each shard, all at once. One that fails is started again, twice at most. A node that is down keeps its
# tasks until it is removed from the swarm: `docker node rm --force NODE`, once its machine is off for certain.
";
    let mut lines = vec![
        format!("docker service create --detach --name {SIM} {}", label()),
        format!("--mode replicated-job --replicas {}", export.shards),
        "--env 'FLEET_SLOT={{.Task.Slot}}'".to_owned(),
        "--restart-condition on-failure --restart-max-attempts 2".to_owned(),
        format!("--stop-grace-period {}s", container::GRACE_S),
        resources(&export.sim),
        format!(
            "--user {user}:{user} --read-only --cap-drop ALL",
            user = container::USER
        ),
        format!("--network {NETWORK} --endpoint-mode dnsrr --with-registry-auth"),
    ];
    lines.extend(config_names(export).into_iter().map(|name| {
        let target = format!("{}/{name}", container::CONFIG);
        format!("--config \"source=fleet-$run-{name},target={target},mode=0444\"")
    }));
    // On disk, for their size; they go when the container goes.
    lines.extend([container::LEAVES, container::WORK].map(|target| format!("--mount type=volume,target={target}")));
    // Keys are never on a disk.
    lines.extend(
        folders
            .iter()
            .map(|(_, target)| format!("--mount type=tmpfs,target={target},tmpfs-mode=1777")),
    );
    let (image, start) = (quoted(&export.image), format!("{}/start.sh", container::CONFIG));
    lines.push(format!("--entrypoint sh \"$@\" {image} {start}"));
    script + &lines.join(" \\\n    ") + "\n"
}

fn resources(needs: &Needs) -> String {
    format!(
        "--reserve-cpu {}.{:03} --reserve-memory {}m --limit-memory {}m",
        needs.millicores / 1000,
        needs.millicores % 1000,
        needs.memory_mib,
        needs.memory_limit_mib
    )
}

/// `start.sh`, of each task.
pub(super) fn start(export: &Export, folders: &[(&str, &str)]) -> String {
    let command = |arguments: Vec<String>| {
        let words: Vec<_> = arguments.iter().map(|argument| quoted(argument)).collect();
        format!("fleet {}\n", words.join(" "))
    };
    let mut script = "#!/bin/sh
# What each task runs: the keys of its shard go where the plan expects them; then it makes the leaves of its devices, and
# simulates them.
set -eu
"
    .to_owned();
    for (folder, target) in folders {
        script += &format!("tar -x -f /run/secrets/shard -C {target} --strip-components=1 {folder}\n");
    }
    if export.makes_leaves() {
        script += &command(export.leaves_arguments(None));
    }
    script + "exec " + &command([export.sim_arguments(None), export.collector_arguments()].concat())
}

/// `records.sh`.
pub(super) fn records() -> String {
    format!(
        "#!/bin/sh
# What the tasks of {SIM} have written to stdout, but those that were replaced:
#
#   sh records.sh | fleet report merge - --report report
#
# Task by task, since `docker service logs {SIM}` does not end once a node that had a task is gone.
set -eu
for task in $(docker service ps --quiet --filter desired-state=complete {SIM}); do
    docker service logs --raw \"$task\"
done
"
    )
}

/// `remove.sh`.
pub(super) fn remove(export: &Export) -> String {
    let filter = format!("--quiet --filter \"label={RUN_LABEL}=$run\"");
    let (stack, kept) = match &export.collector {
        Some(_) => (
            format!("docker stack rm {COLLECTOR_STACK}\n"),
            format!("The network {NETWORK}, the volume with the report and the secret with the API token stay."),
        ),
        None => (String::new(), format!("The network {NETWORK} stays.")),
    };
    format!(
        "#!/bin/sh
# Takes the fleet out of the swarm, with its keys. Devices that are online drain and disconnect.
# {kept}
set -eu
run={run}
docker service ls {filter} | xargs -r docker service rm
{stack}docker secret ls {filter} | xargs -r docker secret rm
docker config ls {filter} | xargs -r docker config rm
",
        run = export.run_id,
    )
}
