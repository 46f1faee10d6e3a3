//! What a run measured, and the judgement on it.
//!
//! The crate is pure: it has never heard of a process, a socket or a clock. The driver of a run hands in figures and the
//! second they belong to, and gets verdicts back.
//!
//! | module | holds |
//! | --- | --- |
//! | [`metric`] | the one table of metrics: name, kind, unit, labels |
//! | [`labels`] | which part of the fleet a figure is about, and which values of a label can occur |
//! | [`figures`] | everything counted and timed since a run began, merged over its processes |
//! | [`thresholds`] | what a run must reach: read from `[thresholds]`, evaluated each second |

pub mod figures;
pub mod labels;
pub mod metric;
pub mod thresholds;
