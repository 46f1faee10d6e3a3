//! Where things are in a container, and its commands: the same for every engine.

use std::num::NonZeroU32;

/// The plan, the manifest and the CA of the target.
pub(crate) const CONFIG: &str = "/etc/fleet";
/// The plan, in [`CONFIG`].
pub(crate) const PLAN: &str = "plan.json";
/// The manifest, in [`CONFIG`].
pub(crate) const MANIFEST: &str = "fleet.toml";
/// The CA of the target, in [`CONFIG`], where it has one of its own.
pub(crate) const TARGET_CA: &str = "target-ca.pem";
/// The limits by which the plan is judged, in [`CONFIG`], where they are in a file.
pub(crate) const QUOTA: &str = "quota.toml";
/// The authorities of the container's shard, and of no other.
pub(crate) const AUTHORITIES: &str = "/etc/fleet-authorities";
/// The certificates of the container's shard that are there already.
pub(crate) const CERTIFICATES: &str = "/etc/fleet-certificates";
/// What the container needs to speak to the collector, or the collector to speak to the sims.
pub(crate) const COLLECTOR: &str = "/etc/fleet-collector";
/// The certificates of CAs and of individual enrollments, without a key.
pub(crate) const ENROLLED: &str = "/etc/fleet-enrolled";
/// The leaves, which the container makes.
pub(crate) const LEAVES: &str = "/var/lib/fleet/certs";
/// The figures, and the state.
pub(crate) const WORK: &str = "/var/lib/fleet/work";
/// What the collector is called where the containers are.
pub(crate) const COLLECTOR_HOST: &str = "fleet-collect";
/// The API token of the application, as a file, where the manifest has it in one.
pub(crate) const TOKEN_FOLDER: &str = "/run/secrets/fleet";
/// The token's file, in [`TOKEN_FOLDER`].
pub(crate) const TOKEN: &str = "api_token";

/// Figures for Prometheus.
pub(crate) const METRICS_PORT: u16 = 9464;
/// Where the collector listens.
pub(crate) const COLLECTOR_PORT: u16 = 9470;
/// How long a sim may take to its end: the drain of its devices, and the delivery of its record.
pub(crate) const STOP_WITHIN_S: u32 = 80;
/// The engine waits longer before it kills.
pub(crate) const GRACE_S: u32 = 90;
/// The user of the image.
pub(crate) const USER: u32 = 10001;

/// `shard` is `auto/N`, or one by its number.
pub(super) fn leaves_arguments(shard: &str) -> Vec<String> {
    words(&[
        "leaves",
        &format!("--plan={CONFIG}/{PLAN}"),
        &format!("--shard={shard}"),
        &format!("--authority={AUTHORITIES}"),
    ])
}

pub(super) fn sim_arguments(shard: &str) -> Vec<String> {
    words(&[
        "sim",
        &format!("--plan={CONFIG}/{PLAN}"),
        &format!("--shard={shard}"),
        &format!("--results={WORK}/results"),
        &format!("--metrics=0.0.0.0:{METRICS_PORT}"),
        &format!("--stop-within={STOP_WITHIN_S}s"),
    ])
}

pub(super) fn collector_arguments() -> Vec<String> {
    words(&[
        &format!("--collector={COLLECTOR_HOST}:{COLLECTOR_PORT}"),
        &format!("--collector-credentials={COLLECTOR}"),
    ])
}

pub(super) fn enroll_arguments(flags: &[String]) -> Vec<String> {
    let mut arguments = words(&["enroll", &format!("{CONFIG}/{MANIFEST}"), "--verified"]);
    arguments.extend(flags.iter().cloned());
    arguments
}

pub(super) fn collect_arguments(shards: NonZeroU32, flags: &[String]) -> Vec<String> {
    let mut arguments = words(&[
        "collect",
        &format!("{CONFIG}/{MANIFEST}"),
        &format!("--plan={CONFIG}/{PLAN}"),
        &format!("--shards={shards}"),
        &format!("--listen=0.0.0.0:{COLLECTOR_PORT}"),
        &format!("--credentials={COLLECTOR}"),
        &format!("--report={WORK}/report"),
        &format!("--metrics=0.0.0.0:{METRICS_PORT}"),
        &format!("--stop-within={STOP_WITHIN_S}s"),
    ]);
    arguments.extend(flags.iter().cloned());
    arguments
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
