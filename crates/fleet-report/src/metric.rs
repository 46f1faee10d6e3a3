//! The one table of metrics: thresholds, reports and exporters take names, units and labels from here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What kind of figure a metric is, which decides the aggregations that it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A distribution of times.
    Trend,
    /// A part of a whole, such as failures of attempts.
    Ratio,
    /// A number that only grows.
    Counter,
    /// A value that goes up and down.
    Gauge,
}

impl Kind {
    /// The aggregations that metrics of this kind have.
    #[must_use]
    pub const fn aggregations(self) -> &'static [&'static str] {
        match self {
            Self::Trend => &["avg", "min", "max", "med", "p(N)", "count"],
            Self::Ratio | Self::Counter => &["rate", "count"],
            Self::Gauge => &["value", "min", "max"],
        }
    }

    /// As it stands in a sentence.
    pub(crate) const fn noun(self) -> &'static str {
        match self {
            Self::Trend => "a trend",
            Self::Ratio => "a ratio",
            Self::Counter => "a counter",
            Self::Gauge => "a gauge",
        }
    }
}

/// What a metric's values are counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Unit {
    /// Seconds.
    #[serde(rename = "s")]
    Seconds,
    /// A share of a whole: 1 is all of it.
    #[serde(rename = "ratio")]
    Ratio,
    /// A plain number.
    #[serde(rename = "count")]
    Count,
    /// Events per second.
    #[serde(rename = "/s")]
    PerSecond,
}

/// When a metric has a value that can be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    /// In every second, and once more after the drain.
    EachSecond,
    /// In every second in which the target of a stage is held.
    WhileHeld,
    /// From when it is known; it stays the same then.
    OnceKnown,
    /// After the drain: before, what is still under way would count as lost.
    AfterDrain,
}

/// By what figures are kept apart. A device id is not among them: a fleet has too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Label {
    /// The id of a group; `individual` for the devices that are in none.
    Group,
    /// Why something failed, in the service's words.
    Reason,
    /// The number of a stage, from 1.
    Stage,
    /// The process that simulates a part of the fleet.
    Shard,
    /// The id of a quota's limit.
    Limit,
}

impl Label {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Group, Self::Reason, Self::Stage, Self::Shard, Self::Limit];

    /// As it is written in a selector.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Group => "group",
            Self::Reason => "reason",
            Self::Stage => "stage",
            Self::Shard => "shard",
            Self::Limit => "limit",
        }
    }

    /// The label of that name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|label| label.name() == name)
    }
}

macro_rules! metrics {
    ($($variant:ident $name:literal $kind:ident $unit:ident $judged:ident [$($label:ident)*] $about:literal;)*) => {
        /// Something that is measured during a run.
        ///
        /// In JSON, as in a manifest, it is its name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Metric {
            $(#[doc = $about] $variant,)*
        }

        impl Metric {
            /// All of them, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// As it is written in a manifest.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// What it measures, in a sentence.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self {
                    $(Self::$variant => $about,)*
                }
            }

            /// What kind of figure it is.
            #[must_use]
            pub const fn kind(self) -> Kind {
                match self {
                    $(Self::$variant => Kind::$kind,)*
                }
            }

            /// What its values are counted in.
            #[must_use]
            pub const fn unit(self) -> Unit {
                match self {
                    $(Self::$variant => Unit::$unit,)*
                }
            }

            /// When it has a value that can be judged.
            #[must_use]
            pub const fn judged(self) -> Judged {
                match self {
                    $(Self::$variant => Judged::$judged,)*
                }
            }

            /// By what its figures are kept apart.
            #[must_use]
            pub const fn labels(self) -> &'static [Label] {
                match self {
                    $(Self::$variant => &[$(Label::$label),*],)*
                }
            }
        }
    };
}

metrics! {
    RegisterDuration "register_duration" Trend Seconds EachSecond [Group Stage Shard]
        "A registration with DPS, from the first request to the assignment.";
    DpsWaitDuration "dps_wait_duration" Trend Seconds EachSecond [Group Stage Shard]
        "The part of a registration that was spent waiting as DPS had asked.";
    ConnectDuration "connect_duration" Trend Seconds EachSecond [Group Stage Shard]
        "A connection to the hub, from the name's resolution to the CONNACK.";
    ConnectDnsDuration "connect_dns_duration" Trend Seconds EachSecond [Group Stage Shard]
        "The resolution of the hub's name.";
    ConnectTcpDuration "connect_tcp_duration" Trend Seconds EachSecond [Group Stage Shard]
        "The TCP handshake of a connection.";
    ConnectTlsDuration "connect_tls_duration" Trend Seconds EachSecond [Group Stage Shard]
        "The TLS handshake of a connection.";
    ConnectMqttDuration "connect_mqtt_duration" Trend Seconds EachSecond [Group Stage Shard]
        "From CONNECT to CONNACK.";
    TwinGetDuration "twin_get_duration" Trend Seconds EachSecond [Group Stage Shard]
        "From the request for a twin to the twin.";
    PublishDuration "publish_duration" Trend Seconds EachSecond [Group Stage Shard]
        "From when a telemetry message was due to its PUBACK.";
    PublishSentDuration "publish_sent_duration" Trend Seconds EachSecond [Group Stage Shard]
        "From when a telemetry message was sent to its PUBACK.";
    ReportDuration "report_duration" Trend Seconds EachSecond [Group Stage Shard]
        "From a report of properties to the hub's answer.";
    CommandDuration "command_duration" Trend Seconds EachSecond [Group Stage Shard]
        "From a command's arrival at its device to the response: the device's own time.";
    CommandRoundtripDuration "command_roundtrip_duration" Trend Seconds EachSecond [Group Stage]
        "From when an operator's command was due to its response.";
    PropertyRoundtripDuration "property_roundtrip_duration" Trend Seconds EachSecond [Group Stage]
        "From when an operator's desired property was due to the device's acknowledgement.";
    TimeToOnlineDuration "time_to_online_duration" Trend Seconds EachSecond [Group Stage Shard]
        "From when a device was wanted to when it was online.";
    SchedulerLag "scheduler_lag" Trend Seconds EachSecond [Stage Shard]
        "How late a process was with what was due.";

    RegisterFailed "register_failed" Ratio Ratio EachSecond [Group Reason Stage Shard]
        "Registrations that failed, of those attempted.";
    ConnectFailed "connect_failed" Ratio Ratio EachSecond [Group Reason Stage Shard]
        "Connections that failed, of those attempted.";
    TwinGetFailed "twin_get_failed" Ratio Ratio EachSecond [Group Reason Stage Shard]
        "Requests for a twin that failed, of all.";
    ReportFailed "report_failed" Ratio Ratio EachSecond [Group Reason Stage Shard]
        "Reports of properties that failed, of all.";
    CommandFailed "command_failed" Ratio Ratio EachSecond [Group Reason Stage Shard]
        "Commands that failed, of all.";
    CommandRoundtripFailed "command_roundtrip_failed" Ratio Ratio EachSecond [Group Reason Stage]
        "An operator's commands that failed, of all.";
    PropertyRoundtripFailed "property_roundtrip_failed" Ratio Ratio EachSecond [Group Reason Stage]
        "An operator's desired properties that were not acknowledged well, of all.";
    ArrivalStale "arrival_stale" Ratio Ratio EachSecond [Group Stage]
        "Looks at a device's last telemetry at the application that found it older than two intervals, of all.";
    TelemetryLost "telemetry_lost" Ratio Ratio AfterDrain [Group Shard]
        "Messages that were offered but never acknowledged, of those offered.";
    NegativeRefused "negative_refused" Ratio Ratio AfterDrain [Group Shard]
        "Negative devices that were refused as expected, of all that must be.";
    DevicesFailed "devices_failed" Ratio Ratio AfterDrain [Group Shard]
        "Devices that never were online, of those wanted.";

    TelemetryOffered "telemetry_offered" Counter Count EachSecond [Group Stage Shard]
        "Telemetry messages that were due.";
    TelemetrySent "telemetry_sent" Counter Count EachSecond [Group Stage Shard]
        "Telemetry messages that were sent for the first time.";
    TelemetryAcked "telemetry_acked" Counter Count EachSecond [Group Stage Shard]
        "Telemetry messages that the hub acknowledged.";
    TelemetryResent "telemetry_resent" Counter Count EachSecond [Group Stage Shard]
        "Telemetry messages that were sent again.";
    TelemetryDropped "telemetry_dropped" Counter Count EachSecond [Group Reason Stage Shard]
        "Telemetry messages that a device gave up.";
    TicksMissed "ticks_missed" Counter Count EachSecond [Group Stage Shard]
        "Telemetry messages that were not even made, because their device was late.";
    Reconnects "reconnects" Counter Count EachSecond [Group Reason Stage Shard]
        "Sessions that ended unasked and were begun again; those that an order or an event ended are not in it.";
    DpsThrottled "dps_throttled" Counter Count EachSecond [Group Stage Shard]
        "Answers of DPS with status 429.";
    PropertyUpdates "property_updates" Counter Count EachSecond [Group Stage Shard]
        "Reports of properties.";
    Commands "commands" Counter Count EachSecond [Group Stage Shard]
        "Commands that reached a device.";
    RestThrottled "rest_throttled" Counter Count EachSecond [Group Stage]
        "Answers of the REST API to an operator with status 429.";

    DevicesOnline "devices_online" Gauge Count WhileHeld [Group Stage Shard]
        "Devices that are online, or their share of the devices wanted now.";
    TimeToOnline "time_to_online" Gauge Seconds OnceKnown []
        "From the start of the first stage to its target.";
    QuotaUsed "quota_used" Gauge Ratio WhileHeld [Stage Limit]
        "How much of a limit was used; without a limit, the highest of all.";
}

impl Metric {
    /// The metric of that name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|metric| metric.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_its_name_in_json() {
        for metric in Metric::ALL {
            let json = serde_json::to_string(metric).unwrap();
            assert_eq!(json, format!("{:?}", metric.name()));
            assert_eq!(serde_json::from_str::<Metric>(&json).unwrap(), *metric);
            assert_eq!(Metric::of_name(metric.name()), Some(*metric));
        }
        assert_eq!(Metric::of_name("http_req_duration"), None);
    }

    #[test]
    fn kind_and_unit_fit() {
        for metric in Metric::ALL {
            let fits = match metric.kind() {
                Kind::Trend => metric.unit() == Unit::Seconds,
                Kind::Ratio => metric.unit() == Unit::Ratio,
                Kind::Counter => metric.unit() == Unit::Count,
                Kind::Gauge => metric.unit() != Unit::PerSecond,
            };
            assert!(fits, "{metric:?}");
            // A stage is over when the drain begins.
            assert!(
                metric.judged() != Judged::AfterDrain || !metric.labels().contains(&Label::Stage),
                "{metric:?}"
            );
        }
    }

    #[test]
    fn labels_go_by_their_names() {
        for label in Label::ALL {
            assert_eq!(Label::of_name(label.name()), Some(label));
            assert_eq!(serde_json::to_string(&label).unwrap(), format!("{:?}", label.name()));
        }
    }
}
