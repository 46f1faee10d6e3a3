//! The walk over the document: top-down, in the order of the manifest.

mod brought;
mod capabilities;
mod certificates;
mod devices;
mod edge;
mod events;
mod faults;
mod models;
mod operator;
mod profiles;
mod recording;
mod target;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use devices::Taken;
use settings::{At, Document, Problem, Rate, Span, Table};

use super::addresses::Addresses;
use super::forms::{Amount, Fraction, GroupId, Interval, Name, Seed, TimeConstant, Typed};
use super::labels;
use super::models::{Capability, DeviceModel, FleetModel};
use super::profile_forms::MessageCount;
use super::thresholds::{self, Thresholds};
use super::types::{Fleet, Group, GroupKind, Individual, Load, Manifest, Room, Target, Telemetry};
use super::values::{Processes, Stage};
use crate::manifest::allowance::allowed_registrations;

/// Connections begun per second where a manifest has none: gentle for a laptop, quick enough for a demonstration.
const CONNECT_RATE: Rate = Rate::per_second(50.0);
/// Stages to name in thresholds where the stages themselves can't be read.
const MANY: usize = 1000;

pub(super) fn manifest(document: &Document<'_>, folder: &Path) -> Result<Manifest, Vec<Problem>> {
    let root = document.root();
    let mut walk = Walk {
        folder,
        enrollments: Enrollments::Asked,
        models: RefCell::default(),
    };

    let fleet = root
        .required_table("fleet", "a table [fleet] with a name")
        .and_then(|table| walk.fleet(table));
    let target = root
        .required_table("target", "a table [target] with a kind: emulator, iot-central or dps")
        .and_then(|table| walk.target(table));

    walk.enrollments = Enrollments::at(target.as_ref());
    let mut taken = Taken::default();
    let (groups, mut group_ids) = walk.groups(root.tables("group"), &mut taken, document);
    let individuals: Vec<_> = root
        .tables("individual")
        .into_iter()
        .map(|table| walk.individual(table, &mut taken, document))
        .collect();
    if let Some(groups) = &groups {
        edge::check(groups, target.as_ref(), &taken, document);
    }
    if !root.has("group") && !root.has("individual") {
        root.problem(
            "there is no device in the manifest".into(),
            "accepted: at least one table [[group]] or [[individual]]",
        );
    }
    if let Some(problem) = taken.too_many() {
        root.problem(
            problem,
            "accepted: at most 1000000 devices, which is what one DPS instance holds",
        );
    }

    let load = match root.table("load") {
        Some(table) => walk.load(table),
        None => Some(LoadKeys::default()),
    };
    // What can't be read could have some.
    let has_negative = groups
        .as_ref()
        .is_none_or(|groups| groups.iter().any(|group| group.expect.is_some()))
        || individuals.iter().any(|one| {
            one.as_ref()
                .is_none_or(|individual: &Individual| individual.expect.is_some())
        });
    let operator = root.table("operator").map(|table| operator::operator(table, document));
    if root.has("individual") {
        group_ids.push(thresholds::INDIVIDUAL.to_owned());
    }
    let (stages, processes) = load
        .as_ref()
        .map_or((MANY, Processes::Number(Processes::MOST)), |load| {
            (load.stages.len(), load.processes)
        });
    let events = root.tables("event").into_iter();
    let events: Vec<_> = events.filter_map(|table| events::event(table, stages)).collect();
    let thresholds = Thresholds(fleet_report::thresholds::read(
        &root,
        &document.problems,
        &labels::known(
            group_ids,
            stages,
            processes,
            target.as_ref(),
            match operator {
                // What it would have been is not known.
                Some(None) => Vec::new(),
                ref placed => labels::not_measured(
                    placed.iter().flatten().next().map(|placed| &placed.operator),
                    has_negative,
                ),
            },
        ),
    ));
    root.finish();

    let whole = || {
        let target = target?;
        Some(Manifest {
            fleet: fleet?,
            load: load?.for_target(&target),
            target,
            group: groups?,
            individual: individuals.into_iter().collect::<Option<_>>()?,
            event: events.iter().map(|placed| placed.event.clone()).collect(),
            operator: match &operator {
                Some(placed) => Some(placed.as_ref()?.operator.clone()),
                None => None,
            },
            thresholds,
            models: walk.models.take(),
        })
    };
    let manifest = whole();
    if let Some(manifest) = &manifest {
        events::check(&events, manifest, document);
        if let Some(placed) = operator.iter().flatten().next() {
            operator::check(placed, manifest, document);
        }
    }
    let problems = document.problems.take();
    match manifest {
        Some(manifest) if problems.is_empty() => Ok(manifest),
        _ => Err(problems),
    }
}

struct Walk<'a> {
    folder: &'a Path,
    enrollments: Enrollments,
    /// The models of the user's own that were met.
    models: RefCell<Vec<FleetModel>>,
}

/// Who sees to the enrollments of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Enrollments {
    /// We do, and there are none yet.
    Made,
    /// We do, and there may be some already.
    Asked,
    /// They are made elsewhere.
    Others,
}

impl Enrollments {
    fn at(target: Option<&Target>) -> Self {
        match target {
            Some(Target::Emulator(_)) => Self::Made,
            Some(target) if target.is_enrolled_elsewhere() => Self::Others,
            Some(Target::IotCentral(_) | Target::Dps(_)) | None => Self::Asked,
        }
    }
}

impl Walk<'_> {
    fn fleet(&self, table: Table<'_>) -> Option<Fleet> {
        let name = table.required::<Name>("name");
        let seed = table.optional::<Seed>("seed").map_or(1, |seed| seed.value.0);
        let place = |key, parent: &str| match table.optional::<PathBuf>(key) {
            Some(path) => Some(self.folder.join(path.value)),
            None => Some(self.folder.join(parent).join(&name.as_ref()?.value.0)),
        };
        let (certs, state) = (place("certs", "certs"), place("state", "state"));
        table.finish();
        Some(Fleet {
            certs: certs?,
            state: state?,
            seed,
            name: name?.value.0,
        })
    }

    /// The groups, and the ids that could be read whatever else is wrong with a group.
    fn groups(
        &self,
        tables: Vec<Table<'_>>,
        taken: &mut Taken,
        document: &Document<'_>,
    ) -> (Option<Vec<Group>>, Vec<String>) {
        let mut read = Vec::new();
        let mut ids: HashMap<String, String> = HashMap::new();
        let mut roots = HashMap::new();
        let mut groups = Vec::new();
        for table in tables {
            let id = table.required::<GroupId>("id");
            if let Some(id) = &id {
                read.push(id.value.0.clone());
                // The ids name folders, and some file systems ignore case.
                if let Some(other) = ids.insert(id.value.0.to_ascii_lowercase(), id.key.clone()) {
                    document.problems.push(
                        id.span.clone(),
                        format!("`{}`: `{}` is already `{other}`", id.key, id.value.0),
                        vec!["accepted: an id that no other group has, also not in other case".into()],
                    );
                }
            }
            groups.push(self.group(table, id.map(|id| id.value.0), taken, &mut roots, document));
        }
        let groups: Option<Vec<Group>> = groups.into_iter().collect();
        if let Some(groups) = &groups {
            certificates::check_shared_roots(groups, &roots, document);
        }
        (groups, read)
    }

    fn group(
        &self,
        table: Table<'_>,
        id: Option<String>,
        taken: &mut Taken,
        roots: &mut HashMap<String, At<String>>,
        document: &Document<'_>,
    ) -> Option<Group> {
        let certificates = self.group_certificates(&table);
        let mut authorities = certificates::authorities(&table, document);
        let mut common = certificates::common(&table);
        if table.has("certificates") {
            table.out_of_place(
                &["issuer", "enroll", "root", "key", "validity", "secondary"],
                brought::NOT_MADE,
            );
            authorities.root = None;
            common.secondary = certificates.as_ref().is_some_and(|own| own.secondary.is_some());
        }
        let devices = table
            .required_table("devices", devices::FORM)
            .and_then(|inner| devices::range(inner, taken, document));
        let (model, capability) = self.model(&table, document);
        let telemetry = self.telemetry(&table);
        let sends = model.as_ref().map(|model| models::sends(model, &self.models.borrow()));
        let profile = profiles::profiles(&table, telemetry.interval, &sends.unwrap_or_default());
        let room = self.room(&table);
        let faults::Negative { expect, certificate } = faults::negative(&table);
        let fault = faults::faults(&table);
        let edge = edge::keys(&table, taken, document);
        if edge.kind == GroupKind::Edge && expect.is_some() {
            table.out_of_place(&["expect"], "is for IoT devices, and these are IoT Edge devices");
        }
        if let Some(devices) = &devices {
            edge::check_hostnames(&table, &edge, devices);
        }
        table.finish();
        let id = id?;
        let root = authorities.root.map(|root| {
            let named = root.value.clone();
            roots.insert(id.clone(), root);
            named
        });
        Some(Group {
            id,
            issuer: authorities.issuer,
            enroll: authorities.enroll,
            certificates,
            root,
            key: common.key,
            validity: common.validity,
            secondary: common.secondary,
            devices: devices?,
            model: model?,
            capability,
            telemetry,
            profile: profile?,
            room,
            kind: edge.kind,
            hostname: edge.hostname,
            gateway_address: edge.gateway_address,
            hub: edge.hub,
            simulated: edge.simulated,
            via: edge.via,
            expect,
            certificate,
            fault: fault?,
        })
    }

    fn individual(&self, table: Table<'_>, taken: &mut Taken, document: &Document<'_>) -> Option<Individual> {
        let device_id = devices::single(&table, taken, document);
        let inner = table.table("devices");
        match (table.has("device_id"), table.has("devices")) {
            (true, true) => table.problem(
                format!("`{}` has a device_id and devices", table.path()),
                "accepted: one of the two",
            ),
            (false, false) => table.problem(
                format!("`{}` has no device", table.path()),
                "accepted: device_id = \"lab-thermostat\", or devices = { prefix = \"lab-\", count = 3 }",
            ),
            _ => {}
        }
        let devices = inner.and_then(|inner| devices::range(inner, taken, document));
        let (model, capability) = self.model(&table, document);
        let telemetry = self.telemetry(&table);
        let sends = model.as_ref().map(|model| models::sends(model, &self.models.borrow()));
        let profile = profiles::profiles(&table, telemetry.interval, &sends.unwrap_or_default());
        let room = self.room(&table);
        let certificates = self.individual_certificates(&table, devices.is_some());
        let mut common = certificates::common(&table);
        if table.has("certificates") {
            table.out_of_place(&["key", "validity", "secondary"], brought::NOT_MADE);
            common.secondary = certificates.as_ref().is_some_and(|own| own.secondary.is_some());
        }
        let via = edge::via(&table, taken);
        let faults::Negative { expect, certificate } = faults::negative(&table);
        let fault = faults::faults(&table);
        table.out_of_place(
            &["kind"],
            "is of no use here: IoT Edge devices come in groups, [[group]] with kind = \"edge\"",
        );
        table.finish();
        let (profile, fault) = (profile?, fault?);
        let model = model.filter(|_| device_id.is_some() || devices.is_some())?;
        Some(Individual {
            device_id,
            devices,
            certificates,
            key: common.key,
            validity: common.validity,
            secondary: common.secondary,
            model,
            capability,
            telemetry,
            profile,
            room,
            via,
            expect,
            certificate,
            fault,
        })
    }

    /// What devices are, and how that behaves.
    fn model(&self, table: &Table<'_>, document: &Document<'_>) -> (Option<DeviceModel>, BTreeMap<String, Capability>) {
        let mut known = self.models.borrow_mut();
        let model = models::device_model(table, self.folder, &mut known, document);
        let capability = capabilities::capabilities(table, self.folder, model.as_ref(), &known, document);
        if model
            .as_ref()
            .is_some_and(|model| !matches!(model, DeviceModel::Shipped(_)))
        {
            table.out_of_place(
                &["room"],
                "is what thermostats have; a model of your own has `capability`",
            );
        }
        (model, capability)
    }

    fn telemetry(&self, parent: &Table<'_>) -> Telemetry {
        let mut telemetry = Telemetry {
            interval: Span::seconds(5),
            jitter: 0.1,
        };
        if let Some(table) = parent.table("telemetry") {
            if let Some(interval) = table.optional::<Interval>("interval") {
                telemetry.interval = interval.value.0;
            }
            if let Some(jitter) = table.optional::<Fraction>("jitter") {
                telemetry.jitter = jitter.value.0;
            }
            table.finish();
        }
        telemetry
    }

    fn room(&self, parent: &Table<'_>) -> Room {
        let Some(table) = parent.table("room") else {
            return Room::default();
        };
        let amount = |key| table.optional::<Amount>(key).map(|at| at.value.0);
        let time = |key| table.optional::<Interval>(key).map(|at| at.value.0);
        let time_constant = table.optional::<TimeConstant>("time_constant").map(|at| at.value.0);
        let room = Room {
            time_constant,
            heating_k_per_h: amount("heating_k_per_h"),
            cooling_k_per_h: amount("cooling_k_per_h"),
            hysteresis_k: amount("hysteresis_k"),
            minimum_run: time("minimum_run"),
            setback_k: amount("setback_k"),
            openings_per_day: amount("openings_per_day"),
            noise_k: amount("noise_k"),
        };
        table.finish();
        room
    }

    fn load(&self, table: Table<'_>) -> Option<LoadKeys> {
        let mut load = LoadKeys {
            register_rate: table.optional::<Rate>("register_rate").map(|rate| rate.value),
            ..LoadKeys::default()
        };
        if let Some(rate) = table.optional::<Rate>("connect_rate") {
            load.connect_rate = rate.value;
        }
        if let Some(stages) = table.list::<Stage>("stages", "a list of stages, such as [\"100%@10s\", \"100%@30s\"]") {
            load.stages = stages.value.into_iter().map(|stage| stage.value).collect();
        }
        if let Some(sources) = table.list::<Addresses>(
            "source_addresses",
            "a list of addresses, such as [\"10.0.0.4\", \"10.0.0.16/28\"]",
        ) {
            load.source_addresses = sources.value.into_iter().map(|one| one.value).collect();
        }
        load.messages = table.optional::<MessageCount>("messages").map(|at| at.value.0);
        if let Some(processes) = table.optional::<Processes>("processes") {
            load.processes = processes.value;
        }
        table.finish();
        Some(load)
    }
}

/// Where no quota is known.
const REGISTER_RATE: Rate = Rate::per_second(50.0);

/// `[load]` as it is written; what the registrations may cost depends on the target.
struct LoadKeys {
    register_rate: Option<Rate>,
    connect_rate: Rate,
    stages: Vec<Stage>,
    messages: Option<u64>,
    processes: Processes,
    source_addresses: Vec<Addresses>,
}

impl Default for LoadKeys {
    fn default() -> Self {
        let stage = |share, seconds| Stage {
            share,
            over: Span::seconds(seconds),
        };
        Self {
            register_rate: None,
            connect_rate: CONNECT_RATE,
            stages: vec![stage(1.0, 5), stage(1.0, 30), stage(0.0, 5)],
            messages: None,
            processes: Processes::Auto,
            source_addresses: Vec::new(),
        }
    }
}

impl LoadKeys {
    fn for_target(self, target: &Target) -> Load {
        Load {
            register_rate: self
                .register_rate
                .unwrap_or_else(|| allowed_registrations(target).unwrap_or(REGISTER_RATE)),
            connect_rate: self.connect_rate,
            stages: self.stages,
            messages: self.messages,
            processes: self.processes,
            source_addresses: self.source_addresses,
        }
    }
}
