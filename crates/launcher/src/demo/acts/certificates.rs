//! Certificates made by hand.

use anyhow::{Context, ensure};
use provisioning::certificate::inspect::CertificateFacts;

use super::{CERT, Demo};
use crate::demo::place::{ATTIC, CELLAR, Chain, HALL, Place};
use crate::demo::stage;

impl Demo<'_> {
    pub(super) async fn certificates(&mut self) -> anyhow::Result<()> {
        for command in [self.place.root(), self.place.leaf(HALL), self.place.inspect(HALL)] {
            self.command(CERT, &command).await?;
        }
        let root = CertificateFacts::load(self.place.root_cert().as_ref())?;
        let leaf = CertificateFacts::load(self.place.cert(HALL, Chain::LeafOnly).as_ref())?;
        let (name, issuer) = (leaf.common_name.as_deref(), leaf.issuer_common_name.as_deref());
        ensure!(
            (name, issuer) == (Some(HALL), root.common_name.as_deref()),
            "the leaf of {HALL} names {name:?}, below {issuer:?}"
        );
        self.narrator
            .result(&format!("The root's thumbprint is {}.", root.sha1))
            .await?;
        self.narrator
            .result(&format!(
                "The leaf names {HALL} and is signed by the root; fleet cert inspect finds nothing wrong with it."
            ))
            .await
    }

    pub(super) async fn chain(&mut self) -> anyhow::Result<()> {
        for command in [self.place.intermediate(), self.place.leaf_below_intermediate()] {
            self.command(CERT, &command).await?;
        }
        let since = self.now().await?;
        self.start_device(ATTIC, Chain::LeafOnly).await?;
        self.is_refused(ATTIC, since).await?;
        let since = self.now().await?;
        self.restart_device(ATTIC, Chain::Full).await?;
        self.is_online(ATTIC, since).await
    }

    pub(super) async fn expired(&mut self) -> anyhow::Result<()> {
        let command = self.place.expired_leaf();
        self.command(CERT, &command).await?;
        let since = self.now().await?;
        let at = self.running()?.at.clone();
        self.narrator.curl(&self.place.register_by_https(CELLAR, &at)).await?;
        let (cert, key) = (self.place.cert(CELLAR, Chain::Full), self.place.key(CELLAR));
        let (url, body) = (Place::registration_url(CELLAR, &at), Place::registration(CELLAR));
        let files = (cert.as_ref(), key.as_ref());
        let (status, answer) = stage::register_by_https(&url, body, files, self.place.emulator_ca().as_ref())
            .await
            .context("the registration over HTTPS failed")?;
        self.narrator.quote([answer.as_str()]).await?;
        ensure!(status == 401, "DPS answered with {status} instead of 401");
        self.is_refused(CELLAR, since).await
    }
}
