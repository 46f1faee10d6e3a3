//! Making the credentials of one fleet.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use device_sim::hint::Hint;
use files::{Access, Durability, write_whole};
use fleet_protocol::plan::Shard;
use fleet_report::words::counted;
use iot_protocol::shown;
use jiff::Timestamp;
use provisioning::certificate::make::{CertificateAuthority, KeyType, Made, Validity};
use zeroize::Zeroizing;

use super::{CA, Pair, folder_of_sim, name_of_sim};
use crate::collect::address::Host;
use crate::exit::Failure;
use crate::keep;

/// As many shards are more than any scheduler that we know runs at once, and few enough to be made in a second.
pub(super) const MOST_SHARDS: u32 = 4096;
/// What the collector is reached under in any case: by a sim on its own machine, and through a tunnel.
const OWN_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Credentials that are asked for.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// Where they go.
    pub(crate) folder: PathBuf,
    /// What the collector is reached under.
    pub(crate) names: Vec<Host>,
    /// For how many sims.
    pub(crate) shards: NonZeroU32,
}

impl Request {
    /// Makes sure that they can be made, before anything else is.
    ///
    /// # Errors
    ///
    /// They can't.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        few_enough(self.shards).map_err(Failure::Refused)?;
        keep::try_folder("--collector-credentials", &self.folder)
    }

    /// Makes them, and returns where they are, in words.
    ///
    /// # Errors
    ///
    /// They can't be made or written.
    pub(crate) fn make(&self, now: Timestamp) -> anyhow::Result<String> {
        make(&self.folder, &self.names, self.shards, now)?;
        Ok(format!(
            "the credentials of the collector and of {} are in {}, and are valid for a year",
            counted(self.shards.get(), "sim", "sims"),
            shown::path(&self.folder)
        ))
    }
}

/// Makes a CA, the certificate of a collector that is reached under `names`, and one for each shard, valid for a year, and
/// writes them into `folder`, in the place of those that are there. The CA's key is not kept, so nothing can be added later.
///
/// # Errors
///
/// They can't be made or written.
pub(super) fn make(folder: &Path, names: &[Host], shards: NonZeroU32, now: Timestamp) -> anyhow::Result<()> {
    files(names, shards, now)?
        .iter()
        .try_for_each(|file| file.write(folder))
}

/// A file of the credentials.
pub(crate) struct CredentialFile {
    /// Below the folder of the credentials.
    pub(crate) path: PathBuf,
    pub(crate) text: Zeroizing<String>,
    pub(crate) access: Access,
}

/// The same in memory, in the order in which they have to be written.
///
/// # Errors
///
/// They can't be made.
pub(crate) fn files(names: &[Host], shards: NonZeroU32, now: Timestamp) -> anyhow::Result<Vec<CredentialFile>> {
    few_enough(shards)?;
    let (key_type, validity) = (KeyType::P256, Validity::leaf(now));
    let ca = CertificateAuthority::root("fleet collector CA", key_type, validity)?;
    let mut all: Vec<String> = OWN_NAMES.map(str::to_owned).to_vec();
    all.extend(names.iter().map(|name| name.text().to_owned()));
    all.sort_unstable();
    all.dedup();
    let collector = ca.server("fleet collector", &all, key_type, validity)?;
    let mut files = pair(Pair::of_collector(Path::new("")), &collector)
        .into_iter()
        .collect::<Vec<_>>();
    for index in 0..shards.get() {
        let shard = Shard { index, count: shards };
        let own = folder_of_sim(Path::new(""), shard);
        let sim = ca.leaf(&name_of_sim(shard), key_type, validity)?;
        files.extend(pair(Pair::of_sim(&own), &sim));
        files.push(CredentialFile::new(own.join(CA), ca.cert_pem(), Access::Folder));
    }
    // Last: until it is there, none of them is trusted.
    files.push(CredentialFile::new(CA.into(), ca.cert_pem(), Access::Folder));
    Ok(files)
}

fn few_enough(shards: NonZeroU32) -> anyhow::Result<()> {
    ensure!(
        shards.get() <= MOST_SHARDS,
        "--shards {shards}: accepted are 1 to {MOST_SHARDS}"
    );
    Ok(())
}

fn pair(pair: Pair, made: &Made) -> [CredentialFile; 2] {
    [
        CredentialFile::new(pair.key, made.key_pem(), Access::Owner),
        CredentialFile::new(pair.certificate, made.cert_pem(), Access::Folder),
    ]
}

impl CredentialFile {
    fn new(path: PathBuf, text: &str, access: Access) -> Self {
        Self {
            path,
            text: Zeroizing::new(text.to_owned()),
            access,
        }
    }

    fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let path = folder.join(&self.path);
        let parent = path.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent).with_context(|| format!("can't make the folder `{}`", shown::path(parent)))?;
        // They can be made again.
        write_whole(&path, self.text.as_bytes(), self.access, Durability::Cached)
            .with_context(|| format!("can't write `{}`", shown::path(&path)))
            .hint("`--collector-credentials DIR` names another folder")
    }
}
