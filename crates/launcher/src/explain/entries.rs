//! Every word that is explained.

use device_sim::advice;
use fleet_protocol::lines::State;
use fleet_protocol::reason::{REASONS, Reason};
use fleet_report::exit;
use fleet_report::metric::Metric;
use provisioning::explain;

use super::{Entry, Kind};

/// All of them, by kind.
pub(super) fn entries() -> Vec<Entry> {
    let mut entries: Vec<_> = State::ALL.into_iter().map(state).collect();
    entries.extend(PHASES.map(|(word, about)| Entry::new(Kind::Phase, word, about)));
    entries.extend(WORDS.map(|(word, about)| Entry::new(Kind::Word, word, about)));
    let metrics = Metric::ALL.iter();
    entries.extend(metrics.map(|metric| Entry::new(Kind::Metric, metric.name(), metric.about())));
    entries.extend(REASONS.iter().filter_map(|word| reason(&Reason::from(*word))));
    let codes = CODES.into_iter();
    entries
        .extend(codes.map(|(code, about)| Entry::new(Kind::Code, code.to_string(), about).with(explain::of_dps(code))));
    let statuses = STATUSES.into_iter();
    entries.extend(
        statuses.map(|(status, about)| {
            Entry::new(Kind::Status, status.to_string(), about).with(explain::of_central(status))
        }),
    );
    entries.extend(CONNACKS.map(|(code, about)| Entry::new(Kind::Connack, code.to_string(), about)));
    entries.extend(EXITS.map(|(code, about)| Entry::new(Kind::Exit, code.to_string(), about)));
    entries
}

fn state(state: State) -> Entry {
    let (word, about) = match state {
        State::Pending => (
            "pending",
            "The device waits for its turn to register or connect, or the stages have taken it offline.",
        ),
        State::Registering => ("registering", "The device asks DPS which hub is its own."),
        State::Connecting => (
            "connecting",
            "The device connects to its hub, subscribes, reads its twin and reports its properties.",
        ),
        State::Online => (
            "online",
            "The device is in a session with its hub, and sends telemetry.",
        ),
        State::BackingOff => (
            "backing off",
            "The last attempt failed for a reason that may pass by itself, and the device waits before the next. The wait \
             grows with each failure, and is as long as the service asked for, if it did.",
        ),
        State::Parked => (
            "parked",
            "The last attempt failed for a reason that a person has to mend, such as a missing enrollment. The device \
             still tries again, slowly, and at once on `fleet ctl MANIFEST retry`.",
        ),
        State::Stopped => ("stopped", "The device has ended and does not come back in this run."),
    };
    Entry::new(Kind::State, word, about)
}

fn reason(reason: &Reason) -> Option<Entry> {
    Some(Entry::new(Kind::Reason, reason.as_str(), reason.about()?).with(advice::on(reason)))
}

/// What is timed, as the live view and the summary call it. The metric is the same word with `_duration`.
const PHASES: [(&str, &str); 12] = [
    (
        "register",
        "A registration with DPS, from the first request to the assignment.",
    ),
    (
        "dps_wait",
        "The part of a registration in which the device waited because DPS had asked it to.",
    ),
    (
        "connect",
        "A connection to the hub: name, TCP, TLS and MQTT, up to CONNACK.",
    ),
    ("connect_dns", "The part of a connection that resolves the hub's name."),
    ("connect_tcp", "The part of a connection that opens TCP."),
    ("connect_tls", "The part of a connection that is the TLS handshake."),
    ("connect_mqtt", "The part of a connection from CONNECT to CONNACK."),
    ("twin_get", "From the request for the twin to the twin."),
    (
        "publish",
        "From the moment when a message was due to its PUBACK. What it waited in the device, because that was offline or \
         late, counts.",
    ),
    (
        "publish_sent",
        "From the moment when a message was written to its PUBACK: the time of network and service, without the wait \
         before.",
    ),
    (
        "report",
        "From a report of properties to the hub's answer. A report here is what a device writes into its twin (reported \
         properties); the report of a run is another thing: report.json and report.html.",
    ),
    (
        "command",
        "From a command's arrival at its device to the response: the device's own time.",
    ),
];

const WORDS: [(&str, &str); 18] = [
    (
        "offered",
        "Messages that were due; each of them ends as acknowledged, dropped or outstanding.",
    ),
    ("acknowledged", "Messages for which the hub has sent a PUBACK."),
    ("dropped", "Messages that a device gave up, each with a reason."),
    (
        "outstanding",
        "Messages that were neither acknowledged nor dropped when the count was taken.",
    ),
    (
        "resent",
        "Messages that were sent again after a reconnection, with the same id.",
    ),
    (
        "received",
        "Messages that arrived at the application. Only the emulator counts them.",
    ),
    ("asked", "Devices of the manifest that the run simulates."),
    ("wanted", "Devices that the stages want online now."),
    (
        "stage",
        "A part of a run: a share of the fleet, and the time in which it is reached or held.",
    ),
    (
        "ramp",
        "A stage on the way to its target. Thresholds on what is online are judged while a target is held.",
    ),
    (
        "drain",
        "The end of a run: devices send no more, wait for their PUBACKs, and disconnect.",
    ),
    ("shard", "A part of the fleet that one process simulates."),
    (
        "wave",
        "The part of a group that `fleet roll` moves to new certificates at a time.",
    ),
    (
        "breach",
        "A key is in wrong hands: `fleet roll` replaces it and removes the old trust at once.",
    ),
    (
        "storm",
        "All devices lose their connections at the same moment and come back.",
    ),
    ("churn", "In each minute a share of the devices leaves for a while."),
    (
        "generation",
        "One set of leaves of a group, in a folder of its own; `current` names the one in use.",
    ),
    (
        "id scope",
        "Which DPS instance devices register with; IoT Central has one for each application.",
    ),
];

/// Codes of DPS and IoT Hub that are seen often. Others are explained by their status
/// (<https://learn.microsoft.com/azure/iot-dps/how-to-troubleshoot-dps>).
const CODES: [(u32, &str); 14] = [
    (400_000, "The request is wrong in a way that has no code of its own."),
    (
        400_004,
        "The request does not fit the device: another id than that of the connection, or a value that is not allowed.",
    ),
    (400_207, "The enrollment's custom allocation has failed."),
    (400_208, "No hub is linked that the device could be assigned to."),
    (400_209, "The device waits for approval, or it is blocked."),
    (401_000, "Not authorized."),
    (
        401_002,
        "Not authorized: no enrollment has this certificate, or one above it that was sent along.",
    ),
    (403_004, "The device's queue of messages from the cloud is full."),
    (404_001, "There is no such device at the hub."),
    (404_103, "The device is not online, so a method can't reach it."),
    (404_201, "There is no such enrollment, registration or operation."),
    (
        409_201,
        "The registration is in conflict with another one of the same device.",
    ),
    (412_002, "It was changed at the same moment."),
    (429_001, "More requests than the quota allows."),
];

const STATUSES: [(u16, &str); 10] = [
    (400, "The request can't be read, or a value in it is not allowed."),
    (401, "The API token is not accepted."),
    (403, "The API token's role does not allow this."),
    (404, "There is no such thing."),
    (409, "It is in conflict with what is there."),
    (412, "It was changed at the same moment."),
    (422, "The content is not accepted."),
    (429, "More requests than the application's quota allows."),
    (500, "The service has a trouble of its own."),
    (503, "The service can't answer now."),
];

/// <https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/mqtt-v3.1.1.html>, table 3.1.
const CONNACKS: [(u8, &str); 6] = [
    (0, "The connection is accepted."),
    (
        1,
        "The server does not speak this version of MQTT (mqtt_protocol_version).",
    ),
    (2, "The client id is not accepted (mqtt_client_id)."),
    (3, "The server can't serve the device now (mqtt_server_unavailable)."),
    (4, "The user name or password can't be used (mqtt_bad_credentials)."),
    (5, "The device is not authorized (mqtt_not_authorized)."),
];

const EXITS: [(u8, &str); 5] = [
    (exit::PASSED, "Everything went as asked."),
    (
        exit::FAILED,
        "Something failed while running; also a device that never came online.",
    ),
    (
        exit::REFUSED,
        "Nothing was started: wrong usage, an invalid manifest, or a check that refused it.",
    ),
    (
        exit::THRESHOLDS,
        "A threshold of the manifest was crossed, or had no data.",
    ),
    (exit::INTERRUPTED, "Interrupted; the report is still written."),
];
