//! `devices.csv`: the last state of each device of a run, for a spreadsheet.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use fleet_protocol::lines::DeviceLine;
use fleet_protocol::reason::Reason;

use crate::keep::write_into;
use crate::manifest::Manifest;
use crate::manifest::thresholds::INDIVIDUAL;

const COLUMNS: [&str; 7] = ["id", "group", "state", "hub", "leaf_sha256", "reason", "message"];

/// Writes a row for each device that has reported something, by id.
pub(super) fn write(
    manifest: &Manifest,
    devices: &BTreeMap<String, DeviceLine>,
    folder: &Path,
) -> anyhow::Result<PathBuf> {
    let text = rows(manifest, devices).context("devices.csv can't be put together")?;
    write_into(folder, "devices.csv", &text)
}

fn rows(manifest: &Manifest, devices: &BTreeMap<String, DeviceLine>) -> anyhow::Result<Vec<u8>> {
    let groups: BTreeMap<String, &str> = manifest
        .group
        .iter()
        .flat_map(|group| (0..group.devices.count).map(|index| (group.devices.id(index), group.id.as_str())))
        .collect();
    let mut rows = csv::Writer::from_writer(Vec::new());
    rows.write_record(COLUMNS)?;
    for (id, device) in devices {
        rows.write_record([
            id.as_str(),
            groups.get(id).unwrap_or(&INDIVIDUAL),
            device.state.word(),
            device.hub.as_deref().unwrap_or_default(),
            device.leaf_sha256.as_deref().unwrap_or_default(),
            device.reason.as_ref().map_or("", Reason::as_str),
            device.message.as_deref().unwrap_or_default(),
        ])?;
    }
    Ok(rows.into_inner()?)
}

#[cfg(test)]
mod tests {
    use fleet_protocol::lines::State;

    use super::*;

    #[test]
    fn each_device_is_a_row_and_a_comma_stays_in_its_cell() {
        let text = "[fleet]\nname = \"f\"\n[target]\nkind = \"emulator\"\n[[group]]\nid = \"g\"\n\
                    devices = { prefix = \"t-\", count = 2 }\n[[individual]]\ndevice_id = \"solo\"\n";
        let manifest = crate::manifest::parse("f.toml", text, Path::new("/f"), &[]).unwrap();
        let line = |id: &str, state: State, message: Option<&str>| DeviceLine {
            id: id.to_owned(),
            state,
            hub: Some("h.azure-devices.net".to_owned()),
            leaf_sha256: None,
            offline_ms: None,
            reason: message.map(|_| Reason::Dns),
            message: message.map(str::to_owned),
            negative: false,
        };
        let lines = [
            line("t-0001", State::Stopped, None),
            line("t-0002", State::Parked, Some("no address, \"today\"")),
            line("solo", State::Online, None),
        ];
        let devices = lines.into_iter().map(|line| (line.id.clone(), line)).collect();
        assert_eq!(
            String::from_utf8(rows(&manifest, &devices).unwrap()).unwrap(),
            "id,group,state,hub,leaf_sha256,reason,message\n\
             solo,individual,online,h.azure-devices.net,,,\n\
             t-0001,g,stopped,h.azure-devices.net,,,\n\
             t-0002,g,parked,h.azure-devices.net,,dns,\"no address, \"\"today\"\"\"\n"
        );
    }
}
