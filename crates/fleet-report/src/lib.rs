//! What a run measured, and the judgement on it.
//!
//! The crate is pure: it has never heard of a process, a socket or a clock. What a run measured is handed in.
//!
//! | module | holds |
//! | --- | --- |
//! | [`metric`] | the one table of metrics: name, kind, unit, labels |
//! | [`labels`] | which part of the fleet a figure is about, and which values of a label can occur |
//! | [`thresholds`] | what a run must reach: read from `[thresholds]`, evaluated each second, written as lines |

pub mod labels;
pub mod metric;
pub mod thresholds;
