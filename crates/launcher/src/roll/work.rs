//! What is rolled, a group or individually enrolled devices, behind one face.

use std::collections::BTreeMap;

use provisioning::certificate::load::Identity;
use provisioning::identities::Slot;

use super::group::GroupWork;
use super::individuals::IndividualsWork;
use super::journal::{GroupNotes, Notes, PairNotes, Rolled};
use crate::manifest::case::Case;

/// What is rolled, before its notes are there: what the manifest names.
pub(crate) type Target<'a> = Rolled<GroupWork<'a>, IndividualsWork<'a>>;

/// What is rolled, with the notes that belong to it.
pub(crate) type Work<'a> = Rolled<(GroupWork<'a>, GroupNotes), (IndividualsWork<'a>, BTreeMap<String, PairNotes>)>;

impl<'a> Target<'a> {
    /// Decides what is rolled to where, before anything is changed.
    pub(crate) async fn plan(self, case: Case, slot: Option<Slot>, remove_old: bool) -> anyhow::Result<Work<'a>> {
        match self {
            Self::Group(work) => {
                let notes = work.plan(case, slot).await?;
                Ok(Rolled::Group((work, notes)))
            }
            Self::Individuals(work) => {
                let notes = work.plan(case, slot, remove_old)?;
                Ok(Rolled::Individuals((work, notes)))
            }
        }
    }
}

impl Work<'_> {
    /// What the journal keeps of it.
    pub(crate) fn notes(&self) -> Notes {
        match self {
            Self::Group((_, notes)) => Rolled::Group(notes.clone()),
            Self::Individuals((_, notes)) => Rolled::Individuals(notes.clone()),
        }
    }

    /// The devices, in their order.
    pub(crate) fn ids(&self) -> Vec<String> {
        match self {
            Self::Group((work, _)) => work.ids.clone(),
            Self::Individuals((work, _)) => work.specs.keys().cloned().collect(),
        }
    }

    pub(crate) fn made(&self) -> anyhow::Result<bool> {
        match self {
            Self::Group((work, notes)) => work.made(notes),
            Self::Individuals((work, notes)) => work.made(notes),
        }
    }

    pub(crate) async fn enrolled(&self) -> anyhow::Result<bool> {
        match self {
            Self::Group((work, notes)) => work.enrolled(notes).await,
            Self::Individuals((work, notes)) => work.enrolled(notes).await,
        }
    }

    pub(crate) async fn old_taken(&self) -> anyhow::Result<bool> {
        match self {
            Self::Group((work, notes)) => work.old_taken(notes).await,
            Self::Individuals((work, notes)) => work.old_taken(notes).await,
        }
    }

    pub(crate) fn issued(&self) -> anyhow::Result<bool> {
        match self {
            Self::Group((work, notes)) => work.issued(notes),
            Self::Individuals((work, notes)) => work.issued(notes),
        }
    }

    pub(crate) async fn make(&self) -> anyhow::Result<String> {
        match self {
            Self::Group((work, notes)) => work.make(notes).await,
            Self::Individuals((work, notes)) => work.make(notes).await,
        }
    }

    pub(crate) async fn enroll(&self) -> anyhow::Result<()> {
        match self {
            Self::Group((work, notes)) => work.enroll(notes).await,
            Self::Individuals((work, notes)) => work.enroll(notes).await,
        }
    }

    pub(crate) async fn issue(&self) -> anyhow::Result<String> {
        match self {
            Self::Group((work, notes)) => work.issue(notes).await,
            Self::Individuals((work, notes)) => work.issue(notes),
        }
    }

    pub(crate) async fn remove_old(&self) -> anyhow::Result<()> {
        match self {
            Self::Group((work, notes)) => work.remove_old(notes).await,
            Self::Individuals((work, notes)) => work.remove_old(notes).await,
        }
    }

    /// The SHA-256 thumbprints of the certificates in use.
    pub(crate) fn leaves(&self) -> anyhow::Result<BTreeMap<String, String>> {
        match self {
            Self::Group((work, _)) => work.leaves(),
            Self::Individuals((work, _)) => work.leaves(),
        }
    }

    /// What a device is to use when it connects.
    pub(crate) fn new_identity(&self, id: &str) -> anyhow::Result<Identity> {
        match self {
            Self::Group((work, _)) => Ok(work.spec.folder().load_current(id)?),
            Self::Individuals((work, _)) => work.new_identity(id),
        }
    }

    /// What a device used before; `None` where that is not there any more.
    pub(crate) fn old_identity(&self, id: &str) -> anyhow::Result<Option<Identity>> {
        match self {
            Self::Group((work, notes)) => work.old_identity(notes, id),
            Self::Individuals((work, notes)) => work.old_identity(notes, id),
        }
    }
}
