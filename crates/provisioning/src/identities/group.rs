//! The folder of one enrollment group: where things are, and what a device reads at each connect.

use std::path::{Path, PathBuf};

use super::files::{check_name, read_word};
use super::{IdentityError, files};
use crate::certificate::load::Identity;

/// The name of a group's first generation of leaves.
pub(super) const FIRST_GENERATION: &str = "0001";

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

    /// The files of a CA, `name` being `root` or `intermediate`: its certificate and its key.
    pub(super) fn ca_paths(&self, name: &str) -> (PathBuf, PathBuf) {
        let folder = self.ca_folder();
        (
            folder.join(format!("{name}_cert.pem")),
            folder.join(format!("{name}_key.pem")),
        )
    }

    pub(super) fn ca_folder(&self) -> PathBuf {
        self.path.join("ca")
    }

    /// The certificate of the group's root CA.
    pub fn root_cert(&self) -> PathBuf {
        self.ca_paths("root").0
    }

    /// The certificate of the group's intermediate CA.
    pub fn intermediate_cert(&self) -> PathBuf {
        self.ca_paths("intermediate").0
    }

    /// The folder of one generation of leaves.
    pub fn generation_folder(&self, generation: &str) -> PathBuf {
        self.path.join("leaves").join(generation)
    }

    pub(super) fn current_path(&self) -> PathBuf {
        self.path.join("current")
    }

    /// The generation in use, such as `0001`; `None` before the first one is complete.
    pub fn current_generation(&self) -> Result<Option<String>, IdentityError> {
        let path = self.current_path();
        let generation = read_word(&path)?;
        match generation {
            Some(word) if word.is_empty() || !word.bytes().all(|byte| byte.is_ascii_digit()) => {
                Err(IdentityError::BadCurrent {
                    path,
                    content: word,
                    expected: "the number of a generation, such as 0001",
                })
            }
            generation => Ok(generation),
        }
    }

    /// The files of a device's leaf in `generation`.
    pub fn leaf_paths(&self, generation: &str, device_id: &str) -> LeafPaths {
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
            files::io_error("read", &path)(std::io::Error::new(
                std::io::ErrorKind::NotFound,
                "no generation of leaves is complete",
            ))
        })?;
        let paths = self.leaf_paths(&generation, device_id);
        Ok(Identity::load(&paths.fullchain, &paths.key)?)
    }
}
