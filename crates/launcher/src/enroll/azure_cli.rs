//! The same for a DPS instance without IoT Central: commands of the Azure CLI with its `azure-iot` extension.
//!
//! Flags as documented: <https://learn.microsoft.com/cli/azure/iot/dps/certificate>,
//! <https://learn.microsoft.com/cli/azure/iot/dps/enrollment-group>, <https://learn.microsoft.com/cli/azure/iot/dps/enrollment>.

use std::fmt::{self, Write as _};

use provisioning::central::GroupType;
use provisioning::enroll::Attest;
use provisioning::identities::{Issuer, Slot};

use super::verbatim;
use crate::prepare::enrollment::{Ca, Enrollments, GroupEnrollment, IndividualEnrollment};
use crate::shell::quoted;

/// A script for a POSIX shell that enrolls what is wanted in the DPS instance with this id scope.
pub(super) fn script(enrollments: &Enrollments<'_>, id_scope: &str, attest: Attest) -> String {
    let mut text = String::new();
    // Writing into a string can't fail.
    let _ = write_all(&mut text, enrollments, id_scope, attest);
    text
}

fn write_all(text: &mut String, enrollments: &Enrollments<'_>, id_scope: &str, attest: Attest) -> fmt::Result {
    let list =
        |what: &str| format!("az iot dps list --query \"[?properties.idScope=='{id_scope}'].{what}\" --output tsv");
    for line in [
        "# For a POSIX shell in this folder, with `fleet`, the Azure CLI and its extension azure-iot, after `az login`.",
        "# Nothing is overwritten: what exists already makes its command fail, and the script stops.",
        "set -eu",
    ] {
        writeln!(text, "{line}")?;
    }
    writeln!(text, "DPS=$({})", list("name"))?;
    writeln!(text, "GROUP=$({})", list("resourceGroup"))?;
    writeln!(
        text,
        "[ -n \"$DPS\" ] || {{ echo \"no DPS instance of this subscription has the id scope {id_scope}\" >&2; exit 1; }}"
    )?;
    for group in &enrollments.groups {
        write_group(text, group, attest)?;
    }
    for device in &enrollments.individuals {
        write_individual(text, device)?;
    }
    Ok(())
}

fn write_group(text: &mut String, group: &GroupEnrollment<'_>, attest: Attest) -> fmt::Result {
    writeln!(text, "\n# Enrollment group {}", group.id)?;
    let slots = [
        (Slot::Primary, group.primary.as_ref()),
        (Slot::Secondary, group.secondary.as_ref()),
    ];
    if group.primary.is_none() {
        return writeln!(
            text,
            "# The manifest names no CA for it (`certificates.ca`): its owner makes the enrollment."
        );
    }
    let mut attestation = Vec::new();
    for (slot, ca) in slots.into_iter().filter_map(|(slot, ca)| Some((slot, ca?))) {
        let (by_name, by_path) = match slot {
            Slot::Primary => ("--ca-name", "--certificate-path"),
            Slot::Secondary => ("--secondary-ca-name", "--secondary-certificate-path"),
        };
        // Whichever CA is enrolled has to be verified as well: what a device sends has to lead to a verified certificate, and
        // devices here send their chain without its root
        // (https://learn.microsoft.com/azure/iot-dps/concepts-x509-attestation). An enrollment then names a root, and holds an
        // intermediate itself.
        let name = format!("{}-{slot}", group.id);
        write_verified(text, &name, ca, attest)?;
        attestation.push(match group.authority {
            Issuer::Root => format!("{by_name} {}", quoted(&name)),
            Issuer::Intermediate => format!("{by_path} {}", quoted(&verbatim(&ca.path))),
        });
    }
    let edge = match group.group_type {
        GroupType::Iot => "",
        GroupType::IotEdge => " --edge-enabled true",
    };
    writeln!(
        text,
        "az iot dps enrollment-group create --dps-name \"$DPS\" --resource-group \"$GROUP\" --enrollment-id {} {}{edge} \
         --provisioning-status enabled",
        quoted(&group.id),
        attestation.join(" ")
    )
}

/// Uploads a CA and proves that its key is at hand.
fn write_verified(text: &mut String, name: &str, ca: &Ca<'_>, attest: Attest) -> fmt::Result {
    let at = format!(
        "--dps-name \"$DPS\" --resource-group \"$GROUP\" --certificate-name {}",
        quoted(name)
    );
    let certificate = verbatim(&ca.path);
    let path = quoted(&certificate);
    if attest == Attest::SelfAttest {
        return writeln!(text, "az iot dps certificate create {at} --path {path} --verified true");
    }
    let etag = format!("ETAG=$(az iot dps certificate show {at} --query etag --output tsv)");
    writeln!(text, "az iot dps certificate create {at} --path {path}")?;
    writeln!(text, "{etag}")?;
    writeln!(
        text,
        "CODE=$(az iot dps certificate generate-verification-code {at} --etag \"$ETAG\" \
         --query properties.verificationCode --output tsv)"
    )?;
    let key = ca.key_path.as_deref().map_or_else(|| "KEY".to_owned(), verbatim);
    writeln!(
        text,
        "fleet cert verification --ca {path} --key {} --nonce \"$CODE\" --force",
        quoted(&key)
    )?;
    writeln!(text, "{etag}")?;
    writeln!(
        text,
        "az iot dps certificate verify {at} --path verification_cert.pem --etag \"$ETAG\""
    )
}

fn write_individual(text: &mut String, device: &IndividualEnrollment) -> fmt::Result {
    let path = |slot| quoted(&verbatim(&device.folder.pair_paths(slot).cert));
    writeln!(text, "\n# Individual enrollment {}", device.id)?;
    let primary = device.folder.pair_paths(Slot::Primary).cert;
    if primary.extension().is_some_and(|extension| extension == "pfx") {
        writeln!(
            text,
            "# The file has a key in it: take the certificate out first, e.g. with `openssl pkcs12 -clcerts -nokeys`."
        )?;
    }
    write!(
        text,
        "az iot dps enrollment create --dps-name \"$DPS\" --resource-group \"$GROUP\" --enrollment-id {id} --device-id {id} \
         --attestation-type x509 --certificate-path {}",
        path(Slot::Primary),
        id = quoted(&device.id)
    )?;
    if device.secondary.is_some() {
        write!(text, " --secondary-certificate-path {}", path(Slot::Secondary))?;
    }
    writeln!(text, " --provisioning-status enabled")
}
