//! Figures for Prometheus, where its operator runs in the cluster.

use super::Overlay;
use crate::export::kubernetes::job::{labels, metadata};
use crate::export::kubernetes::kustomization::Kustomization;
use crate::export::kubernetes::network;
use crate::export::kubernetes::types::{Endpoint, Object, PodMonitor, Selector};
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
                match_labels: network::all(),
            },
            pod_metrics_endpoints: vec![Endpoint {
                port: "metrics",
                interval: "15s",
            }],
        },
    };
    let about = "a PodMonitor; needs the Prometheus operator";
    Overlay::new(
        ("prometheus", about),
        &kustomization,
        vec![yaml("pod-monitor.yaml", &monitor)?],
    )
}
