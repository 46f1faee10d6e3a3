//! The folder of one enrollment group: where things are, and what a device reads at each connect.

use std::path::{Path, PathBuf};
use std::{fs, io};

use super::files::{Access, Lock, check_name, exists, read_word, write};
use super::{Generation, IdentityError, Issuer, files};
use crate::certificate::load::Identity;

const NUMBER: &str = "the number of a generation, such as 0001";

/// The folder of one enrollment group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupFolder {
    path: PathBuf,
}

/// The three files of one leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeafPaths {
    /// The leaf alone.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The leaf and every intermediate above it: what the device sends.
    pub fullchain: PathBuf,
}

impl GroupFolder {
    /// The folder of `group` below `certs`. Nothing is read or created.
    pub fn new(certs: &Path, group: &str) -> Self {
        Self::at(certs.join(group))
    }

    /// The group whose folder is `path` itself.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of one generation of CAs: `ca` for the first, then `ca-0002` and so on.
    pub fn ca_folder(&self, generation: Generation) -> PathBuf {
        match generation {
            Generation::FIRST => self.path.join("ca"),
            later => self.path.join(format!("ca-{later}")),
        }
    }

    /// The certificate of one of a generation's CAs.
    pub fn ca_cert(&self, generation: Generation, which: Issuer) -> PathBuf {
        self.ca_paths(generation, which).0
    }

    /// The certificate of a CA and its key.
    pub(super) fn ca_paths(&self, generation: Generation, which: Issuer) -> (PathBuf, PathBuf) {
        let folder = self.ca_folder(generation);
        (
            folder.join(format!("{which}_cert.pem")),
            folder.join(format!("{which}_key.pem")),
        )
    }

    /// The generations of CAs of which there is a certificate, oldest first.
    pub fn ca_generations(&self) -> Result<Vec<Generation>, IdentityError> {
        let number = |name: &str| match name {
            "ca" => Some(Generation::FIRST),
            name => name.strip_prefix("ca-")?.parse().ok(),
        };
        let mut found = Vec::new();
        for generation in numbered(&self.path, number)? {
            let (root, intermediate) = (
                self.ca_cert(generation, Issuer::Root),
                self.ca_cert(generation, Issuer::Intermediate),
            );
            if exists(&root)? || exists(&intermediate)? {
                found.push(generation);
            }
        }
        Ok(found)
    }

    /// The folder of one generation of leaves.
    pub(crate) fn generation_folder(&self, generation: Generation) -> PathBuf {
        self.path.join("leaves").join(generation.to_string())
    }

    /// The generations of leaves that were begun, oldest first; only the one in use and those before it are sure to be
    /// complete.
    pub fn leaf_generations(&self) -> Result<Vec<Generation>, IdentityError> {
        numbered(&self.path.join("leaves"), |name| name.parse().ok())
    }

    /// Which generation of CAs has signed a generation of leaves. Where that is not recorded it is the first.
    pub fn signed_by(&self, leaves: Generation) -> Result<Generation, IdentityError> {
        Ok(self.recorded_ca(leaves)?.unwrap_or(Generation::FIRST))
    }

    pub(super) fn recorded_ca(&self, leaves: Generation) -> Result<Option<Generation>, IdentityError> {
        read_generation(&self.recorded_ca_path(leaves))
    }

    /// Written before the first leaf is, so that a generation which was interrupted goes on under the same CA.
    pub(super) fn record_ca(&self, leaves: Generation, ca: Generation) -> Result<(), IdentityError> {
        write_generation(&self.recorded_ca_path(leaves), ca)
    }

    fn recorded_ca_path(&self, leaves: Generation) -> PathBuf {
        self.generation_folder(leaves).join("ca")
    }

    fn current_path(&self) -> PathBuf {
        self.path.join("current")
    }

    /// The generation of leaves in use; `None` before the first one is complete.
    pub fn current_generation(&self) -> Result<Option<Generation>, IdentityError> {
        read_generation(&self.current_path())
    }

    /// The generation of CAs that has signed the leaves in use; the first, before there are any.
    pub fn current_ca(&self) -> Result<Generation, IdentityError> {
        match self.current_generation()? {
            Some(leaves) => self.signed_by(leaves),
            None => Ok(Generation::FIRST),
        }
    }

    /// From now on devices that connect use this generation of leaves, which has to be complete.
    pub(super) fn make_current(&self, leaves: Generation) -> Result<(), IdentityError> {
        // The certificate turns here, for all devices at once and for none in part: one small file is replaced, after every
        // leaf of the generation is on disk. The old leaves stay, since devices keep their sessions until they connect again.
        write_generation(&self.current_path(), leaves)
    }

    /// Keeps other programs from writing to the folder until it is dropped.
    pub(super) fn lock(&self) -> Result<Lock, IdentityError> {
        Lock::take(&self.path)
    }

    /// The files of a device's leaf in `generation`.
    pub fn leaf_paths(&self, generation: Generation, device_id: &str) -> LeafPaths {
        let folder = self.generation_folder(generation);
        let file = |kind: &str| folder.join(format!("{device_id}_{kind}.pem"));
        LeafPaths {
            cert: file("cert"),
            key: file("key"),
            fullchain: file("fullchain"),
        }
    }

    /// Loads the device's chain and key of the generation in use. Reads three small files and blocks meanwhile.
    ///
    /// `current` is read once, so chain and key are of the same generation even while a new one takes over.
    pub fn load_current(&self, device_id: &str) -> Result<Identity, IdentityError> {
        check_name(device_id)?;
        let path = self.current_path();
        let generation = self.current_generation()?.ok_or_else(|| {
            files::io_error("read", &path)(io::Error::new(
                io::ErrorKind::NotFound,
                "no generation of leaves is complete",
            ))
        })?;
        let paths = self.leaf_paths(generation, device_id);
        Ok(Identity::load(&paths.fullchain, &paths.key)?)
    }
}

fn read_generation(path: &Path) -> Result<Option<Generation>, IdentityError> {
    let Some(word) = read_word(path)? else {
        return Ok(None);
    };
    match word.parse() {
        Ok(generation) => Ok(Some(generation)),
        Err(_) => Err(IdentityError::BadCurrent {
            path: path.to_owned(),
            content: word,
            expected: NUMBER,
        }),
    }
}

fn write_generation(path: &Path, generation: Generation) -> Result<(), IdentityError> {
    write(path, format!("{generation}\n").as_bytes(), Access::Folder)
}

/// What the names of the entries of a folder number, in order; other entries are not ours.
fn numbered(folder: &Path, number: impl Fn(&str) -> Option<Generation>) -> Result<Vec<Generation>, IdentityError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(reason) if reason.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(reason) => return Err(files::io_error("read", folder)(reason)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(files::io_error("read", folder))?;
        found.extend(entry.file_name().to_str().and_then(&number));
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}
