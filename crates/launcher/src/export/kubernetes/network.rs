//! What the pods may reach, and who reaches them.

use std::collections::BTreeSet;

use super::job::{labels, metadata};
use super::types::{Egress, Ingress, Labels, NetworkPolicy, Object, PolicyPort, Selector};
use crate::export::container;
use crate::export::model::Export;
use crate::export::yaml::commented;

const DNS: u16 = 53;

pub(super) fn policy(export: &Export) -> Object<NetworkPolicy> {
    let mut outside = BTreeSet::from([export.device_port]);
    outside.extend(export.application.as_ref().map(|application| application.port));
    let outside = outside.into_iter().map(|out| {
        let about = if out == export.device_port {
            "DPS and the hubs"
        } else {
            "the application"
        };
        port("TCP", out, about)
    });
    Object {
        api_version: "networking.k8s.io/v1",
        kind: "NetworkPolicy",
        metadata: metadata(Some("fleet"), labels("network", export), &[]),
        spec: NetworkPolicy {
            pod_selector: Selector { match_labels: all() },
            policy_types: vec!["Ingress", "Egress"],
            ingress: vec![Ingress {
                from: Vec::new(),
                ports: vec![port("TCP", container::METRICS_PORT, "metrics, and nothing else")],
            }],
            egress: vec![
                Egress {
                    to: Vec::new(),
                    ports: vec![port("UDP", DNS, "names"), port("TCP", DNS, "long answers")],
                },
                Egress {
                    to: Vec::new(),
                    ports: outside.collect(),
                },
            ],
        },
    }
}

/// What all pods of an export have.
pub(super) fn all() -> Labels {
    Labels::from([("app.kubernetes.io/name".to_owned(), "fleet".to_owned())])
}

pub(super) fn port(protocol: &'static str, number: u16, about: &str) -> PolicyPort {
    PolicyPort {
        protocol,
        port: commented(number, about),
    }
}
