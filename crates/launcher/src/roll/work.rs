//! What is rolled, a group or individually enrolled devices, behind one face.

use std::collections::BTreeMap;

use anyhow::bail;
use provisioning::certificate::load::Identity;
use provisioning::identities::Slot;

use super::group::GroupWork;
use super::individuals::IndividualsWork;
use super::journal::What;
use crate::manifest::case::Case;

/// What is rolled.
#[derive(Debug)]
pub(crate) enum Work<'a> {
    Group(GroupWork<'a>),
    Individuals(IndividualsWork<'a>),
}

/// The same method of both, with the notes that belong to it.
macro_rules! both {
    ($self:expr, $what:expr, $work:ident, $notes:ident => $done:expr) => {
        match ($self, $what) {
            (Work::Group($work), What::Group($notes)) => $done,
            (Work::Individuals($work), What::Individuals($notes)) => $done,
            _ => bail!("the journal is about another roll"),
        }
    };
}

impl Work<'_> {
    pub(crate) async fn plan(&self, case: Case, slot: Option<Slot>, remove_old: bool) -> anyhow::Result<What> {
        match self {
            Self::Group(work) => Ok(What::Group(work.plan(case, slot).await?)),
            Self::Individuals(work) => Ok(What::Individuals(work.plan(case, slot, remove_old)?)),
        }
    }

    /// The devices, in their order.
    pub(crate) fn ids(&self) -> Vec<String> {
        match self {
            Self::Group(work) => work.ids.clone(),
            Self::Individuals(work) => work.wanted.keys().cloned().collect(),
        }
    }

    pub(crate) fn made(&self, what: &What) -> anyhow::Result<bool> {
        both!(self, what, work, notes => work.made(notes))
    }

    pub(crate) async fn enrolled(&self, what: &What) -> anyhow::Result<bool> {
        both!(self, what, work, notes => work.enrolled(notes).await)
    }

    pub(crate) async fn old_taken(&self, what: &What) -> anyhow::Result<bool> {
        both!(self, what, work, notes => work.old_taken(notes).await)
    }

    pub(crate) fn issued(&self, what: &What) -> anyhow::Result<bool> {
        both!(self, what, work, notes => work.issued(notes))
    }

    pub(crate) async fn make(&self, what: &What) -> anyhow::Result<String> {
        both!(self, what, work, notes => work.make(notes).await)
    }

    pub(crate) async fn enroll(&self, what: &What) -> anyhow::Result<()> {
        both!(self, what, work, notes => work.enroll(notes).await)
    }

    pub(crate) async fn issue(&self, what: &What) -> anyhow::Result<String> {
        match (self, what) {
            (Self::Group(work), What::Group(notes)) => work.issue(notes).await,
            (Self::Individuals(work), What::Individuals(notes)) => work.issue(notes),
            _ => bail!("the journal is about another roll"),
        }
    }

    pub(crate) async fn remove_old(&self, what: &What) -> anyhow::Result<()> {
        both!(self, what, work, notes => work.remove_old(notes).await)
    }

    /// The SHA-256 thumbprints of the certificates in use.
    pub(crate) fn leaves(&self) -> anyhow::Result<BTreeMap<String, String>> {
        match self {
            Self::Group(work) => work.leaves(),
            Self::Individuals(work) => work.leaves(),
        }
    }

    /// What a device is to use when it connects.
    pub(crate) fn new_identity(&self, id: &str) -> anyhow::Result<Identity> {
        match self {
            Self::Group(work) => Ok(work.wanted.folder().load_current(id)?),
            Self::Individuals(work) => work.new_identity(id),
        }
    }

    /// What a device used before; `None` where that is not there any more.
    pub(crate) fn old_identity(&self, what: &What, id: &str) -> anyhow::Result<Option<Identity>> {
        both!(self, what, work, notes => work.old_identity(notes, id))
    }
}
