//! What needs the API token of the application: the collector, and what enrolls before it starts where that was left
//! for later. The token is in a Secret that a person makes.

use super::{Overlay, collector};
use crate::exit::Failure;
use crate::export::container;
use crate::export::kubernetes::job;
use crate::export::kubernetes::kustomization::{Kustomization, Patch};
use crate::export::kubernetes::patch::Operation;
use crate::export::kubernetes::secrets::config_map;
use crate::export::kubernetes::types::{
    ConfigMapSource, Container, Item, KeyRef, Mount, Source, ValueFrom, Variable, Volume,
};
use crate::export::kubernetes::yaml;
use crate::export::model::{Application, Collector, Enroll, Export};

/// `kubectl create secret generic fleet-iot-central --from-file=api_token=FILE`
const SECRET: &str = "fleet-iot-central";
const ENROLLED: &str = "fleet-enrolled";

pub(super) fn overlay(export: &Export, with: &Collector, application: &Application) -> Result<Overlay, Failure> {
    let mut kustomization = Kustomization::component();
    kustomization.patches = vec![Patch::of_job(collector::NAME, "token.yaml")];
    let mut patch = token(application);
    let mut files = Vec::new();
    if let Some(enroll) = &export.enroll {
        let (generator, items, certificates) = config_map(ENROLLED, "enrolled", &enroll.certificates)?;
        kustomization.config_map_generator = vec![generator];
        kustomization.generator_options = Some(crate::export::kubernetes::generator_options());
        patch.push(Operation::add("volumes/-", enrolled(items)));
        let container = container(export, with, enroll, application);
        patch.push(Operation::add("initContainers", vec![container]));
        files = certificates;
    }
    files.insert(0, yaml("token.yaml", &patch)?);
    let about = "the API token, for the collector: the key api_token of the Secret fleet-iot-central, which you make";
    Ok(Overlay::new(("iot-central", about), &kustomization, files)?)
}

/// The token for the collector.
fn token(application: &Application) -> Vec<Operation> {
    match &application.token_variable {
        Some(name) => vec![Operation::add("containers/0/env", vec![variable(name)])],
        None => vec![
            Operation::add("containers/0/volumeMounts/-", token_file()),
            Operation::add("volumes/-", job::secret("token", SECRET, &[])),
        ],
    }
}

fn variable(name: &str) -> Variable {
    Variable {
        name: name.to_owned(),
        value_from: ValueFrom {
            secret_key_ref: KeyRef {
                name: SECRET,
                key: container::TOKEN,
            },
        },
    }
}

fn token_file() -> Mount {
    job::read_only("token", container::TOKEN_FOLDER)
}

fn enrolled(items: Vec<Item>) -> Volume {
    Volume {
        name: "enrolled".to_owned(),
        source: Source::ConfigMap(ConfigMapSource { name: ENROLLED, items }),
    }
}

/// Enrolls before the collector starts, so that no device is refused for coming too early: sims wait for the collector.
fn container(export: &Export, with: &Collector, enroll: &Enroll, application: &Application) -> Container {
    let mut volume_mounts = vec![
        job::read_only("config", container::CONFIG),
        job::read_only("enrolled", container::ENROLLED),
    ];
    let env = match &application.token_variable {
        Some(name) => vec![variable(name)],
        None => {
            volume_mounts.push(token_file());
            Vec::new()
        }
    };
    Container {
        name: "enroll",
        image: export.image.clone(),
        args: export.enroll_arguments(enroll),
        env,
        ports: Vec::new(),
        resources: job::resources(with.needs),
        security_context: job::container_security(),
        volume_mounts,
    }
}
