//! Telling the target which certificates to trust: by REST where there is an application, by word where there is none.
//!
//! `fleet run` and `fleet enroll` go the same way: [`Enrollments`] is what is to be there, [`enroll`] brings it about.

mod spec;
mod templates;

use device_sim::hint::Hint;
use fleet_report::words;
use iot_protocol::shown;
use jiff::Timestamp;
use provisioning::central::Central;
use provisioning::enroll::{Attest, Outcome, Step, enroll_group, enroll_individual, find_id_scope, publish_template};
use provisioning::identities::{Issuer, Slot};

use crate::manifest::Manifest;
use crate::manifest::types::Target;
use crate::prepare::identities::Identities;
use crate::progress::ProgressLog;

pub(crate) use spec::foreign_individuals;
pub(crate) use spec::{Ca, Enrollments, GroupEnrollment, IndividualEnrollment};

/// So many individual devices are reported one by one; of the others only how many there are.
const TOLD: usize = 3;

/// How to enroll.
#[derive(Debug, Clone, Copy)]
pub(crate) struct How {
    /// How the application comes to trust the CAs.
    pub attest: Attest,
    pub now: Timestamp,
    /// Whether what was found as it should be is reported, too.
    pub report_found: bool,
    /// Where steps are reported.
    pub progress: ProgressLog,
}

/// Makes sure that the application has the templates, and enrolls every group and every individual device. What is there
/// already is left alone.
///
/// # Errors
///
/// The application refused, or holds something else under our names.
pub(crate) async fn enroll(central: &Central, enrollments: &Enrollments<'_>, how: How) -> anyhow::Result<Outcome> {
    let progress = how.progress;
    let report = |step: Step| progress.report(step);
    let changes = |step: Step| {
        if how.report_found || !matches!(step, Step::TemplateFound { .. }) {
            progress.report(step);
        }
    };
    let mut outcome = Outcome::Unchanged;
    for (model, template) in &enrollments.templates {
        outcome |= publish_template(central, model, template, &changes).await?;
    }
    for group in &enrollments.groups {
        outcome |= enroll_group(central, &group.describe(how.attest)?, how.now, &report).await?;
    }
    let silent = |_: Step| {};
    for (index, device) in enrollments.individuals.iter().enumerate() {
        let reporter: &(dyn Fn(Step) + Send + Sync) = if index < TOLD { &report } else { &silent };
        let (id, primary) = (&device.id, device.primary_pem()?);
        outcome |= enroll_individual(central, id, id, primary, device.secondary.as_deref(), reporter).await?;
    }
    if enrollments.individuals.len() > TOLD {
        progress.report(format!(
            "{} {} enrolled individually",
            words::devices(enrollments.individuals.len()),
            words::agreeing(enrollments.individuals.len(), "is", "are")
        ));
    }
    Ok(outcome)
}

/// The application's id scope.
///
/// # Errors
///
/// The application refused.
pub(crate) async fn id_scope(central: &Central, enrollments: &Enrollments<'_>) -> anyhow::Result<String> {
    let groups: Vec<_> = enrollments.groups.iter().map(|group| group.id.as_str()).collect();
    let devices: Vec<_> = enrollments
        .individuals
        .iter()
        .map(|device| device.id.as_str())
        .collect();
    find_id_scope(central, &groups, &devices).await.map_err(|error| {
        anyhow::Error::new(error)
            .context("the id scope can't be found out")
            .hint("give it as `target.id_scope`")
    })
}

/// Says what has to be uploaded where REST does not do it.
pub(crate) fn report_what_to_upload(manifest: &Manifest, identities: &Identities, progress: ProgressLog) {
    progress.report(match manifest.target {
        Target::IotCentral(_) => {
            "without target.api_token enrolling is up to you; the application has to have already (`fleet enroll --manual`):"
        }
        Target::Dps(_) | Target::Emulator(_) => {
            "with kind = \"dps\" enrolling is up to you; DPS has to have already (Manage enrollments, or `fleet enroll`):"
        }
    });
    let all = manifest.group.iter().zip(&identities.groups);
    for (group, identities) in all.filter(|(group, _)| group.is_enrolled()) {
        for (slot, ca) in [
            (Slot::Primary, Some(&identities.ca)),
            (Slot::Secondary, identities.secondary.as_ref()),
        ] {
            let Some(certificate) = ca.and_then(|ca| ca.cert_path(group.enroll)) else {
                continue;
            };
            progress.report(format!(
                "  enrollment group {}: {slot} certificate {}{}",
                group.id,
                shown::path(&certificate),
                match group.enroll {
                    Issuer::Root => ", verified",
                    // What devices send leads to it, and to no verified root: that one they leave out.
                    Issuer::Intermediate => ", which has to be uploaded among Certificates and verified as well",
                }
            ));
        }
    }
    let foreign = foreign_individuals(manifest);
    let enrolled = || identities.individuals.iter().filter(|(id, _)| !foreign.contains(id));
    for (id, identities) in enrolled().take(TOLD) {
        let slots = [Slot::Primary, Slot::Secondary].into_iter();
        for slot in slots.take(1 + usize::from(identities.secondary.is_some())) {
            let certificate = identities.folder.pair_paths(slot).cert;
            progress.report(format!(
                "  individual enrollment {id}: {slot} certificate {}",
                shown::path(&certificate)
            ));
        }
    }
    if let Some(more @ 1..) = enrolled().count().checked_sub(TOLD) {
        progress.report(format!("  and {more} more, each with the certificate in its folder"));
    }
}
