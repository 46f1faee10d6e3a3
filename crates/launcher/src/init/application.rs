//! What the application has, asked by REST before anything is written.

use anyhow::{Context, anyhow};
use device_sim::console;
use device_sim::hint::Hint;
use provisioning::central::Pace;
use provisioning::central::schema::response::EnrollmentGroup;

use super::Options;
use super::catalog::Catalog;
use crate::exit::Failure;
use crate::prepare::application::{Application, token_hint};
use crate::prepare::reach;
use crate::progress::ProgressLog;

/// The variable of the API token where no other is named.
pub(super) const TOKEN_VARIABLE: &str = "IOTC_API_TOKEN";

/// The device templates and the enrollment groups.
///
/// # Errors
///
/// There is no token, or the application can't be asked.
pub(super) async fn listed(
    app: &str,
    variable: &str,
    options: &Options,
) -> Result<(Catalog, Vec<EnrollmentGroup>), Failure> {
    let token = token(variable)?;
    let ca = options.ca.as_deref();
    let application = Application::new(app, &token, ca).map_err(Failure::Refused)?;
    // A client that tries again and again takes long to find out what is wrong.
    reach::application_at(app, ca, ProgressLog::begin()).await?;
    let central = application
        .central
        .with_pace(Pace::IOT_CENTRAL)
        .on_trouble(console::note);
    let templates = central.device_templates().await;
    let templates = templates.context("the device templates of the application can't be listed");
    let templates = templates.map_err(Failure::Refused)?;
    let groups = central.enrollment_groups().await;
    let groups = groups.context("the enrollment groups of the application can't be listed");
    Ok((Catalog::of(&templates), groups.map_err(Failure::Refused)?))
}

/// Whether a token is at hand, so that the application can be asked.
pub(super) fn has_token(variable: &str) -> bool {
    std::env::var(variable).is_ok_and(|token| !token.trim().is_empty())
}

fn token(variable: &str) -> Result<String, Failure> {
    let wrong = match std::env::var(variable) {
        Ok(token) if !token.trim().is_empty() => return Ok(token.trim().to_owned()),
        Ok(_) => "is empty",
        Err(_) => "is not set",
    };
    Err(Failure::refused(
        anyhow!(
            "the device templates can't be listed: the environment variable {variable}, for the API token, {wrong}"
        )
        .hint(token_hint(variable))
        .hint("or give --group ID=COUNT, for thermostats; the application is not asked then"),
    ))
}
