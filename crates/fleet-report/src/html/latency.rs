//! How long things took, over time.

use fleet_protocol::lines::Phase;
use maud::{Markup, html};

use super::chart::{Chart, Column, Fold, Height, Key, Line, Swatch, Table, band, line};
use super::format::{Unit, words};
use super::scale::Scale;
use super::timeline::{Time, values};
use crate::report::Report;
use crate::timeline::LatencySeries;

/// Nothing where nothing was timed over time.
pub(super) fn over_time(report: &Report) -> Option<Markup> {
    let time = Time::of(report)?;
    let of = |phase: &Phase| Some((*phase, time.series.latency.get(phase.word())?));
    let (parts, wholes): (Vec<_>, Vec<_>) = Phase::ALL.iter().filter_map(of).partition(|(phase, _)| is_part(*phase));
    if parts.is_empty() && wholes.is_empty() {
        return None;
    }
    Some(html! {
        p.quiet {
            "Of what ended well in the seconds of each point: the band lies between the median and the 99th percentile. \
             A scale in powers of ten is used where times differ much."
        }
        div.charts { @for (phase, series) in wholes { (chart(&time, phase, series)) } }
        @if !parts.is_empty() {
            details.more {
                summary { "Parts of registering and connecting" }
                div.charts { @for (phase, series) in parts { (chart(&time, phase, series)) } }
            }
        }
    })
}

/// Whether a phase is a part of another one.
pub(super) fn is_part(phase: Phase) -> bool {
    match phase {
        Phase::DpsWait | Phase::ConnectDns | Phase::ConnectTcp | Phase::ConnectTls | Phase::ConnectMqtt => true,
        Phase::Register
        | Phase::Connect
        | Phase::TwinGet
        | Phase::TimeToOnline
        | Phase::Publish
        | Phase::PublishSent
        | Phase::Report
        | Phase::Command => false,
    }
}

/// What a phase times.
pub(super) fn meaning(phase: Phase) -> &'static str {
    match phase {
        Phase::Register => "the conversation with DPS, up to the assignment",
        Phase::DpsWait => "the part of it in which DPS had the device wait",
        Phase::Connect => "name look-up to CONNACK",
        Phase::ConnectDns => "name look-up",
        Phase::ConnectTcp => "TCP handshake",
        Phase::ConnectTls => "TLS handshake",
        Phase::ConnectMqtt => "CONNECT to CONNACK",
        Phase::TwinGet => "the request for the twin to its answer",
        Phase::TimeToOnline => "first wanted online to first online",
        Phase::Publish => "a message due to its acknowledgement",
        Phase::PublishSent => "the first writing of a message to its acknowledgement",
        Phase::Report => "reported properties written to their answer",
        Phase::Command => "a command's arrival to its answer",
    }
}

fn chart(time: &Time<'_>, phase: Phase, series: &LatencySeries) -> Markup {
    let of = |values: &[Option<f64>]| time.with(values.iter().copied());
    let [p50, p95, p99, max] = [&series.p50, &series.p95, &series.p99, &series.max].map(|values| of(values));
    let scale = Scale::times(values([&p50, &max]));
    let columns = [
        Column::new("p50", Unit::Seconds, Fold::Most, p50.clone()),
        Column::new("p95", Unit::Seconds, Fold::Most, p95.clone()),
        Column::new("p99", Unit::Seconds, Fold::Most, p99.clone()),
        Column::new("max", Unit::Seconds, Fold::Most, max.clone()),
    ];
    let shade = band(&p50, &p99, "c1", scale);
    let lines = [
        Line {
            name: "max",
            class: "c5",
            swatch: Swatch::Dotted,
            points: max,
        },
        Line {
            name: "p99",
            class: "c2",
            swatch: Swatch::Line,
            points: p99,
        },
        Line {
            name: "p95",
            class: "c1",
            swatch: Swatch::Line,
            points: p95,
        },
        Line {
            name: "p50",
            class: "c0",
            swatch: Swatch::Line,
            points: p50,
        },
    ];
    html! {
        (Chart {
            title: words(phase.word()),
            unit: meaning(phase),
            x: &time.ticks,
            x_title: time.title,
            y: scale.ticks(Unit::Seconds),
            drawn: html! { (shade) @for one in &lines { (line(one, scale)) } },
            keys: lines.iter().rev().map(Line::key).collect::<Vec<Key>>(),
            marks: &time.marks,
            table: Table::over_time(time.step_s, time.points(), &columns),
            height: Height::Low,
        })
    }
}
