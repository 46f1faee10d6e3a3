//! Devices over time.

use maud::{Markup, html};

use super::chart::{Chart, Column, Fold, Key, Line, Swatch, areas, band};
use super::format::{Unit, float, grouped, words};
use super::scale::Scale;
use super::timeline::{Points, Time, values};
use crate::report::{DeviceCounts, GroupCounts, Report};
use crate::words::counted;

/// States with their classes, those of devices at work at the bottom.
const STATES: [(&str, &str); 7] = [
    ("online", "online"),
    ("connecting", "connecting"),
    ("registering", "registering"),
    ("backing_off", "backing-off"),
    ("parked", "parked"),
    ("pending", "pending"),
    ("stopped", "stopped"),
];

pub(super) fn devices(report: &Report) -> Markup {
    let DeviceCounts {
        wanted,
        connected,
        failed,
        reused,
        ..
    } = report.devices;
    let mut sentence = match wanted {
        0 => "No device was wanted online.".to_owned(),
        _ => format!(
            "{} of {} came online",
            grouped(connected.min(wanted)),
            counted(wanted, "wanted device", "wanted devices")
        ),
    };
    if wanted > 0 {
        sentence += &match failed {
            0 => ".".to_owned(),
            _ => format!("; {} never did.", grouped(failed)),
        };
    }
    if reused > 0 {
        sentence += &format!(" {} had an assignment of an earlier run.", grouped(reused));
    }
    let faulty: Vec<_> = report
        .devices
        .faulty
        .iter()
        .map(|(kind, count)| format!("{} {}", grouped(*count), super::shown(kind)))
        .collect();
    html! {
        p { (sentence) }
        @if let Some(negative) = &report.devices.negative {
            p.bad[negative.let_in > 0] { (negative.words()) "." }
        }
        @if !faulty.is_empty() {
            p { "Devices with a fault of their own on purpose: " (faulty.join(", ")) "." }
        }
        @match Time::of(report) {
            Some(time) => {
                div.charts { (online(&time)) (states(&time)) }
            }
            None => p.quiet { "This report has no timeline, so there are no charts over time." }
        }
        (groups(&report.devices))
    }
}

fn online(time: &Time<'_>) -> Markup {
    let online = time.standing(&time.series.online);
    let wanted = time.standing(&time.series.wanted);
    let scale = Scale::linear(values([&online, &wanted]), Unit::Count);
    let ground: Points = online.iter().map(|(at, _)| (*at, Some(0.0))).collect();
    let lines = [
        Line::new("online", "c1", Swatch::Line, online.clone()),
        Line::new("wanted", "c0", Swatch::Dashed, wanted.clone()),
    ];
    let columns = [
        Column::new("wanted", Unit::Count, Fold::Last, wanted),
        Column::new("online", Unit::Count, Fold::Last, online.clone()),
    ];
    let chart = time.lines("Wanted and online", "devices", &lines, (scale, Unit::Count), &columns);
    html! { (chart.over(band(&ground, &online, "c1", scale))) }
}

fn states(time: &Time<'_>) -> Markup {
    let states: Vec<_> = STATES
        .iter()
        .filter_map(|(name, class)| Some((*name, *class, time.series.states.get(*name)?)))
        .collect();
    if states.is_empty() {
        return html! {};
    }
    let stacked: Vec<(&str, Vec<f64>)> = states
        .iter()
        .map(|(_, class, counts)| (*class, counts.iter().map(|count| float(*count)).collect()))
        .collect();
    let sums = (0..time.points()).map(|point| stacked.iter().filter_map(|(_, values)| values.get(point)).sum());
    let scale = Scale::linear(sums, Unit::Count);
    let columns: Vec<_> = states
        .iter()
        .map(|(name, _, counts)| Column::new(words(name), Unit::Count, Fold::Last, time.standing(counts)))
        .collect();
    let drawn = areas(&stacked, &time.at(), scale);
    let keys = states
        .iter()
        .map(|(name, class, _)| Key::new(words(name), class, Swatch::Area));
    html! {
        (Chart {
            keys: keys.collect(),
            ..time.chart("States", "devices, stacked", scale.ticks(Unit::Count), drawn, &columns)
        })
    }
}

fn groups(devices: &DeviceCounts) -> Markup {
    let all = GroupCounts {
        asked: devices.asked,
        wanted: devices.wanted,
        registered: devices.registered,
        connected: devices.connected,
        failed: devices.failed,
    };
    html! {
        div.scroll tabindex="0" role="region" aria-label="Devices by group" {
            table {
                thead { tr {
                    th scope="col" { "Group" }
                    @for name in ["In the manifest", "Wanted", "Registered", "Online at least once", "Never online"] {
                        th.number scope="col" { (name) }
                    }
                } }
                tbody {
                    @for (name, group) in &devices.by_group { (row(&super::shown(name), *group, false)) }
                    (row("All", all, true))
                }
            }
        }
    }
}

fn row(name: &str, group: GroupCounts, is_sum: bool) -> Markup {
    let GroupCounts {
        asked,
        wanted,
        registered,
        connected,
        failed,
    } = group;
    html! {
        tr.sum[is_sum] {
            th scope="row" { (name) }
            @for count in [asked, wanted, registered, connected] { td.number { (grouped(count)) } }
            td.number.bad[failed > 0] { (grouped(failed)) }
        }
    }
}
