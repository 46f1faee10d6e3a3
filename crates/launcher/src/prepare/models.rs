//! The models that the application has: templates that a manifest names, read by REST before anything is planned.

use anyhow::{Context, anyhow, bail};
use device_sim::hint::Hint;
use dtdl::Documents;
use fleet_protocol::plan::{Model, Plan};
use provisioning::enroll::find_template;

use super::application::Application;
use super::target;
use crate::manifest::Manifest;
use crate::manifest::models::{ON_CHANGE_OF_CAPABILITIES, ReadModel};
use crate::manifest::types::Target;

/// Reads the templates that the manifest names and that were not read yet.
///
/// # Errors
///
/// The application can't be asked, does not have one, or has one that is no model.
pub(crate) async fn read_templates(manifest: &mut Manifest) -> anyhow::Result<()> {
    if manifest.models.iter().all(|model| model.read.is_some()) {
        return Ok(());
    }
    let Target::IotCentral(central) = &manifest.target else {
        bail!("`model = {{ template = … }}` needs a target of kind \"iot-central\", whose templates can be read");
    };
    let token = target::token(&manifest.target, |name| std::env::var(name).ok());
    let token = token.map_err(|failure| anyhow!("{failure}"))?;
    let token = token.context("the target has no API token")?;
    let application = Application::new(&central.app, token.secret(), central.endpoint.ca.as_deref())?;
    for model in manifest.models.iter_mut().filter(|model| model.read.is_none()) {
        let id = model.source.clone();
        let found = find_template(&application.central, &id).await?;
        let found = found.ok_or_else(|| {
            anyhow!("the application has no device template `{id}`")
                .hint("the id of the template or of its model stands in IoT Central under Device templates")
        })?;
        model.read = Some(read(&id, &found)?);
    }
    check_profiles(manifest)
}

/// What a manifest is checked for as it is read, for the models that were not there then.
fn check_profiles(manifest: &Manifest) -> anyhow::Result<()> {
    let groups = manifest.group.iter().map(|group| (&group.model, &group.profile));
    let individuals = manifest.individual.iter().map(|one| (&one.model, &one.profile));
    let mut problems = Vec::new();
    for (model, profiles) in groups.chain(individuals) {
        let Model::Own(index) = model.in_plan() else { continue };
        let read = manifest
            .models
            .get(usize::from(index))
            .and_then(|own| own.read.as_ref());
        let why = read.and_then(ReadModel::not_one_number);
        let profile = profiles.iter().find(|profile| profile.on_change.is_some());
        if let (Some(why), Some(profile)) = (why, profile) {
            problems.push(format!(
                "`on_change` of the profile {} compares one number of each message, but {why}\n",
                profile.name
            ));
        }
    }
    if !problems.is_empty() {
        bail!("{}{ON_CHANGE_OF_CAPABILITIES}", problems.concat());
    }
    Ok(())
}

/// The same from a plan, which has them.
///
/// # Errors
///
/// One of its models can't be used.
pub(crate) fn from_plan(manifest: &mut Manifest, plan: &Plan) -> anyhow::Result<()> {
    for (model, planned) in manifest.models.iter_mut().zip(&plan.models) {
        if model.read.is_none() {
            model.read = Some(read(planned.id.as_str(), &planned.document)?);
        }
    }
    Ok(())
}

fn read(id: &str, template: &serde_json::Value) -> anyhow::Result<ReadModel> {
    let mut documents = Documents::new();
    documents.add(&format!("template {id}"), template);
    match documents.read(None) {
        Ok(parsed) => Ok(parsed.into()),
        Err(problems) => Err(anyhow!("the device template can't be used:\n{problems}")),
    }
}
