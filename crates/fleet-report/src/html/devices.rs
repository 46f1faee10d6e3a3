//! Devices over time, and their registration.

use maud::{Markup, html};

use super::chart::{Chart, Column, Fold, Height, Key, Line, Mark, Swatch, Table, areas, band, bars, line};
use super::format::{Unit, float, grouped, number, or_dash, percent, share, words};
use super::scale::Scale;
use super::timeline::{Points, Time, values};
use crate::quota_use::QuotaUse;
use crate::report::{DeviceCounts, GroupCounts, Report};
use crate::words::{counted, readable};

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
    html! {
        p { (sentence) }
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
        Line {
            name: "online",
            class: "c1",
            swatch: Swatch::Line,
            points: online.clone(),
        },
        Line {
            name: "wanted",
            class: "c0",
            swatch: Swatch::Dashed,
            points: wanted.clone(),
        },
    ];
    let columns = [
        Column::new("wanted", Unit::Count, Fold::Last, wanted),
        Column::new("online", Unit::Count, Fold::Last, online.clone()),
    ];
    html! {
        (Chart {
            title: "Wanted and online".to_owned(),
            unit: "devices",
            x: &time.ticks,
            x_title: time.title,
            y: scale.ticks(Unit::Count),
            drawn: html! { (band(&ground, &online, "c1", scale)) @for one in &lines { (line(one, scale)) } },
            keys: lines.iter().map(Line::key).collect(),
            marks: &time.marks,
            table: Table::over_time(time.step_s, time.points(), &columns),
            height: Height::Tall,
        })
    }
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
    html! {
        (Chart {
            title: "States".to_owned(),
            unit: "devices, stacked",
            x: &time.ticks,
            x_title: time.title,
            y: scale.ticks(Unit::Count),
            drawn: areas(&stacked, &time.at(), scale),
            keys: states.iter().map(|(name, class, _)| Key::new(words(name), class, Swatch::Area)).collect(),
            marks: &time.marks,
            table: Table::over_time(time.step_s, time.points(), &columns),
            height: Height::Tall,
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

/// The limit on registrations in a minute that is used most.
fn limit(report: &Report) -> Option<&QuotaUse> {
    let limits = report
        .quotas
        .iter()
        .filter(|quota| quota.id.ends_with(".registrations") && quota.per == "min");
    limits.max_by(|one, other| one.peak.total_cmp(&other.peak))
}

/// Nothing where nothing has registered.
pub(super) fn registration(report: &Report) -> Option<Markup> {
    let register = report.latency.get("register").map(|latency| &latency.all);
    let wait = report.latency.get("dps_wait").map(|latency| &latency.all);
    let time = Time::of(report);
    let chart = time.as_ref().and_then(|time| registered(time, limit(report)));
    if register.is_none() && chart.is_none() {
        return None;
    }
    let throttled = time.as_ref().and_then(|time| throttled(time));
    Some(html! {
        @if let Some(register) = register {
            p {
                (counted(register.count, "registration", "registrations")) " ended with an assignment"
                @if register.failed > 0 { ", " (counted(register.failed, "attempt", "attempts")) " failed" }
                @if let (Some(p50), Some(p99)) = (register.p50, register.p99) {
                    "; half took " (readable(p50)) " at most, 99 % " (readable(p99)) " at most"
                }
                "."
            }
            @let whole = register.mean.unwrap_or(0.0) * float(register.count);
            @let waited = wait.map_or(0.0, |wait| wait.mean.unwrap_or(0.0) * float(wait.count)).min(whole);
            @if whole > 0.0 { (split(waited / whole, whole / float(register.count))) }
        }
        @if throttled.is_none() && time.is_some() { p.quiet { "DPS never answered 429." } }
        div.charts {
            @if let Some(chart) = chart { (chart) }
            @if let Some(chart) = &throttled { (chart) }
        }
    })
}

/// How much of a registration is waiting because DPS asked for it.
fn split(waited: f64, mean_s: f64) -> Markup {
    html! {
        div.split aria-hidden="true" {
            span.part.waited style=(format!("width:{:.1}%", waited * 100.0)) {}
            span.part.talked style=(format!("width:{:.1}%", (1.0 - waited) * 100.0)) {}
        }
        ul.legend {
            li { span.swatch.area.waited aria-hidden="true" {} "waiting, as DPS asked: " (percent(waited)) ", " (readable(waited * mean_s)) " on average" }
            li { span.swatch.area.talked aria-hidden="true" {} "talking with DPS: " (percent(1.0 - waited)) ", " (readable((1.0 - waited) * mean_s)) " on average" }
        }
    }
}

fn registered(time: &Time<'_>, limit: Option<&QuotaUse>) -> Option<Markup> {
    let done = time.per_minute("registered")?;
    let asked: Option<Points> = limit.and_then(|limit| {
        let used = time.series.quota.get(&limit.id)?;
        Some(time.with(used.iter().map(|share| Some(share * limit.allowed))))
    });
    let mut lines = vec![Line {
        name: "done",
        class: "c1",
        swatch: Swatch::Line,
        points: done.clone(),
    }];
    let mut columns = vec![Column::new("done", Unit::Count, Fold::Most, done)];
    if let Some(asked) = asked {
        columns.push(Column::new("asked", Unit::Count, Fold::Most, asked.clone()));
        lines.push(Line {
            name: "asked, failed ones too",
            class: "c2",
            swatch: Swatch::Dotted,
            points: asked,
        });
    }
    let bound = limit.map(|limit| format!("limit, {} per minute", number(limit.allowed)));
    if let (Some(limit), Some(name)) = (limit, &bound) {
        let points = vec![(0.0, Some(limit.allowed)), (1.0, Some(limit.allowed))];
        lines.push(Line {
            name,
            class: "c3",
            swatch: Swatch::Dashed,
            points,
        });
    }
    let scale = Scale::linear(values(lines.iter().map(|line| &line.points)), Unit::Count);
    Some(html! {
        (Chart {
            title: "Registrations".to_owned(),
            unit: "in the minute before",
            x: &time.ticks,
            x_title: time.title,
            y: scale.ticks(Unit::Count),
            drawn: html! { @for one in &lines { (line(one, scale)) } },
            keys: lines.iter().map(Line::key).collect(),
            marks: &time.marks,
            table: Table::over_time(time.step_s, time.points(), &columns),
            height: Height::Tall,
        })
    })
}

fn throttled(time: &Time<'_>) -> Option<Markup> {
    let counts = time.series.counts.get("throttled")?;
    let rates: Vec<f64> = counts.iter().map(|count| float(*count) / time.step_s).collect();
    let scale = Scale::linear(rates.iter().copied(), Unit::Count);
    let columns = [Column::new(
        "429 per second",
        Unit::Count,
        Fold::Mean,
        time.per_second("throttled")?,
    )];
    let marks: &[Mark] = &time.marks;
    Some(html! {
        (Chart {
            title: "Answers 429".to_owned(),
            unit: "per second",
            x: &time.ticks,
            x_title: time.title,
            y: scale.ticks(Unit::Count),
            drawn: bars(&rates, "c2", scale),
            keys: Vec::new(),
            marks,
            table: Table::over_time(time.step_s, time.points(), &columns),
            height: Height::Tall,
        })
    })
}

/// The share of wanted devices that came online, for the figures at the top.
pub(super) fn online_share(report: &Report) -> String {
    or_dash(
        share(
            report.devices.connected.min(report.devices.wanted),
            report.devices.wanted,
        )
        .map(percent),
    )
}
