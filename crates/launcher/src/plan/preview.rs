//! A day in the life of one device, as a small chart: what its room will be like, before anything is started.

use std::fmt::Write;

use anyhow::{Context, bail};
use device_sim::model::Blueprint;
use device_sim::random::{Purpose, stream};
use device_sim::weather::Weather;
use fleet_protocol::plan::{self, Devices, Group};
use jiff::Timestamp;

use crate::manifest::Manifest;
use crate::prepare::plan::{first_device, groups};

/// One column for every 20 minutes: with the scale at the left, it fits into 80 columns.
const COLUMNS: usize = 72;
const COLUMNS_PER_HOUR: usize = COLUMNS / 24;
const STEP: f64 = 24.0 * 3600.0 / COLUMNS as f64;
const ROWS: usize = 9;
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Draws the first simulated day of a device.
///
/// # Errors
///
/// The manifest does not have the device.
pub fn preview(manifest: &Manifest, device: &str) -> anyhow::Result<String> {
    let groups = groups(manifest)?;
    let Some(group) = groups.iter().find(|group| holds(group, device)) else {
        let first = first_device(&groups).context("there is no device in the manifest")?;
        bail!("there is no device `{device}` in the manifest; the first one is `{first}`");
    };
    if group.model == plan::Model::EdgeIdentity {
        bail!("{device} is an IoT Edge device, of which only the identity is simulated: it has no room");
    }
    if matches!(group.model, plan::Model::Own(_)) {
        bail!("{device} is of a model of your own, which has no room");
    }
    let seed = manifest.fleet.seed;
    let random = stream(seed, device, Purpose::Physics);
    let mut model = Blueprint::shipped(group.model, &group.room).device(Weather::new(seed), random);

    let thermostats: Vec<_> = model.thermostats().map(|(component, _)| component).collect();
    let begin = model
        .thermostats()
        .next()
        .map_or(0.0, |(_, thermostat)| thermostat.room().time());
    let mut rooms = vec![Vec::with_capacity(COLUMNS); thermostats.len()];
    let mut outdoor = Vec::with_capacity(COLUMNS);
    for _ in 0..COLUMNS {
        model.measure(STEP, Timestamp::UNIX_EPOCH);
        for (temperatures, (_, thermostat)) in rooms.iter_mut().zip(model.thermostats()) {
            temperatures.push(thermostat.room().air());
        }
        outdoor.extend(
            model
                .thermostats()
                .next()
                .map(|(_, thermostat)| thermostat.room().outdoor()),
        );
    }

    let mut text = format!("{device}, seed {seed}: its first simulated day\n");
    for ((component, temperatures), (_, thermostat)) in thermostats.iter().zip(&rooms).zip(model.thermostats()) {
        let name = component.unwrap_or("room");
        let _ = writeln!(text, "\n{name} in °C, target {:.1}", thermostat.target());
        chart(&mut text, temperatures);
        hours(&mut text, begin);
    }
    let (least, most) = bounds(&outdoor);
    let _ = writeln!(text, "\noutdoor, {least:.1} to {most:.1} °C");
    let bars: String = outdoor
        .iter()
        .map(|value| BARS[level(*value, least, most, BARS.len())])
        .collect();
    let _ = writeln!(text, "       {bars}");
    Ok(text)
}

fn holds(group: &Group, device: &str) -> bool {
    match &group.devices {
        Devices::Range(range) => (0..range.count).any(|index| range.id(index) == device),
        Devices::Ids(ids) => ids.iter().any(|id| id.as_str() == device),
    }
}

/// A dot for every value, the scale at the left.
fn chart(text: &mut String, values: &[f64]) {
    let (least, most) = bounds(values);
    for row in (0..ROWS).rev() {
        let at = least + (most - least) * row as f64 / (ROWS - 1) as f64;
        let dots: String = values
            .iter()
            .map(|value| {
                if level(*value, least, most, ROWS) == row {
                    '•'
                } else {
                    ' '
                }
            })
            .collect();
        let _ = writeln!(text, "{at:5.1} ┤{}", dots.trim_end());
    }
}

/// So many hours are from one label to the next.
const EVERY: usize = 3;

/// The hours of the day below a chart.
fn hours(text: &mut String, begin: f64) {
    let mut line = String::from("       ");
    for hour in (0..24).step_by(EVERY) {
        let at = (begin / 3600.0 + f64::from(hour)) % 24.0;
        let _ = write!(
            line,
            "{:<width$}",
            format!("{at:02.0}:00"),
            width = EVERY * COLUMNS_PER_HOUR
        );
    }
    let _ = writeln!(text, "{}", line.trim_end());
}

/// The range of some values, never empty.
fn bounds(values: &[f64]) -> (f64, f64) {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (least, most.max(least + 0.1))
}

/// Which of `levels` a value between the bounds belongs to.
fn level(value: f64, least: f64, most: f64, levels: usize) -> usize {
    let share = (value - least) / (most - least);
    // A share of 0 to 1, so the product is an index.
    ((share * (levels - 1) as f64).round() as usize).min(levels - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_within_their_range() {
        assert_eq!(
            [
                level(1.0, 1.0, 2.0, 9),
                level(1.5, 1.0, 2.0, 9),
                level(2.0, 1.0, 2.0, 9)
            ],
            [0, 4, 8]
        );
        assert_eq!(bounds(&[3.0, 3.0]), (3.0, 3.1));
    }
}
