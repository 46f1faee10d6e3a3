//! The stage: programs that run, and the REST API of the emulator. It decides nothing about the story.

mod dps;
mod heard;
mod program;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use futures_util::future::join_all;
use iot_protocol::shown;
use provisioning::backoff::Backoff;
use provisioning::central::schema::response::JournalEntry;
use provisioning::central::{Central, RetryPolicy};
use provisioning::certificate::load::Identity;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::command::FleetCommand;
use super::place::Addresses;
use crate::prepare::application::Application;
use crate::process::emulator::Ready;
use program::Program;

/// What is waited for comes in seconds; on a busy machine it may take this long.
const PATIENCE: Duration = Duration::from_secs(90);
/// What a program writes about something that has happened follows at once.
const SOON: Duration = Duration::from_secs(2);
/// No command takes longer; a roll that meets trouble takes minutes.
const COMMAND_WITHIN: Duration = Duration::from_secs(5 * 60);
/// The emulator is on this machine: where it does not answer, it is gone.
const RETRY: RetryPolicy = RetryPolicy {
    attempts: 2,
    backoff: Backoff::new(Duration::from_millis(500), Duration::from_secs(1)),
    overall: Duration::from_secs(60),
};
/// How often the emulator is asked whether something has happened.
const ASKED_EVERY: Duration = Duration::from_millis(100);

/// All that has been started.
#[derive(Debug)]
pub(super) struct Stage {
    executable: PathBuf,
    logs: PathBuf,
    /// In the order in which they were started: the emulator first.
    programs: Vec<Program>,
}

/// A command that has ended.
#[derive(Debug)]
pub(super) struct Done {
    /// Its exit code, where no signal ended it.
    pub(super) code: Option<i32>,
    program: Program,
}

impl Done {
    /// The lines that it wrote in which `words` stand.
    pub(super) fn lines(&self, words: &str) -> Vec<String> {
        self.program.heard.with(words)
    }

    /// Fails where it ended otherwise than well.
    pub(super) fn expect(self, code: i32) -> anyhow::Result<Self> {
        if self.code != Some(code) {
            let last = self.lines("").pop().unwrap_or_default();
            let (name, log) = (self.program.name(), shown::path(self.program.log()));
            match self.code {
                Some(code) => bail!("{name} ended with {code}: {}; see `{log}`", shown::text(&last)),
                None => bail!("{name} was killed; see `{log}`"),
            }
        }
        Ok(self)
    }
}

impl Stage {
    /// With nothing on it. `executable` is our own program, `logs` the folder for what programs write.
    pub(super) fn new(executable: PathBuf, logs: PathBuf) -> Self {
        Self {
            executable,
            logs,
            programs: Vec::new(),
        }
    }

    fn launch(&self, name: &str, command: &FleetCommand) -> anyhow::Result<Program> {
        Program::start(&self.executable, name, command, &self.logs.join(format!("{name}.log")))
    }

    /// Runs a command to its end. What it writes is in the log of that name.
    pub(super) async fn run(&mut self, name: &str, command: &FleetCommand) -> anyhow::Result<Done> {
        let mut program = self.launch(name, command)?;
        let code = timeout(COMMAND_WITHIN, program.ended())
            .await
            .with_context(|| format!("{name} takes too long, see `{}`", shown::path(program.log())))??;
        Ok(Done { code, program })
    }

    /// Starts a program that goes on until it is stopped.
    pub(super) fn start(&mut self, name: &str, command: &FleetCommand) -> anyhow::Result<()> {
        let program = self.launch(name, command)?;
        self.programs.push(program);
        Ok(())
    }

    /// Waits for a line of a running program in which `words` stand.
    pub(super) async fn line(&mut self, name: &str, words: &str) -> anyhow::Result<String> {
        let heard = self.find(name)?.heard.clone();
        let program = self.find(name)?;
        tokio::select! {
            line = timeout(PATIENCE, heard.wait_for(words)) => {
                line.with_context(|| format!("{name} did not write `{words}` within {} s", PATIENCE.as_secs()))
            }
            ended = program.ended() => match heard.with(words).pop() {
                Some(line) => Ok(line),
                None => bail!("{name} ended with {:?}, see `{}`", ended?, shown::path(program.log())),
            },
        }
    }

    /// The line that a running program has written, or writes soon, in which `words` stand. `None` where it does not.
    pub(super) async fn soon(&mut self, name: &str, words: &str) -> Option<String> {
        let heard = self.find(name).ok()?.heard.clone();
        timeout(SOON, heard.wait_for(words)).await.ok()
    }

    /// The lines that a running program wrote in which `words` stand.
    pub(super) fn lines(&mut self, name: &str, words: &str) -> anyhow::Result<Vec<String>> {
        Ok(self.find(name)?.heard.with(words))
    }

    /// Fails where a program has ended that should go on.
    pub(super) fn check(&mut self) -> anyhow::Result<()> {
        self.programs.iter_mut().try_for_each(Program::check)
    }

    /// Asks again and again, until there is an answer. Fails where a program ends meanwhile.
    pub(super) async fn until<T>(
        &mut self,
        what: &str,
        mut ask: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<T> {
        let until = Instant::now() + PATIENCE;
        let mut ticks = interval(ASKED_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.check()?;
            if let Some(found) = ask().await? {
                return Ok(found);
            }
            if Instant::now() >= until {
                bail!("{what} did not happen within {} s", PATIENCE.as_secs());
            }
        }
    }

    /// The entry of the journal after `since` that `is_it`.
    pub(super) async fn entry(
        &mut self,
        central: &Central,
        since: u64,
        what: &str,
        is_it: impl Fn(&JournalEntry) -> bool,
    ) -> anyhow::Result<JournalEntry> {
        let ask = async || {
            let entries = central.emulator_journal(since).await?;
            Ok(entries.into_iter().find(|entry| is_it(entry)))
        };
        self.until(what, ask).await
    }

    /// Stops a program.
    pub(super) async fn stop(&mut self, name: &str) {
        if let Some(index) = self.programs.iter().position(|program| program.name() == name) {
            self.programs.remove(index).stop().await;
        }
    }

    /// Waits for the end of a program that was asked to end, and returns its exit code.
    pub(super) async fn end(&mut self, name: &str) -> anyhow::Result<Option<i32>> {
        let code = timeout(PATIENCE, self.find(name)?.ended())
            .await
            .with_context(|| format!("{name} has not ended"))??;
        self.programs.retain(|program| program.name() != name);
        Ok(code)
    }

    /// Stops everything: the emulator last, since devices disconnect from it.
    pub(super) async fn close(&mut self) {
        let devices = self.programs.split_off(self.programs.len().min(1));
        join_all(devices.into_iter().map(Program::stop)).await;
        join_all(self.programs.drain(..).map(Program::stop)).await;
    }

    fn find(&mut self, name: &str) -> anyhow::Result<&mut Program> {
        let found = self.programs.iter_mut().find(|program| program.name() == name);
        found.with_context(|| format!("{name} is not running"))
    }
}

/// The emulator, ready: where it is, and its REST API.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) at: Addresses,
    pub(super) application: Application,
    /// Where its page is.
    pub(super) page: String,
    /// The token of its REST API. A secret.
    pub(super) token: String,
}

impl Running {
    /// The emulator whose ready line is `line`.
    pub(super) fn parse(line: &str) -> anyhow::Result<Self> {
        let ready: Ready = serde_json::from_str(line).context("the emulator wrote no addresses")?;
        let path = &ready.api_token_file;
        let token = std::fs::read_to_string(path).with_context(|| format!("can't read `{}`", shown::path(path)))?;
        let mut application = Application::new(&ready.app(), &token, Some(&ready.ca))?;
        application.central = application.central.with_retry(RETRY);
        Ok(Self {
            at: Addresses {
                https: ready.https.port(),
                mqtt: ready.mqtt.port(),
                id_scope: ready.id_scope.clone(),
            },
            application,
            page: format!("http://{}", ready.http),
            token: token.trim().to_owned(),
        })
    }
}

/// Registers a device with DPS over HTTPS, by the certificate and key in these files, whatever their dates are.
pub(super) async fn register_by_https(
    url: &str,
    body: String,
    (cert, key): (&Path, &Path),
    ca: &Path,
) -> anyhow::Result<(u16, String)> {
    let identity = Identity::load(cert, key)?;
    dps::register(url, body, &identity, ca).await
}
