//! Telling the target which certificates to trust: by REST where there is an application, by word where there is none.

use anyhow::{Context, anyhow};
use jiff::Timestamp;
use provisioning::central::{Central, NewDevice};
use provisioning::enroll::{GroupCa, GroupDescription, Step, enroll_group, enroll_individual};
use provisioning::identities::Slot;

use crate::identities::{Identities, issuer};
use crate::manifest::Manifest;
use crate::story::Story;

/// So many individual devices are told one by one; of the others only how many there are.
const TOLD: usize = 3;

/// Enrolls every group and every individual device. What is enrolled already is left alone.
///
/// # Errors
///
/// The application refused, or holds something else under our names.
pub async fn enroll(
    central: &Central,
    manifest: &Manifest,
    identities: &Identities,
    now: Timestamp,
    story: Story,
) -> anyhow::Result<()> {
    let tell = |step: Step| story.tell(step);
    for (group, identities) in manifest.group.iter().zip(&identities.groups) {
        let with_key = |ca: Option<_>| {
            ca.ok_or_else(|| anyhow!("the {} of group {} has no key here", group.enroll.word(), group.id))
        };
        let which = issuer(group.enroll);
        let name = format!("{} {}", manifest.fleet.name, group.id);
        let mut wanted = GroupDescription::new(&group.id, &name, with_key(identities.authority(which))?);
        if let Some(secondary) = &identities.secondary {
            wanted.secondary = Some(GroupCa::with_key(with_key(secondary.authority(which))?));
        }
        enroll_group(central, &wanted, now, &tell).await?;
    }
    let silent = |_: Step| {};
    for (index, (id, identities)) in identities.individuals.iter().enumerate() {
        let reporter: &(dyn Fn(Step) + Send + Sync) = if index < TOLD { &tell } else { &silent };
        let secondary = identities.secondary_pem();
        enroll_individual(
            central,
            id,
            id,
            &identities.primary_pem(),
            secondary.as_deref(),
            reporter,
        )
        .await?;
    }
    if identities.individuals.len() > TOLD {
        story.tell(format!(
            "{} devices are enrolled individually",
            identities.individuals.len()
        ));
    }
    Ok(())
}

/// The application's id scope, which it tells with the credentials of any device.
///
/// # Errors
///
/// The application refused.
pub async fn id_scope(central: &Central, identities: &Identities, first_device: &str) -> anyhow::Result<String> {
    let device = match identities.individuals.first() {
        Some((id, _)) => id.clone(),
        None => match central.devices().await?.into_iter().next() {
            Some(device) => device.id,
            None => {
                // An empty application. The fleet's first device would appear there in a moment anyway.
                let device = NewDevice {
                    display_name: first_device,
                    template: None,
                    enabled: true,
                };
                central.put_device(first_device, &device).await?;
                first_device.to_owned()
            }
        },
    };
    central
        .id_scope(&device)
        .await
        .context("the id scope can't be found out\nhint: give it as `target.id_scope`\ncause")
}

/// Says what has to be uploaded where there is nobody to do it by REST.
pub fn tell_what_to_upload(manifest: &Manifest, identities: &Identities, story: Story) {
    story.tell("with kind = \"dps\" nobody enrolls for you; DPS has to know already (Manage enrollments):");
    for (group, identities) in manifest.group.iter().zip(&identities.groups) {
        for (slot, ca) in [
            (Slot::Primary, Some(&identities.ca)),
            (Slot::Secondary, identities.secondary.as_ref()),
        ] {
            let Some(certificate) = ca.and_then(|ca| ca.cert_path(issuer(group.enroll))) else {
                continue;
            };
            story.tell(format!(
                "  enrollment group {}: {slot} certificate {}",
                group.id,
                certificate.display()
            ));
        }
    }
    for (id, identities) in identities.individuals.iter().take(TOLD) {
        let slots = [Slot::Primary, Slot::Secondary].into_iter();
        for slot in slots.take(1 + usize::from(identities.secondary.is_some())) {
            let certificate = identities.folder.pair_paths(slot).cert;
            story.tell(format!(
                "  individual enrollment {id}: {slot} certificate {}",
                certificate.display()
            ));
        }
    }
    if identities.individuals.len() > TOLD {
        let more = identities.individuals.len() - TOLD;
        story.tell(format!("  and {more} more, each with the certificate in its folder"));
    }
}
