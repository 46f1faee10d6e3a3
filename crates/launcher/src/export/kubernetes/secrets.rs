//! The files of shards as one Secret: a key for each file, a folder for each shard.

use std::collections::BTreeSet;

use anyhow::anyhow;
use device_sim::hint::Hint;
use fleet_report::words::counted;

use super::kustomization::Generator;
use super::types::Item;
use crate::exit::Failure;
use crate::export::model::ExportFile;

/// What a Secret or a ConfigMap holds
/// (<https://kubernetes.io/docs/concepts/configuration/secret/#restriction-data-size>).
pub(super) const MOST_BYTES: usize = 1024 * 1024;
/// The longest key of a Secret.
const LONGEST_KEY: usize = 253;
/// In the folder of a shard that has no file: a folder that is not there can't be mounted.
const NOTHING: &str = "nothing";

/// A Secret with a folder for each shard.
#[derive(Debug)]
pub(super) struct ShardSecret {
    pub(super) generator: Generator,
    /// For the volume: which key is which file.
    pub(super) items: Vec<Item>,
    /// What is written, below the folder of the Secret.
    pub(super) files: Vec<ExportFile>,
}

impl ShardSecret {
    /// `shards` holds the files of each shard; `folder` is where they are written, and `name` what the Secret is
    /// called.
    ///
    /// # Errors
    ///
    /// They are more than a Secret holds.
    pub(super) fn of(name: &'static str, folder: &str, shards: &[Vec<ExportFile>]) -> Result<Self, Failure> {
        fits(name, shards)?;
        let (mut used, mut secret) = (BTreeSet::new(), Self::empty(name));
        for (index, files) in shards.iter().enumerate() {
            let nothing = [ExportFile::secret(NOTHING, "")];
            let files = if files.is_empty() { &nothing[..] } else { &files[..] };
            for file in files {
                let within = format!("shard-{index}/{}", file.path);
                let key = key(&within, &used);
                let file = file.below(&format!("{folder}/shard-{index}"));
                secret.generator.files.push(format!("{key}={}", file.path));
                secret.files.push(file);
                secret.items.push(Item {
                    key: key.clone(),
                    path: within,
                });
                used.insert(key);
            }
        }
        Ok(secret)
    }

    fn empty(name: &'static str) -> Self {
        Self {
            generator: Generator {
                name,
                files: Vec::new(),
            },
            items: Vec::new(),
            files: Vec::new(),
        }
    }
}

/// Files that every pod may see: the keys of a ConfigMap, below `folder`, and which of them is which file.
///
/// # Errors
///
/// They are more than a ConfigMap holds.
pub(super) fn config_map(
    name: &'static str,
    folder: &str,
    files: &[ExportFile],
) -> Result<(Generator, Vec<Item>, Vec<ExportFile>), Failure> {
    fits(name, std::slice::from_ref(&files.to_vec()))?;
    let (mut used, mut generator) = (BTreeSet::new(), ShardSecret::empty(name).generator);
    let mut items = Vec::new();
    for file in files {
        let key = key(&file.path, &used);
        generator.files.push(format!("{key}={folder}/{}", file.path));
        items.push(Item {
            key: key.clone(),
            path: file.path.clone(),
        });
        used.insert(key);
    }
    Ok((generator, items, files.iter().map(|file| file.below(folder)).collect()))
}

/// The key for a path: what a key may not have becomes a dot, and no two are alike.
fn key(path: &str, used: &BTreeSet<String>) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let key: String = path.chars().map(|c| if allowed(c) { c } else { '.' }).collect();
    if key.len() <= LONGEST_KEY && !used.contains(&key) {
        return key;
    }
    format!("file-{}", used.len())
}

fn fits(name: &str, shards: &[Vec<ExportFile>]) -> Result<(), Failure> {
    let bytes = |files: &Vec<ExportFile>| files.iter().map(|file| file.content.len()).sum::<usize>();
    let total: usize = shards.iter().map(bytes).sum();
    if total <= MOST_BYTES {
        return Ok(());
    }
    let mut left = MOST_BYTES;
    let fit = shards
        .iter()
        .take_while(|files| {
            let needs = bytes(files);
            let fits = needs <= left;
            left = left.saturating_sub(needs);
            fits
        })
        .count();
    let reason = anyhow!(
        "the keys of {} are {total} bytes, and the Secret `{name}` holds {MOST_BYTES}: {fit} of the shards fit",
        counted(shards.len(), "shard", "shards")
    );
    Err(Failure::refused(reason.hint(
        "give fewer shards with more devices each, or split the manifest; devices of enrollment groups need one \
         authority for each shard, others a certificate and a key for each device",
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, bytes: usize) -> ExportFile {
        ExportFile::secret(path, vec![b'x'; bytes])
    }

    #[test]
    fn each_shard_has_its_folder_also_one_without_a_file() {
        let shards = [vec![file("g/ca.key", 3)], Vec::new()];
        let secret = ShardSecret::of("s", "keys", &shards).unwrap();
        let pairs: Vec<_> = secret.items.iter().map(|item| (&*item.key, &*item.path)).collect();
        assert_eq!(
            pairs,
            [
                ("shard-0.g.ca.key", "shard-0/g/ca.key"),
                ("shard-1.nothing", "shard-1/nothing")
            ]
        );
        assert_eq!(secret.generator.files[0], "shard-0.g.ca.key=keys/shard-0/g/ca.key");
        assert_eq!(secret.files[1].path, "keys/shard-1/nothing");
    }

    #[test]
    fn keys_are_valid_and_no_two_are_alike() {
        let long = "g".repeat(250);
        let shards = [vec![file("a:b", 1), file("a.b", 1), file(&long, 1)]];
        let secret = ShardSecret::of("s", "keys", &shards).unwrap();
        let keys: Vec<_> = secret.items.iter().map(|item| &*item.key).collect();
        assert_eq!(keys, ["shard-0.a.b", "file-1", "file-2"]);
    }

    #[test]
    fn more_than_a_secret_holds_is_refused_with_how_many_shards_fit() {
        let shards: Vec<_> = (0..3).map(|_| vec![file("g/ca.key", MOST_BYTES / 2)]).collect();
        let refused = ShardSecret::of("fleet-authorities", "keys", &shards)
            .unwrap_err()
            .to_string();
        assert!(refused.contains("2 of the shards fit"), "{refused}");
        ShardSecret::of("fleet-authorities", "keys", &shards[..2]).unwrap();
    }
}
