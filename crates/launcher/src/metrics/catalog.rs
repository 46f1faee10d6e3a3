//! Every metric that is served: its name, type, labels and meaning. `docs/metrics.md` lists the same.

/// What kind of figure a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    /// As the text format has it.
    #[cfg(test)]
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A metric.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) labels: &'static [&'static str],
    pub(super) help: &'static str,
}

macro_rules! catalog {
    ($($variable:ident $name:literal $kind:ident [$($label:literal)*] $help:literal;)*) => {
        $(pub(super) const $variable: Entry = Entry {
            name: $name,
            kind: Kind::$kind,
            labels: &[$($label),*],
            help: $help,
        };)*

        /// All of them, in the order in which they are written.
        #[cfg(test)]
        pub(super) const ALL: &[Entry] = &[$($variable),*];
    };
}

catalog! {
    RUN_INFO "fleet_run_info" Gauge ["run_id" "version" "target"]
        "The run, as labels; always 1.";
    STAGE "fleet_stage" Gauge []
        "The number of the current stage, from 1; 0 before the first and in the drain.";
    DEVICES "fleet_devices" Gauge ["group" "state"]
        "Devices, by state.";
    DEVICES_WANTED "fleet_devices_wanted" Gauge ["group"]
        "Devices that the stages want online now.";
    DEVICES_NEGATIVE "fleet_devices_negative" Gauge ["group" "result"]
        "Devices that must be refused, by result: refused, refused_otherwise, not_judged, let_in.";
    REGISTRATIONS "fleet_registrations_total" Counter ["group" "result"]
        "Registrations with DPS that ended, by result: ok, failed.";
    DPS_THROTTLED "fleet_dps_throttled_total" Counter ["group"]
        "Answers of DPS with status 429.";
    CONNECTS "fleet_connects_total" Counter ["group" "result"]
        "Connections to the hub that were attempted, by result: ok, failed.";
    RECONNECTS "fleet_reconnects_total" Counter ["group" "reason"]
        "Sessions with the hub that ended unasked, by reason.";
    MESSAGES_OFFERED "fleet_messages_offered_total" Counter ["group"]
        "Telemetry messages that were due.";
    MESSAGES_SENT "fleet_messages_sent_total" Counter ["group"]
        "Telemetry messages that were sent for the first time.";
    MESSAGES_ACKNOWLEDGED "fleet_messages_acknowledged_total" Counter ["group"]
        "Telemetry messages that the hub acknowledged.";
    MESSAGES_RESENT "fleet_messages_resent_total" Counter ["group"]
        "Telemetry messages that were sent again.";
    MESSAGES_MISSED "fleet_messages_missed_total" Counter ["group"]
        "Telemetry messages that were not even made, because their device was late.";
    MESSAGES_DROPPED "fleet_messages_dropped_total" Counter ["group" "reason"]
        "Telemetry messages that a device gave up, by reason.";
    PROPERTY_UPDATES "fleet_property_updates_total" Counter ["group" "result"]
        "Reports of properties that the hub answered, by result: ok, failed.";
    COMMANDS "fleet_commands_total" Counter ["group" "result"]
        "Commands that reached a device, by result: ok, failed.";
    REST_THROTTLED "fleet_rest_throttled_total" Counter ["group"]
        "Answers of the REST API to an operator with status 429.";
    FAILURES "fleet_failures_total" Counter ["group" "operation" "reason"]
        "Attempts that failed, by operation and reason. A series is there from its first failure on.";
    PHASE_DURATION "fleet_phase_duration_seconds" Histogram ["group" "phase"]
        "How long the phases of devices took.";
    SCHEDULER_LAG "fleet_scheduler_lag_seconds" Histogram ["shard"]
        "How late a device-sim process was with what was due.";
    QUOTA_LIMIT "fleet_quota_limit" Gauge ["limit" "per"]
        "How much of a documented limit the target allows, in each s, min or day.";
    QUOTA_USED_RATIO "fleet_quota_used_ratio" Gauge ["limit"]
        "How much of a documented limit is used now: 1 is all that is allowed.";
    THRESHOLD_PASSED "fleet_threshold_passed" Gauge ["metric" "expression"]
        "Whether a threshold holds so far: 1 or 0; NaN while there is no sample.";
    CERTIFICATE_EXPIRY "fleet_certificate_expiry_timestamp_seconds" Gauge ["group"]
        "When the first of the certificates that devices use expires.";
    PROCESS_CPU "process_cpu_seconds_total" Counter []
        "CPU time of the process that serves this, in user and system mode.";
    PROCESS_MEMORY "process_resident_memory_bytes" Gauge []
        "Resident memory of the process that serves this.";
    PROCESS_OPEN_FDS "process_open_fds" Gauge []
        "File handles that the process that serves this has open.";
    PROCESS_MAX_FDS "process_max_fds" Gauge []
        "File handles that the process that serves this may have open.";
    PROCESS_START "process_start_time_seconds" Gauge []
        "When the process that serves this was started.";
}
