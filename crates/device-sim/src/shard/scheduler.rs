//! What schedulers put into the environment of the processes that they number, and how each numbers them. Pure.

use std::num::NonZeroU32;

/// A scheduler, and the variable with the number that it gives a process.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scheduler {
    /// The variable.
    pub(super) variable: &'static str,
    /// What it is called.
    pub(super) name: &'static str,
    /// The setting that makes it number n processes from 0; `{n}` and `{last}` stand for n and n - 1.
    setting: &'static str,
}

/// In the order in which they are asked.
pub(super) const SCHEDULERS: [Scheduler; 6] = [
    // https://kubernetes.io/docs/concepts/workloads/controllers/job/#completion-mode
    Scheduler {
        variable: "JOB_COMPLETION_INDEX",
        name: "a Kubernetes Indexed Job",
        setting: "give the Job `completionMode: Indexed` and `completions: {n}`",
    },
    // Swarm sets no variable by itself: https://docs.docker.com/reference/cli/docker/service/create/#create-services-using-templates
    // Slots of a replicated service count from 1, those of a replicated job from 0.
    Scheduler {
        variable: SLOT,
        name: "Docker Swarm",
        setting: "create the service with `--mode replicated-job --replicas {n} --env 'FLEET_SLOT={{.Task.Slot}}'`: only a \
                  job's slots count from 0",
    },
    // https://developer.hashicorp.com/nomad/docs/reference/runtime-environment-settings
    Scheduler {
        variable: "NOMAD_ALLOC_INDEX",
        name: "Nomad",
        setting: "give the group `count = {n}`",
    },
    // https://docs.aws.amazon.com/batch/latest/userguide/job_env_vars.html
    Scheduler {
        variable: "AWS_BATCH_JOB_ARRAY_INDEX",
        name: "AWS Batch",
        setting: "submit an array job of size {n}",
    },
    // https://cloud.google.com/run/docs/container-contract#jobs-env-vars
    Scheduler {
        variable: "CLOUD_RUN_TASK_INDEX",
        name: "Cloud Run",
        setting: "create the job with `--tasks {n}`",
    },
    // https://slurm.schedmd.com/job_array.html
    Scheduler {
        variable: "SLURM_ARRAY_TASK_ID",
        name: "Slurm",
        setting: "submit the job with `--array=0-{last}`",
    },
];

/// The variable that a Swarm service is created with.
const SLOT: &str = "FLEET_SLOT";
/// Swarm's ids are 25 digits to the base of 36.
const SWARM_ID: usize = 25;

impl Scheduler {
    /// How to have it number `count` processes.
    pub(super) fn hint(&self, count: NonZeroU32) -> String {
        let last = count.get() - 1;
        // Swarm's own placeholders have two braces.
        let setting = self.setting.replace("{n}", &count.to_string());
        setting.replace("{last}", &last.to_string())
    }

    /// The number in a value of its variable; `None` where there is none.
    pub(super) fn number(&self, value: &str) -> Option<u32> {
        let value = value.trim();
        match self.variable {
            SLOT => slot(value),
            _ => digits(value),
        }
    }

    /// Whether it numbers by a node's id, which for Swarm stands for slot 0.
    pub(super) fn is_node(&self, value: &str) -> bool {
        self.variable == SLOT && self.number(value) == Some(0) && digits(value.trim()) != Some(0)
    }
}

/// The slot of a Swarm task: `{{.Task.Slot}}`, or `{{.Task.Name}}`, which is `service.slot.task`.
///
/// Swarm takes slot 0 for no slot and expands it to the id of the node
/// (`template/context.go`, `api/naming/naming.go` of <https://github.com/moby/swarmkit>).
fn slot(value: &str) -> Option<u32> {
    let mut parts = value.rsplitn(3, '.');
    let slot = match (parts.next(), parts.next(), parts.next()) {
        (Some(task), Some(slot), Some(_)) if is_swarm_id(task) => slot,
        _ => value,
    };
    if is_swarm_id(slot) { Some(0) } else { digits(slot) }
}

fn is_swarm_id(text: &str) -> bool {
    text.len() == SWARM_ID
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase())
}

/// A number without a sign.
pub(super) fn digits(text: &str) -> Option<u32> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_of_swarm_is_a_number_or_the_id_of_a_node_which_stands_for_the_first() {
        let [_, swarm, ..] = SCHEDULERS;
        for (value, slot) in [
            ("3", Some(3)),
            (" 12\n", Some(12)),
            ("q6vhfkyhf6zydjkjxa6f4c2yt", Some(0)),
            ("fleet_sim.2.0yqkl1gn2h3mzv0nlnrhoqb9h", Some(2)),
            ("fleet.sim.7.0yqkl1gn2h3mzv0nlnrhoqb9h", Some(7)),
            ("fleet_sim.q6vhfkyhf6zydjkjxa6f4c2yt.0yqkl1gn2h3mzv0nlnrhoqb9h", Some(0)),
            ("{{.Task.Slot}}", None),
            ("fleet_sim.2", None),
            ("Q6VHFKYHF6ZYDJKJXA6F4C2YT", None),
            ("-1", None),
            ("+1", None),
            ("1.5", None),
            ("99999999999", None),
            ("", None),
        ] {
            assert_eq!(swarm.number(value), slot, "{value}");
        }
        assert!(swarm.is_node("q6vhfkyhf6zydjkjxa6f4c2yt"));
        assert!(!swarm.is_node("0"));
        assert!(!swarm.is_node("00"));
    }

    #[test]
    fn a_node_is_no_number_for_other_schedulers() {
        for scheduler in SCHEDULERS.iter().filter(|scheduler| scheduler.variable != SLOT) {
            assert_eq!(
                scheduler.number("q6vhfkyhf6zydjkjxa6f4c2yt"),
                None,
                "{}",
                scheduler.name
            );
            assert_eq!(scheduler.number("07"), Some(7), "{}", scheduler.name);
        }
    }
}
