//! The Job of the sims: a pod for each shard, all at once.

use std::collections::BTreeMap;

use super::types::{
    Amounts, AnyJob, Capabilities, ConfigMapSource, Container, ContainerSecurity, EmptyDir, ExitCodes, FailureAction,
    FailureRule, Indexed, IndexedJob, Labels, Metadata, Mount, Object, Operator, Pod, PodCondition, PodFailurePolicy,
    PodSecurity, PodTemplate, Port, Replacement, Resources, Restart, Seccomp, SecretSource, Selector, Source, Spread,
    Volume,
};
use super::{AUTHORITIES, CERTIFICATES, CONFIG, Keys, SIM};
use crate::exit::REFUSED;
use crate::export::container;
use crate::export::model::{Export, Needs};
use crate::export::yaml::{Commented, commented};

/// The name of the container that simulates.
pub(super) const CONTAINER: &str = "sim";
/// A day, in which logs can be read.
pub(super) const KEPT_S: u32 = 86_400;

/// Of everything that an export renders.
pub(super) fn labels(component: &str, export: &Export) -> Labels {
    Labels::from([
        ("app.kubernetes.io/name".to_owned(), "fleet".to_owned()),
        ("app.kubernetes.io/component".to_owned(), component.to_owned()),
        ("fleet/run".to_owned(), export.run_id.clone()),
    ])
}

/// The same as metadata, with `comments` at some of them.
pub(super) fn metadata(name: Option<&'static str>, labels: Labels, comments: &[(&str, &str)]) -> Metadata {
    let comment = |label: &str| {
        comments
            .iter()
            .find(|(of, _)| *of == label)
            .map_or("", |(_, text)| *text)
    };
    let labels = labels.into_iter().map(|(label, value)| {
        let value = commented(value, comment(&label));
        (label, value)
    });
    Metadata {
        name,
        labels: labels.collect(),
        annotations: BTreeMap::new(),
    }
}

pub(super) fn job(export: &Export, keys: &Keys) -> Object<IndexedJob> {
    let labels = labels("sim", export);
    let shards = export.shards.get();
    let kueue = ("fleet/run", "with Kueue, add kueue.x-k8s.io/queue-name: QUEUE");
    Object {
        api_version: "batch/v1",
        kind: "Job",
        metadata: metadata(Some(SIM), labels.clone(), &[kueue]),
        spec: IndexedJob {
            completion_mode: commented(
                Indexed::Indexed,
                "JOB_COMPLETION_INDEX in the containers is the shard's number",
            ),
            completions: shards,
            parallelism: commented(
                shards,
                "all at once, or the stages mean nothing; a queue has to admit all of them",
            ),
            backoff_limit_per_index: commented(2, "retries of one shard"),
            max_failed_indexes: commented(0, "one shard lost for good: stop, and don't measure a smaller fleet"),
            any: AnyJob {
                pod_replacement_policy: commented(
                    Replacement::Failed,
                    "the next pod of a shard only when the last is gone: no device is simulated twice",
                ),
                pod_failure_policy: PodFailurePolicy {
                    rules: vec![
                        FailureRule {
                            action: commented(FailureAction::FailJob, "nothing was started, and a retry won't help"),
                            on_exit_codes: Some(ExitCodes {
                                container_name: CONTAINER,
                                operator: Operator::In,
                                values: vec![REFUSED],
                            }),
                            on_pod_conditions: Vec::new(),
                        },
                        disrupted(),
                    ],
                },
                active_deadline_seconds: commented(export.deadline_s, "the plan's estimate and half of it, and 600"),
                ttl_seconds_after_finished: KEPT_S,
                template: PodTemplate {
                    metadata: metadata(None, labels, &[]),
                    spec: pod(export, keys),
                },
            },
        },
    }
}

/// A pod that was evicted, preempted or drained is no failure of a shard.
pub(super) fn disrupted() -> FailureRule {
    FailureRule {
        action: commented(
            FailureAction::Ignore,
            "evicted, preempted or drained: a retry that doesn't count",
        ),
        on_exit_codes: None,
        on_pod_conditions: vec![PodCondition {
            kind: "DisruptionTarget",
            status: "True",
        }],
    }
}

fn pod(export: &Export, keys: &Keys) -> Pod {
    let spread = Spread {
        max_skew: 1,
        topology_key: "kubernetes.io/hostname",
        when_unsatisfiable: "ScheduleAnyway",
        label_selector: Selector {
            match_labels: labels("sim", export),
        },
    };
    Pod {
        restart_policy: never(),
        automount_service_account_token: no_token(),
        termination_grace_period_seconds: grace(),
        security_context: pod_security(),
        topology_spread_constraints: vec![spread],
        init_containers: keys.authorities.iter().map(|_| leaves(export)).collect(),
        containers: vec![sim(export, keys)],
        volumes: volumes(export, keys),
    }
}

pub(super) fn never() -> Commented<Restart> {
    commented(Restart::Never, "a pod that failed is judged by podFailurePolicy")
}

pub(super) fn no_token() -> Commented<bool> {
    commented(false, "nothing here asks the cluster")
}

pub(super) fn grace() -> Commented<u32> {
    commented(
        container::GRACE_S,
        "devices wait for their acknowledgements and disconnect",
    )
}

/// As Pod Security's `restricted` asks for.
pub(super) fn pod_security() -> PodSecurity {
    PodSecurity {
        run_as_non_root: true,
        run_as_user: container::USER,
        run_as_group: container::USER,
        fs_group: container::USER,
        seccomp_profile: Seccomp { kind: "RuntimeDefault" },
    }
}

pub(super) fn container_security() -> ContainerSecurity {
    ContainerSecurity {
        allow_privilege_escalation: false,
        read_only_root_filesystem: true,
        capabilities: Capabilities { drop: vec!["ALL"] },
    }
}

/// Makes the leaves of the shard's devices.
fn leaves(export: &Export) -> Container {
    Container {
        name: "leaves",
        image: export.image.clone(),
        args: export.leaves_arguments(None),
        env: Vec::new(),
        ports: Vec::new(),
        resources: resources(export.sim),
        security_context: container_security(),
        volume_mounts: vec![
            read_only("config", container::CONFIG),
            of_shard("authorities", container::AUTHORITIES),
            writable("leaves", container::LEAVES),
        ],
    }
}

fn sim(export: &Export, keys: &Keys) -> Container {
    let mut mounts = vec![read_only("config", container::CONFIG)];
    if keys.authorities.is_some() {
        mounts.push(read_only("leaves", container::LEAVES));
    }
    if keys.certificates.is_some() {
        mounts.push(of_shard("certificates", container::CERTIFICATES));
    }
    mounts.push(writable("work", container::WORK));
    Container {
        name: CONTAINER,
        image: export.image.clone(),
        args: export.sim_arguments(None),
        env: Vec::new(),
        ports: vec![metrics()],
        resources: resources(export.sim),
        security_context: container_security(),
        volume_mounts: mounts,
    }
}

pub(super) fn metrics() -> Port {
    Port {
        name: "metrics",
        container_port: container::METRICS_PORT,
    }
}

pub(super) fn resources(needs: Needs) -> Resources {
    let disk = format!("{}Mi", needs.disk_mib);
    Resources {
        requests: Amounts {
            cpu: Some(commented(
                format!("{}m", needs.millicores),
                "no limit: what it withheld would be measured as latency",
            )),
            memory: format!("{}Mi", needs.memory_mib),
            ephemeral_storage: disk.clone(),
        },
        limits: Amounts {
            cpu: None,
            memory: format!("{}Mi", needs.memory_limit_mib),
            ephemeral_storage: disk,
        },
    }
}

pub(super) fn read_only(name: impl Into<String>, mount_path: &str) -> Mount {
    Mount {
        name: name.into(),
        mount_path: mount_path.to_owned(),
        sub_path_expr: None,
        read_only: true,
    }
}

pub(super) fn writable(name: impl Into<String>, mount_path: &str) -> Mount {
    Mount {
        read_only: false,
        ..read_only(name, mount_path)
    }
}

/// The folder of the pod's own shard.
pub(super) fn of_shard(name: impl Into<String>, mount_path: &str) -> Mount {
    Mount {
        sub_path_expr: Some(commented(
            "shard-$(JOB_COMPLETION_INDEX)",
            "its own shard's, and no other",
        )),
        ..read_only(name, mount_path)
    }
}

fn volumes(export: &Export, keys: &Keys) -> Vec<Volume> {
    let mut volumes = vec![config()];
    if let Some(secret) = &keys.authorities {
        volumes.push(self::secret("authorities", AUTHORITIES, &secret.items));
        volumes.push(empty("leaves", export.sim.disk_mib));
    }
    if let Some(secret) = &keys.certificates {
        volumes.push(self::secret("certificates", CERTIFICATES, &secret.items));
    }
    volumes.push(empty("work", export.sim.disk_mib));
    volumes
}

pub(super) fn config() -> Volume {
    Volume {
        name: "config".to_owned(),
        source: Source::ConfigMap(ConfigMapSource {
            name: CONFIG,
            items: Vec::new(),
        }),
    }
}

pub(super) fn secret(name: &'static str, secret_name: &'static str, items: &[super::types::Item]) -> Volume {
    Volume {
        name: name.to_owned(),
        source: Source::Secret(SecretSource {
            secret_name,
            default_mode: commented(0o440, "0440: for the group of the pod alone"),
            items: items.to_vec(),
        }),
    }
}

pub(super) fn empty(name: &'static str, mib: u64) -> Volume {
    Volume {
        name: name.to_owned(),
        source: Source::EmptyDir(EmptyDir {
            size_limit: format!("{mib}Mi"),
        }),
    }
}
