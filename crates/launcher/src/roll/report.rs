//! What a roll has done, for people and in `roll.json`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Context;
use fleet_report::words::readable;
use iot_protocol::shown;
use jiff::Timestamp;
use serde::Serialize;

use super::steps::End;
use super::verify::Trial;
use crate::keep::write_whole;
use crate::manifest::case::Case;

const SCHEMA_VERSION: u32 = 1;

/// What a roll has done.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    schema_version: u32,
    pub(crate) case: Case,
    /// The group, or what the devices are called together.
    pub(crate) what: String,
    pub(crate) begun: Timestamp,
    pub(crate) ended: Timestamp,
    /// How far it has come.
    pub(crate) outcome: Outcome,
    /// Devices that use their new certificate, with what is known of each.
    pub(crate) devices: BTreeMap<String, Device>,
    /// Devices that did not come over, and why.
    pub(crate) missing: BTreeMap<String, String>,
    /// Devices that are still blocked.
    pub(crate) blocked: BTreeSet<String>,
    /// How long devices were offline, in seconds.
    pub(crate) offline: Option<Offline>,
    /// What became of old certificates that were tried.
    pub(crate) trials: Vec<Trial>,
}

/// How far a roll has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// All devices use their new certificates, and the old ones are refused.
    Done,
    /// The same, but for devices that did not come over.
    DoneWithout,
    /// The devices have not been asked.
    Unasked,
    /// Devices did not come over; to be run again.
    Unfinished,
    /// An old certificate still works, or could not be tried.
    NotProved,
}

/// A device that has come over.
#[derive(Debug, Serialize)]
pub(crate) struct Device {
    /// How long it was offline; unknown where that was not watched, and none where it was not online.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) offline_ms: Option<u64>,
    pub(crate) leaf_sha256: String,
}

/// How long devices were offline, in seconds.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Offline {
    pub(crate) count: usize,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

impl Offline {
    fn of(mut times: Vec<u64>) -> Option<Self> {
        times.sort_unstable();
        let max = *times.last()?;
        #[expect(clippy::cast_precision_loss, reason = "times in milliseconds are far below 2^53")]
        let seconds = |ms: u64| ms as f64 / 1000.0;
        // The smallest time that so many of a hundred do not exceed.
        let at = |percent: usize| seconds(times[(times.len() * percent).div_ceil(100).max(1) - 1]);
        Some(Self {
            count: times.len(),
            p50: at(50),
            p99: at(99),
            max: seconds(max),
        })
    }
}

/// What is found at the end of a roll.
#[derive(Debug)]
pub(crate) struct Findings {
    pub(crate) case: Case,
    pub(crate) what: String,
    pub(crate) begun: Timestamp,
    pub(crate) ended: Timestamp,
    pub(crate) end: End,
    pub(crate) over: BTreeMap<String, Option<u64>>,
    pub(crate) leaves: BTreeMap<String, String>,
    pub(crate) missing: BTreeMap<String, String>,
    pub(crate) blocked: BTreeSet<String>,
    pub(crate) trials: Vec<Trial>,
}

impl Report {
    pub(crate) fn new(found: Findings) -> Self {
        let proved = found.trials.iter().all(Trial::proved) && (!found.trials.is_empty() || found.over.is_empty());
        let outcome = match found.end {
            End::Unasked => Outcome::Unasked,
            _ if found.trials.iter().any(Trial::failed) => Outcome::NotProved,
            End::Missing => Outcome::Unfinished,
            _ if !proved => Outcome::NotProved,
            End::Done => Outcome::Done,
            End::DoneWithout => Outcome::DoneWithout,
        };
        let offline = Offline::of(found.over.values().flatten().copied().collect());
        let device = |(id, offline_ms): (String, Option<u64>)| {
            let leaf_sha256 = found.leaves.get(&id).cloned().unwrap_or_default();
            (
                id,
                Device {
                    offline_ms,
                    leaf_sha256,
                },
            )
        };
        Self {
            schema_version: SCHEMA_VERSION,
            case: found.case,
            what: found.what,
            begun: found.begun,
            ended: found.ended,
            outcome,
            devices: found.over.into_iter().map(device).collect(),
            missing: found.missing,
            blocked: found.blocked,
            offline,
            trials: found.trials,
        }
    }

    /// Writes it as `name` into `folder`, whole or not at all.
    ///
    /// # Errors
    ///
    /// The folder can't be made or the file can't be written.
    pub(crate) fn write(&self, folder: &Path, name: &str) -> anyhow::Result<PathBuf> {
        let path = folder.join(name);
        let text = self.json()?;
        std::fs::create_dir_all(folder).with_context(|| format!("can't make the folder `{}`", shown::path(folder)))?;
        write_whole(&path, text.as_bytes())?;
        Ok(path)
    }

    /// As `roll.json` has it.
    ///
    /// # Errors
    ///
    /// It can't be put into JSON.
    pub(crate) fn json(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string_pretty(self).context("the report can't be put into JSON")? + "\n")
    }

    /// Whether all went as asked.
    #[must_use]
    pub(crate) fn passed(&self) -> bool {
        matches!(self.outcome, Outcome::Done | Outcome::DoneWithout | Outcome::Unasked)
    }

    /// The same for a person.
    #[must_use]
    pub(crate) fn summary(&self) -> String {
        let Self { case, what, .. } = self;
        let mut lines = vec![format!("roll of {what} ({case}): {}", self.outcome.words())];
        lines.push(format!("  use their new certificate  {}", self.devices.len()));
        if let Some(Offline { count, p50, p99, max }) = &self.offline {
            let [p50, p99, max] = [p50, p99, max].map(|seconds| readable(*seconds));
            lines.push(format!(
                "  offline                    p50 {p50}, p99 {p99}, max {max} of {count}"
            ));
        }
        for (word, count) in [
            ("did not come over", self.missing.len()),
            ("blocked", self.blocked.len()),
        ] {
            if count > 0 {
                lines.push(format!("  {word:<25}  {count}"));
            }
        }
        let refused = self.trials.iter().filter(|trial| trial.proved()).count();
        if !self.trials.is_empty() {
            lines.push(format!(
                "  old certificates refused   {refused} of {} tried",
                self.trials.len()
            ));
        }
        lines.join("\n") + "\n"
    }
}

impl Outcome {
    fn words(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::DoneWithout => "done, without some devices",
            Self::Unasked => "ready; the devices have not been asked yet",
            Self::Unfinished => "not finished",
            Self::NotProved => "NOT PROVED: old certificates may still work",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roll::verify::Verdict;

    fn findings(end: End, dps: Verdict) -> Findings {
        let now = "2026-11-23T15:00:00Z".parse().unwrap();
        let over = |(id, offline): (&str, _)| (id.to_owned(), offline);
        Findings {
            case: Case::GroupExpiry,
            what: "group thermostats".into(),
            begun: now,
            ended: now,
            end,
            over: [("a", Some(1_000)), ("b", Some(3_000)), ("c", None)].map(over).into(),
            leaves: BTreeMap::from([("a".to_owned(), "aa".to_owned())]),
            missing: BTreeMap::new(),
            blocked: BTreeSet::new(),
            trials: vec![Trial {
                device: "a".into(),
                old_sha256: "00".into(),
                dps,
                hub: Verdict::Refused("5".into()),
            }],
        }
    }

    #[test]
    fn a_roll_is_done_only_when_old_certificates_were_seen_refused() {
        let refused = || Verdict::Refused("401002".into());
        for (end, dps, expected) in [
            (End::Done, refused(), Outcome::Done),
            (End::DoneWithout, refused(), Outcome::DoneWithout),
            (End::Missing, refused(), Outcome::Unfinished),
            (End::Done, Verdict::Accepted, Outcome::NotProved),
            (End::Missing, Verdict::Accepted, Outcome::NotProved),
            (End::Done, Verdict::Undecided("no answer".into()), Outcome::NotProved),
        ] {
            assert_eq!(Report::new(findings(end, dps)).outcome, expected);
        }
        let mut untried = findings(End::Done, refused());
        untried.trials.clear();
        assert_eq!(Report::new(untried).outcome, Outcome::NotProved);
    }

    #[test]
    fn the_summary_shows_how_long_devices_were_offline() {
        let report = Report::new(findings(End::Done, Verdict::Refused("401002".into())));
        assert_eq!(
            report.summary(),
            "roll of group thermostats (group-expiry): done\n  \
             use their new certificate  3\n  \
             offline                    p50 1.00 s, p99 3.00 s, max 3.00 s of 2\n  \
             old certificates refused   1 of 1 tried\n"
        );
        assert_eq!(report.offline.unwrap().count, 2);
        assert_eq!(report.devices["a"].leaf_sha256, "aa");
    }
}
