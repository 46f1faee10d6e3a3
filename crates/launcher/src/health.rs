//! `fleet health`: whether a part of a fleet is well, asked by the program itself, so that a container's image needs no
//! other.

use std::path::Path;

use anyhow::Context;
use device_sim::hint::Hint;
use fleet_report::totals::Received;
use iot_protocol::shown;

use crate::exit::{Failure, PASSED, print};
use crate::prepare::application::Application;
use crate::sim;

/// Asks the emulator at `app`, whose state folder is `state`, and prints what it counts.
///
/// # Errors
///
/// It does not answer, or the folder is not one of an emulator.
pub(crate) async fn emulator(state: &Path, app: &str) -> Result<u8, Failure> {
    let figures = reach(state, app)?
        .figures()
        .await
        .with_context(|| format!("the emulator at {app} does not answer"))?;
    print(format_args!("{figures}\n"))?;
    Ok(PASSED)
}

/// How much telemetry of a run the emulator at `app` has received since its start.
///
/// # Errors
///
/// It does not answer.
pub(crate) async fn received(emulator: &Application, app: &str, run: &str) -> anyhow::Result<Received> {
    let received = emulator.received(run).await;
    received.with_context(|| format!("the emulator at {app} does not answer"))
}

/// The way to the emulator at `app`, whose state folder is `state`. Whether it answers is not known yet.
///
/// # Errors
///
/// The folder is not one of an emulator.
pub(crate) fn reach(state: &Path, app: &str) -> anyhow::Result<Application> {
    const HINT: &str = "give the state folder of a `fleet emulator` that runs";
    let token_file = state.join("api_token");
    let token = std::fs::read_to_string(&token_file)
        .with_context(|| format!("can't read the API token from `{}`", shown::path(&token_file)))
        .hint(HINT)?;
    Application::new(app, token.trim(), Some(&state.join("ca_cert.pem"))).hint(HINT)
}

/// Looks whether the `fleet sim` that is the process `pid` of this host is at work.
///
/// # Errors
///
/// It is not.
pub(crate) fn sim(results: &Path, pid: u32) -> Result<u8, Failure> {
    sim::health(results, pid, jiff::Timestamp::now())?;
    Ok(PASSED)
}
