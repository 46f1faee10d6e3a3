//! `fleet collect` as a Job of its own, and the sims' way to it. Its exit code is the verdict on the whole fleet.

use super::Overlay;
use crate::exit::{FAILED, Failure, INTERRUPTED, REFUSED, THRESHOLDS};
use crate::export::container;
use crate::export::kubernetes::job::{self, labels, metadata};
use crate::export::kubernetes::kustomization::{Generator, Kustomization, Patch};
use crate::export::kubernetes::network::{self, port};
use crate::export::kubernetes::patch::Operation;
use crate::export::kubernetes::secrets::ShardSecret;
use crate::export::kubernetes::types::{
    AnyJob, Container, Egress, ExitCodes, FailureAction, FailureRule, Ingress, NetworkPolicy, Object, Operator, Peer,
    Pod, PodFailurePolicy, PodTemplate, Port, Replacement, Selector, Service, ServicePort, SingleJob,
};
use crate::export::kubernetes::{SIM, generator_options, yaml};
use crate::export::model::{Collector, Export, ExportFile};
use crate::export::yaml::commented;

/// The Job and its Service.
pub(super) const NAME: &str = container::COLLECTOR_HOST;
/// The container of the collector.
pub(super) const CONTAINER: &str = "collect";
const SIMS: &str = "fleet-collector-sims";
const CREDENTIALS: &str = "fleet-collector";

pub(super) fn overlay(export: &Export, collector: &Collector) -> Result<Overlay, Failure> {
    let sims = ShardSecret::of(SIMS, "sims", &collector.sims)?;
    let credentials = |file: &ExportFile| file.below("credentials");
    let mut kustomization = Kustomization::component();
    kustomization.resources = ["job.yaml", "service.yaml", "network-policy.yaml"]
        .map(str::to_owned)
        .to_vec();
    kustomization.secret_generator = vec![
        Generator {
            name: CREDENTIALS,
            files: collector
                .credentials
                .iter()
                .map(|file| credentials(file).path)
                .collect(),
        },
        sims.generator.clone(),
    ];
    kustomization.generator_options = Some(generator_options());
    kustomization.patches = vec![Patch::of_job(SIM, "sims.yaml")];
    let mut files = vec![
        yaml("job.yaml", &job(export, collector))?,
        yaml("service.yaml", &service(export))?,
        yaml("network-policy.yaml", &policies(export))?,
        yaml("sims.yaml", &patch(export, &sims))?,
    ];
    files.extend(collector.credentials.iter().map(credentials));
    files.extend(sims.files);
    let about = "one report and one verdict for all shards: the end of the Job fleet-collect";
    Ok(Overlay::new(("collector", about), &kustomization, files)?)
}

fn job(export: &Export, collector: &Collector) -> Object<SingleJob> {
    let labels = labels("collect", export);
    let verdict = ExitCodes {
        container_name: CONTAINER,
        operator: Operator::In,
        values: vec![FAILED, REFUSED, THRESHOLDS, INTERRUPTED],
    };
    Object {
        api_version: "batch/v1",
        kind: "Job",
        metadata: metadata(Some(NAME), labels.clone(), &[]),
        spec: SingleJob {
            backoff_limit: commented(3, "a collector that is started again gets all figures from the sims"),
            any: AnyJob {
                pod_replacement_policy: commented(Replacement::Failed, "never two collectors"),
                pod_failure_policy: PodFailurePolicy {
                    rules: vec![
                        FailureRule {
                            action: commented(FailureAction::FailJob, "it has judged: 99 is a crossed threshold"),
                            on_exit_codes: Some(verdict),
                            on_pod_conditions: Vec::new(),
                        },
                        job::disrupted(),
                    ],
                },
                active_deadline_seconds: commented(export.deadline_s, "as the sims"),
                ttl_seconds_after_finished: job::KEPT_S,
                template: PodTemplate {
                    metadata: metadata(None, labels, &[]),
                    spec: pod(export, collector),
                },
            },
        },
    }
}

fn pod(export: &Export, collector: &Collector) -> Pod {
    Pod {
        restart_policy: job::never(),
        automount_service_account_token: job::no_token(),
        termination_grace_period_seconds: job::grace(),
        security_context: job::pod_security(),
        topology_spread_constraints: Vec::new(),
        init_containers: Vec::new(),
        containers: vec![Container {
            name: CONTAINER,
            image: export.image.clone(),
            args: export.collect_arguments(collector),
            env: Vec::new(),
            ports: vec![
                Port {
                    name: "collect",
                    container_port: container::COLLECTOR_PORT,
                },
                job::metrics(),
            ],
            resources: job::resources(collector.needs),
            security_context: job::container_security(),
            volume_mounts: vec![
                job::read_only("config", container::CONFIG),
                job::read_only("collector", container::COLLECTOR),
                job::writable("work", container::WORK),
            ],
        }],
        volumes: vec![
            job::config(),
            job::secret("collector", CREDENTIALS, &[]),
            job::empty("work", collector.needs.disk_mib),
        ],
    }
}

fn service(export: &Export) -> Object<Service> {
    Object {
        api_version: "v1",
        kind: "Service",
        metadata: metadata(Some(NAME), labels("collect", export), &[]),
        spec: Service {
            selector: labels("collect", export),
            ports: vec![ServicePort {
                name: "collect",
                port: container::COLLECTOR_PORT,
            }],
        },
    }
}

/// In addition to the policy of the base: sims reach the collector, and nobody else does.
fn policies(export: &Export) -> Object<NetworkPolicy> {
    let all = Selector {
        match_labels: network::all(),
    };
    let peers = || {
        vec![Peer {
            pod_selector: all.clone(),
        }]
    };
    let ports = || vec![port("TCP", container::COLLECTOR_PORT, "the collector")];
    Object {
        api_version: "networking.k8s.io/v1",
        kind: "NetworkPolicy",
        metadata: metadata(Some(NAME), labels("network", export), &[]),
        spec: NetworkPolicy {
            pod_selector: all.clone(),
            policy_types: vec!["Ingress", "Egress"],
            ingress: vec![Ingress {
                from: peers(),
                ports: ports(),
            }],
            egress: vec![Egress {
                to: peers(),
                ports: ports(),
            }],
        },
    }
}

/// What the sims get besides.
fn patch(export: &Export, sims: &ShardSecret) -> Vec<Operation> {
    let arguments = export.collector_arguments().into_iter();
    let mut patch: Vec<Operation> = arguments
        .map(|argument| Operation::add("containers/0/args/-", argument))
        .collect();
    patch.push(Operation::add(
        "containers/0/volumeMounts/-",
        job::of_shard("collector", container::COLLECTOR),
    ));
    patch.push(Operation::add("volumes/-", job::secret("collector", SIMS, &sims.items)));
    patch
}
