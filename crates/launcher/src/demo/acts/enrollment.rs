//! The enrollment group, its CA, and the proof.

use anyhow::{Context, bail, ensure};
use provisioning::central::GroupType;
use provisioning::central::schema::response::GroupAttestation;
use provisioning::identities::Slot;

use super::{CERT, Demo};
use crate::demo::place::{Chain, GROUP, HALL};

impl Demo<'_> {
    pub(super) async fn group(&mut self) -> anyhow::Result<()> {
        let (central, at) = (self.central()?, self.running()?.at.clone());
        self.narrator.curl(&self.place.put_group(&at)).await?;
        central.put_enrollment_group(GROUP, GROUP, GroupType::Iot).await?;
        let group = central.enrollment_group(GROUP).await?;
        let GroupAttestation::X509 { x509 } = &group.attestation else {
            bail!("the group is not one for X.509");
        };
        let held = &x509.signing_certificates.primary;
        ensure!(held.is_none(), "the new group has a certificate");
        self.narrator
            .result(&format!("The group {GROUP} is there, and has no certificate."))
            .await
    }

    pub(super) async fn upload(&mut self) -> anyhow::Result<()> {
        let (central, at) = (self.central()?, self.running()?.at.clone());
        self.narrator.curl(&self.place.put_root(&at)).await?;
        let pem = read(&self.place.root_cert())?;
        let uploaded = central.put_group_certificate(GROUP, Slot::Primary, &pem, false).await?;
        ensure!(!uploaded.verified, "the certificate is verified already");
        self.narrator
            .result("The group has the root. It is not verified.")
            .await?;
        let since = self.now().await?;
        self.start_device(HALL, Chain::Full).await?;
        self.is_refused(HALL, since).await
    }

    pub(super) async fn proof(&mut self) -> anyhow::Result<()> {
        let (central, at) = (self.central()?, self.running()?.at.clone());
        self.narrator.curl(&self.place.generate_code(&at)).await?;
        let code = central.generate_verification_code(GROUP, Slot::Primary).await?;
        self.narrator
            .quote([format!(r#"{{"verificationCode":"{code}"}}"#).as_str()])
            .await?;
        let command = self.place.verification(&code);
        self.command(CERT, &command).await?;
        self.narrator.curl(&self.place.verify(&at)).await?;
        let proof = read(&self.place.verification_cert())?;
        central.verify_group_certificate(GROUP, Slot::Primary, &proof).await?;
        let held = central.group_certificate(GROUP, Slot::Primary).await?;
        ensure!(held.verified, "the root is still not verified");
        self.narrator.result("The root is verified.").await?;
        let since = self.now().await?;
        self.restart_device(HALL, Chain::Full).await?;
        self.is_online(HALL, since).await
    }
}

fn read(path: &str) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("can't read `{path}`"))
}
