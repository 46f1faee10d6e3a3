//! The keys of IoT Edge: `kind`, `hostname`, `gateway_address`, `hub` and `via`, and that they fit together.

use fleet_protocol::plan::Range;
use iot_protocol::id::{HubHost, MAX_COMMON_NAME, RegistrationId};
use settings::{At, DeValue, Document, Table, Unreadable};

use super::devices::Taken;
use crate::manifest::edge::{DEVICE_ID, HOSTNAME};
use crate::manifest::forms::{Typed, Value};
use crate::manifest::types::{Group, GroupKind, Target};

const ACCEPTED_VIA: &str = "accepted: the id of a device in a [[group]] with kind = \"edge\"";
/// Beyond that many Edge devices, no suggestion is made which one was meant.
const MEANT_AMONG: u32 = 10_000;

/// The keys of a group about IoT Edge.
pub(super) struct EdgeKeys {
    pub(super) kind: GroupKind,
    pub(super) hostname: Option<String>,
    pub(super) gateway_address: Option<String>,
    pub(super) hub: Option<HubHost>,
    pub(super) simulated: Option<bool>,
    pub(super) via: Option<RegistrationId>,
}

/// A host name with the device's id in it.
struct HostPattern(String);
/// A host name or address with the device's id in it, and perhaps a port.
struct AddressPattern(String);

impl Value for GroupKind {
    const FORM: &'static str = "\"iot\" or \"edge\"";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        match value.as_str().ok_or(Unreadable::Type)? {
            "iot" => Ok(Self::Iot),
            "edge" => Ok(Self::Edge),
            other => Err(Unreadable::Value(format!("`{other}` is not one of them"))),
        }
    }
}

impl Value for HostPattern {
    const FORM: &'static str = "a host name, such as \"{device_id}.gw.local\"";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        let text = value.as_str().ok_or(Unreadable::Type)?;
        check_host(&text.replace(DEVICE_ID, "d"))?;
        Ok(Self(text.to_owned()))
    }
}

impl Value for AddressPattern {
    const FORM: &'static str =
        "a host name or IPv4 address, with a port where it is not 8883, such as \"{device_id}.lan:18883\"";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        let text = value.as_str().ok_or(Unreadable::Type)?;
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        };
        check_host(&host.replace(DEVICE_ID, "d"))?;
        match port.map(str::parse::<u16>) {
            None | Some(Ok(1..)) => Ok(Self(text.to_owned())),
            Some(_) => Err(Unreadable::Value(format!("`{text}` does not end with a TCP port"))),
        }
    }
}

impl Value for HubHost {
    const FORM: &'static str = "the host name of a hub, such as \"contoso.azure-devices.net\"";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        Self::new(value.as_str().ok_or(Unreadable::Type)?).map_err(|error| Unreadable::Value(error.to_string()))
    }
}

/// What a name in a certificate and in the handshake has to be: labels of letters, digits and `-`.
fn check_host(host: &str) -> Result<(), String> {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if !host.split('.').all(is_label) {
        return Err(format!("`{host}` is no host name"));
    }
    if host.len() > MAX_COMMON_NAME {
        return Err(format!(
            "`{host}` has {} characters; the gateway's certificate has room for {MAX_COMMON_NAME}",
            host.len()
        ));
    }
    Ok(())
}

pub(super) fn keys(table: &Table<'_>, taken: &mut Taken, document: &Document<'_>) -> EdgeKeys {
    let kind = table.optional::<GroupKind>("kind").map(|at| at.value);
    let hostname = table.optional::<HostPattern>("hostname");
    let gateway_address = table.optional::<AddressPattern>("gateway_address");
    let hub = table.optional::<HubHost>("hub");
    let simulated = table.optional::<bool>("simulated");
    let is_edge = kind == Some(GroupKind::Edge);
    let refuse = |key: &str, span: &std::ops::Range<usize>, what: &str| {
        document
            .problems
            .push(span.clone(), format!("`{key}` {what}"), Vec::new());
    };
    // A kind that can't be read leaves the other keys open.
    if !is_edge && kind.is_some() == table.has("kind") {
        let named = [
            hostname.as_ref().map(|at| (&at.key, &at.span)),
            gateway_address.as_ref().map(|at| (&at.key, &at.span)),
            hub.as_ref().map(|at| (&at.key, &at.span)),
            simulated.as_ref().map(|at| (&at.key, &at.span)),
        ];
        for (key, span) in named.into_iter().flatten() {
            refuse(key, span, "is of no use here: it is for groups with kind = \"edge\"");
        }
    }
    let via = if is_edge {
        table.out_of_place(
            &["model", "telemetry", "profile", "room"],
            "is of no use here: of an IoT Edge device only the identity is simulated, which measures nothing",
        );
        table.out_of_place(
            &["certificates"],
            "is not supported here: the Edge CAs of IoT Edge devices are made below a root that is made, too",
        );
        if let Some(via) = table.optional::<RegistrationId>("via") {
            refuse(
                &via.key,
                &via.span,
                "is not supported here: a gateway behind a gateway (nested IoT Edge)",
            );
        }
        None
    } else {
        via(table, taken)
    };
    if let Some(address) = &gateway_address {
        taken
            .gateway_addresses
            .push((address.key.clone(), address.span.clone()));
    }
    EdgeKeys {
        kind: kind.unwrap_or_default(),
        hostname: is_edge.then(|| hostname.map_or_else(|| HOSTNAME.to_owned(), |at| at.value.0)),
        gateway_address: gateway_address.map(|at| at.value.0),
        hub: hub.map(|at| at.value),
        simulated: simulated.map(|at| at.value),
        via,
    }
}

/// The gateway that devices are behind; whether there is such a gateway is known when all groups have been read.
pub(super) fn via(table: &Table<'_>, taken: &mut Taken) -> Option<RegistrationId> {
    let via = table.optional::<RegistrationId>("via")?;
    let id = via.value.clone();
    taken.vias.push(via);
    Some(id)
}

/// Checks the names of the gateways that a group of Edge devices is.
pub(super) fn check_hostnames(table: &Table<'_>, keys: &EdgeKeys, devices: &Range) {
    let (GroupKind::Edge, Some(pattern)) = (keys.kind, &keys.hostname) else {
        return;
    };
    let path = format!("{}.hostname", table.path());
    if devices.count > 1 && !pattern.contains(DEVICE_ID) {
        table.problem(
            format!("`{path}`: {} gateways would have one name", devices.count),
            "accepted: a name with {device_id} in it, such as \"{device_id}.gw.local\"",
        );
    }
    // One problem is enough: the names differ in their numbers only.
    let problem =
        (0..devices.count).find_map(|index| check_host(&pattern.replace(DEVICE_ID, &devices.id(index))).err());
    if let Some(problem) = problem {
        let help = "accepted: labels of letters, digits and `-`, at most 64 characters in all; IoT Edge's server \
                    certificate has to carry it";
        table.problem(format!("`{path}`: {problem}"), help);
    }
}

/// Checks what is known only now: that every gateway that is named is one.
pub(super) fn check(groups: &[Group], target: Option<&Target>, taken: &Taken, document: &Document<'_>) {
    let edge: Vec<&Group> = groups.iter().filter(|group| group.kind == GroupKind::Edge).collect();
    for via in &taken.vias {
        let At { value, span, key } = via;
        if edge.iter().any(|group| group.holds(value.as_str())) {
            continue;
        }
        let (message, help) = match (meant(&edge, value), taken.has(value)) {
            (Some(meant), false) => (
                format!("`{key}`: there is no device `{value}` in the manifest"),
                format!("did you mean `{meant}`?"),
            ),
            (_, false) => (
                format!("`{key}`: there is no device `{value}` in the manifest"),
                ACCEPTED_VIA.to_owned(),
            ),
            (_, true) => (
                format!("`{key}`: `{value}` is no IoT Edge device"),
                ACCEPTED_VIA.to_owned(),
            ),
        };
        document.problems.push(span.clone(), message, vec![help]);
    }
    if let Some(Target::Emulator(_)) = target {
        for (key, span) in &taken.gateway_addresses {
            let reason = "is of no use here: the gateways of an emulator that `fleet run` starts are on this machine";
            document
                .problems
                .push(span.clone(), format!("`{key}` {reason}"), Vec::new());
        }
    }
}

/// The Edge device whose id is most like this one.
fn meant(edge: &[&Group], id: &RegistrationId) -> Option<String> {
    let total: u32 = edge.iter().map(|group| group.devices.count).sum();
    if total > MEANT_AMONG {
        return None;
    }
    let ids = edge
        .iter()
        .flat_map(|group| (0..group.devices.count).map(|index| group.devices.id(index)));
    ids.map(|known| (strsim::damerau_levenshtein(&known, id.as_str()), known))
        .filter(|(distance, known)| *distance <= known.len().div_ceil(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}
