//! `--manual`: the files to upload, and the steps of a person in IoT Central's pages.
//!
//! The names of pages and buttons are those of
//! <https://learn.microsoft.com/azure/iot-central/core/how-to-connect-devices-x509>.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, anyhow};
use device_sim::hint::Hint;
use iot_protocol::shown;
use provisioning::central::GroupType;
use provisioning::enroll::Attest;
use provisioning::identities::Slot;
use serde_json::Value;

use super::verbatim;
use crate::keep::write_whole;
use crate::prepare::enrollment::{Ca, Enrollments, GroupEnrollment, IndividualEnrollment};
use crate::shell::quoted;

/// The name of the file with the steps.
const STEPS: &str = "STEPS.txt";

/// What a person needs.
#[derive(Debug)]
pub(super) struct Steps {
    /// The steps in words.
    pub(super) text: String,
    /// Files by their names: certificates, never a key, and the steps themselves.
    pub(super) files: BTreeMap<String, String>,
}

/// Says how a person enrolls what is wanted, with files that will be in `folder`.
/// `next` is the command that runs the fleet then.
pub(super) fn steps(enrollments: &Enrollments<'_>, folder: &Path, attest: Attest, next: &str) -> anyhow::Result<Steps> {
    let mut steps = Steps {
        text: String::new(),
        files: BTreeMap::new(),
    };
    for (id, template) in &enrollments.templates {
        steps.model(id, template, folder)?;
    }
    // Writing into a string can't fail.
    for group in &enrollments.groups {
        let _ = steps.group(group, folder, attest);
    }
    for device in &enrollments.individuals {
        let _ = steps.individual(device, folder);
    }
    let _ = writeln!(
        steps.text,
        "Then run the fleet{}. It needs no API token:\n\n       {next}",
        match next.contains("SCOPE") {
            true => ", with the ID scope of the page Permissions > Device connection groups in the place of SCOPE",
            false => "",
        }
    );
    steps.files.insert(STEPS.to_owned(), steps.text.clone());
    Ok(steps)
}

/// Writes the files. One that is there with another content is left alone.
pub(super) fn write(folder: &Path, steps: &Steps) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("can't make the folder `{}`", shown::path(folder)))?;
    for (name, content) in &steps.files {
        let path = folder.join(name);
        match std::fs::read_to_string(&path) {
            Ok(there) if there == *content => continue,
            Ok(_) => {
                return Err(anyhow!("`{}` exists already, with another content", shown::path(&path))
                    .hint("remove the folder, or name another one with --manual=DIR"));
            }
            Err(reason) if reason.kind() == std::io::ErrorKind::NotFound => {}
            Err(reason) => return Err(reason).with_context(|| format!("can't read `{}`", shown::path(&path))),
        }
        write_whole(&path, content.as_bytes())?;
    }
    Ok(())
}

impl Steps {
    fn model(&mut self, id: &str, template: &Value, folder: &Path) -> anyhow::Result<()> {
        let mut model = template["capabilityModel"].clone();
        model["@context"] = "dtmi:dtdl:context;2".into();
        let file = format!("{}.json", id.replace([':', ';'], "_"));
        writeln!(
            self.text,
            "Device template of {id}, unless the application has it\n\n  \
             1. Open Device templates, select + New, IoT device, and a name. Create.\n  \
             2. Select Import a model, upload {}, and select Publish.\n",
            shown::path(&folder.join(&file))
        )?;
        self.files.insert(file, serde_json::to_string_pretty(&model)? + "\n");
        Ok(())
    }

    fn group(&mut self, group: &GroupEnrollment<'_>, folder: &Path, attest: Attest) -> std::fmt::Result {
        let devices = match group.group_type {
            GroupType::Iot => "IoT devices",
            GroupType::IotEdge => "IoT Edge devices",
        };
        writeln!(self.text, "Enrollment group {}", group.id)?;
        writeln!(self.text)?;
        let mut numbers = 1..;
        let mut step = |text: String, words: &str| {
            let number = numbers.next().unwrap_or_default();
            text + &format!("  {number}. {words}\n")
        };
        let mut text = std::mem::take(&mut self.text);
        text = step(
            text,
            "In the application, open Permissions > Device connection groups and select + New.",
        );
        text = step(
            text,
            &format!(
                "Name: {}. Attestation type: Certificates (X.509). Group type: {devices}. Save.",
                group.display_name
            ),
        );
        let slots = [
            (Slot::Primary, group.primary.as_ref()),
            (Slot::Secondary, group.secondary.as_ref()),
        ];
        for (slot, ca) in slots {
            let Some(ca) = ca else { continue };
            let file = format!("{}_{slot}_cert.pem", group.id);
            text = step(
                text,
                &format!(
                    "In the group, select Manage {slot}, then Add certificate, and upload {}.",
                    shown::path(&folder.join(&file))
                ),
            );
            self.files.insert(file, ca.pem.clone());
            text = match attest {
                Attest::SelfAttest => step(
                    text,
                    "Set certificate status verified on upload to On. It is verified then.",
                ),
                Attest::Prove => {
                    text = step(
                        text,
                        "Leave certificate status verified on upload at Off, and select Generate verification code.",
                    );
                    text = step(
                        text,
                        &format!(
                            "With the code in the place of CODE{}, run:\n\n{}\n",
                            if ca.key_path.is_some() {
                                ""
                            } else {
                                " and the CA's key in the place of KEY"
                            },
                            verification(ca, folder)
                        ),
                    );
                    step(
                        text,
                        &format!(
                            "Select Verify and upload {}. The certificate is shown as Verified.",
                            shown::path(&folder.join("verification_cert.pem"))
                        ),
                    )
                }
            };
        }
        self.text = text;
        writeln!(self.text)
    }

    fn individual(&mut self, device: &IndividualEnrollment, folder: &Path) -> std::fmt::Result {
        let IndividualEnrollment {
            id, primary, secondary, ..
        } = device;
        writeln!(self.text, "Device {id}")?;
        writeln!(self.text)?;
        writeln!(
            self.text,
            "  1. Open Devices and select + New. Device ID: {id}. Create."
        )?;
        writeln!(self.text, "  2. Open the device and select Connect.")?;
        writeln!(
            self.text,
            "  3. Authentication type: Individual enrollment. Authentication method: Certificates (X.509)."
        )?;
        let mut upload = |slot: Slot, pem: &Option<String>| {
            let pem = pem.as_ref()?;
            let file = format!("{id}_{slot}_cert.pem");
            let words = format!("{} as {slot} certificate", shown::path(&folder.join(&file)));
            self.files.insert(file, pem.clone());
            Some(words)
        };
        let uploads: Vec<_> = [upload(Slot::Primary, primary), upload(Slot::Secondary, secondary)]
            .into_iter()
            .flatten()
            .collect();
        writeln!(self.text, "  4. Upload {}. Save.\n", uploads.join(" and "))
    }
}

fn verification(ca: &Ca<'_>, folder: &Path) -> String {
    let key = ca.key_path.as_deref().map_or_else(|| "KEY".to_owned(), verbatim);
    format!(
        "       fleet cert verification --ca {} --key {} --nonce CODE --out {} --force",
        quoted(&verbatim(&ca.path)),
        quoted(&key),
        quoted(&verbatim(folder))
    )
}
