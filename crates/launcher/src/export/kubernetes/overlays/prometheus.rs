//! Figures for Prometheus, where its operator runs in the cluster.

use super::Overlay;
use crate::export::kubernetes::job::{labels, metadata};
use crate::export::kubernetes::kustomization::Kustomization;
use crate::export::kubernetes::types::{Endpoint, Labels, Object, PodMonitor, Selector};
use crate::export::kubernetes::yaml;
use crate::export::model::Export;

pub(super) fn overlay(export: &Export) -> anyhow::Result<Overlay> {
    let mut kustomization = Kustomization::component();
    kustomization.resources = vec!["pod-monitor.yaml".to_owned()];
    let monitor = Object {
        api_version: "monitoring.coreos.com/v1",
        kind: "PodMonitor",
        metadata: metadata(Some("fleet"), labels("metrics", export), &[]),
        spec: PodMonitor {
            selector: Selector {
                match_labels: Labels::from([("app.kubernetes.io/name".to_owned(), "fleet".to_owned())]),
            },
            pod_metrics_endpoints: vec![Endpoint {
                port: "metrics",
                interval: "15s",
            }],
        },
    };
    Ok(Overlay {
        name: "prometheus",
        about: "a PodMonitor; needs the Prometheus operator",
        applied: false,
        files: vec![
            yaml("overlays/prometheus/kustomization.yaml", &kustomization)?,
            yaml("overlays/prometheus/pod-monitor.yaml", &monitor)?,
        ],
    })
}
