//! The account of a run, when no device is left: the application is asked what it has received, an emulator of the run is
//! stopped, and the run is judged and reported.

use fleet_protocol::lines::counter;
use fleet_report::totals::Received;
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::timeout_at;

use super::conduct::Conduct;
use super::events::Results;
use super::finish::{Found, finish};
use super::outcome::Outcome;
use super::start::Start;
use super::supervise::Finished;
use super::viewers::Viewers;
use crate::ending::Ending;
use crate::exit::Failure;
use crate::interrupts::Interrupts;
use crate::manifest::Manifest;
use crate::manifest::types::Target;
use crate::metrics::Snapshot;
use crate::prepare::application::{Application, Sight};
use crate::process::emulator::EmulatorChild;
use crate::progress::ProgressLog;
use crate::roll;

/// A run without devices.
pub(super) struct Account<'a> {
    pub(super) start: &'a Start,
    pub(super) conduct: &'a Conduct,
    /// When its processes were started.
    pub(super) t0: Timestamp,
    pub(super) outcome: Outcome,
    pub(super) finished: Finished,
    /// A device that has been online.
    pub(super) shown: Option<String>,
    pub(super) viewers: Viewers,
    pub(super) application: Option<Application>,
    /// The emulator of the run, unless it has died.
    pub(super) emulator: Option<EmulatorChild>,
    pub(super) progress: ProgressLog,
}

impl Account<'_> {
    /// Closes it. Returns the number with which the process is to end.
    ///
    /// # Errors
    ///
    /// The report can't be delivered.
    pub(super) async fn close(self, mut interrupts: Interrupts) -> Result<u8, Failure> {
        let Self {
            start,
            conduct,
            t0,
            mut outcome,
            finished,
            shown,
            viewers,
            application,
            emulator,
            progress,
        } = self;
        let Finished {
            measurements,
            marks,
            devices,
            schedule,
            ending,
            judge,
            time_to_online,
            end,
        } = finished;
        let mut found = Found {
            measurements,
            marks,
            devices,
            t0: Some(t0),
            time_to_online,
            ..Found::default()
        };
        if outcome.left_at_once {
            found.judged = judge
                .map(|judge| judge.finish(end, outcome.losses, 0))
                .unwrap_or_default();
            return finish(start, &outcome, found, conduct, progress).map(|report| report.exit);
        }
        // An emulator that died with the run answers nothing, and would be asked again and again.
        let gone = matches!(start.manifest.target, Target::Emulator(_)) && emulator.is_none();
        let questions = async {
            let results = schedule.finish(ending.answered()).await;
            let asked = application.as_ref().filter(|_| !gone);
            let received = ask(asked, start, shown.as_deref(), ending, progress).await;
            (results, received)
        };
        let (results, received) = tokio::select! {
            answers = questions => answers,
            () = interrupts.next() => {
                progress.report("interrupted: what the application shows is not waited for");
                outcome.interrupted = true;
                (Results::default(), None)
            }
        };
        if results.failed {
            let rolls = results.rolls.iter().all(roll::Report::passed);
            let what = if rolls { "an event" } else { "a roll of certificates" };
            outcome.failures.push(format!("{what} failed"));
        }
        if let Some(emulator) = emulator
            && let Err(error) = emulator.stop_until(ending.stopped()).await
        {
            let words = format!("{error:#}");
            outcome
                .failures
                .push(words.lines().next().unwrap_or_default().to_owned());
            progress.fault(words);
        }
        outcome.received_unknown = received.is_none() && application.is_some_and(|application| application.counts());
        let acked = found.measurements.totals.counter(counter::TELEMETRY_ACKED);
        let not_received = received.map_or(0, |received| acked.saturating_sub(received.received_unique));
        let judged = judge.map(|judge| judge.finish(end, outcome.losses, not_received));
        found.judged = judged.unwrap_or_default();
        (found.received, found.results) = (received, results);
        viewers
            .last_figures(|| Snapshot::of_end(&found.measurements, &found.judged))
            .await;
        let report = finish(start, &outcome, found, conduct, progress);
        viewers
            .end(report.as_ref().ok(), ending, &mut interrupts, progress)
            .await;
        report.map(|report| report.exit)
    }
}

/// Asks the application what it has seen, for as long as the end allows. What it does not answer is unknown.
async fn ask(
    application: Option<&Application>,
    start: &Start,
    device: Option<&str>,
    ending: Ending,
    progress: ProgressLog,
) -> Option<Received> {
    let application = application?;
    let until = ending.answered();
    let shown = async {
        let Some(device) = device else { return };
        let sights = sights(&start.manifest);
        progress.report(
            match timeout_at(until, application.last_telemetry(device, &sights)).await {
                Ok(Ok(Some((sight, value)))) => in_words(device, sight, &value),
                Ok(Ok(None)) => format!("Central shows no telemetry of {device}"),
                Ok(Err(error)) => format!("what Central shows of {device} is unknown: {error}"),
                Err(_) => format!("what Central shows of {device} is unknown: no answer in time"),
            },
        );
    };
    let count = async {
        let counted = timeout_at(until, application.received(&start.run_id))
            .await
            .ok()
            .flatten();
        if counted.is_none() && application.counts() {
            progress.report("how much telemetry was received is unknown: the emulator does not answer");
        }
        counted
    };
    tokio::join!(shown, count).1
}

/// What may be the first telemetry of a device of the manifest: of the user's own models, then of those that are shipped.
fn sights(manifest: &Manifest) -> Vec<Sight> {
    let own = manifest.models.iter().filter_map(|model| {
        let parts = &model.read.as_ref()?.model.parts;
        parts.iter().find_map(|part| {
            Some(Sight {
                component: part.component.clone(),
                name: part.telemetry.first()?.name.clone(),
                is_degrees: false,
            })
        })
    });
    let shipped = [None, Some("thermostat1".to_owned())].map(|component| Sight {
        component,
        name: "temperature".to_owned(),
        is_degrees: true,
    });
    own.chain(shipped).collect()
}

fn in_words(device: &str, sight: &Sight, value: &Value) -> String {
    let value = match value.as_f64() {
        Some(number) => format!("{number:.1}"),
        None => value.to_string(),
    };
    if sight.is_degrees {
        return format!("Central shows {device} at {value} °C");
    }
    let name = match &sight.component {
        Some(component) => format!("{component}.{}", sight.name),
        None => sight.name.clone(),
    };
    format!("Central shows {device} with {name} = {value}")
}
