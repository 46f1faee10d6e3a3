//! What each shard may see of keys: an authority of its own for each group whose leaves it makes, and the certificates
//! of its own devices where those are there already.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use device_sim::hint::Hint;
use files::Access;
use fleet_protocol::plan::{self, CredentialSource, Files, Plan, Shard};
use iot_protocol::id::RegistrationId;
use iot_protocol::shown;
use jiff::Timestamp;
use provisioning::certificate::make::CertificateAuthority;
use provisioning::identities::{GroupIdentities, IndividualFolder, Issuer, Lifetime, Slot, path_of_device};
use zeroize::Zeroizing;

use super::container;
use super::model::{ExportFile, ShardFiles};
use crate::exit::Failure;
use crate::leaves;
use crate::manifest::Manifest;
use crate::manifest::thresholds::INDIVIDUAL;
use crate::manifest::types::Group;
use crate::prepare::identities::Identities;

/// What the keys of shards are made from.
pub(super) struct Keys<'a> {
    pub(super) manifest: &'a Manifest,
    pub(super) identities: &'a Identities,
    /// With the paths of this machine.
    pub(super) plan: &'a Plan,
    pub(super) now: Timestamp,
}

impl Keys<'_> {
    /// The files of every shard. Makes authorities, reads certificates, and blocks meanwhile.
    ///
    /// # Errors
    ///
    /// The key of a root is not here, or a certificate can't be read.
    pub(super) fn of_shards(&self, count: NonZeroU32) -> Result<Vec<ShardFiles>, Failure> {
        let roots = self.roots()?;
        let shards = (0..count.get()).map(|index| Shard { index, count });
        shards.map(|shard| self.of_shard(shard, &roots)).collect()
    }

    fn of_shard(&self, shard: Shard, roots: &BTreeMap<usize, Root<'_>>) -> Result<ShardFiles, Failure> {
        let devices = self.plan.devices(shard).map_err(Failure::refused)?;
        let mut files = ShardFiles {
            devices: u32::try_from(devices.len()).unwrap_or(u32::MAX),
            ..ShardFiles::default()
        };
        for (index, group) in self.plan.groups.iter().enumerate() {
            let ids: Vec<&RegistrationId> = devices
                .iter()
                .filter(|(of, _)| *of == index)
                .map(|(_, id)| id)
                .collect();
            if ids.is_empty() {
                continue;
            }
            match &group.credentials {
                CredentialSource::Group(_) => {
                    if let Some(root) = roots.get(&index) {
                        files.authorities.extend(root.authority(shard, self.now)?);
                    }
                }
                CredentialSource::Individual(folder) => {
                    for id in ids {
                        files.certificates.extend(individual(folder, id)?);
                    }
                }
                CredentialSource::Files(own) | CredentialSource::Pattern(own) => {
                    files.certificates.extend(own_files(index, own, &ids)?);
                }
            }
        }
        Ok(files)
    }

    /// The roots of the groups whose leaves are made elsewhere, by the index of the group in the plan.
    fn roots(&self) -> Result<BTreeMap<usize, Root<'_>>, Failure> {
        let (mut roots, mut missing) = (BTreeMap::new(), Vec::new());
        for (index, group) in self.plan.groups.iter().enumerate() {
            if !matches!(group.credentials, CredentialSource::Group(_)) {
                continue;
            }
            let both = self.manifest.group.iter().zip(&self.identities.groups);
            let Some((spec, identities)) = both.into_iter().find(|(spec, _)| spec.id == group.name) else {
                continue;
            };
            match &identities.ca.root {
                Some(root) => {
                    roots.insert(index, Root { group: spec, root });
                }
                None => missing.push(root_key(identities)),
            }
        }
        if missing.is_empty() {
            return Ok(roots);
        }
        let reason = anyhow!(
            "the key of a root CA is not here, and it has to sign an authority for each shard: {}",
            missing.join(", ")
        );
        Err(Failure::refused(reason.hint(
            "export where the root's key is; it is not exported, and may be taken away afterwards",
        )))
    }
}

fn root_key(identities: &GroupIdentities) -> String {
    let certificate = identities.folder.ca_cert(identities.ca.generation, Issuer::Root);
    format!("`{}`", shown::path(&certificate.with_file_name("root_key.pem")))
}

/// The root of a group.
struct Root<'a> {
    group: &'a Group,
    root: &'a CertificateAuthority,
}

impl Root<'_> {
    /// A new authority for one shard of the group. It signs leaves, but no further CAs.
    fn authority(&self, shard: Shard, now: Timestamp) -> anyhow::Result<[ExportFile; 2]> {
        let group = &self.group.id;
        let lifetime = Lifetime::of_leaves(self.group.validity.0);
        // A common name has 64 characters.
        let short: String = group.chars().take(32).collect();
        let name = format!("{short} shard {} of {}", shard.index, shard.count);
        let authority = self
            .root
            .intermediate(&name, self.group.key, lifetime.intermediate(now))
            .with_context(|| format!("the authority of shard {shard} for {group} can't be made"))?;
        Ok([
            ExportFile::secret(format!("{group}/{}", leaves::CERTIFICATE), authority.cert_pem()),
            ExportFile::secret(format!("{group}/{}", leaves::KEY), authority.key_pem()),
        ])
    }
}

fn individual(folder: &Path, id: &RegistrationId) -> anyhow::Result<Vec<ExportFile>> {
    let folder = IndividualFolder::at(folder.join(id.as_str()));
    let mut paths = vec![folder.path().join("current")];
    for slot in [Slot::Primary, Slot::Secondary] {
        let pair = folder.pair_paths(slot);
        if slot == Slot::Primary || pair.cert.exists() {
            paths.extend([pair.cert, pair.key]);
        }
    }
    let copied = |path: PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        copy(&path, format!("{INDIVIDUAL}/{id}/{name}"))
    };
    paths.into_iter().map(copied).collect()
}

/// The folder for a user's own files of the group of that index.
fn own_folder(group: usize) -> String {
    format!("own-{group}")
}

/// A name that keeps the ending, which shows a person what it is.
fn own_name(stem: &str, path: &Path) -> String {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some(ending) => format!("{stem}.{ending}"),
        None => stem.to_owned(),
    }
}

fn own_files(group: usize, own: &Files, ids: &[&RegistrationId]) -> anyhow::Result<Vec<ExportFile>> {
    let folder = own_folder(group);
    let mut files = Vec::new();
    for id in ids {
        for (stem, path) in [("certificate", Some(&own.certificate)), ("key", own.key.as_ref())] {
            let Some(path) = path else { continue };
            let name = own_name(stem, path);
            files.push(copy(
                &path_of_device(path, id.as_str()),
                format!("{folder}/{id}/{name}"),
            )?);
        }
    }
    if let Some(password) = &own.password_file {
        files.push(copy(password, format!("{folder}/password"))?);
    }
    Ok(files)
}

fn copy(from: &Path, to: String) -> anyhow::Result<ExportFile> {
    let content = fs::read(from).with_context(|| format!("can't read `{}`", shown::path(from)))?;
    Ok(ExportFile {
        path: to,
        content: Zeroizing::new(content),
        access: Access::Owner,
    })
}

/// The plan with the paths of a container in the place of those of this machine.
pub(super) fn in_container(mut plan: Plan) -> Plan {
    plan.state = Some(format!("{}/state", container::WORK).into());
    plan.target.ca = plan
        .target
        .ca
        .map(|_| format!("{}/{}", container::CONFIG, container::TARGET_CA).into());
    for (index, group) in plan.groups.iter_mut().enumerate() {
        group.credentials = credentials(index, group);
    }
    plan
}

fn credentials(index: usize, group: &plan::Group) -> CredentialSource {
    let own = |files: &Files| {
        let folder = format!("{}/{}", container::CERTIFICATES, own_folder(index));
        let of_device = |stem, path: &PathBuf| format!("{folder}/{{device_id}}/{}", own_name(stem, path)).into();
        CredentialSource::Pattern(Files {
            certificate: of_device("certificate", &files.certificate),
            key: files.key.as_ref().map(|path| of_device("key", path)),
            password_variable: None,
            password_file: files
                .password_file
                .as_ref()
                .map(|_| format!("{folder}/password").into()),
        })
    };
    match &group.credentials {
        CredentialSource::Group(_) => CredentialSource::Group(format!("{}/{}", container::LEAVES, group.name).into()),
        CredentialSource::Individual(_) => {
            CredentialSource::Individual(format!("{}/{INDIVIDUAL}", container::CERTIFICATES).into())
        }
        CredentialSource::Files(files) | CredentialSource::Pattern(files) => own(files),
    }
}
