//! The parts of Kubernetes' API that an export uses, and nothing else:
//! <https://kubernetes.io/docs/reference/kubernetes-api/>.
//!
//! What a server would refuse can't be said here: an Indexed Job is the only one with limits per index; a pod that
//! belongs to a Job is never restarted in place, since podFailurePolicy looks at pods; and with podFailurePolicy a pod
//! is replaced only once it has failed.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::export::yaml::Commented;

pub(super) type Labels = BTreeMap<String, String>;

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Object<S> {
    pub(super) api_version: &'static str,
    pub(super) kind: &'static str,
    pub(super) metadata: Metadata,
    pub(super) spec: S,
}

#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Metadata {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<&'static str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) labels: BTreeMap<String, Commented<String>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) annotations: Labels,
}

// ── Jobs ──

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct IndexedJob {
    pub(super) completion_mode: Commented<Indexed>,
    pub(super) completions: u32,
    pub(super) parallelism: Commented<u32>,
    pub(super) backoff_limit_per_index: Commented<u32>,
    pub(super) max_failed_indexes: Commented<u32>,
    #[serde(flatten)]
    pub(super) any: AnyJob,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SingleJob {
    pub(super) backoff_limit: Commented<u32>,
    #[serde(flatten)]
    pub(super) any: AnyJob,
}

/// What every Job of ours has.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AnyJob {
    pub(super) pod_replacement_policy: Commented<Replacement>,
    pub(super) pod_failure_policy: PodFailurePolicy,
    pub(super) active_deadline_seconds: Commented<u64>,
    pub(super) ttl_seconds_after_finished: u32,
    pub(super) template: PodTemplate,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub(super) enum Indexed {
    Indexed,
}

/// `TerminatingOrFailed` is refused beside a podFailurePolicy.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) enum Replacement {
    Failed,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct PodFailurePolicy {
    pub(super) rules: Vec<FailureRule>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FailureRule {
    pub(super) action: Commented<FailureAction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) on_exit_codes: Option<ExitCodes>,
    /// Also where there is none: schemas up to 1.32 require it.
    pub(super) on_pod_conditions: Vec<PodCondition>,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub(super) enum FailureAction {
    FailJob,
    Ignore,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExitCodes {
    pub(super) container_name: &'static str,
    pub(super) operator: Operator,
    pub(super) values: Vec<u8>,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub(super) enum Operator {
    In,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct PodCondition {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) status: &'static str,
}

// ── Pods ──

#[derive(Debug, Clone, Serialize)]
pub(super) struct PodTemplate {
    pub(super) metadata: Metadata,
    pub(super) spec: Pod,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Pod {
    pub(super) restart_policy: Commented<Restart>,
    pub(super) automount_service_account_token: Commented<bool>,
    pub(super) termination_grace_period_seconds: Commented<u32>,
    pub(super) security_context: PodSecurity,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) topology_spread_constraints: Vec<Spread>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) init_containers: Vec<Container>,
    pub(super) containers: Vec<Container>,
    pub(super) volumes: Vec<Volume>,
}

/// `OnFailure` is refused beside a podFailurePolicy.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) enum Restart {
    Never,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PodSecurity {
    pub(super) run_as_non_root: bool,
    pub(super) run_as_user: u32,
    pub(super) run_as_group: u32,
    pub(super) fs_group: u32,
    pub(super) seccomp_profile: Seccomp,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Seccomp {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Spread {
    pub(super) max_skew: u32,
    pub(super) topology_key: &'static str,
    pub(super) when_unsatisfiable: &'static str,
    pub(super) label_selector: Selector,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Selector {
    pub(super) match_labels: Labels,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Container {
    pub(super) name: &'static str,
    pub(super) image: String,
    pub(super) args: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) env: Vec<Variable>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) ports: Vec<Port>,
    pub(super) resources: Resources,
    pub(super) security_context: ContainerSecurity,
    pub(super) volume_mounts: Vec<Mount>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) value_from: ValueFrom,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ValueFrom {
    pub(super) secret_key_ref: KeyRef,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct KeyRef {
    pub(super) name: &'static str,
    pub(super) key: &'static str,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Port {
    pub(super) name: &'static str,
    pub(super) container_port: u16,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Resources {
    pub(super) requests: Amounts,
    pub(super) limits: Amounts,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Amounts {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cpu: Option<Commented<String>>,
    pub(super) memory: String,
    pub(super) ephemeral_storage: String,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ContainerSecurity {
    pub(super) allow_privilege_escalation: bool,
    pub(super) read_only_root_filesystem: bool,
    pub(super) capabilities: Capabilities,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Capabilities {
    pub(super) drop: Vec<&'static str>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Mount {
    pub(super) name: String,
    pub(super) mount_path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sub_path_expr: Option<Commented<&'static str>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) read_only: bool,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Volume {
    pub(super) name: String,
    #[serde(flatten)]
    pub(super) source: Source,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Source {
    ConfigMap(ConfigMapSource),
    Secret(SecretSource),
    EmptyDir(EmptyDir),
    Csi(CsiSource),
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct ConfigMapSource {
    pub(super) name: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) items: Vec<Item>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SecretSource {
    pub(super) secret_name: &'static str,
    pub(super) default_mode: Commented<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) items: Vec<Item>,
}

/// A key of a Secret, and the path of its file.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) key: String,
    pub(super) path: String,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EmptyDir {
    pub(super) size_limit: String,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CsiSource {
    pub(super) driver: &'static str,
    pub(super) read_only: bool,
    pub(super) volume_attributes: Labels,
}

// ── Network ──

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NetworkPolicy {
    pub(super) pod_selector: Selector,
    pub(super) policy_types: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) ingress: Vec<Ingress>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) egress: Vec<Egress>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Ingress {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) from: Vec<Peer>,
    pub(super) ports: Vec<PolicyPort>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Egress {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) to: Vec<Peer>,
    pub(super) ports: Vec<PolicyPort>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Peer {
    pub(super) pod_selector: Selector,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct PolicyPort {
    pub(super) protocol: &'static str,
    pub(super) port: Commented<u16>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Service {
    pub(super) selector: Labels,
    pub(super) ports: Vec<ServicePort>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct ServicePort {
    pub(super) name: &'static str,
    pub(super) port: u16,
}

/// Of the Prometheus operator.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PodMonitor {
    pub(super) selector: Selector,
    pub(super) pod_metrics_endpoints: Vec<Endpoint>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Endpoint {
    pub(super) port: &'static str,
    pub(super) interval: &'static str,
}
