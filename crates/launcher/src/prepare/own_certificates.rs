//! Certificates made elsewhere: what the manifest has of them, for the crate that checks them and for the plan.

use std::path::{Path, PathBuf};

use fleet_protocol::plan::Files;
use jiff::Timestamp;
use provisioning::certificate::load::Identity;
use provisioning::identities::{
    BroughtCa, BroughtFiles, BroughtGroup, BroughtIndividual, GroupFolder, GroupIdentities, IdentityError,
    IndividualIdentities, PasswordSource, Problems, Progress,
};

use crate::manifest::types::{Group, GroupCertificates, IndividualCertificates, PairFiles, Secret};
use crate::paths::absolute;

/// Checks a group's own certificates.
///
/// # Errors
///
/// All that is wrong with them.
pub(crate) fn open_group(
    certs: &Path,
    group: &Group,
    own: &GroupCertificates,
    now: Timestamp,
    progress: Progress<'_>,
) -> Result<GroupIdentities, Problems> {
    let ids = (0..group.devices.count).map(|index| group.devices.id(index));
    group_of(own).open(GroupFolder::new(certs, &group.id), ids, now, progress)
}

/// Checks the own certificates of an individually enrolled device.
///
/// # Errors
///
/// All that is wrong with them.
pub(crate) fn open_individual(
    own: &IndividualCertificates,
    device_id: &str,
    now: Timestamp,
) -> Result<IndividualIdentities, Problems> {
    individual_of(own).open(device_id, now)
}

/// Loads them as they are, whatever their dates and names.
///
/// # Errors
///
/// A file can't be read.
pub(crate) fn load_individual(own: &IndividualCertificates, device_id: &str) -> Result<IndividualIdentities, Problems> {
    individual_of(own).load(device_id)
}

fn individual_of(own: &IndividualCertificates) -> BroughtIndividual {
    let second = |own: &PairFiles| files(&own.cert, &own.pfx, &own.key, own.password.as_ref());
    BroughtIndividual {
        primary: individual_files(own),
        secondary: own.secondary.as_ref().map(second),
    }
}

/// Loads what belongs to one device of a group.
///
/// # Errors
///
/// It can't be read or opened.
pub(crate) fn load(own: &GroupCertificates, device_id: &str) -> Result<Identity, IdentityError> {
    group_of(own).files.load(device_id)
}

/// Where the devices of a group find their certificates.
///
/// # Errors
///
/// The current folder can't be read, so that no path can be made absolute.
pub(crate) fn group_source(own: &GroupCertificates) -> anyhow::Result<Files> {
    source(&files(&own.leaf, &own.pfx, &own.key, own.password.as_ref()))
}

/// Where individually enrolled devices find theirs.
///
/// # Errors
///
/// The current folder can't be read, so that no path can be made absolute.
pub(crate) fn individual_source(own: &IndividualCertificates) -> anyhow::Result<Files> {
    source(&individual_files(own))
}

fn group_of(own: &GroupCertificates) -> BroughtGroup {
    let ca = |certificate: &PathBuf, key: &Option<PathBuf>| BroughtCa {
        certificate: certificate.clone(),
        key: key.clone(),
    };
    BroughtGroup {
        files: files(&own.leaf, &own.pfx, &own.key, own.password.as_ref()),
        ca: own.ca.as_ref().map(|path| ca(path, &own.ca_key)),
        secondary: own.secondary.as_ref().map(|own| ca(&own.ca, &own.ca_key)),
    }
}

fn individual_files(own: &IndividualCertificates) -> BroughtFiles {
    files(&own.cert, &own.pfx, &own.key, own.password.as_ref())
}

/// A read manifest has one of certificate and PFX.
fn files(
    certificate: &Option<PathBuf>,
    pfx: &Option<PathBuf>,
    key: &Option<PathBuf>,
    password: Option<&Secret>,
) -> BroughtFiles {
    BroughtFiles {
        certificate: certificate.clone().or_else(|| pfx.clone()).unwrap_or_default(),
        key: key.clone(),
        password: password.map(|secret| match secret {
            Secret::Env(variable) => PasswordSource::Variable(variable.clone()),
            Secret::File(path) => PasswordSource::File(path.clone()),
        }),
    }
}

/// For the plan: paths and the name of a variable, no secret.
fn source(files: &BroughtFiles) -> anyhow::Result<Files> {
    let (variable, file) = match &files.password {
        Some(PasswordSource::Variable(name)) => (Some(name.clone()), None),
        Some(PasswordSource::File(path)) => (None, Some(absolute(path)?)),
        None => (None, None),
    };
    Ok(Files {
        certificate: absolute(&files.certificate)?,
        key: files.key.as_deref().map(absolute).transpose()?,
        password_variable: variable,
        password_file: file,
    })
}
