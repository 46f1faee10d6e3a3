//! What a shell offers for values that stand in the manifest on the line: groups, devices, and the paths of its keys.
//!
//! An argument whose values these are carries one of the completers; `cli/completions.rs` asks them.

use std::ffi::OsStr;
use std::path::Path;

use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use serde_json::Value;

use crate::manifest::{self, Manifest};

/// A shell shows no more at once, and a fleet can have a million devices.
const MOST: usize = 200;

/// The groups of the manifest, as orders and events name them.
pub(crate) fn groups() -> ArgValueCompleter {
    completer(|manifest, typed| beginning(manifest.group_names().into_iter().map(str::to_owned), typed))
}

/// The devices of the manifest.
pub(crate) fn devices() -> ArgValueCompleter {
    completer(|manifest, typed| beginning(device_ids(manifest), typed))
}

/// The keys of the manifest with what they are now, for `--set`.
pub(crate) fn paths() -> ArgValueCompleter {
    completer(|manifest, typed| {
        let mut paths = Vec::new();
        if let Ok(value) = serde_json::to_value(manifest) {
            collect(&value, "", &mut paths);
        }
        beginning(paths.into_iter(), typed)
    })
}

fn completer(of: fn(&Manifest, &str) -> Vec<String>) -> ArgValueCompleter {
    ArgValueCompleter::new(move |typed: &OsStr| {
        let (Some(manifest), Some(typed)) = (on_the_line(), typed.to_str()) else {
            return Vec::new();
        };
        let candidates = of(&manifest, typed).into_iter();
        candidates.map(CompletionCandidate::new).collect::<Vec<_>>()
    })
}

/// The first word of the line that is a manifest. A shell asks while a person types, so what can't be read offers nothing.
fn on_the_line() -> Option<Manifest> {
    let words = std::env::args_os().skip_while(|word| word != "--").skip(1);
    let mut files = words.filter(|word| {
        let path = Path::new(word);
        path.extension().is_some_and(|extension| extension == "toml") && path.is_file()
    });
    manifest::load(Path::new(&files.next()?), &[]).ok()
}

fn beginning(all: impl Iterator<Item = String>, typed: &str) -> Vec<String> {
    all.filter(|candidate| candidate.starts_with(typed))
        .take(MOST)
        .collect()
}

fn device_ids(manifest: &Manifest) -> impl Iterator<Item = String> + '_ {
    let of_groups = manifest
        .group
        .iter()
        .flat_map(|group| (0..group.devices.count).map(|index| group.devices.id(index)));
    let individual = manifest
        .individual
        .iter()
        .filter_map(|individual| individual.ids().ok());
    of_groups.chain(individual.flatten().map(|id| id.as_str().to_owned()))
}

/// Every key that holds a value, as `--set` takes it: an entry of a list goes by its id.
fn collect(value: &Value, path: &str, paths: &mut Vec<String>) {
    let below = |name: &str| match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    };
    match value {
        Value::Object(members) => members
            .iter()
            .for_each(|(name, value)| collect(value, &below(name), paths)),
        Value::Array(entries) if entries.iter().any(Value::is_object) => {
            for entry in entries {
                if let Some(id) = entry["id"].as_str() {
                    collect(entry, &below(id), paths);
                }
            }
        }
        _ => paths.push(format!("{path}=")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let text = "[fleet]\nname = \"f\"\n[target]\nkind = \"emulator\"\n[[group]]\nid = \"lab\"\n\
                    devices = { prefix = \"t-\", count = 1000 }\n[[individual]]\ndevice_id = \"bench\"\n";
        manifest::parse("f.toml", text, Path::new("."), &[]).unwrap()
    }

    #[test]
    fn what_is_offered_begins_with_what_is_typed() {
        let manifest = manifest();
        assert_eq!(beginning(device_ids(&manifest), "t-010").len(), 10);
        assert_eq!(beginning(device_ids(&manifest), "").len(), MOST);
        assert_eq!(beginning(device_ids(&manifest), "b"), ["bench"]);
    }

    #[test]
    fn every_path_that_is_offered_can_be_set() {
        let mut paths = Vec::new();
        collect(&serde_json::to_value(manifest()).unwrap(), "", &mut paths);
        for path in ["fleet.seed=", "load.register_rate=", "group.lab.devices.count="] {
            assert!(paths.iter().any(|offered| offered == path), "{path} in {paths:?}");
        }
    }
}
