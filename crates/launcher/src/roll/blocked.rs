//! Devices that are blocked when a run begins. A roll after a breach blocks them, and only its journal records it:
//! where that is damaged or lost, the run reports which devices stay blocked, and how they are unblocked.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fleet_report::words::{agreeing, devices};
use provisioning::central::Central;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::drive::some_of;
use super::journal::Journal;
use super::service::Service;
use crate::manifest::Manifest;
use crate::manifest::case::Case;
use crate::progress::ProgressLog;

/// An application that takes longer is asked too much already.
const WITHIN: Duration = Duration::from_secs(20);
/// So many devices are named in a command.
const NAMED: usize = 5;

/// Devices that one roll could have blocked.
struct Scope {
    group: Option<String>,
    ids: BTreeSet<String>,
    journal: PathBuf,
}

/// What is known of the roll that may have blocked them.
enum Known {
    /// It is unfinished.
    Journal(Case),
    /// It has a journal that can't be read.
    Damaged,
    /// It has none, or there was no roll.
    Nothing,
}

/// Says which devices of a manifest are blocked, while the run goes on. Dropping the result ends the asking.
pub(crate) fn report_blocked(
    manifest: &Manifest,
    state: &Path,
    central: &Central,
    progress: ProgressLog,
) -> JoinSet<()> {
    let scopes = scopes(manifest, state);
    let service = Service::new(central.clone(), progress);
    let mut asking = JoinSet::new();
    asking.spawn(async move {
        // What does not answer now is reported elsewhere.
        let Ok(Ok(enabled)) = timeout(WITHIN, service.enabled()).await else {
            return;
        };
        for scope in scopes {
            let blocked: BTreeSet<String> = scope
                .ids
                .iter()
                .filter(|id| enabled.get(*id) == Some(&false))
                .cloned()
                .collect();
            if let Some(words) = words(scope.group.as_deref(), &blocked, &known(&scope.journal)) {
                progress.report(words);
            }
        }
    });
    asking
}

fn scopes(manifest: &Manifest, state: &Path) -> Vec<Scope> {
    let groups = manifest.group.iter().map(|group| Scope {
        group: Some(group.id.clone()),
        ids: (0..group.devices.count).map(|index| group.devices.id(index)).collect(),
        journal: Journal::path(state, Some(&group.id)),
    });
    let individual = Scope {
        group: None,
        ids: manifest
            .individual
            .iter()
            .filter_map(|individual| individual.ids().ok())
            .flatten()
            .map(|id| id.to_string())
            .collect(),
        journal: Journal::path(state, None),
    };
    groups.chain([individual]).collect()
}

fn known(journal: &Path) -> Known {
    match Journal::read(journal) {
        Ok(Some(journal)) => Known::Journal(journal.case),
        Ok(None) => Known::Nothing,
        Err(_) => Known::Damaged,
    }
}

fn words(group: Option<&str>, blocked: &BTreeSet<String>, known: &Known) -> Option<String> {
    let first = blocked.first()?;
    let of = group.map_or_else(String::new, |group| format!(" of group {group}"));
    let flags = match group {
        Some(group) => format!("--case {} --group {group}", Case::GroupBreach),
        None => {
            let named = blocked.iter().take(NAMED).map(|id| format!(" --device {id}"));
            let more = if blocked.len() > NAMED { " …" } else { "" };
            format!("--case {}{}{more}", Case::IndividualBreach, named.collect::<String>())
        }
    };
    let command = format!("`fleet roll … {flags} --let-in`");
    let count = devices(blocked.len());
    let are = agreeing(blocked.len(), "is", "are");
    let them = agreeing(blocked.len(), first, "them");
    let list = some_of(blocked);
    Some(match known {
        Known::Journal(case) if case.is_breach() => {
            format!("{count}{of} {are} blocked until the {case} is finished: {list}")
        }
        Known::Damaged => format!(
            "{count}{of} {are} blocked, and the journal of the roll that may have done it is damaged: {list}\n  \
             hint: {command} rolls anew and lets {them} in again"
        ),
        Known::Journal(_) | Known::Nothing => format!(
            "{count}{of} {are} blocked, and there is no journal of a roll that did it: {list}\n  \
             hint: if a roll was interrupted after a breach and its journal is lost, {command} rolls anew and lets {them} in again"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocked_devices_are_reported_with_the_command_that_unblocks_them() {
        let ids = |count: u32| (1..=count).map(|number| format!("t-{number}")).collect::<BTreeSet<_>>();
        let warning = |group, count, known| words(group, &ids(count), &known).unwrap_or_default();
        assert_eq!(warning(Some("g"), 0, Known::Damaged), "");
        assert_eq!(
            warning(Some("g"), 2, Known::Journal(Case::GroupBreach)),
            "2 devices of group g are blocked until the group-breach is finished: t-1, t-2"
        );
        assert_eq!(
            warning(Some("g"), 1, Known::Damaged),
            "1 device of group g is blocked, and the journal of the roll that may have done it is damaged: t-1\n  \
             hint: `fleet roll … --case group-breach --group g --let-in` rolls anew and lets t-1 in again"
        );
        assert_eq!(
            warning(None, 6, Known::Nothing),
            "6 devices are blocked, and there is no journal of a roll that did it: t-1, t-2, t-3, t-4, t-5 \
             and 1 more\n  hint: if a roll was interrupted after a breach and its journal is lost, `fleet roll … --case \
             individual-breach --device t-1 --device t-2 --device t-3 --device t-4 --device t-5 … --let-in` rolls anew and lets \
             them in again"
        );
    }
}
