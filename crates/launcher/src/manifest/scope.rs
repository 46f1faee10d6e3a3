//! What a roll is about, checked against the manifest before anything is asked or changed.

use std::collections::BTreeMap;
use std::fmt::Display;

use anyhow::{anyhow, bail};
use device_sim::hint::Hint;
use fleet_report::words;

use super::Manifest;
use super::case::Case;
use super::roll::Request;
use super::types::{Group, GroupKind, Individual};

/// Whom a roll is about.
#[derive(Debug)]
pub(crate) enum Scope<'a> {
    Group(&'a Group),
    Individuals(BTreeMap<String, &'a Individual>),
}

impl Scope<'_> {
    /// The name of the journal, and of what is rolled.
    pub(crate) fn group(&self) -> Option<&str> {
        match self {
            Self::Group(group) => Some(&group.id),
            Self::Individuals(_) => None,
        }
    }

    pub(crate) fn words(&self) -> String {
        match self {
            Self::Group(group) => format!("group {}", group.id),
            Self::Individuals(devices) => match devices.keys().next() {
                Some(only) if devices.len() == 1 => format!("device {only}"),
                _ => words::devices(devices.len()),
            },
        }
    }
}

/// Whether the request makes sense for this manifest.
pub(crate) fn check(request: &Request, manifest: &Manifest) -> anyhow::Result<()> {
    let Request {
        case,
        group,
        devices,
        keep_old,
        remove_old,
        wave,
        let_in,
        ..
    } = request;
    let mut wrong = Vec::new();
    if case.is_of_group() && !devices.is_empty() {
        wrong.push(format!("{case} is about a whole group, and takes no --device"));
    }
    if !case.is_of_group() && group.is_some() {
        wrong.push(format!("{case} is about devices, and takes no --group"));
    }
    if *keep_old && *case != Case::GroupExpiry {
        wrong.push("only group-expiry can leave the old CA in the enrollment (--keep-old)".to_owned());
    }
    if *remove_old && *case != Case::IndividualExpiry {
        wrong.push(format!(
            "only individual-expiry leaves the old certificate, and {case} needs no --remove-old"
        ));
    }
    if *let_in && !case.is_breach() {
        wrong.push(format!(
            "{case} blocks no device, so there is none to let in (--let-in)"
        ));
    }
    if wave.is_some_and(|wave| !(wave > 0.0 && wave <= 1.0)) {
        wrong.push("a wave is a share above 0 % and up to 100 %".to_owned());
    }
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n"));
    }
    scope(request, manifest).map(|_| ())
}

/// Whom the request means.
pub(crate) fn scope<'a>(request: &Request, manifest: &'a Manifest) -> anyhow::Result<Scope<'a>> {
    if request.case.is_of_group() {
        let group = group(request, manifest)?;
        group_can_be_rolled(group)?;
        return Ok(Scope::Group(group));
    }
    let mut all = BTreeMap::new();
    let mut others = BTreeMap::new();
    for individual in &manifest.individual {
        let obstacle = match individual.expect {
            Some(_) => Some(Obstacle::Negative),
            None => Obstacle::find(individual.certificates.is_some(), individual.via.is_some()),
        };
        for id in individual.ids()? {
            if let Some(obstacle) = obstacle {
                others.insert(id.to_string(), obstacle);
                continue;
            }
            all.insert(id.to_string(), individual);
        }
    }
    let named = request
        .devices
        .iter()
        .find_map(|id| others.get(id).map(|obstacle| (id, obstacle)));
    if let Some((id, obstacle)) = named {
        return Err(obstacle.error(format!("{id} can't be rolled")));
    }
    if all.is_empty() {
        match others.values().next() {
            None => bail!(
                "the manifest has no [[individual]] devices, so {} has nothing to roll",
                request.case
            ),
            Some(obstacle) => return Err(obstacle.error("no [[individual]] device can be rolled")),
        }
    }
    let unknown: Vec<_> = request
        .devices
        .iter()
        .filter(|id| !all.contains_key(*id))
        .cloned()
        .collect();
    if !unknown.is_empty() {
        bail!(
            "no such individually enrolled device: {}\naccepted: {}",
            unknown.join(", "),
            some_of(all.keys())
        );
    }
    if !request.devices.is_empty() {
        all.retain(|id, _| request.devices.contains(id));
    } else if request.case.is_breach() && all.len() > 1 {
        // A breach is about keys in wrong hands, and blocks every device that it names.
        bail!(
            "which devices? there are {}\naccepted: --device with one of {}",
            all.len(),
            some_of(all.keys())
        );
    }
    Ok(Scope::Individuals(all))
}

fn group<'a>(request: &Request, manifest: &'a Manifest) -> anyhow::Result<&'a Group> {
    let groups: Vec<&Group> = manifest.group.iter().filter(|group| group.expect.is_none()).collect();
    let names = || some_of(groups.iter().map(|group| &group.id));
    match (&request.group, groups.as_slice()) {
        (_, []) => Err(anyhow!(
            "the manifest has no [[group]], so {} has nothing to roll",
            request.case
        )),
        (None, [only]) => Ok(only),
        (None, groups) => Err(anyhow!(
            "which group? there are {}\naccepted: --group with one of {}",
            groups.len(),
            names()
        )),
        (Some(id), _) => manifest
            .group
            .iter()
            .find(|group| group.id == *id)
            .ok_or_else(|| anyhow!("there is no group `{id}`\naccepted: {}", names())),
    }
}

/// What keeps us from rolling certificates in good faith.
#[derive(Debug, Clone, Copy)]
enum Obstacle {
    MadeElsewhere,
    BehindGateway,
    Edge,
    Negative,
}

impl Obstacle {
    fn find(are_brought: bool, is_behind_gateway: bool) -> Option<Self> {
        if are_brought {
            Some(Self::MadeElsewhere)
        } else {
            is_behind_gateway.then_some(Self::BehindGateway)
        }
    }

    /// `refusal` with its reason.
    fn error(self, refusal: impl Display) -> anyhow::Error {
        match self {
            Self::MadeElsewhere => anyhow!("{refusal}: its certificates were made elsewhere (`certificates`)")
                .hint("put the new files in their places, run `fleet enroll`, and let the devices register again"),
            Self::BehindGateway => anyhow!(
                "{refusal}: devices behind a gateway (`via`) do not register with DPS, so the hub would not get their new \
                 certificates"
            ),
            Self::Negative => {
                anyhow!("{refusal}: its devices must be refused (`expect`), and a roll would bring them in")
            }
            Self::Edge => anyhow!(
                "{refusal}: its Edge CAs, and the devices that trust them, would have to follow (`kind = \"edge\"`); that \
                 is not built"
            ),
        }
    }
}

fn group_can_be_rolled(group: &Group) -> anyhow::Result<()> {
    let obstacle = match group.kind {
        _ if group.expect.is_some() => Some(Obstacle::Negative),
        GroupKind::Edge => Some(Obstacle::Edge),
        GroupKind::Iot => Obstacle::find(group.certificates.is_some(), group.via.is_some()),
    };
    match obstacle {
        Some(obstacle) => Err(obstacle.error(format!("group {} can't be rolled", group.id))),
        None => Ok(()),
    }
}

fn some_of<'a>(names: impl ExactSizeIterator<Item = &'a String>) -> String {
    const MOST: usize = 8;
    let more = names.len().saturating_sub(MOST);
    let names: Vec<_> = names.take(MOST).map(String::as_str).collect();
    match more {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn manifest() -> Manifest {
        let text = r#"
            [fleet]
            name = "demo"
            [target]
            kind = "emulator"
            [[group]]
            id = "a"
            devices = { prefix = "a-", count = 2 }
            [[group]]
            id = "b"
            devices = { prefix = "b-", count = 2 }
            [[individual]]
            devices = { prefix = "lab-", count = 2 }
        "#;
        crate::manifest::parse("fleet.toml", text, Path::new("."), &[]).unwrap()
    }

    fn request(case: Case, change: impl FnOnce(&mut Request)) -> anyhow::Result<()> {
        let mut request = Request::new(case);
        change(&mut request);
        check(&request, &manifest())
    }

    #[test]
    fn a_request_that_makes_sense_is_taken() {
        request(Case::GroupExpiry, |request| request.group = Some("b".into())).unwrap();
        request(Case::IndividualExpiry, |request| request.remove_old = true).unwrap();
        request(Case::IndividualBreach, |request| {
            request.devices = vec!["lab-0002".into()]
        })
        .unwrap();
    }

    #[test]
    fn certificates_that_are_not_ours_to_make_are_refused_with_the_reason() {
        let text = r#"
            [fleet]
            name = "demo"
            [target]
            kind = "emulator"
            [[group]]
            id = "edges"
            kind = "edge"
            devices = { prefix = "edge-", count = 1 }
            [[group]]
            id = "behind"
            via = "edge-0001"
            devices = { prefix = "b-", count = 2 }
            [[group]]
            id = "brought"
            devices = { prefix = "c-", count = 2 }
            certificates = { leaf = "{device_id}.pem", key = "{device_id}_key.pem", ca = "ca.pem", ca_key = "ca_key.pem" }
            [[individual]]
            device_id = "lab-1"
            certificates = { cert = "lab.pem", key = "lab_key.pem" }
            [[individual]]
            device_id = "lab-2"
            via = "edge-0001"
        "#;
        let manifest = crate::manifest::parse("fleet.toml", text, Path::new("."), &[]).unwrap();
        let refusal = |case: Case, change: fn(&mut Request)| {
            let mut request = Request::new(case);
            change(&mut request);
            check(&request, &manifest).unwrap_err().to_string()
        };
        for (case, change, words) in [
            (
                Case::GroupExpiry,
                (|r| r.group = Some("edges".into())) as fn(&mut Request),
                "group edges can't be rolled: its Edge CAs",
            ),
            (
                Case::GroupBreach,
                |r| r.group = Some("behind".into()),
                "group behind can't be rolled: devices behind a gateway",
            ),
            (
                Case::GroupExpiry,
                |r| r.group = Some("brought".into()),
                "group brought can't be rolled: its certificates were made elsewhere",
            ),
            (
                Case::IndividualBreach,
                |r| r.devices = vec!["lab-2".into()],
                "lab-2 can't be rolled: devices behind a gateway",
            ),
            (
                Case::IndividualExpiry,
                |_| {},
                "no [[individual]] device can be rolled: its certificates were made elsewhere",
            ),
        ] {
            let error = refusal(case, change);
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_request_that_makes_none_is_refused_with_what_would() {
        type Change = fn(&mut Request);
        let cases: [(Case, Change, &str); 9] = [
            (
                Case::GroupExpiry,
                |_| {},
                "which group? there are 2\naccepted: --group with one of a, b",
            ),
            (
                Case::GroupExpiry,
                |r| r.group = Some("c".into()),
                "there is no group `c`\naccepted: a, b",
            ),
            (
                Case::GroupBreach,
                |r| r.devices = vec!["a-0001".into()],
                "takes no --device",
            ),
            (
                Case::IndividualExpiry,
                |r| r.group = Some("a".into()),
                "takes no --group",
            ),
            (Case::IndividualBreach, |_| {}, "which devices? there are 2"),
            (
                Case::IndividualBreach,
                |r| r.devices = vec!["a-0001".into()],
                "no such individually enrolled device: a-0001\naccepted: lab-0001, lab-0002",
            ),
            (
                Case::GroupBreach,
                |r| r.keep_old = true,
                "only group-expiry can leave the old CA",
            ),
            (Case::GroupBreach, |r| r.remove_old = true, "needs no --remove-old"),
            (Case::IndividualExpiry, |r| r.wave = Some(1.5), "a wave is a share"),
        ];
        for (case, change, words) in cases {
            let error = request(case, change).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
