//! Device templates: IoT Central's form of a model.

use serde_json::Value;

use super::{EnrollError, Outcome, Reporter, Step};
use crate::central::Central;

/// Makes sure that the application has a published template of a model.
///
/// `template` is published under the model's own id where no template of that model is there, under whatever id. One that is
/// there is left as it is: views and names of an application are its builders' work.
pub async fn publish_template(
    central: &Central,
    model_id: &str,
    template: &Value,
    reporter: Reporter<'_>,
) -> Result<Outcome, EnrollError> {
    let model = || model_id.to_owned();
    if has_template(central, model_id).await? {
        reporter(Step::TemplateFound { model: model() });
        return Ok(Outcome::Unchanged);
    }
    central.put_device_template(model_id, template).await?;
    reporter(Step::TemplatePublished { model: model() });
    Ok(Outcome::Changed)
}

/// Whether the application has a template of a model.
pub async fn has_template(central: &Central, model_id: &str) -> Result<bool, EnrollError> {
    Ok(find_template(central, model_id).await?.is_some())
}

/// The template of this id, or else the one whose model has it.
pub async fn find_template(central: &Central, id: &str) -> Result<Option<Value>, EnrollError> {
    match central.device_template(id).await {
        Ok(template) => return Ok(Some(template)),
        Err(error) if error.is_not_found() => {}
        Err(error) => return Err(error.into()),
    }
    let templates = central.device_templates().await?;
    Ok(templates
        .into_iter()
        .find(|template| template["capabilityModel"]["@id"] == id))
}
