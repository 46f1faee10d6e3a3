//! A program that a demonstration has started: its own executable, with a subcommand.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use iot_protocol::shown;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::heard::Heard;
use crate::demo::command::FleetCommand;
use crate::process::child::{Child, Environment};

/// What was asked to stop is killed after this time.
const STOPPED_WITHIN: Duration = Duration::from_secs(15);

/// A program, and what it has written.
#[derive(Debug)]
pub(in crate::demo) struct Program {
    child: Child,
    /// Until all of it has been read.
    stdout: Option<JoinHandle<()>>,
    pub(super) heard: Heard,
    log: PathBuf,
}

impl Program {
    /// Starts `command`. What it writes is appended to the file `log`.
    pub(super) fn start(executable: &Path, name: &str, command: &FleetCommand, log: &Path) -> anyhow::Result<Self> {
        let file = File::options()
            .append(true)
            .create(true)
            .open(log)
            .with_context(|| format!("can't write `{}`", shown::path(log)))?;
        let heard = Heard::new(file);
        let stderr = heard.clone();
        let environment = Environment::of_dependent();
        let on_line = move |line: &str| stderr.line(line);
        let started = Child::start_heard(executable, name, command.arguments(), &environment, on_line);
        let (child, mut lines) = started?;
        let stdout = tokio::spawn({
            let heard = heard.clone();
            async move {
                while let Ok(Some(line)) = lines.next_line().await {
                    heard.line(&line);
                }
            }
        });
        Ok(Self {
            child,
            stdout: Some(stdout),
            heard,
            log: log.to_owned(),
        })
    }

    /// Waits for its end: its exit code, where no signal ended it. What it wrote has been read then.
    pub(super) async fn ended(&mut self) -> anyhow::Result<Option<i32>> {
        let ended = self.child.ended().await?;
        if let Some(stdout) = &mut self.stdout {
            // It ends with the pipe; only a panic could be an error here, and there is nothing left to read then.
            let _ = stdout.await;
            self.stdout = None;
        }
        Ok(ended.status.code())
    }

    /// Fails where it has ended, which it should not have.
    pub(super) fn check(&mut self) -> anyhow::Result<()> {
        if self.child.has_ended() {
            bail!("{} has ended, see `{}`", self.child.name(), shown::path(&self.log));
        }
        Ok(())
    }

    /// Asks it to stop, in both ways that our programs take, and waits; kills it where that takes too long.
    pub(super) async fn stop(mut self) {
        self.child.stop();
        self.child.terminate();
        if timeout(STOPPED_WITHIN, self.child.ended()).await.is_err() {
            self.child.kill();
            // What was killed ends, and nothing is left to be done where the system has lost it.
            let _ = self.child.ended().await;
        }
    }

    pub(super) fn name(&self) -> &str {
        self.child.name()
    }

    pub(super) fn log(&self) -> &Path {
        &self.log
    }
}
