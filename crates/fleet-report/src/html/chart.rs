//! Charts as SVG: lines with a band, stacked areas, bars and heat maps.
//!
//! A drawing is stretched to the room that it has, so it holds shapes only. Its words are text around it, which keeps
//! its size on a phone and on paper. Behind each chart is a table with its figures.

mod areas;
mod bars;
mod heat;
mod lines;
mod path;
mod table;

use maud::{Markup, Render, html};

pub(super) use areas::areas;
pub(super) use bars::bars;
pub(super) use heat::heat;
pub(super) use lines::{Line, PALETTE, band, lines};
pub(super) use table::{Column, Fold, Table};

use super::scale::Tick;

/// Something that happened, as a line through a chart.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mark {
    /// Where: 0 is the beginning of the axis, 1 its end.
    pub(super) at: f64,
    /// Its number in the list of events.
    pub(super) number: usize,
}

/// How a key of the legend looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Swatch {
    Line,
    Dashed,
    Dotted,
    Area,
}

/// An entry of the legend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) name: String,
    /// The class that gives the colour.
    pub(super) class: &'static str,
    pub(super) swatch: Swatch,
}

impl Key {
    pub(super) fn new(name: impl Into<String>, class: &'static str, swatch: Swatch) -> Self {
        Self {
            name: name.into(),
            class,
            swatch,
        }
    }
}

/// How high a drawing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Height {
    Tall,
    Low,
}

/// A chart with everything around it.
pub(super) struct Chart<'a> {
    pub(super) title: String,
    /// What the values are, in words: `messages per second`.
    pub(super) unit: &'a str,
    pub(super) x: &'a [Tick],
    pub(super) x_title: &'a str,
    pub(super) y: Vec<Tick>,
    /// The shapes, in a square of [`path::SIDE`].
    pub(super) drawn: Markup,
    pub(super) keys: Vec<Key>,
    pub(super) marks: &'a [Mark],
    pub(super) table: Table,
    pub(super) height: Height,
}

/// Labels of marks that are closer than this to the one before would lie on each other.
const MARK_APART: f64 = 0.05;

impl Chart<'_> {
    /// The same over a ground.
    pub(super) fn over(self, ground: Markup) -> Self {
        Self {
            drawn: html! { (ground) (self.drawn) },
            ..self
        }
    }

    /// The marks that have room for their number.
    fn numbered(&self) -> impl Iterator<Item = &Mark> {
        let mut last = f64::NEG_INFINITY;
        self.marks.iter().filter(move |mark| {
            let has_room = mark.at - last >= MARK_APART;
            if has_room {
                last = mark.at;
            }
            has_room
        })
    }

    fn plot(&self) -> Markup {
        let side = path::SIDE;
        html! {
            div.plot.low[self.height == Height::Low] {
                svg viewBox=(format!("0 0 {side} {side}")) preserveAspectRatio="none" role="img"
                    aria-label={ (self.title) ", " (self.unit) ". The figures are in the table below." } {
                    @for tick in &self.y { path.grid d={ "M0 " (path::down(tick.at)) "H" (side) } {} }
                    @for mark in self.marks { path.mark d={ "M" (path::across(mark.at)) " 0V" (side) } {} }
                    (self.drawn)
                }
                @for tick in &self.y { span.y style={ "bottom:" (css(tick.at)) } aria-hidden="true" { (tick.label) } }
                @for tick in self.x {
                    span.x.last[tick.at > 0.97] style={ "left:" (css(tick.at)) } aria-hidden="true" { (tick.label) }
                }
                @for mark in self.numbered() {
                    span.event style={ "left:" (css(mark.at)) } aria-hidden="true" { (mark.number) }
                }
            }
        }
    }
}

impl Render for Chart<'_> {
    fn render(&self) -> Markup {
        html! {
            figure.chart {
                figcaption {
                    h3 { (self.title) }
                    span.unit { (self.unit) }
                    @if !self.keys.is_empty() {
                        ul.legend {
                            @for Key { name, class, swatch } in &self.keys {
                                li { span class={ "swatch " (class) " " (swatch.class()) } aria-hidden="true" {} (name) }
                            }
                        }
                    }
                }
                (self.plot())
                div.foot { p.axis { (self.x_title) } (self.table) }
            }
        }
    }
}

impl Swatch {
    const fn class(self) -> &'static str {
        match self {
            Self::Line => "solid",
            Self::Dashed => "dashed",
            Self::Dotted => "dotted",
            Self::Area => "area",
        }
    }
}

fn css(at: f64) -> String {
    format!("{:.2}%", at * 100.0)
}
