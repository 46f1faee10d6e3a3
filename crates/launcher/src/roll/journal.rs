//! What a roll writes down, because it can't be found again after an interruption: what was chosen, which certificates were
//! the old ones, and which devices it has blocked. It holds no secret.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use files::{Access, Durability, write_whole};
use jiff::Timestamp;
use provisioning::identities::Slot;
use serde::{Deserialize, Serialize};

use crate::manifest::case::Case;

const VERSION: u32 = 1;

/// A roll that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Journal {
    version: u32,
    pub(crate) case: Case,
    pub(crate) begun: Timestamp,
    pub(crate) what: Notes,
    /// Devices that only this roll lets in again.
    #[serde(default)]
    pub(crate) blocked: BTreeSet<String>,
    /// Devices that have come over, and how long they were offline, where that is known.
    #[serde(default)]
    pub(crate) over: BTreeMap<String, Option<u64>>,
}

/// Either of what can be rolled, with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Rolled<G, I> {
    /// A group.
    Group(G),
    /// Individually enrolled devices.
    Individuals(I),
}

/// What was found out about the old certificates before anything was changed.
pub(crate) type Notes = Rolled<GroupNotes, BTreeMap<String, PairNotes>>;

/// About a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GroupNotes {
    pub(crate) group: String,
    /// The generation of CAs to which it is rolled.
    pub(crate) ca: String,
    /// The slot that it gets in the enrollment.
    pub(crate) slot: Slot,
    /// What stood in the enrollment and is to go: slot and SHA-1 thumbprint.
    pub(crate) old: Vec<(Slot, String)>,
    /// The generation of leaves that was in use.
    pub(crate) leaves: Option<String>,
}

/// About a device that is enrolled individually.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PairNotes {
    /// The slot that the device uses in the end.
    pub(crate) slot: Slot,
    /// The certificate that it used: its SHA-1 thumbprint.
    pub(crate) old: String,
    /// The slots that get a new pair, and the SHA-1 thumbprint of what stood there.
    pub(crate) replaced: Vec<(Slot, Option<String>)>,
    /// The slot that gets a new pair at the end, so that the old one is gone everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) replaced_last: Option<Slot>,
}

impl Journal {
    pub(crate) fn begin(case: Case, what: Notes, blocked: BTreeSet<String>, now: Timestamp) -> Self {
        Self {
            version: VERSION,
            case,
            begun: now,
            what,
            blocked,
            over: BTreeMap::new(),
        }
    }

    /// Where the journal of a group is, or that of all individually enrolled devices.
    pub(crate) fn path(state: &Path, group: Option<&str>) -> PathBuf {
        // No group can be called so.
        state.join(format!("roll-{}.json", group.unwrap_or("individual")))
    }

    /// The journal at `path`, if a roll is unfinished.
    pub(crate) fn read(path: &Path) -> io::Result<Option<Self>> {
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let journal: Self = serde_json::from_slice(&text)?;
        if journal.version != VERSION {
            let message = format!("version {} of the journal is not known here", journal.version);
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        Ok(Some(journal))
    }

    /// Writes it, whole or not at all, for the owner alone. It is on the disk when this returns, since what it holds can't
    /// be found again: the next step may block devices.
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        write_whole(
            path,
            &serde_json::to_vec_pretty(self)?,
            Access::Owner,
            Durability::Synced,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_is_read_as_it_was_written_and_only_its_owner_can() {
        let folder = tempfile::tempdir().unwrap();
        let path = Journal::path(folder.path(), Some("thermostats"));
        assert_eq!(Journal::read(&path).unwrap(), None);
        let what = Notes::Group(GroupNotes {
            group: "thermostats".into(),
            ca: "0002".into(),
            slot: Slot::Secondary,
            old: vec![(Slot::Primary, "AA".into())],
            leaves: Some("0001".into()),
        });
        let begun = "2026-11-23T15:00:00Z".parse().unwrap();
        let mut journal = Journal::begin(Case::GroupBreach, what, BTreeSet::from(["a".to_owned()]), begun);
        journal.over.insert("b".into(), Some(120));
        journal.write(&path).unwrap();
        assert_eq!(Journal::read(&path).unwrap(), Some(journal));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        std::fs::write(&path, r#"{"version":2}"#).unwrap();
        assert!(Journal::read(&path).is_err());
    }

    /// A roll may be begun by one version and finished by the next.
    #[test]
    fn journals_on_disk_keep_their_form() {
        let head = r#"{"version":1,"case":"individual-expiry","begun":"2026-11-23T15:00:00Z""#;
        let group =
            r#""what":{"group":{"group":"g","ca":"0002","slot":"secondary","old":[["primary","AA"]],"leaves":null}}"#;
        let pair = r#""what":{"individuals":{"lab":{"slot":"secondary","old":"AA","replaced":[["secondary",null]],"replaced_last":"primary"}}}"#;
        for what in [group, pair] {
            let text = format!(r#"{head},{what},"blocked":["a"],"over":{{"b":120,"c":null}}}}"#);
            let journal: Journal = serde_json::from_str(&text).unwrap();
            assert_eq!(serde_json::to_string(&journal).unwrap(), text);
        }
    }
}
