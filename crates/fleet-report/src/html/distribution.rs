//! How the times of the whole run are spread: percentiles, heat maps, and a table by phase and group.

use fleet_protocol::histogram::decode;
use fleet_protocol::lines::Phase;
use hdrhistogram::Histogram;
use maud::{Markup, html};

use super::chart::{Chart, Column, Fold, Height, Line, PALETTE, Swatch, Table, heat, lines as draw};
use super::format::{Unit, float, grouped, or_dash, percent, words};
use super::scale::{Scale, Tick};
use super::timeline::{Time, values};
use crate::phases::{is_part, meaning};
use crate::report::{Latency, Report};
use crate::words::{readable, seconds};

/// So many places on the axis of percentiles for each power of ten.
const PER_DECADE: u32 = 12;
/// Rows of a heat map.
const ROWS: usize = 24;

/// Phases that are no part of another one, with their distribution.
fn wholes(report: &Report) -> impl Iterator<Item = (Phase, &Latency)> {
    let phases = report.phases().filter(|(phase, _)| !is_part(*phase));
    phases.map(|(phase, latency)| (phase, &latency.all))
}

/// Nothing where the report has no histograms.
pub(super) fn distribution(report: &Report) -> Option<Markup> {
    let histograms: Vec<_> = wholes(report)
        .filter_map(|(phase, latency)| Some((phase, decode(latency.histogram.as_deref()?)?)))
        .filter(|(_, histogram)| !histogram.is_empty())
        .collect();
    if histograms.is_empty() {
        return None;
    }
    let time = Time::of(report);
    let maps: Vec<Markup> = wholes(report)
        .filter_map(|(phase, latency)| heat_map(time.as_ref()?, phase, latency))
        .collect();
    Some(html! {
        div.charts.wide { (percentiles(&histograms)) }
        @if !maps.is_empty() {
            p.quiet { "Below, each column is an equally long part of the run: the stronger the colour, the more of its values took so long." }
            div.charts { @for map in maps { (map) } }
        }
    })
}

/// The quantiles from the median to the rarest that the values still say something of.
fn quantiles(count: u64) -> Vec<f64> {
    // The last value has no quantile of its own; 1/(1 − q) ends at the number of values.
    let decades = float(count).log10().clamp(1.0, 6.0);
    let places = (decades * f64::from(PER_DECADE)).floor() as u32;
    (0..=places)
        .map(|place| 1.0 - 10_f64.powf(-f64::from(place) / f64::from(PER_DECADE)))
        .collect()
}

/// Where a quantile is on an axis of `decades` powers of ten: 1/(1 − q), so that each further nine takes as much room.
fn across(quantile: f64, decades: f64) -> f64 {
    -(1.0 - quantile).log10() / decades
}

fn percentiles(histograms: &[(Phase, Histogram<u64>)]) -> Markup {
    let most = histograms
        .iter()
        .map(|(_, histogram)| histogram.len())
        .max()
        .unwrap_or(1);
    let decades = float(most).log10().clamp(1.0, 6.0);
    let lines: Vec<_> = (0..)
        .zip(histograms)
        .map(|(index, (phase, histogram)): (usize, _)| {
            let point = |quantile: f64| {
                let micros = histogram.value_at_quantile(quantile);
                (across(quantile, decades), Some(seconds(micros)))
            };
            // A second round of the colours is told from the first by its dashes.
            let swatch = if index < PALETTE.len() {
                Swatch::Line
            } else {
                Swatch::Dashed
            };
            let points = quantiles(histogram.len()).into_iter().map(point).collect();
            Line::new(phase.word(), PALETTE[index % PALETTE.len()], swatch, points)
        })
        .collect();
    let scale = Scale::times(values(lines.iter().map(|line| &line.points)));
    let ticks: Vec<Tick> = [
        (0.5, "50 %"),
        (0.9, "90 %"),
        (0.99, "99 %"),
        (0.999, "99.9 %"),
        (0.9999, "99.99 %"),
    ]
    .into_iter()
    .map(|(quantile, label)| Tick {
        at: across(quantile, decades),
        label: label.to_owned(),
    })
    .filter(|tick| tick.at <= 1.0)
    .collect();
    let mut keys: Vec<_> = lines.iter().map(Line::key).collect();
    keys.iter_mut().for_each(|key| key.name = words(&key.name));
    html! {
        (Chart {
            title: "Percentiles".to_owned(),
            unit: "of the whole run, where it ended well",
            x: &ticks,
            x_title: "percentile, each further nine as wide",
            y: scale.ticks(Unit::Seconds),
            drawn: draw(&lines, scale),
            keys,
            marks: &[],
            table: percentile_table(histograms),
            height: Height::Tall,
        })
    }
}

fn percentile_table(histograms: &[(Phase, Histogram<u64>)]) -> Table {
    let quantiles = [0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999];
    let row = |quantile: f64| {
        let cells = histograms.iter().map(|(_, histogram)| {
            or_dash(has(histogram.len(), quantile).then(|| readable(seconds(histogram.value_at_quantile(quantile)))))
        });
        std::iter::once(percent(quantile)).chain(cells).collect()
    };
    let names = histograms.iter().map(|(phase, _)| words(phase.word()));
    Table {
        head: std::iter::once("percentile".to_owned()).chain(names).collect(),
        rows: quantiles.into_iter().map(row).collect(),
        note: Some("A percentile that so few values can't have is a dash.".to_owned()),
    }
}

/// Whether so many values have this quantile: of fewer, it is the largest of them and no quantile.
fn has(count: u64, quantile: f64) -> bool {
    float(count) * (1.0 - quantile) >= 1.0 - 1e-9
}

/// Nothing where the phase has no blocks.
fn heat_map(time: &Time<'_>, phase: Phase, latency: &Latency) -> Option<Markup> {
    let blocks: Vec<Histogram<u64>> = latency.blocks.iter().map(|text| decode(text)).collect::<Option<_>>()?;
    let scale = Scale::times([latency.min?, latency.max?].into_iter());
    if blocks.is_empty() {
        return None;
    }
    let columns: Vec<Vec<f64>> = blocks.iter().map(|block| column(block, scale)).collect();
    let length = time.seconds / blocks.len() as f64;
    let of = |value: fn(&Histogram<u64>) -> f64| {
        let point = |block| {
            (
                0.0,
                Some(block)
                    .filter(|block: &&Histogram<u64>| !block.is_empty())
                    .map(value),
            )
        };
        blocks.iter().map(point).collect::<Vec<_>>()
    };
    let table = [
        Column::new("count", Unit::Count, Fold::Last, of(|block| float(block.len()))),
        Column::new("min", Unit::Seconds, Fold::Last, of(|block| seconds(block.min()))),
        Column::new(
            "p50",
            Unit::Seconds,
            Fold::Last,
            of(|block| seconds(block.value_at_quantile(0.5))),
        ),
        Column::new(
            "p99",
            Unit::Seconds,
            Fold::Last,
            of(|block| seconds(block.value_at_quantile(0.99))),
        ),
        Column::new("max", Unit::Seconds, Fold::Last, of(|block| seconds(block.max()))),
    ];
    Some(html! {
        (Chart {
            table: Table::over_time(length, blocks.len(), &table),
            height: Height::Low,
            ..time.chart(words(phase.word()), meaning(phase), scale.ticks(Unit::Seconds), heat(&columns), &[])
        })
    })
}

/// The shares of a block's values in each row.
fn column(block: &Histogram<u64>, scale: Scale) -> Vec<f64> {
    let mut shares = vec![0.0; ROWS];
    for recorded in block.iter_recorded() {
        let row = (scale.at(seconds(recorded.value_iterated_to())) * ROWS as f64) as usize;
        shares[row.min(ROWS - 1)] += float(recorded.count_at_value()) / float(block.len().max(1));
    }
    shares
}

/// Every phase in every group.
pub(super) fn table(report: &Report) -> Markup {
    let phases: Vec<_> = report.phases().collect();
    if phases.is_empty() {
        return html! { p.quiet { "Nothing was timed." } };
    }
    let clipped: Vec<String> = phases
        .iter()
        .filter(|(_, latency)| latency.all.clipped > 0)
        .map(|(phase, latency)| format!("{} of {}", grouped(latency.all.clipped), words(phase.word())))
        .collect();
    html! {
        div.scroll tabindex="0" role="region" aria-label="Table of phases and groups" {
            table.phases {
                thead { tr {
                    th scope="col" { "Phase" }
                    @for name in ["Count", "Mean", "p50", "p90", "p95", "p99", "p99.9", "Max", "Failed", "No end"] {
                        th.number scope="col" { (name) }
                    }
                } }
                @for (phase, latency) in phases {
                    tbody {
                        (row(&words(phase.word()), meaning(phase), &latency.all))
                        @if latency.groups.len() > 1 {
                            @for (group, latency) in &latency.groups { (row(&super::shown(group), "", latency)) }
                        }
                    }
                }
            }
        }
        @if !clipped.is_empty() { p { "Longer than 600 s, and counted as 600 s: " (clipped.join(", ")) "." } }
        p.quiet { "Times are of what ended well. What failed, and what was given up without an end, is in no percentile. A \
             percentile that so few values can't have is a dash." }
    }
}

fn row(name: &str, words: &str, latency: &Latency) -> Markup {
    let Latency {
        count,
        mean,
        p50,
        p90,
        p95,
        p99,
        p999,
        max,
        failed,
        unfinished,
        ..
    } = latency;
    // The largest of all has no quantile to have.
    let values = [
        (mean, 0.0),
        (p50, 0.5),
        (p90, 0.9),
        (p95, 0.95),
        (p99, 0.99),
        (p999, 0.999),
        (max, 0.0),
    ];
    html! {
        tr.group[words.is_empty()] {
            th scope="row" { (name) @if !words.is_empty() { span.quiet { (words) } } }
            td.number { (grouped(*count)) }
            @for (value, quantile) in values { td.number { (or_dash(value.filter(|_| has(*count, quantile)).map(readable))) } }
            @for count in [*failed, unfinished.count] { td.number.bad[count > 0] { (grouped(count)) } }
        }
    }
}
