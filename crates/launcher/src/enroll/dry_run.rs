//! What `fleet enroll` would do, found out by reading only.

use iot_protocol::shown;
use provisioning::central::Central;
use provisioning::enroll::{
    Attest, Claim, EnrollmentGroupSpec, Needed, OwnCertificates, Work, claim_group, examine_group, examine_individual,
    has_template,
};
use provisioning::identities::Slot;

use crate::prepare::enrollment::{Enrollments, GroupEnrollment, IndividualEnrollment};

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// What would be done, each to be read after "would".
    pub(super) changes: Vec<String>,
    /// What would stop it.
    pub(super) obstacles: Vec<String>,
}

/// Where there is nothing yet, everything has to be made.
pub(super) fn from_nothing(enrollments: &Enrollments<'_>, attest: Attest) -> anyhow::Result<Found> {
    let mut found = Found::default();
    for model in enrollments.templates.keys() {
        found.publish(model);
    }
    for group in &enrollments.groups {
        found.create_group(group);
        for (slot, ca) in [(Slot::Primary, &group.primary), (Slot::Secondary, &group.secondary)] {
            if let Some(ca) = ca {
                found.upload(group, &ca.facts()?.sha1, slot, attest);
            }
        }
        found.make(group, attest);
    }
    for device in &enrollments.individuals {
        found.create_device(device);
        found.upload_own(device);
    }
    Ok(found)
}

/// Compares what is there with what is wanted.
pub(super) async fn examine(central: &Central, enrollments: &Enrollments<'_>, attest: Attest) -> anyhow::Result<Found> {
    let mut found = Found::default();
    for model in enrollments.templates.keys() {
        if !has_template(central, model).await? {
            found.publish(model);
        }
    }
    for group in &enrollments.groups {
        if group.primary.is_some() {
            found.group(central, group, &group.describe(attest)?).await?;
        } else {
            match claim_group(central, &group.id, &group.display_name, &[]).await? {
                Claim::Absent => found.create_group(group),
                Claim::Ours => {}
                Claim::NotOurs { reason } => {
                    let obstacle = format!("enrollment group {} exists, and {reason}", group.id);
                    found.obstacles.push(obstacle);
                    continue;
                }
            }
        }
        found.make(group, attest);
    }
    for device in &enrollments.individuals {
        found.individual(central, device).await?;
    }
    Ok(found)
}

impl Found {
    async fn group(
        &mut self,
        central: &Central,
        group: &GroupEnrollment<'_>,
        description: &EnrollmentGroupSpec<'_>,
    ) -> anyhow::Result<()> {
        let (create, needs) = match examine_group(central, description).await {
            Ok(found) => found,
            Err(provisioning::enroll::EnrollError::Central(error)) => return Err(error.into()),
            Err(obstacle) => {
                self.obstacles.push(obstacle.to_string());
                return Ok(());
            }
        };
        if create {
            self.create_group(group);
        }
        for Needed { ca, slot, work } in needs {
            match work {
                Work::Nothing => {}
                Work::Verification => self.verify(group, slot, description.attest),
                Work::UploadAndVerification => self.upload(group, ca.sha1(), slot, description.attest),
            }
        }
        Ok(())
    }

    async fn individual(&mut self, central: &Central, device: &IndividualEnrollment) -> anyhow::Result<()> {
        let certificates = OwnCertificates {
            primary: device.primary.as_deref(),
            secondary: device.secondary.as_deref(),
        };
        match examine_individual(central, &device.id, &certificates).await {
            Ok(needs) => {
                if needs.device {
                    self.create_device(device);
                }
                if needs.certificates || !device.unmade.is_empty() {
                    self.upload_own(device);
                }
                Ok(())
            }
            Err(provisioning::enroll::EnrollError::Central(error)) => Err(error.into()),
            Err(obstacle) => {
                self.obstacles.push(obstacle.to_string());
                Ok(())
            }
        }
    }

    fn publish(&mut self, model: &str) {
        self.changes.push(format!("publish a device template of {model}"));
    }

    fn create_group(&mut self, group: &GroupEnrollment<'_>) {
        let GroupEnrollment { id, group_type, .. } = group;
        self.changes
            .push(format!("create enrollment group {id} of type {}", group_type.as_str()));
    }

    fn make(&mut self, group: &GroupEnrollment<'_>, attest: Attest) {
        for slot in &group.unmade {
            self.changes.push(format!(
                "make a CA for group {} and upload its {} as {slot} certificate",
                group.id, group.authority
            ));
            self.verify(group, *slot, attest);
        }
    }

    fn upload(&mut self, group: &GroupEnrollment<'_>, sha1: &str, slot: Slot, attest: Attest) {
        self.changes
            .push(format!("upload {sha1} as {slot} certificate of group {}", group.id));
        self.verify(group, slot, attest);
    }

    fn verify(&mut self, group: &GroupEnrollment<'_>, slot: Slot, attest: Attest) {
        let what = format!("the {slot} certificate of group {}", group.id);
        self.changes.push(match attest {
            Attest::Prove => format!("prove that the key of {what} is here"),
            Attest::SelfAttest => format!("give our word for {what}"),
        });
    }

    fn create_device(&mut self, device: &IndividualEnrollment) {
        self.changes.push(format!("create device {}", device.id));
    }

    fn upload_own(&mut self, device: &IndividualEnrollment) {
        let (id, folder) = (&device.id, shown::path(device.folder.path()));
        self.changes.push(match (device.unmade.as_slice(), &device.secondary) {
            ([], None) => format!("upload the certificate of device {id}"),
            ([], Some(_)) => format!("upload both certificates of device {id}"),
            ([slot], _) => format!("make a {slot} certificate for device {id} in {folder} and upload it"),
            _ => format!("make both certificates for device {id} in {folder} and upload them"),
        });
    }
}
