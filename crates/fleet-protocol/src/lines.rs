//! The JSON lines between device-sim and the program that started it: one object per line, out on stdout, control lines
//! in on stdin (only with `--control stdin`; its end then means: drain and stop).
//!
//! These types are the contract. Counters are cumulative; histograms hold the values since the line before, so
//! readers add them up. Reasons follow a slash: `connect_failed/mqtt_not_authorized`.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

pub use crate::control::{AbsenceBy, Action, Churn, ChurnError, Control, Order, Selection, ShareOf};
use crate::reason::Reason;

/// The version of the lines, in [`Line::Ready`].
pub const LINES_VERSION: u32 = 1;

/// One line on stdout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Line {
    /// The plan is read and the process can start.
    Ready {
        /// [`LINES_VERSION`].
        version: u32,
        /// Which part of the fleet, as `i/n`.
        shard: String,
        /// How many devices it has.
        devices: u32,
        /// The process.
        pid: u32,
    },
    /// Figures, every second and once more at the end.
    Stats(Stats),
    /// A device changed its state.
    Device(DeviceLine),
    /// A control line has been carried out.
    Done {
        /// The control line's id.
        id: u64,
        /// How many devices it reached.
        devices: u32,
    },
    /// A control line was not understood; nothing was done.
    Refused {
        /// The control line's id, where it was readable.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<u64>,
        /// Why.
        message: String,
    },
    /// Every device has stopped; the last line.
    End {
        /// Why the process ended.
        reason: EndReason,
    },
}

/// Why a device-sim process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The stages are over.
    StagesOver,
    /// Asked to stop, by a signal or over the control lines.
    Stopped,
    /// Every device has sent all of its messages, of which the plan has a number.
    MessagesSent,
}

/// Figures of one process.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// Counts the stats lines of a process, from 0.
    pub seq: u64,
    /// Seconds since the process began.
    pub t: f64,
    /// `name` or `name/reason` → count since the process began.
    pub counters: BTreeMap<String, u64>,
    /// State → devices in it.
    pub states: BTreeMap<State, u64>,
    /// Group → its part of the counters and states; `individual` is the group of devices with enrollments of their own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, GroupStats>,
    /// `<phase>/<group>` → what was begun since the process began and has been given up without an end. It is in no
    /// histogram, so percentiles without it would be those of the survivors.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unfinished: BTreeMap<String, Unfinished>,
    /// What the process itself needs of its machine. Programs that replay lines leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessStats>,
    /// `<phase>/<group>` → base64 of an HDR histogram (V2, uncompressed) of microseconds since the line before. Phases
    /// without a new value are left out.
    pub histograms: BTreeMap<String, String>,
}

/// The figures of one group in one process.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GroupStats {
    /// As in [`Stats`]; what is 0 is left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counters: BTreeMap<String, u64>,
    /// State → devices in it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub states: BTreeMap<State, u64>,
    /// Devices that the stages want online now.
    #[serde(default)]
    pub wanted_now: u64,
}

impl GroupStats {
    /// Adds the figures of the same group in another process.
    pub fn add(&mut self, other: &Self) {
        for (name, count) in &other.counters {
            match self.counters.get_mut(name) {
                Some(sum) => *sum = sum.saturating_add(*count),
                None => {
                    self.counters.insert(name.clone(), *count);
                }
            }
        }
        for (state, devices) in &other.states {
            let sum = self.states.entry(*state).or_insert(0);
            *sum = sum.saturating_add(*devices);
        }
        self.wanted_now = self.wanted_now.saturating_add(other.wanted_now);
    }
}

/// What a process needs of its machine, and whether it gets it: a load generator that is short of something measures
/// itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ProcessStats {
    /// The machine's name. Processes of one host share its cores.
    pub host: String,
    /// How many cores the process may use, by its affinity and its control group.
    pub cores: u32,
    /// CPU time since the process began, in seconds, of all its threads.
    pub cpu_s: f64,
    /// Resident memory, in bytes.
    pub rss_bytes: u64,
    /// Open file handles; counted every ten seconds.
    pub nofile_used: u64,
    /// How many it may have open.
    pub nofile_limit: u64,
    /// How late the process was with what was due: base64 of an HDR histogram of microseconds since the line before, as
    /// those of phases. A probe is due every [`ProcessStats::PROBE_MS`]; where one comes late, so would those after it
    /// have, and they are in it too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<String>,
}

impl ProcessStats {
    /// The time between two probes of the lag.
    pub const PROBE_MS: u64 = 10;
}

/// Phases that began and never ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfinished {
    /// How often.
    pub count: u64,
    /// How long the oldest of them had waited when it was given up.
    pub oldest_ms: u64,
}

impl Unfinished {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            count: self.count + other.count,
            oldest_ms: self.oldest_ms.max(other.oldest_ms),
        }
    }
}

/// A change of a device's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceLine {
    /// The device.
    pub id: String,
    /// Its new state.
    pub state: State,
    /// The hub that it is assigned to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub: Option<String>,
    /// SHA-256 of the leaf certificate that it has registered with and uses, in lower-case hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaf_sha256: Option<String>,
    /// How long it had been offline, when it comes online again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offline_ms: Option<u64>,
    /// Why, in one word where it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The same in a sentence, for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// It must be refused: it is neither waited for nor in trouble.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub negative: bool,
}

/// Where a device is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Waiting for its turn, or taken offline by the stages.
    Pending,
    /// Registering with DPS.
    Registering,
    /// Connecting to its hub, up to the first report.
    Connecting,
    /// In a session with its hub.
    Online,
    /// Waiting before it tries again.
    BackingOff,
    /// A person must act (disabled, unauthorized, …); it tries again slowly.
    Parked,
    /// Will not come back in this run.
    Stopped,
}

impl State {
    /// All states in the order of a device's life.
    pub const ALL: [Self; 7] = [
        Self::Pending,
        Self::Registering,
        Self::Connecting,
        Self::Online,
        Self::BackingOff,
        Self::Parked,
        Self::Stopped,
    ];

    /// The word for it in lines, reports and metrics.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Registering => "registering",
            Self::Connecting => "connecting",
            Self::Online => "online",
            Self::BackingOff => "backing_off",
            Self::Parked => "parked",
            Self::Stopped => "stopped",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The counters of a [`Stats`] line, by name. Those that end in `/` are followed by a reason.
pub mod counter {
    use std::collections::BTreeMap;
    use std::ops::Bound;

    /// A counter by its name; of a name that ends in `/`, all of its reasons together.
    #[must_use]
    pub fn count(counters: &BTreeMap<String, u64>, name: &str) -> u64 {
        match name.ends_with('/') {
            false => counters.get(name).copied().unwrap_or(0),
            true => by_reason(counters, name).fold(0, |sum, (_, count)| sum.saturating_add(count)),
        }
    }

    /// The reasons of a name that ends in `/`, each with its count.
    pub fn by_reason<'a>(counters: &'a BTreeMap<String, u64>, name: &'a str) -> impl Iterator<Item = (&'a str, u64)> {
        let from = counters.range::<str, _>((Bound::Included(name), Bound::Unbounded));
        from.map_while(move |(counter, count)| Some((counter.strip_prefix(name)?, *count)))
    }

    /// Devices that this process simulates.
    pub const DEVICES_ASKED: &str = "devices_asked";
    /// Conversations with DPS that were begun to register a device, at first or again.
    pub const REGISTRATIONS_BEGUN: &str = "registrations_begun";
    /// Devices that DPS has assigned to a hub, now or in an earlier run whose assignment still holds.
    pub const DEVICES_REGISTERED: &str = "devices_registered";
    /// Those of them whose assignment came from the cache.
    pub const DEVICES_ASSIGNMENT_REUSED: &str = "devices_assignment_reused";
    /// Devices that the stages, or an order to connect, have wanted online at any time.
    pub const DEVICES_WANTED: &str = "devices_wanted";
    /// Devices that have been online at least once.
    pub const DEVICES_CONNECTED: &str = "devices_connected";
    /// Devices that were wanted and never came online, by the reason of their last failure or by what they still waited
    /// for. Only at the end.
    pub const DEVICES_FAILED: &str = "devices_failed/";
    /// Negative devices: those that must be refused. They are in none of the counters above but the first.
    pub const DEVICES_NEGATIVE: &str = "devices_negative";
    /// Negative devices that were refused as expected, by reason.
    pub const DEVICES_REFUSED: &str = "devices_refused/";
    /// Negative devices that were refused, but not as expected, by reason.
    pub const DEVICES_REFUSED_OTHERWISE: &str = "devices_refused_otherwise/";
    /// Negative devices that were neither refused nor let in until the end, by what they met or waited for last.
    pub const DEVICES_NOT_JUDGED: &str = "devices_not_judged/";
    /// Negative devices that got in: assigned to a hub, or connected to it.
    pub const DEVICES_LET_IN: &str = "devices_let_in";
    /// Devices with a fault of their own on purpose, by kind. A device may have several.
    pub const DEVICES_FAULTY: &str = "devices_faulty/";
    /// Telemetry that a tick produced.
    pub const TELEMETRY_OFFERED: &str = "telemetry_offered";
    /// Telemetry written to a connection, each message once.
    pub const TELEMETRY_SENT: &str = "telemetry_sent";
    /// Telemetry that the hub acknowledged.
    pub const TELEMETRY_ACKED: &str = "telemetry_acked";
    /// Telemetry written once more, with the same message id.
    pub const TELEMETRY_RESENT: &str = "telemetry_resent";
    /// Telemetry given up, by reason.
    pub const TELEMETRY_DROPPED: &str = "telemetry_dropped/";
    /// Ticks that came too late to be worth a message.
    pub const TICKS_MISSED: &str = "ticks_missed";
    /// Values beyond a histogram's range, which are in it as its longest, by phase.
    pub const CLIPPED: &str = "clipped/";
    /// Sessions that ended unasked and were begun again, by reason.
    pub const RECONNECTS: &str = "reconnects/";
    /// Commands that have reached a device, also queued ones.
    pub const COMMANDS: &str = "commands";
    /// Number of times that DPS answered 429.
    pub const DPS_THROTTLED: &str = "dps_throttled";
    /// Failed registrations, by reason.
    pub const REGISTER_FAILED: &str = "register_failed/";
    /// Failed connections to a hub, by reason.
    pub const CONNECT_FAILED: &str = "connect_failed/";
    /// Twin requests that the hub refused or did not answer, by reason.
    pub const TWIN_GET_FAILED: &str = "twin_get_failed/";
    /// Refused reports, by status.
    pub const REPORT_FAILED: &str = "report_failed/";
    /// Commands answered with an error, by status.
    pub const COMMAND_FAILED: &str = "command_failed/";
    /// An operator's commands that were not answered well, by reason.
    pub const COMMAND_ROUNDTRIP_FAILED: &str = "command_roundtrip_failed/";
    /// An operator's desired properties that the device did not acknowledge well, by reason.
    pub const PROPERTY_ROUNDTRIP_FAILED: &str = "property_roundtrip_failed/";
    /// Requests of the operator to the application's REST API, repeated ones included.
    pub const REST_REQUESTS: &str = "rest_requests";
    /// Number of times that the REST API answered the operator 429.
    pub const REST_THROTTLED: &str = "rest_throttled";
    /// Looks of an operator at the last telemetry that the application has of a device.
    pub const ARRIVAL_LOOKS: &str = "arrival_looks";
    /// Those of them at which it was older than two of the device's intervals, or there was none.
    pub const ARRIVAL_STALE: &str = "arrival_stale";
    /// Looks that failed, by reason; they are not among the others.
    pub const ARRIVAL_FAILED: &str = "arrival_failed/";
    /// Cloud-to-device messages of an operator that the hub has taken.
    pub const C2D_SENT: &str = "c2d_sent";
    /// Those that it has not taken, by reason.
    pub const C2D_FAILED: &str = "c2d_failed/";
    /// Cloud-to-device messages that have reached a device, commands not among them.
    pub const C2D_RECEIVED: &str = "c2d_received";
    /// What an operator left out although it was due, by reason.
    pub const OPERATOR_SKIPPED: &str = "operator_skipped/";
}

/// The timed parts of a device's life. In histograms: `<phase>/<group>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// The whole exchange with DPS.
    Register,
    /// The part of it in which DPS had the device wait.
    DpsWait,
    /// From the first packet to the hub's CONNACK.
    Connect,
    /// Name look-up.
    ConnectDns,
    /// TCP handshake.
    ConnectTcp,
    /// TLS handshake.
    ConnectTls,
    /// CONNECT to CONNACK.
    ConnectMqtt,
    /// Twin request to its answer.
    TwinGet,
    /// The instant at which a device was first wanted online to the first at which it was.
    TimeToOnline,
    /// The instant at which a message was due to its PUBACK.
    Publish,
    /// The first writing of a message to its PUBACK, whatever came between.
    PublishSent,
    /// The first writing of a reported patch to its answer.
    Report,
    /// A command's arrival to its answer.
    Command,
    /// The instant at which an operator's command was due to the response that the REST API returned.
    CommandRoundtrip,
    /// The instant at which an operator's desired property was due to its acknowledgement, as the REST API shows it.
    PropertyRoundtrip,
}

impl Phase {
    /// All phases in the order of a device's life.
    pub const ALL: [Self; 15] = [
        Self::Register,
        Self::DpsWait,
        Self::Connect,
        Self::ConnectDns,
        Self::ConnectTcp,
        Self::ConnectTls,
        Self::ConnectMqtt,
        Self::TwinGet,
        Self::TimeToOnline,
        Self::Publish,
        Self::PublishSent,
        Self::Report,
        Self::Command,
        Self::CommandRoundtrip,
        Self::PropertyRoundtrip,
    ];

    /// The word for it in lines, reports, thresholds and metrics.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::DpsWait => "dps_wait",
            Self::Connect => "connect",
            Self::ConnectDns => "connect_dns",
            Self::ConnectTcp => "connect_tcp",
            Self::ConnectTls => "connect_tls",
            Self::ConnectMqtt => "connect_mqtt",
            Self::TwinGet => "twin_get",
            Self::TimeToOnline => "time_to_online",
            Self::Publish => "publish",
            Self::PublishSent => "publish_sent",
            Self::Report => "report",
            Self::Command => "command",
            Self::CommandRoundtrip => "command_roundtrip",
            Self::PropertyRoundtrip => "property_roundtrip",
        }
    }

    /// The phase with this word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.word() == word)
    }

    /// The shortest time that a histogram distinguishes from none, in microseconds.
    pub const SHORTEST_US: u64 = 1;
    /// The longest time that a histogram is made for: 10 min, in microseconds. Its last bucket reaches some minutes beyond.
    pub const LONGEST_US: u64 = 600_000_000;
    /// To how many significant digits a histogram distinguishes times.
    pub const DIGITS: u8 = 3;

    /// An empty histogram of the range and precision that all sides use.
    #[must_use]
    pub fn histogram() -> hdrhistogram::Histogram<u64> {
        hdrhistogram::Histogram::new_with_bounds(Self::SHORTEST_US, Self::LONGEST_US, Self::DIGITS)
            .expect("the bounds are valid")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_look_as_documented() {
        let line = Line::Device(DeviceLine {
            id: "thermo-0001".into(),
            state: State::BackingOff,
            hub: None,
            leaf_sha256: None,
            offline_ms: None,
            reason: Some(Reason::TcpRefused),
            message: None,
            negative: false,
        });
        assert_eq!(
            serde_json::to_string(&line).unwrap(),
            r#"{"type":"device","id":"thermo-0001","state":"backing_off","reason":"tcp_refused"}"#
        );
        assert_eq!(
            serde_json::to_string(&Line::Stats(Stats::default())).unwrap(),
            r#"{"type":"stats","seq":0,"t":0.0,"counters":{},"states":{},"histograms":{}}"#
        );
    }

    #[test]
    fn a_counter_with_reasons_is_the_sum_of_them() {
        let counters = [
            "a",
            "connect_failed/dns",
            "connect_failed/tcp_refused",
            "connect_failed_too",
            "z",
        ];
        let counters: BTreeMap<String, u64> = counters.iter().map(|name| ((*name).to_owned(), 3)).collect();
        let reasons: Vec<_> = counter::by_reason(&counters, counter::CONNECT_FAILED).collect();
        assert_eq!(reasons, [("dns", 3), ("tcp_refused", 3)]);
        let counts =
            ["a", "b", counter::CONNECT_FAILED, counter::REPORT_FAILED].map(|name| counter::count(&counters, name));
        assert_eq!(counts, [3, 0, 6, 0]);
    }
}
