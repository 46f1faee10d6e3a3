//! The two programs that `fleet` carries: `fleet device-sim` and `fleet emulator`

use device_sim::logs;

use super::drive::in_runtime;
use crate::exit::{Failure, PASSED};

pub(super) fn device_sim(args: device_sim::cli::Args) -> Result<u8, Failure> {
    use device_sim::cli::RunError;
    logs::to_stderr(args.log_filter());
    in_runtime(async {
        let done = device_sim::cli::run(args, device_sim::shutdown_signal()).await;
        done.map_err(|error| match error {
            RunError::NotStarted(error) => Failure::refused(error),
            error @ RunError::Output(_) => Failure::Failed(error.into()),
        })
    })?;
    Ok(PASSED)
}

pub(super) fn emulator(args: emulator_page::cli::Args) -> Result<u8, Failure> {
    logs::to_stderr("warn");
    in_runtime(async {
        emulator_page::cli::run(args, emulator_page::cli::stop_signal())
            .await
            .map_err(|error| match error.downcast::<iot_emulator::StartError>() {
                Ok(not_started) => Failure::refused(not_started),
                Err(error) => Failure::Failed(error),
            })
    })?;
    Ok(PASSED)
}
