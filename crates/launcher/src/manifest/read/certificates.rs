//! The keys of a group or an individual about its certificates.

use std::collections::HashMap;

use provisioning::certificate::make::KeyType;
use provisioning::identities::Issuer;
use settings::{At, Document, Table};

use crate::manifest::forms::{GroupId, Typed};
use crate::manifest::types::Group;
use crate::manifest::values::ValidityPeriod;

/// The keys that groups and individuals share.
pub(super) struct Common {
    pub(super) key: KeyType,
    pub(super) validity: ValidityPeriod,
    pub(super) secondary: bool,
}

pub(super) fn common(table: &Table<'_>) -> Common {
    Common {
        key: table
            .optional::<KeyType>("key")
            .map_or_else(KeyType::default, |at| at.value),
        validity: table
            .optional::<ValidityPeriod>("validity")
            .map_or(ValidityPeriod::default(), |at| at.value),
        secondary: table.optional::<bool>("secondary").is_some_and(|at| at.value),
    }
}

/// The CAs of a group.
pub(super) struct Authorities {
    pub(super) issuer: Issuer,
    pub(super) enroll: Issuer,
    pub(super) root: Option<At<String>>,
}

pub(super) fn authorities(table: &Table<'_>, document: &Document<'_>) -> Authorities {
    let issuer = table.optional::<Issuer>("issuer");
    let enroll = table.optional::<Issuer>("enroll");
    let root = table.optional::<GroupId>("root").map(|at| At {
        value: at.value.0,
        span: at.span,
        key: at.key,
    });
    let issuer_is = issuer.as_ref().map_or(Issuer::Intermediate, |issuer| issuer.value);
    let own = |at: &At<Issuer>, what: &str| {
        document.problems.push(
            at.span.clone(),
            format!("`{}`: the root is another group's, {what}", at.key),
            vec!["accepted: \"intermediate\", which is the group's own".into()],
        );
    };
    match (&root, &issuer, &enroll) {
        (Some(_), Some(issuer), _) if issuer.value == Issuer::Root => {
            own(issuer, "and only the intermediate signs for this one");
        }
        (Some(_), _, Some(enroll)) if enroll.value == Issuer::Root => {
            own(enroll, "and a certificate may belong to only one enrollment");
        }
        (None, _, Some(enroll)) if (issuer_is, enroll.value) == (Issuer::Root, Issuer::Intermediate) => {
            document.problems.push(
                enroll.span.clone(),
                format!(
                    "`{}`: no leaf would chain to the intermediate, since the root signs them",
                    enroll.key
                ),
                vec!["accepted: enroll = \"root\", or issuer = \"intermediate\"".into()],
            );
        }
        _ => {}
    }
    let usual = if root.is_some() {
        Issuer::Intermediate
    } else {
        Issuer::Root
    };
    Authorities {
        issuer: issuer_is,
        enroll: enroll.map_or(usual, |enroll| enroll.value),
        root,
    }
}

/// Each group that uses another's root needs one that is there and has a root of its own. `roots` holds where each group
/// names it.
pub(super) fn check_shared_roots(groups: &[Group], roots: &HashMap<String, At<String>>, document: &Document<'_>) {
    for group in groups {
        let Some(at) = roots.get(&group.id) else { continue };
        let owner = groups.iter().find(|other| other.id == at.value);
        let problem = match owner {
            Some(owner) if owner.id == group.id => "a group's own root needs no word".to_owned(),
            Some(owner) => match &owner.root {
                Some(root) => format!("`{}` has no root of its own, but that of `{root}`", at.value),
                None => continue,
            },
            None => format!("there is no group `{}`", at.value),
        };
        let owners: Vec<_> = groups
            .iter()
            .filter(|other| other.root.is_none() && other.id != group.id)
            .map(|other| format!("\"{}\"", other.id))
            .collect();
        let accepted = match owners.is_empty() {
            true => "accepted: the id of another group, of which there is none".to_owned(),
            false => format!(
                "accepted: the id of a group with a root of its own: {}",
                owners.join(", ")
            ),
        };
        document
            .problems
            .push(at.span.clone(), format!("`{}`: {problem}", at.key), vec![accepted]);
    }
}
