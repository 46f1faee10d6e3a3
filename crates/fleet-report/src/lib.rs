//! What a run measured, and the judgement on it.
//!
//! The crate is pure: it has never heard of a process, a socket or a clock. The driver of a run hands in figures and the
//! second they belong to, and gets verdicts back.
//!
//! ```
//! use fleet_report::figures::Figures;
//! use fleet_report::labels::{KnownLabels, Labels};
//! use fleet_report::metric::Metric;
//! use fleet_report::thresholds::{Evaluator, Expression, Marks, Second, Selector, Threshold, lines};
//!
//! let selector = Selector::parse("reconnects", &KnownLabels::default()).unwrap();
//! let expression = Expression::parse("rate < 30/min", selector.metric).unwrap();
//! let mut evaluator = Evaluator::new(vec![Threshold::new(selector, expression)]);
//!
//! let mut figures = Figures::default();
//! for at_s in 1..=10 {
//!     figures.add_events(Metric::Reconnects, Labels::none(), 1);
//!     evaluator.second(Second { at_s, stage: None }, &figures);
//! }
//! let results = evaluator.finish(10, &figures);
//! assert_eq!(
//!     lines(&results, Marks::Unicode),
//!     "  ✗ reconnects  rate < 30/min     1/s  first crossed at 00:00:01\n"
//! );
//! ```
//!
//! | module | holds |
//! | --- | --- |
//! | [`metric`] | the one table of metrics: name, kind, unit, labels |
//! | [`labels`] | which part of the fleet a figure is about, and which values of a label can occur |
//! | [`figures`] | everything counted and timed since a run began, merged over its processes |
//! | [`totals`] | the lines of all processes, put together |
//! | [`continued`] | the lines of a shard that several processes have had, as one process would report them |
//! | [`timeline`], [`occurrences`] | the same over time: series of at most 600 points, first and last failures |
//! | [`arrival`], [`interval`] | how much arrived, as a sample shows; how sure an estimate is |
//! | [`quota_use`] | what is used of the documented limits |
//! | [`generator`] | whether the processes that made the load were fit for it |
//! | [`measurements`] | all of these together, fed by lines and seconds |
//! | [`sparse`] | a histogram that takes as much memory as it has values |
//! | [`report`] | what a run was: `report.json`, written and read |
//! | [`summary`], [`markdown`], [`junit`] | the report for a person, for a pipeline's page and for its test results |
//! | [`html`](mod@html) | the report as a page with charts |
//! | [`check`], [`compare`] | old reports judged by other thresholds, and side by side |
//! | [`record`], [`merge`] | what a process leaves of its shard, and one report of many |
//! | [`plan`] | what a run will ask of its target and of this machine, and what the limits say to it |
//! | [`exit`] | the numbers with which a run ends |
//! | [`words`] | words that depend on numbers |
//! | [`fold`] | text for a terminal that is narrower than its lines |
//! | [`gather`] | the lines of processes as figures |
//! | [`thresholds`] | what a run must reach: read from `[thresholds]`, evaluated each second, written as lines |

pub mod arrival;
pub mod attempts;
pub mod check;
pub mod compare;
pub mod continued;
pub mod exit;
pub mod figures;
pub mod fold;
pub mod gather;
pub mod generator;
pub mod html;
pub mod interval;
pub mod junit;
pub mod labels;
pub mod markdown;
pub mod measurements;
pub mod merge;
pub mod metric;
pub mod occurrences;
mod phases;
pub mod plan;
pub mod quota_use;
pub mod record;
pub mod report;
pub mod sparse;
pub mod summary;
pub mod thresholds;
pub mod timeline;
pub mod totals;
pub mod words;

/// Whether a count is left out of what is written.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}
