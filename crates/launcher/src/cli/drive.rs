//! How a verb is carried out: its runtime and its signals.

use std::future::Future;
use std::path::PathBuf;

use anyhow::Context;

use crate::exit::Failure;
use crate::interrupts::Interrupts;

pub(super) fn in_runtime<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("can't start the runtime")?;
    let done = runtime.block_on(work);
    // A read of stdin, or the making of certificates after Ctrl-C, must not keep the process from ending.
    runtime.shutdown_background();
    done
}

/// The same for work that Ctrl-C ends.
pub(super) fn interruptible<T>(work: impl AsyncFnOnce(Interrupts) -> Result<T, Failure>) -> Result<T, Failure> {
    in_runtime(async {
        let interrupts = Interrupts::listen().context("can't listen to signals")?;
        work(interrupts).await
    })
}

pub(super) fn executable() -> anyhow::Result<PathBuf> {
    std::env::current_exe().context("can't find out where this program is")
}
