//! When the first of a group's certificates expires.

use std::collections::BTreeMap;
use std::path::PathBuf;

use fleet_protocol::plan::{CredentialSource, Devices, Group};
use provisioning::certificate::inspect::CertificateFacts;
use provisioning::identities::{GroupFolder, IndividualFolder, path_of_device};

/// The first end of the certificates in use, by group, in seconds since 1970. Reads a small file for each device, so it is for
/// a thread that may block. A group of which a certificate can't be read, such as one in a locked PFX file, is left out: the
/// end of the others might not be the first.
pub(super) fn earliest(groups: &[Group]) -> BTreeMap<String, i64> {
    let mut all: BTreeMap<&str, Option<i64>> = BTreeMap::new();
    // Certificates of devices that must be refused may have expired on purpose.
    for group in groups.iter().filter(|group| group.expect.is_none()) {
        let first = first_of(group);
        all.entry(&group.name)
            .and_modify(|known| *known = known.zip(first).map(|(one, other)| one.min(other)))
            .or_insert(first);
    }
    let known = all
        .into_iter()
        .filter_map(|(name, first)| Some((name.to_owned(), first?)));
    known.collect()
}

fn first_of(group: &Group) -> Option<i64> {
    let end = |id: &str| end_of(&group.credentials, id);
    // Collecting stops at the first that can't be read.
    let ends: Option<Vec<i64>> = match &group.devices {
        Devices::Range(range) => (0..range.count).map(|index| end(&range.id(index))).collect(),
        Devices::Ids(ids) => ids.iter().map(|id| end(id.as_str())).collect(),
    };
    ends?.into_iter().min()
}

fn end_of(credentials: &CredentialSource, id: &str) -> Option<i64> {
    let certificate = certificate_of(credentials, id)?;
    Some(CertificateFacts::load(&certificate).ok()?.not_after.as_second())
}

/// The file with the certificate that a device uses now; none where none has been made.
pub(crate) fn certificate_of(credentials: &CredentialSource, id: &str) -> Option<PathBuf> {
    Some(match credentials {
        CredentialSource::Group(folder) => {
            let folder = GroupFolder::at(folder);
            folder.leaf_paths(folder.current_generation().ok()??, id).cert
        }
        CredentialSource::Individual(folder) => {
            let folder = IndividualFolder::at(folder.join(id));
            folder.pair_paths(folder.current_slot().ok()??).cert
        }
        CredentialSource::Files(files) => files.certificate.clone(),
        CredentialSource::Pattern(files) => path_of_device(&files.certificate, id),
    })
}
