//! What can be added to the base: each is a kustomize component in a folder of its own.

mod cert_manager;
mod collector;
mod iot_central;
mod prometheus;

use super::Keys;
use super::kustomization::Kustomization;
use super::yaml;
use crate::exit::Failure;
use crate::export::model::{Export, ExportFile};

/// A component.
#[derive(Debug)]
pub(super) struct Overlay {
    pub(super) name: &'static str,
    /// What it adds, for a person who chooses.
    pub(super) about: &'static str,
    /// Whether it is added unless a person takes it away.
    pub(super) applied: bool,
    pub(super) files: Vec<ExportFile>,
}

impl Overlay {
    /// `files` are relative to its folder.
    fn new(
        (name, about): (&'static str, &'static str),
        kustomization: &Kustomization,
        files: Vec<ExportFile>,
    ) -> anyhow::Result<Self> {
        let mut all = vec![yaml("kustomization.yaml", kustomization)?];
        all.extend(files);
        Ok(Self {
            name,
            about,
            applied: false,
            files: all.iter().map(|file| file.below(&format!("overlays/{name}"))).collect(),
        })
    }

    fn applied(self) -> Self {
        Self { applied: true, ..self }
    }
}

/// Those that are of use for this fleet. Components are applied in this order.
pub(super) fn render(export: &Export, keys: &Keys) -> Result<Vec<Overlay>, Failure> {
    let mut overlays = Vec::new();
    if let Some(collector) = &export.collector {
        overlays.push(collector::overlay(export, collector)?.applied());
        if let Some(application) = &export.application {
            overlays.push(iot_central::overlay(export, collector, application)?.applied());
        }
    }
    overlays.push(prometheus::overlay(export)?);
    if keys.authorities.is_some() {
        overlays.push(cert_manager::overlay(export)?);
    }
    Ok(overlays)
}
