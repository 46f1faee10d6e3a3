//! How long things took, over time.

use fleet_protocol::lines::Phase;
use maud::{Markup, html};

use super::chart::{Chart, Fold, Height, Line, Swatch, band, lines as draw};
use super::format::{Unit, words};
use super::scale::Scale;
use super::timeline::{Time, values};
use crate::phases::{is_part, meaning};
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

fn chart(time: &Time<'_>, phase: Phase, series: &LatencySeries) -> Markup {
    let of = |values: &[Option<f64>]| time.with(values.iter().copied());
    let [p50, p95, p99, max] = [&series.p50, &series.p95, &series.p99, &series.max].map(|values| of(values));
    let scale = Scale::times(values([&p50, &max]));
    let shade = band(&p50, &p99, "c1", scale);
    // The median is drawn last, and named first.
    let mut lines = [
        Line::new("max", "c5", Swatch::Dotted, max),
        Line::new("p99", "c2", Swatch::Line, p99),
        Line::new("p95", "c1", Swatch::Line, p95),
        Line::new("p50", "c0", Swatch::Line, p50),
    ];
    let drawn = html! { (shade) (draw(&lines, scale)) };
    lines.reverse();
    let columns = lines.each_ref().map(|line| line.column(Unit::Seconds, Fold::Most));
    html! {
        (Chart {
            keys: lines.iter().map(Line::key).collect(),
            height: Height::Low,
            ..time.chart(words(phase.word()), meaning(phase), scale.ticks(Unit::Seconds), drawn, &columns)
        })
    }
}
