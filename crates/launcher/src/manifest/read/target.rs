//! `[target]`: which keys it may have depends on its kind.

use std::path::PathBuf;

use fleet_protocol::plan::Transport;
use iot_emulator::FaultRules;
use iot_protocol::id::IdScope;
use settings::{DeValue, Item, Table};

use super::Walk;
use crate::manifest::forms::{App, FaultsName, Host, Hubs, Kind, Port, QuotaName, Typed, Units, Value, Variable};
use crate::manifest::types::{DpsTarget, EmulatorTarget, Endpoint, IotCentralTarget, Secret, Target};

/// The one name under which all of DPS is reached.
/// <https://learn.microsoft.com/azure/iot-dps/concepts-service#device-provisioning-endpoint>
const GLOBAL_DPS: &str = "global.azure-devices-provisioning.net";
const NOT_OURS: &str = "is of no use here: only an emulator that `fleet run` starts is given a number of hubs";
const NOT_AZURE: &str = "is of no use here: only an emulator that `fleet run` starts is given faults";
const TOKEN_FORM: &str =
    "api_token = { env = \"IOTC_API_TOKEN\" } or { file = \"api_token\" }; a manifest holds no secret";

impl Walk<'_> {
    pub(super) fn target(&self, table: Table<'_>) -> Option<Target> {
        let target = match table.required::<Kind>("kind")?.value {
            Kind::Emulator => {
                table.out_of_place(
                    &["app", "api_token", "id_scope", "dps_endpoint", "ca"],
                    "is of no use here: an emulator that `fleet run` starts reports it by itself",
                );
                let (quota, units) = self.limits(&table, None);
                Some(Target::Emulator(EmulatorTarget {
                    port: table.optional::<Port>("port").map(|port| port.value.0),
                    hubs: table.optional::<Hubs>("hubs").map_or(1, |hubs| hubs.value.0),
                    connect_host: self.connect_host(&table),
                    transport: transport(&table),
                    quota,
                    units,
                    faults: self.faults(&table),
                }))
            }
            Kind::IotCentral => {
                table.out_of_place(&["hubs"], NOT_OURS);
                table.out_of_place(&["faults"], NOT_AZURE);
                self.iot_central(&table).map(Target::IotCentral)
            }
            Kind::Dps => {
                table.out_of_place(&["hubs"], NOT_OURS);
                table.out_of_place(&["faults"], NOT_AZURE);
                table.out_of_place(
                    &["app", "api_token"],
                    "is of no use here: with kind = \"dps\" enrollments are made elsewhere",
                );
                let id_scope = table.required::<IdScope>("id_scope");
                let (quota, units) = self.limits(&table, Some("dps"));
                let endpoint = self.endpoint(&table);
                id_scope.map(|id_scope| {
                    Target::Dps(DpsTarget {
                        id_scope: id_scope.value,
                        quota,
                        units,
                        endpoint,
                    })
                })
            }
        };
        table.out_of_place(
            &["proxy"],
            "does not belong in a manifest: set HTTPS_PROXY and NO_PROXY in the environment",
        );
        table.finish();
        target
    }

    fn iot_central(&self, table: &Table<'_>) -> Option<IotCentralTarget> {
        let app = table.required::<App>("app");
        let id_scope = table.optional::<IdScope>("id_scope").map(|scope| scope.value);
        let api_token = self.api_token(table);
        let (quota, units) = self.limits(table, Some("iot-central"));
        let endpoint = self.endpoint(table);
        Some(IotCentralTarget {
            app: app?.value.0,
            api_token: api_token?,
            id_scope,
            quota,
            units,
            endpoint,
        })
    }

    /// The token, or `Some(None)` where the devices are enrolled by hand.
    fn api_token(&self, table: &Table<'_>) -> Option<Option<Secret>> {
        let entry = table.entry("api_token");
        let is_off = |item: &Item<'_>| matches!(item.value(), DeValue::String(word) if word == "off");
        match entry.filter(|item| !is_off(item)) {
            Some(item) => {
                let inner = item.table(TOKEN_FORM)?;
                self.secret(inner, TOKEN_FORM).map(Some)
            }
            None if table.has("id_scope") => Some(None),
            None => {
                let message = format!("`{}` has neither api_token nor id_scope", table.path());
                table.problem(
                    message,
                    &format!(
                        "accepted: {TOKEN_FORM}; or id_scope, without a token, for devices that are enrolled by hand"
                    ),
                );
                None
            }
        }
    }

    pub(super) fn secret(&self, table: Table<'_>, form: &str) -> Option<Secret> {
        let env = table.optional::<Variable>("env");
        let file = table.optional::<PathBuf>("file");
        if table.has("env") == table.has("file") {
            let message = format!("`{}` has neither or both of env and file", table.path());
            table.problem(message, &format!("accepted: {form}"));
        }
        table.finish();
        match (env, file) {
            (Some(variable), _) => Some(Secret::Env(variable.value.0)),
            (None, Some(path)) => Some(Secret::File(self.folder.join(path.value))),
            (None, None) => None,
        }
    }

    fn endpoint(&self, table: &Table<'_>) -> Endpoint {
        let transport = transport(table);
        Endpoint {
            dps_endpoint: table
                .optional::<Host>("dps_endpoint")
                .map_or_else(|| GLOBAL_DPS.to_owned(), |host| host.value.0),
            port: table
                .optional::<Port>("port")
                .map_or(transport.port(), |port| port.value.0),
            ca: table.optional::<PathBuf>("ca").map(|path| self.folder.join(path.value)),
            connect_host: self.connect_host(table),
            transport,
        }
    }

    /// The quota that the target names, and for how many units. A service has limits without one, those of the preset
    /// `own`; an emulator has none, and may also be `off`.
    fn limits(&self, table: &Table<'_>, own: Option<&str>) -> (Option<String>, Option<u32>) {
        let named = table.optional::<QuotaName>("quota").map(|name| name.value.0);
        let units = table.optional::<Units>("units").map(|units| units.value.0);
        let presets: Vec<_> = quotas::presets::names().chain(["off"]).collect();
        let quota = named.map(|name| self.preset_or_file(name, &presets));
        let problem = |key: &str, problem: &str, accepted: &str| {
            let message = format!("`{}.{key}`: {problem}", table.path());
            table.problem(message, &format!("accepted: {accepted}"));
        };
        match quota.as_deref().or(own) {
            Some("off") if own.is_some() => {
                problem(
                    "quota",
                    "`off` is for an emulator, a service keeps its limits",
                    QuotaName::FORM,
                );
            }
            None | Some("off") if units.is_some() => {
                problem(
                    "units",
                    "units are those of a hub, and no quota is named",
                    QuotaName::FORM,
                );
            }
            None | Some("off") => {}
            Some(name) => match (quotas::load(name), units) {
                (Ok(limits), Some(units)) => {
                    if let Err(wrong) = limits.check_units(units) {
                        problem("units", &wrong, "as many units as the hub of the quota can have");
                    }
                }
                (Ok(_), None) => {}
                (Err(bad), _) => {
                    let lines = bad.to_string();
                    lines.lines().for_each(|line| problem("quota", line, QuotaName::FORM));
                }
            },
        }
        (quota, units)
    }

    fn faults(&self, table: &Table<'_>) -> Option<String> {
        let faults = table.optional::<FaultsName>("faults")?.value.0;
        let faults = self.preset_or_file(faults, &FaultRules::presets().collect::<Vec<_>>());
        if let Err(bad) = FaultRules::load(&faults) {
            for problem in bad.to_string().lines() {
                table.problem(
                    format!("`{}.faults`: {problem}", table.path()),
                    &format!("accepted: {}", FaultsName::FORM),
                );
            }
        }
        Some(faults)
    }

    fn preset_or_file(&self, name: String, presets: &[&str]) -> String {
        if presets.contains(&name.as_str()) {
            name
        } else {
            self.folder.join(name).to_string_lossy().into_owned()
        }
    }

    fn connect_host(&self, table: &Table<'_>) -> Option<String> {
        table.optional::<Host>("connect_host").map(|host| host.value.0)
    }
}

fn transport(table: &Table<'_>) -> Transport {
    table
        .optional::<Transport>("transport")
        .map_or_else(Transport::default, |at| at.value)
}
