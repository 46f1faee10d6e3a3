//! A hundred devices, and one that is blocked.

use anyhow::ensure;
use provisioning::central::schema::response::JournalEntry;

use super::{Demo, RUN, is};
use crate::demo::place::{Chain, DEVICES, HALL, Place};

/// What of the run's progress is worth a look.
const WORTH: [&str; 3] = [" leaves of ", " is enrolled", "devices online"];

impl Demo<'_> {
    pub(super) async fn hundred(&mut self) -> anyhow::Result<()> {
        let central = self.central()?;
        let manifest = Place::manifest_text(&self.running()?.at);
        self.folder.write("fleet.toml", &manifest)?;
        self.narrator.line(&format!("{} holds:", self.place.manifest())).await?;
        self.narrator.quote(manifest.lines()).await?;
        let before = Self::connected(&central).await?;
        let command = self.place.run();
        self.narrator.fleet(&command).await?;
        self.stage.start(RUN, &command)?;
        let page = self.stage.line(RUN, "watch the run: ").await?;
        self.stage.line(RUN, "devices online").await?;
        for words in WORTH {
            let lines = self.stage.lines(RUN, words)?;
            self.narrator.quote(lines.iter().map(String::as_str)).await?;
        }
        let all = before + DEVICES;
        let online = async || {
            let connected = Self::connected(&central).await?;
            Ok((connected >= all).then_some(connected))
        };
        let online = self.stage.until("the arrival of all devices", online).await?;
        self.narrator
            .result(&format!("{DEVICES} more devices are online, {online} in all."))
            .await?;
        if let Some((_, link)) = page.split_once("watch the run: ") {
            self.narrator.result(&format!("Watch the run: {link}")).await?;
        }
        Ok(())
    }

    pub(super) async fn block(&mut self) -> anyhow::Result<()> {
        let since = self.now().await?;
        self.set_enabled(false).await?;
        let central = self.central()?;
        let ended = |entry: &JournalEntry| is(entry, HALL, "disconnected") && entry.why.as_deref() == Some("disabled");
        let entry = self
            .stage
            .entry(&central, since, "the end of the session", ended)
            .await?;
        self.narrator
            .result(&format!("{HALL} is blocked: the hub has ended its session."))
            .await?;
        self.is_refused(HALL, entry.seq).await?;
        self.set_enabled(true).await?;
        let since = self.now().await?;
        self.restart_device(HALL, Chain::Full).await?;
        self.is_online(HALL, since).await
    }

    async fn set_enabled(&mut self, enabled: bool) -> anyhow::Result<()> {
        let (central, at) = (self.central()?, self.running()?.at.clone());
        self.narrator.curl(&self.place.set_enabled(enabled, &at)).await?;
        let device = central.set_device_enabled(HALL, enabled).await?;
        ensure!(device.enabled == enabled, "{HALL} is the same as before");
        Ok(())
    }
}
