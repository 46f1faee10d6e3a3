//! The driver of a roll: looks, asks what comes next, does it, and looks again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use device_sim::hint::Hint;
use fleet_report::words::{agreeing, devices};
use iot_protocol::id::IdScope;
use iot_protocol::shown;
use jiff::Timestamp;

use super::Request;
use super::devices::{LiveDevices, Moved};
use super::group::GroupWork;
use super::individuals::IndividualsWork;
use super::journal::{Journal, Rolled};
use super::report::{Findings, Outcome, Report};
use super::service::Service;
use super::steps::{End, Facts, Orders, Step, next};
use super::verify::{Trial, Trials, Verdict, sample};
use super::work::{self, Work};
use crate::control::{RunHandle, Status};
use crate::exit::Failure;
use crate::manifest::Manifest;
use crate::manifest::scope::{Scope, scope};
use crate::manifest::types::{Individual, Target};
use crate::prepare::application::Application;
use crate::prepare::identities::{group_spec, individual_spec};
use crate::prepare::target::plan_target;
use crate::progress::ProgressLog;

/// A wave whose size was not given has at least so many devices.
const SMALLEST_WAVE: usize = 10;
/// Devices that were let in again and have not registered yet can be imitated with a stolen key: never many at once.
const LARGEST_WAVE_AFTER_BREACH: usize = 50;
/// So many old certificates are tried.
const TRIED: usize = 5;
/// So many devices that did not come over are reported one by one.
const MISSING_TOLD: usize = 5;

/// A roll on its way.
struct Roll<'a> {
    request: &'a Request,
    orders: Orders,
    journal: Journal,
    path: PathBuf,
    service: &'a Service,
    work: Work<'a>,
    live_devices: Option<LiveDevices>,
    trials: Option<Trials>,
    progress: ProgressLog,
    /// The certificates that devices are to use; known when they are issued.
    leaves: BTreeMap<String, String>,
    missing: BTreeMap<String, String>,
    tried: Option<Vec<Trial>>,
}

/// Rolls to the end, or as far as it gets.
pub(super) async fn drive(
    request: &Request,
    manifest: &Manifest,
    state: &Path,
    application: Application,
    live: Option<RunHandle>,
    status: Option<Status>,
    progress: ProgressLog,
) -> Result<Report, Failure> {
    let now = Timestamp::now();
    let service = Service::new(application.central, progress);
    let scope = scope(request, manifest).map_err(Failure::Refused)?;
    let path = Journal::path(state, scope.group());
    let found = match Journal::read(&path) {
        Ok(found) => found,
        Err(_) if request.let_in => {
            let aside = path.with_extension("json.damaged");
            std::fs::rename(&path, &aside).with_context(|| format!("can't set `{}` aside", shown::path(&path)))?;
            progress.report(format!(
                "the journal of a roll can't be read and is set aside: {}",
                shown::path(&aside)
            ));
            None
        }
        Err(error) => return Err(damaged(error, &path, &scope, &service).await.into()),
    };
    let found = found.filter(|found| {
        let superseded = request.case.is_breach() && !found.case.is_breach();
        if superseded {
            progress.report(format!(
                "the {} that was begun at {} is given up for this",
                found.case, found.begun
            ));
        }
        !superseded
    });
    let what = scope.words();
    let target = match scope {
        Scope::Group(group) => Rolled::Group(GroupWork {
            spec: group_spec(&manifest.fleet.certs, group),
            enroll: group.enroll,
            ids: (0..group.devices.count).map(|index| group.devices.id(index)).collect(),
            service: &service,
            now,
        }),
        Scope::Individuals(devices) => {
            let certs = &manifest.fleet.certs;
            let spec = |(id, individual): (String, &Individual)| {
                let spec = individual_spec(certs, individual, &id);
                (id, spec)
            };
            let specs = devices.into_iter().map(spec).collect();
            Rolled::Individuals(IndividualsWork::new(specs, &service, now))
        }
    };
    let (journal, work) = match found {
        Some(journal) => {
            let work = resumed(&journal, request, target, &path).map_err(Failure::Refused)?;
            progress.report(format!(
                "goes on with the {} of {what} that was begun at {}",
                journal.case, journal.begun
            ));
            (journal, work)
        }
        None => {
            progress.report(format!("{} of {what}", request.case));
            begun(request, target, &service, &path, now).await?
        }
    };
    let roll = Roll {
        request,
        orders: orders(request, work.ids().len()),
        path,
        service: &service,
        live_devices: match live {
            Some(live) => Some(LiveDevices::watch(live).await.context("can't ask the run")?),
            None => None,
        },
        trials: match &status {
            Some(status) => Some(Trials::of_plan(&status.plan)?),
            None => trials_without_run(manifest, &service, work.ids().first()).await?,
        },
        journal,
        work,
        progress,
        leaves: BTreeMap::new(),
        missing: BTreeMap::new(),
        tried: None,
    };
    Ok(roll.run(what).await?)
}

/// Where devices go, where there is no run to ask.
async fn trials_without_run(
    manifest: &Manifest,
    service: &Service,
    device: Option<&String>,
) -> anyhow::Result<Option<Trials>> {
    let (Target::IotCentral(target), Some(device)) = (&manifest.target, device) else {
        return Ok(None);
    };
    let id_scope = match &target.id_scope {
        Some(id_scope) => id_scope.clone(),
        None => {
            let found = service.central.id_scope(device).await;
            let found = found
                .context("the id scope can't be found out")
                .hint("give it as `target.id_scope`")?;
            IdScope::new(&found).context("the application returned an invalid id scope")?
        }
    };
    Trials::of(plan_target(id_scope, &target.endpoint)?).map(Some)
}

/// Chooses, and writes the choice down before anything is changed.
async fn begun<'a>(
    request: &Request,
    target: work::Target<'a>,
    service: &Service,
    path: &Path,
    now: Timestamp,
) -> Result<(Journal, Work<'a>), Failure> {
    let work = target
        .plan(request.case, request.slot, request.remove_old)
        .await
        .map_err(Failure::Refused)?;
    let blocked: BTreeSet<String> = if request.case.is_breach() {
        // A device that was blocked before is not for this roll to let in again.
        let enabled = service.enabled().await.context("can't ask which devices are blocked")?;
        let (ours, before): (BTreeSet<_>, BTreeSet<_>) = work
            .ids()
            .into_iter()
            .filter(|id| enabled.contains_key(id))
            .partition(|id| request.let_in || enabled.get(id) == Some(&true));
        if !before.is_empty() {
            service.report_line(format!(
                "blocked already, so this roll does not let them in: {}; --let-in does",
                some_of(&before)
            ));
        }
        ours
    } else {
        BTreeSet::new()
    };
    let journal = Journal::begin(request.case, work.notes(), blocked, now);
    write(&journal, path)?;
    Ok((journal, work))
}

/// What is in the way when a journal can't be read: devices may be blocked, and by whom stands nowhere else.
async fn damaged(error: std::io::Error, path: &Path, scope: &Scope<'_>, service: &Service) -> anyhow::Error {
    let (ids, case): (BTreeSet<String>, _) = match scope {
        Scope::Group(group) => (
            (0..group.devices.count).map(|index| group.devices.id(index)).collect(),
            format!("group-breach --group {}", group.id),
        ),
        Scope::Individuals(devices) => (
            devices.keys().cloned().collect(),
            "individual-breach --device …".to_owned(),
        ),
    };
    let blocked = match service.enabled().await {
        Ok(enabled) => {
            let blocked: BTreeSet<_> = ids.into_iter().filter(|id| enabled.get(id) == Some(&false)).collect();
            match blocked.len() {
                0 => "no device is blocked".to_owned(),
                _ => format!("the roll may have blocked {}", some_of(&blocked)),
            }
        }
        Err(error) => format!("which devices it has blocked is unknown ({error})"),
    };
    anyhow!("can't read the journal `{}`: {error}; {blocked}", shown::path(path)).hint(format!(
        "`fleet roll … --case {case} --let-in` sets the journal aside, rolls anew and lets blocked \
         devices in again"
    ))
}

/// A few of them, and how many more.
pub(super) fn some_of(ids: &BTreeSet<String>) -> String {
    let shown: Vec<&str> = ids.iter().take(MISSING_TOLD).map(String::as_str).collect();
    match ids.len().saturating_sub(MISSING_TOLD) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn write(journal: &Journal, path: &Path) -> anyhow::Result<()> {
    journal
        .write(path)
        .with_context(|| format!("can't write the journal `{}`", shown::path(path)))
}

/// The same roll as the journal's, or a reason why not.
fn resumed<'a>(
    journal: &Journal,
    request: &Request,
    target: work::Target<'a>,
    path: &Path,
) -> anyhow::Result<Work<'a>> {
    let unfinished = |whose: &str| {
        anyhow!(
            "the {} of {whose} that was begun at {} is not finished",
            journal.case,
            journal.begun
        )
        .hint(format!(
            "run it again with --case {} first; its journal is `{}`",
            journal.case,
            shown::path(path)
        ))
    };
    match (target, journal.what.clone()) {
        (Rolled::Group(work), Rolled::Group(notes)) if journal.case == request.case => {
            debug_assert!(path.to_string_lossy().contains(&notes.group));
            Ok(Rolled::Group((work, notes)))
        }
        (Rolled::Individuals(mut work), Rolled::Individuals(notes)) => {
            let asked: BTreeSet<&String> = request.devices.iter().collect();
            let same = asked.is_empty() || asked == notes.keys().collect();
            let whose: Vec<&str> = notes.keys().map(String::as_str).collect();
            if journal.case != request.case || !same {
                return Err(unfinished(&whose.join(", ")));
            }
            work.specs.retain(|id, _| notes.contains_key(id));
            Ok(Rolled::Individuals((work, notes)))
        }
        (_, Rolled::Group(notes)) => Err(unfinished(&format!("group {}", notes.group))),
        (Rolled::Group(_), Rolled::Individuals(_)) => Err(unfinished("individually enrolled devices")),
    }
}

fn orders(request: &Request, devices: usize) -> Orders {
    let case = request.case;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of a few million devices"
    )]
    let share = |share: f64| ((devices as f64 * share).ceil() as usize).max(1);
    let wave = request.wave.map_or_else(|| share(0.1).max(SMALLEST_WAVE), share);
    Orders {
        case,
        remove_old: match case {
            super::Case::GroupExpiry => !request.keep_old,
            super::Case::IndividualExpiry => request.remove_old,
            super::Case::GroupBreach | super::Case::IndividualBreach => true,
        },
        leave_behind: request.leave_behind,
        wave: if case.is_breach() {
            wave.min(LARGEST_WAVE_AFTER_BREACH)
        } else {
            wave
        },
    }
}

impl Roll<'_> {
    async fn run(mut self, what: String) -> anyhow::Result<Report> {
        loop {
            let facts = self.look().await?;
            match next(self.orders, &facts) {
                Step::Block(ids) => self.service.set_enabled(&ids, false).await?,
                Step::Make => {
                    let made = self.work.make().await?;
                    self.progress.report(made);
                }
                Step::Enroll => self.work.enroll().await?,
                Step::RemoveOld => self.work.remove_old().await?,
                Step::Issue => {
                    let issued = self.work.issue().await?;
                    self.progress.report(issued);
                }
                Step::Move(wave) => self.bring_over(&wave).await?,
                Step::Try => self.try_old(facts.old_taken).await,
                Step::End(end) => return self.end(end, what),
            }
        }
    }

    async fn look(&mut self) -> anyhow::Result<Facts> {
        let issued = self.work.issued()?;
        let let_in = if self.journal.blocked.is_empty() || issued {
            Vec::new()
        } else {
            let enabled = self.service.enabled().await?;
            let blocked = self.journal.blocked.iter();
            blocked.filter(|id| enabled.get(*id) == Some(&true)).cloned().collect()
        };
        let facts = Facts {
            let_in,
            made: self.work.made()?,
            enrolled: self.work.enrolled().await?,
            issued,
            old_taken: self.work.old_taken().await?,
            // Blocked devices could not come back by themselves; without a run they are registered from here.
            live: self.live_devices.is_some() || (self.journal.case.is_breach() && self.trials.is_some()),
            waiting: Vec::new(),
            missing: self.missing.keys().cloned().collect(),
            tried: self.tried.is_some(),
        };
        if !issued {
            return Ok(facts);
        }
        if self.leaves.is_empty() {
            self.leaves = self.work.leaves()?;
        }
        if let Some(live_devices) = &mut self.live_devices {
            live_devices.catch_up();
            // Who was brought over just before an interruption, or came over by itself.
            for (id, leaf) in &self.leaves {
                if let Some(offline) = live_devices.online_with(id, leaf) {
                    self.journal.over.entry(id.clone()).or_insert(offline);
                    self.missing.remove(id);
                }
            }
        }
        let is_waiting = |id: &String| !self.journal.over.contains_key(id) && !self.missing.contains_key(id);
        Ok(Facts {
            waiting: self.work.ids().into_iter().filter(is_waiting).collect(),
            missing: self.missing.keys().cloned().collect(),
            ..facts
        })
    }

    /// Lets a wave of devices register with their new certificates, and waits for it.
    async fn bring_over(&mut self, wave: &[String]) -> anyhow::Result<()> {
        let breach = self.journal.case.is_breach();
        let blocked = |ids: &mut dyn Iterator<Item = &String>| -> Vec<String> {
            ids.filter(|id| self.journal.blocked.contains(*id)).cloned().collect()
        };
        let let_in = blocked(&mut wave.iter());
        if !let_in.is_empty() {
            self.service.set_enabled(&let_in, true).await?;
        }
        let Moved { over, missing } = match &mut self.live_devices {
            Some(live_devices) => {
                let (over, within) = (self.request.over, self.request.return_within);
                let within = over.unwrap_or_default() + within;
                live_devices
                    .bring_over(wave, &self.leaves, over, within, self.progress)
                    .await?
            }
            None => self.register_from_here(wave).await?,
        };
        let none = over.is_empty();
        let (done, all) = (over.len() + self.journal.over.len(), self.leaves.len());
        self.progress.report(format!(
            "{} of a wave of {} {} new certificate, {done} of {all} in all",
            over.len(),
            wave.len(),
            agreeing(over.len(), "uses its", "use their")
        ));
        for (id, why) in missing.iter().take(MISSING_TOLD.saturating_sub(self.missing.len())) {
            self.progress.report(format!("{id} did not come over: {why}"));
        }
        self.journal.over.extend(over);
        write(&self.journal, &self.path)?;
        if breach && !missing.is_empty() {
            let again: Vec<_> = missing
                .keys()
                .filter(|id| self.journal.blocked.contains(*id))
                .cloned()
                .collect();
            self.service.set_enabled(&again, false).await?;
        }
        self.missing.extend(missing);
        if none && !breach {
            return Err(anyhow!(
                "none of a wave of {} came over, so no other device is asked; the old certificates still \
                 work",
                devices(wave.len())
            )
            .hint("look at the reports of the devices, then run this again: it goes on where it stopped"));
        }
        Ok(())
    }

    /// Registers devices that no run simulates at the moment, so that the hub drops their old certificates.
    async fn register_from_here(&self, wave: &[String]) -> anyhow::Result<Moved> {
        let trials = self.trials.as_ref().context("there is no run to ask")?;
        let mut moved = Moved::default();
        for id in wave {
            match trials.register(id, &self.work.new_identity(id)?).await? {
                Ok(()) => drop(moved.over.insert(id.clone(), None)),
                Err(error) => drop(
                    moved
                        .missing
                        .insert(id.clone(), format!("{:#}", anyhow::Error::new(error))),
                ),
            }
        }
        Ok(moved)
    }

    /// Tries the old certificates of some devices.
    async fn try_old(&mut self, old_taken: bool) {
        let over: Vec<String> = self.journal.over.keys().cloned().collect();
        let mut tried = Vec::new();
        let Some(trials) = &self.trials else {
            self.tried = Some(tried);
            return;
        };
        for id in sample(&over, TRIED) {
            let identity = match self.work.old_identity(id) {
                Ok(Some(identity)) => identity,
                Ok(None) => continue,
                Err(error) => {
                    self.progress
                        .report(format!("the old certificate of {id} can't be tried: {error:#}"));
                    continue;
                }
            };
            let hub = self.live_devices.as_ref().and_then(|live_devices| live_devices.hub(id));
            let hub = trials.hub(id, &identity, hub).await;
            let dps = if old_taken {
                // It would be taken, as it has to be, and the device would lose its hub.
                Verdict::NotTried("its enrollment keeps the old certificate".to_owned())
            } else {
                trials.dps(id, &identity).await
            };
            let trial = Trial {
                device: id.clone(),
                old_sha256: identity.leaf.sha256.clone(),
                dps,
                hub,
            };
            self.progress.report(&trial);
            if trial.dps == Verdict::Accepted {
                self.heal(id).await;
            }
            tried.push(trial);
        }
        self.tried = Some(tried);
    }

    /// The hub has taken an old certificate back: the device has to register again with its new one.
    async fn heal(&self, id: &String) {
        let healed = match &self.live_devices {
            Some(live_devices) => live_devices
                .reregister(std::slice::from_ref(id), None)
                .await
                .map(drop)
                .map_err(anyhow::Error::from),
            None => self.register_from_here(std::slice::from_ref(id)).await.map(drop),
        };
        if let Err(error) = healed {
            self.progress
                .report(format!("{id} has to register again, and can't be asked: {error:#}"));
        }
    }

    fn end(mut self, end: End, what: String) -> anyhow::Result<Report> {
        let case = self.journal.case;
        let stays = |id: &&String| self.missing.contains_key(*id);
        let blocked: BTreeSet<String> = self.journal.blocked.iter().filter(stays).cloned().collect();
        match end {
            End::Unasked => self.progress.report(
                "no run is there to be asked: devices register with their new certificates when they start next; run this again \
                 then, and it finishes",
            ),
            End::Missing => self.progress.report(format!(
                "{} did not come over, so the old certificates stay: run this again when they are back, or with \
                 --leave-behind",
                devices(self.missing.len())
            )),
            End::Done | End::DoneWithout => {}
        }
        let report = Report::new(Findings {
            case,
            what,
            begun: self.journal.begun,
            ended: Timestamp::now(),
            end,
            over: std::mem::take(&mut self.journal.over),
            leaves: self.leaves,
            missing: self.missing,
            blocked,
            trials: self.tried.unwrap_or_default(),
        });
        // What was not proved can be tried again.
        if matches!(report.outcome, Outcome::Done | Outcome::DoneWithout) {
            std::fs::remove_file(&self.path)
                .with_context(|| format!("can't remove the journal `{}`", shown::path(&self.path)))?;
        }
        Ok(report)
    }
}
