//! The breach and its roll, from the outside, as a person would do it.

use anyhow::{Context, ensure};
use provisioning::central::Central;
use provisioning::identities::Slot;

use super::Demo;
use crate::demo::place::{Chain, DEVICES, GROUP, HALL};

/// What of the roll's progress is worth a look.
const WORTH: [&str; 5] = [
    "devices blocked",
    "uploaded as primary",
    "leaves issued",
    "of a wave of",
    "the old certificate of thermo-0001",
];

impl Demo<'_> {
    pub(super) async fn breach(&mut self) -> anyhow::Result<()> {
        let central = self.central()?;
        let (online, stolen) = (Self::connected(&central).await?, thumbprint(&central).await?);
        let command = self.place.roll();
        let roll = self.command("roll", &command).await?;
        let lines: Vec<_> = WORTH.iter().flat_map(|words| roll.lines(words)).collect();
        self.narrator.quote(lines.iter().map(String::as_str)).await?;
        let tried = roll.lines("old certificates refused").pop();
        let tried = tried.context("the roll did not try the old certificates")?;
        let tried = tried.trim().trim_start_matches("old certificates refused").trim();
        self.narrator
            .result(&format!(
                "Old certificates are refused, by DPS and by the hub: {tried}."
            ))
            .await?;
        let new = thumbprint(&central).await?;
        ensure!(new != stolen, "the group still has the stolen root");
        self.narrator
            .result(&format!("The group has a new root, verified: {new}."))
            .await?;
        let back = async || Ok((Self::connected(&central).await? >= online).then_some(()));
        self.stage.until("the return of all devices", back).await?;
        self.narrator
            .result(&format!("All {DEVICES} devices are back, with new certificates."))
            .await?;
        self.left_behind().await
    }

    /// A device that the roll did not concern keeps its session, since the hub compares thumbprints only. DPS refuses it.
    async fn left_behind(&mut self) -> anyhow::Result<()> {
        self.narrator
            .line(&format!(
                "{HALL} is not in the manifest, so the roll left it alone. Its session goes on, because a change of an \
             enrollment never reaches the hub. When {HALL} is started again, it has to register:"
            ))
            .await?;
        let since = self.now().await?;
        self.restart_device(HALL, Chain::Full).await?;
        self.is_refused(HALL, since).await
    }
}

/// The SHA-1 thumbprint of the group's primary certificate, which has to be verified.
async fn thumbprint(central: &Central) -> anyhow::Result<String> {
    let held = central.group_certificate(GROUP, Slot::Primary).await?;
    ensure!(held.verified, "the group's certificate is not verified");
    held.sha1().context("the group's certificate has no thumbprint")
}
