//! The end of a run: its report, the files that are asked for, and the summary.

use std::collections::BTreeMap;
use std::time::Duration;

use device_sim::advice;
use fleet_protocol::lines::DeviceLine;
use fleet_report::measurements::Measurements;
use fleet_report::report::{Circumstances, EndReason, EventMark, Report};
use fleet_report::summary::summary;
use fleet_report::thresholds::ThresholdResult;
use fleet_report::totals::Received;
use jiff::Timestamp;

use super::conduct::Conduct;
use super::devices;
use super::events::Results;
use super::outcome::Outcome;
use super::start::Start;
use crate::exit::{FAILED, Failure, INTERRUPTED, PASSED, THRESHOLDS};
use crate::keep::{self, Format, deliver, marks};
use crate::progress::ProgressLog;

/// What a run has left when it is over.
pub(super) struct Found {
    pub(super) measurements: Measurements,
    pub(super) marks: Vec<EventMark>,
    /// The last line of each device.
    pub(super) devices: BTreeMap<String, DeviceLine>,
    /// When the processes were started.
    pub(super) t0: Option<Timestamp>,
    pub(super) time_to_online: Option<Duration>,
    pub(super) judged: Vec<ThresholdResult>,
    /// What the target received, as far as it answers.
    pub(super) received: Option<Received>,
    pub(super) results: Results,
}

impl Default for Found {
    /// Nothing was started.
    fn default() -> Self {
        Self {
            measurements: Measurements::new(0, &[]),
            marks: Vec::new(),
            devices: BTreeMap::new(),
            t0: None,
            time_to_online: None,
            judged: Vec::new(),
            received: None,
            results: Results::default(),
        }
    }
}

/// Makes the report, writes what is asked for and prints the summary.
pub(super) fn finish(
    start: &Start,
    outcome: &Outcome,
    found: Found,
    conduct: &Conduct,
    progress: ProgressLog,
) -> Result<Report, Failure> {
    let Found {
        measurements,
        marks: events,
        devices,
        t0,
        time_to_online,
        judged,
        received,
        results,
    } = found;
    let mut circumstances = Circumstances {
        losses: outcome.losses,
        target: received,
        target_unknown: outcome.received_unknown,
        events,
        ..start.circumstances(t0)
    };
    let run = &mut circumstances.run;
    run.ended = Some(Timestamp::now());
    run.duration_s = Some(progress.elapsed().as_secs_f64());
    run.time_to_online_s = time_to_online.map(|took| took.as_secs_f64());
    run.end_reason = Some(outcome.end_reason.unwrap_or(EndReason::StagesOver));
    run.failures = outcome.failures.iter().chain(&outcome.hopeless).cloned().collect();
    let mut report = Report::new(circumstances, &measurements);
    report.advise(advice::remedy);
    report.judge(judged);
    report.exit = if outcome.left_at_once {
        INTERRUPTED
    } else if !outcome.failures.is_empty() {
        FAILED
    } else if report.thresholds.iter().any(ThresholdResult::fails) {
        THRESHOLDS
    } else if outcome.interrupted {
        INTERRUPTED
    } else if !report.run.failures.is_empty() {
        FAILED
    } else {
        PASSED
    };
    let mut text = summary(&report, marks());
    let folder = conduct.report.as_deref();
    let mut written: Vec<_> = folder.map(|folder| keep::write(&report, folder)).unwrap_or_default();
    if let Some(folder) = folder.filter(|_| conduct.formats.contains(&Format::Csv)) {
        written.push(devices::write(&start.manifest, &devices, folder));
    }
    for (index, roll) in results.rolls.iter().enumerate() {
        let name = match index {
            0 => "roll.json".to_owned(),
            more => format!("roll-{}.json", more + 1),
        };
        written.extend(folder.map(|folder| roll.write(folder, &name)));
        text += &format!("\n{}", roll.summary());
    }
    deliver(written, text, |words| progress.report(words))?;
    Ok(report)
}
