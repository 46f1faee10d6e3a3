//! Whether a roll and the live run beside it mean the same devices: a roll of 100 of a run's 500 would leave the other 400
//! without a certificate that is accepted.

use anyhow::anyhow;
use serde_json::{Map, Value, json};

use crate::exit::Failure;
use crate::manifest::Manifest;
use crate::paths::absolute;
use device_sim::hint::Hint;

/// So many differences are named.
const NAMED: usize = 5;
/// What a device does with its certificate is no matter for a roll.
const NO_MATTER: [&str; 3] = ["telemetry", "model", "room"];

/// What a roll goes by: the devices of a manifest and how their certificates are made.
///
/// # Errors
///
/// This process has no current folder.
pub(crate) fn figures(manifest: &Manifest) -> anyhow::Result<Value> {
    let certs = absolute(&manifest.fleet.certs)?;
    let mut groups = Map::new();
    for group in &manifest.group {
        groups.insert(group.id.clone(), without_matter(serde_json::to_value(group)?));
    }
    let mut individuals = Map::new();
    for individual in &manifest.individual {
        let value = serde_json::to_value(individual)?;
        let name = value["device_id"].as_str().or(value["devices"]["prefix"].as_str());
        individuals.insert(name.unwrap_or_default().to_owned(), without_matter(value));
    }
    Ok(json!({ "fleet": { "certs": certs }, "group": groups, "individual": individuals }))
}

fn without_matter(mut value: Value) -> Value {
    if let Value::Object(keys) = &mut value {
        keys.retain(|key, _| !NO_MATTER.contains(&key.as_str()));
    }
    value
}

/// The manifest as the run has it: ours, or ours with the `--set` of the run; and what that is, to be reported.
///
/// # Errors
///
/// It is another one all the same.
pub(crate) fn as_the_run_has_it(
    ours: Manifest,
    run: &Value,
    set_by_run: &[String],
    with: impl FnOnce(&[String]) -> Result<Manifest, Failure>,
) -> Result<(Manifest, Option<String>), Failure> {
    let found = differences(run, &figures(&ours)?);
    if run.is_null() || found.is_empty() {
        return Ok((ours, None));
    }
    let theirs = with(set_by_run).ok();
    if let Some(theirs) = theirs
        && differences(run, &figures(&theirs)?).is_empty()
    {
        return Ok((
            theirs,
            Some(format!(
                "takes the figures of the run: --set {}",
                set_by_run.join(" --set ")
            )),
        ));
    }
    let more = found.len().saturating_sub(NAMED);
    let mut words = found.into_iter().take(NAMED).collect::<Vec<_>>().join("\n");
    if more > 0 {
        words += &format!("\nand {more} more");
    }
    Err(Failure::refused(
        anyhow!("{words}")
            .hint("roll with the manifest and the --set of the run")
            .context("the run has other figures"),
    ))
}

/// Each with its key and both values.
fn differences(run: &Value, ours: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", run, ours, &mut found);
    found
}

fn compare(path: &str, run: &Value, ours: &Value, found: &mut Vec<String>) {
    match (run, ours) {
        (Value::Object(theirs), Value::Object(mine)) => {
            let mut keys: Vec<&String> = theirs.keys().chain(mine.keys()).collect();
            keys.sort_unstable();
            keys.dedup();
            for key in keys {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                let of = |map: &Map<String, Value>| map.get(key).cloned().unwrap_or(Value::Null);
                compare(&path, &of(theirs), &of(mine), found);
            }
        }
        (run, ours) if run == ours => {}
        (run, ours) => found.push(format!("{path} is {} in the run and {} here", shown(run), shown(ours))),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "not there".to_owned(),
        Value::Object(_) => "there".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn manifest(set: &[&str]) -> Result<Manifest, Failure> {
        let text = r#"
            [fleet]
            name = "demo"
            [target]
            kind = "emulator"
            [[group]]
            id = "a"
            devices = { prefix = "a-", count = 2 }
            [[individual]]
            device_id = "lab"
        "#;
        let set: Vec<_> = set.iter().map(|&set| set.to_owned()).collect();
        Ok(crate::manifest::parse("fleet.toml", text, Path::new("."), &set)?)
    }

    const MORE: &str = "group.a.devices.count=5";

    #[test]
    fn a_roll_uses_the_settings_of_the_run() {
        let run = figures(&manifest(&[MORE]).unwrap()).unwrap();
        let with = |_: &[String]| manifest(&[MORE]);
        let (taken, notice) = as_the_run_has_it(manifest(&[]).unwrap(), &run, &[MORE.to_owned()], with).unwrap();
        assert_eq!(taken.group[0].devices.count, 5);
        assert_eq!(notice.unwrap(), format!("takes the figures of the run: --set {MORE}"));
    }

    #[test]
    fn what_a_device_sends_is_no_matter_and_the_same_figures_are_taken_as_they_are() {
        let run = figures(&manifest(&["group.a.telemetry.interval=\"9s\""]).unwrap()).unwrap();
        let never = |_: &[String]| panic!("it is the same fleet");
        let (_, notice) = as_the_run_has_it(manifest(&[]).unwrap(), &run, &[], never).unwrap();
        assert_eq!(notice, None);
    }

    #[test]
    fn another_fleet_is_refused_with_its_differences() {
        let run = figures(&manifest(&[MORE]).unwrap()).unwrap();
        let error = as_the_run_has_it(manifest(&[]).unwrap(), &run, &[], |_| manifest(&[])).unwrap_err();
        assert_eq!(error.code(), crate::exit::REFUSED);
        let words = error.to_string();
        assert!(
            words.contains("group.a.devices.count is 5 in the run and 2 here"),
            "{words}"
        );
    }
}
