//! `kustomization.yaml`: <https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/>.

use serde::Serialize;

use crate::export::yaml::Commented;

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Kustomization {
    pub(super) api_version: &'static str,
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) resources: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) components: Vec<Commented<String>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) config_map_generator: Vec<Generator>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) secret_generator: Vec<Generator>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) generator_options: Option<GeneratorOptions>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) patches: Vec<Patch>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Generator {
    pub(super) name: &'static str,
    /// `KEY=FILE`
    pub(super) files: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GeneratorOptions {
    /// A Job can't be changed, so a new name for its Secret would be of no use.
    pub(super) disable_name_suffix_hash: Commented<bool>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Patch {
    path: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<Target>,
}

#[derive(Debug, Clone, Serialize)]
struct Target {
    kind: &'static str,
    name: &'static str,
}

impl Patch {
    /// Operations on the Job of that name.
    pub(super) fn of_job(name: &'static str, path: &'static str) -> Self {
        Self {
            path,
            target: Some(Target { kind: "Job", name }),
        }
    }

    /// A part of an object, which names it.
    pub(super) fn of_file(path: &'static str) -> Self {
        Self { path, target: None }
    }
}

impl Kustomization {
    /// Resources that stand by themselves.
    pub(super) fn base() -> Self {
        Self::of("kustomize.config.k8s.io/v1beta1", "Kustomization")
    }

    /// Something to add to them, alone or with others.
    pub(super) fn component() -> Self {
        Self::of("kustomize.config.k8s.io/v1alpha1", "Component")
    }

    fn of(api_version: &'static str, kind: &'static str) -> Self {
        Self {
            api_version,
            kind,
            resources: Vec::new(),
            components: Vec::new(),
            config_map_generator: Vec::new(),
            secret_generator: Vec::new(),
            generator_options: None,
            patches: Vec::new(),
        }
    }
}
