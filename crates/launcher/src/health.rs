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
    let figures = reached(state, app)?
        .figures()
        .await
        .with_context(|| format!("the emulator at {app} does not answer"))?;
    print(format_args!("{figures}\n"))?;
    Ok(PASSED)
}

/// How much telemetry of a run that emulator has received since its start.
///
/// # Errors
///
/// It does not answer, or the folder is not one of an emulator.
pub(crate) async fn received(state: &Path, app: &str, run: &str) -> anyhow::Result<Received> {
    let received = reached(state, app)?.received(run).await;
    received.with_context(|| format!("the emulator at {app} does not answer"))
}

fn reached(state: &Path, app: &str) -> anyhow::Result<Application> {
    let token_file = state.join("api_token");
    let token = std::fs::read_to_string(&token_file)
        .with_context(|| format!("can't read the API token from `{}`", shown::path(&token_file)))
        .hint("give the state folder of a `fleet emulator` that runs")?;
    Application::new(app, token.trim(), Some(&state.join("ca_cert.pem")))
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
