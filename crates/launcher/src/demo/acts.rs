//! What is done in each step, and how its outcome is checked.

mod breach;
mod certificates;
mod devices;
mod enrollment;

use anyhow::{Context, ensure};
use iot_protocol::shown;
use provisioning::central::Central;
use provisioning::central::schema::response::JournalEntry;
use serde_json::Value;

use super::command::FleetCommand;
use super::folder::{DemoFolder, ENTRIES};
use super::narrator::Narrator;
use super::place::{Chain, Place};
use super::script::{Act, NEXT};
use super::stage::{Done, Running, Stage};

/// The names of what runs, which are those of its log files.
const EMULATOR: &str = "emulator";
const RUN: &str = "run";
const CERT: &str = "cert";

/// Everything that a step needs.
#[derive(Debug)]
pub(super) struct Demo<'a> {
    pub(super) stage: &'a mut Stage,
    pub(super) folder: &'a DemoFolder,
    pub(super) place: &'a Place,
    pub(super) narrator: Narrator,
    /// The emulator, from the first step on.
    running: Option<Running>,
}

impl<'a> Demo<'a> {
    pub(super) fn new(stage: &'a mut Stage, folder: &'a DemoFolder, place: &'a Place, narrator: Narrator) -> Self {
        Self {
            stage,
            folder,
            place,
            narrator,
            running: None,
        }
    }

    /// Does what the step is about, and checks that it comes out as told.
    pub(super) async fn act(&mut self, act: Act) -> anyhow::Result<()> {
        match act {
            Act::Emulator => self.emulator().await,
            Act::Certificates => self.certificates().await,
            Act::Group => self.group().await,
            Act::Upload => self.upload().await,
            Act::Proof => self.proof().await,
            Act::Hundred => self.hundred().await,
            Act::Chain => self.chain().await,
            Act::Expired => self.expired().await,
            Act::Block => self.block().await,
            Act::Breach => self.breach().await,
            Act::End => self.end().await,
        }
    }

    async fn emulator(&mut self) -> anyhow::Result<()> {
        let command = self.place.emulator();
        self.narrator.fleet(&command).await?;
        self.stage.start(EMULATOR, &command)?;
        let running = Running::parse(&self.stage.line(EMULATOR, "\"ready\":true").await?)?;
        let (at, page) = (running.at.clone(), running.page.clone());
        let path = running.application.sign_in_path().await?;
        self.folder.write("curl.conf", &curl_config(&running, self.place))?;
        self.running = Some(running);
        self.narrator.result(&format!(
            "The emulator is ready: DPS and the hub on localhost:{}, the REST API on https://localhost:{}, id scope {}.",
            at.mqtt, at.https, at.id_scope
        )).await?;
        self.narrator.result(&format!("Its page: {page}{path}")).await
    }

    async fn end(&mut self) -> anyhow::Result<()> {
        let command = self.place.stop();
        self.narrator.fleet(&command).await?;
        self.stage.run("ctl", &command).await?.expect(0)?;
        let code = self.stage.end(RUN).await?;
        // A run that is ended before its stages are over was interrupted.
        ensure!(
            code == Some(i32::from(crate::exit::INTERRUPTED)),
            "the run ended with {code:?}"
        );
        let report = self.place.path("report/report.html");
        ensure!(
            self.folder.path("report/report.html").exists(),
            "there is no `{report}`"
        );
        self.narrator
            .result(&format!("The run has ended. Its report: {report}"))
            .await?;
        self.stage.close().await;
        self.narrator.result("Everything that was started has stopped.").await?;
        self.narrator.line("").await?;
        self.narrator
            .line(&format!("What is left in {}:", self.place.path("")))
            .await?;
        for (name, what) in ENTRIES {
            self.narrator.row(name, what).await?;
        }
        self.narrator.line("").await?;
        self.narrator.line("What to read next:").await?;
        for (name, what) in NEXT {
            self.narrator.row(name, what).await?;
        }
        Ok(())
    }

    fn running(&self) -> anyhow::Result<&Running> {
        self.running.as_ref().context("the emulator is not running")
    }

    /// A client of the REST API, which the steps use while the stage is in use.
    fn central(&self) -> anyhow::Result<Central> {
        Ok(self.running()?.application.central.clone())
    }

    /// Prints and runs a command, which has to end well.
    async fn command(&mut self, name: &str, command: &FleetCommand) -> anyhow::Result<Done> {
        self.narrator.fleet(command).await?;
        self.stage.run(name, command).await?.expect(0)
    }

    /// Prints a command and starts the device that it simulates.
    async fn start_device(&mut self, device: &str, chain: Chain) -> anyhow::Result<()> {
        let command = self.place.device(device, chain, &self.running()?.at);
        self.narrator.fleet(&command).await?;
        self.stage.start(device, &command)
    }

    /// Ends a device's program and starts it anew, so that it tries again now.
    async fn restart_device(&mut self, device: &str, chain: Chain) -> anyhow::Result<()> {
        self.stage.stop(device).await;
        self.start_device(device, chain).await
    }

    /// The number of the journal's last entry.
    async fn now(&self) -> anyhow::Result<u64> {
        let entries = self.central()?.emulator_journal(0).await?;
        Ok(entries.last().map_or(0, |entry| entry.seq))
    }

    /// Waits until DPS or the hub refuses a device, and reports the journal's reason.
    async fn is_refused(&mut self, device: &str, since: u64) -> anyhow::Result<()> {
        let central = self.central()?;
        let what = format!("a refusal of {device}");
        let is_it = |entry: &JournalEntry| is_refusal(entry, device);
        let entry = self.stage.entry(&central, since, &what, is_it).await?;
        // What the device has written of it is worth a look, and nothing depends on it.
        let own = self.stage.soon(device, "refused").await;
        self.narrator.quote(own.iter().map(String::as_str)).await?;
        self.narrator.result(&refusal(device, &entry)).await
    }

    /// Waits until a device is connected to the hub, for which it must not have been refused.
    async fn is_online(&mut self, device: &str, since: u64) -> anyhow::Result<()> {
        let central = self.central()?;
        let (registered, online) = (
            format!("the registration of {device}"),
            format!("the connection of {device}"),
        );
        let entry = self
            .stage
            .entry(&central, since, &registered, |entry| is(entry, device, "registered"))
            .await?;
        let connected =
            |entry: &JournalEntry| is(entry, device, "connected") && entry.service.as_deref() == Some("hub");
        self.stage.entry(&central, entry.seq, &online, connected).await?;
        let online = central.emulator_device(device).await?;
        ensure!(online["connected"] == true, "{device} is not online: {online}");
        self.narrator
            .result(&format!("{device} is admitted: it has registered, and is online."))
            .await
    }

    /// How many devices are connected to the hub.
    async fn connected(central: &Central) -> anyhow::Result<u64> {
        let stats = central.emulator_stats().await?;
        stats["connected"].as_u64().context("the emulator has no figures")
    }
}

/// What `curl -K` reads.
fn curl_config(running: &Running, place: &Place) -> String {
    let value = |text: &str| Value::from(text).to_string();
    format!(
        "# For curl -K: the emulator's API token, and the CA that its certificate is below.\nsilent\nshow-error\n\
         cacert = {}\nheader = {}\n",
        value(&place.emulator_ca()),
        value(&format!("Authorization: {}", running.token))
    )
}

fn is(entry: &JournalEntry, device: &str, event: &str) -> bool {
    entry.device.as_deref() == Some(device) && entry.event == event
}

fn is_refusal(entry: &JournalEntry, device: &str) -> bool {
    is(entry, device, "refused") || is(entry, device, "registration_refused")
}

/// A refusal in words.
fn refusal(device: &str, entry: &JournalEntry) -> String {
    let by = match entry.service.as_deref() {
        Some("hub") => "the hub",
        _ => "DPS",
    };
    let reason = entry.reason.as_deref().unwrap_or("no reason");
    format!("{device} was refused by {by}: {}", shown::text(reason))
}
