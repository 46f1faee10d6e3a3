//! What the enrollments of a manifest are to be, with the certificates as they stand on disk.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use iot_protocol::shown;
use provisioning::central::GroupType;
use provisioning::certificate::inspect::CertificateFacts;
use provisioning::certificate::load;
use provisioning::certificate::make::CertificateAuthority;
use provisioning::enroll::{Attest, EnrollmentGroupSpec, GroupCa};
use provisioning::identities::{GroupAuthorities, GroupFolder, IndividualFolder, IndividualIdentities, Issuer, Slot};
use serde_json::Value;

use super::templates::templates;
use crate::manifest::Manifest;
use crate::manifest::types::{Group, GroupKind};
use crate::prepare::identities::Identities;
use crate::prepare::own_certificates;

/// Everything that a manifest wants enrolled.
#[derive(Debug)]
pub(crate) struct Enrollments<'a> {
    /// The templates of the models that devices announce, by the ids of the models.
    pub templates: BTreeMap<String, Value>,
    pub groups: Vec<GroupEnrollment<'a>>,
    /// The devices with enrollments of their own.
    pub individuals: Vec<IndividualEnrollment>,
}

/// An enrollment group.
#[derive(Debug)]
pub(crate) struct GroupEnrollment<'a> {
    pub id: String,
    /// Its name in the user interface.
    pub display_name: String,
    /// What its devices are.
    pub group_type: GroupType,
    /// Which CA of the group it is, for names.
    pub authority: Issuer,
    /// The CA of the leaves in use; `None` where it was not made yet.
    pub primary: Option<Ca<'a>>,
    /// The CA of the leaves to come.
    pub secondary: Option<Ca<'a>>,
    /// The slots whose CAs are wanted and were not made yet.
    pub unmade: Vec<Slot>,
}

/// A CA on disk.
#[derive(Debug)]
pub(crate) struct Ca<'a> {
    /// The file of its certificate.
    pub path: PathBuf,
    pub pem: String,
    /// The CA with its key, where that is here.
    pub key: Option<&'a CertificateAuthority>,
    /// The file of the key, where it is known.
    pub key_path: Option<PathBuf>,
}

/// A device with an enrollment of its own.
#[derive(Debug)]
pub(crate) struct IndividualEnrollment {
    pub id: String,
    /// Where its certificates are.
    pub folder: IndividualFolder,
    /// Its primary certificate; `None` where it was not made yet.
    pub primary: Option<String>,
    /// Its secondary certificate, where there is one.
    pub secondary: Option<String>,
    /// The slots whose certificates are wanted and were not made yet.
    pub unmade: Vec<Slot>,
}

impl<'a> Enrollments<'a> {
    /// With certificates that are made and checked, and the CAs' keys.
    ///
    /// # Errors
    ///
    /// A certificate that has to be uploaded is not here.
    pub(crate) fn of(manifest: &Manifest, identities: &'a Identities) -> anyhow::Result<Self> {
        let mut enrollments = Self::without_certificates(manifest);
        let all = manifest.group.iter().zip(&identities.groups);
        let enrolled = all.filter(|(group, _)| group.is_enrolled());
        for ((group, identities), spec) in enrolled.zip(&mut enrollments.groups) {
            let which = group.enroll;
            let ca = |of: &'a GroupAuthorities, own_key: Option<PathBuf>| {
                // A CA made elsewhere may be left out where it is not uploaded.
                let Some(path) = of.cert_path(which) else {
                    return Ok(None);
                };
                let key_path = group.certificates.is_none().then(|| beside(&path)).or(own_key);
                Ok::<_, anyhow::Error>(Some(match of.authority(which) {
                    Some(ca) => Ca {
                        pem: ca.cert_pem().to_owned(),
                        key: Some(ca),
                        key_path,
                        path,
                    },
                    None => Ca::read(path, key_path)?,
                }))
            };
            let own = group.certificates.as_ref();
            let own_keys = (
                own.and_then(|own| own.ca_key.clone()),
                own.and_then(|own| own.secondary.as_ref()?.ca_key.clone()),
            );
            spec.primary = ca(&identities.ca, own_keys.0)?;
            if let Some(secondary) = &identities.secondary {
                spec.secondary = ca(secondary, own_keys.1)?;
            }
        }
        let foreign = foreign_individuals(manifest);
        enrollments.individuals = identities
            .individuals
            .iter()
            .filter(|(id, _)| !foreign.contains(id))
            .map(|(id, identities)| IndividualEnrollment::of(id, identities))
            .collect();
        Ok(enrollments)
    }

    /// With the certificates that happen to be on disk. Makes nothing and reads no key.
    ///
    /// # Errors
    ///
    /// A certificate is there and can't be read.
    pub(crate) fn on_disk(manifest: &Manifest) -> anyhow::Result<Self> {
        let certs = &manifest.fleet.certs;
        let mut enrollments = Self::without_certificates(manifest);
        let enrolled = manifest.group.iter().filter(|group| group.is_enrolled());
        for (group, spec) in enrolled.zip(&mut enrollments.groups) {
            if let Some(own) = &group.certificates {
                let ca = |path: &PathBuf, key: &Option<PathBuf>| Ca::read(path.clone(), key.clone());
                spec.primary = own.ca.as_ref().map(|path| ca(path, &own.ca_key)).transpose()?;
                let secondary = own.secondary.as_ref();
                spec.secondary = secondary.map(|own| ca(&own.ca, &own.ca_key)).transpose()?;
                continue;
            }
            let folder = GroupFolder::new(certs, &group.id);
            let ca = |generation| {
                let path = folder.ca_cert(generation, group.enroll);
                path.exists()
                    .then(|| Ca::read(path.clone(), Some(beside(&path))))
                    .transpose()
            };
            let current = folder.current_ca()?;
            spec.primary = ca(current)?;
            if group.secondary {
                spec.secondary = ca(current.next())?;
            }
            spec.unmade = unmade(spec.primary.is_some(), spec.secondary.is_some(), group.secondary);
        }
        for individual in manifest.individual.iter().filter(|one| one.is_enrolled()) {
            for id in individual.ids()? {
                if let Some(own) = &individual.certificates {
                    let identities = own_certificates::load_individual(own, id.as_str())?;
                    enrollments
                        .individuals
                        .push(IndividualEnrollment::of(id.as_str(), &identities));
                    continue;
                }
                let folder = IndividualFolder::new(certs, id.as_str());
                let pem = |slot| {
                    let path = folder.pair_paths(slot).cert;
                    path.exists().then(|| load::certificate_pem(&path)).transpose()
                };
                let primary = pem(Slot::Primary)?;
                let secondary = if individual.secondary {
                    pem(Slot::Secondary)?
                } else {
                    None
                };
                enrollments.individuals.push(IndividualEnrollment {
                    id: id.to_string(),
                    folder,
                    unmade: unmade(primary.is_some(), secondary.is_some(), individual.secondary),
                    primary,
                    secondary,
                });
            }
        }
        Ok(enrollments)
    }

    fn without_certificates(manifest: &Manifest) -> Self {
        let group = |group: &Group| GroupEnrollment {
            id: group.id.clone(),
            display_name: format!("{} {}", manifest.fleet.name, group.id),
            group_type: match group.kind {
                GroupKind::Iot => GroupType::Iot,
                GroupKind::Edge => GroupType::IotEdge,
            },
            authority: group.enroll,
            primary: None,
            secondary: None,
            unmade: Vec::new(),
        };
        Self {
            templates: templates(manifest),
            groups: manifest
                .group
                .iter()
                .filter(|group| group.is_enrolled())
                .map(group)
                .collect(),
            individuals: Vec::new(),
        }
    }

    /// What there is, for a sentence.
    #[must_use]
    pub(crate) fn words(&self) -> String {
        let count = |count: usize, one: &str, many: &str| match count {
            0 => None,
            1 => Some(format!("1 {one}")),
            count => Some(format!("{count} {many}")),
        };
        let parts: Vec<_> = [
            count(self.templates.len(), "device template", "device templates"),
            count(self.groups.len(), "enrollment group", "enrollment groups"),
            count(
                self.individuals.len(),
                "individual enrollment",
                "individual enrollments",
            ),
        ]
        .into_iter()
        .flatten()
        .collect();
        match parts.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, others)) => format!("{} and {last}", others.join(", ")),
            None => "nothing".to_owned(),
        }
    }
}

impl GroupEnrollment<'_> {
    /// As the application is to have it.
    ///
    /// # Errors
    ///
    /// Its CA is not here, or not a certificate.
    pub(crate) fn describe(&self, attest: Attest) -> anyhow::Result<EnrollmentGroupSpec<'_>> {
        let primary = self
            .primary
            .as_ref()
            .ok_or_else(|| anyhow!("there is no CA certificate of group {} to enroll", self.id))?;
        Ok(EnrollmentGroupSpec {
            id: &self.id,
            display_name: &self.display_name,
            group_type: self.group_type,
            primary: primary.describe()?,
            secondary: self.secondary.as_ref().map(Ca::describe).transpose()?,
            attest,
        })
    }
}

impl Ca<'_> {
    /// A CA of which only the certificate is read.
    fn read(path: PathBuf, key_path: Option<PathBuf>) -> anyhow::Result<Self> {
        let pem = load::certificate_pem(&path)?;
        Ok(Self {
            path,
            pem,
            key: None,
            key_path,
        })
    }

    fn describe(&self) -> anyhow::Result<GroupCa<'_>> {
        Ok(match self.key {
            Some(ca) => GroupCa::with_key(ca),
            None => GroupCa::without_key(&self.pem, &shown::path(&self.path).to_string())?,
        })
    }

    /// What stands in its certificate.
    ///
    /// # Errors
    ///
    /// It is no certificate.
    pub(crate) fn facts(&self) -> anyhow::Result<CertificateFacts> {
        Ok(CertificateFacts::from_pem(
            self.pem.as_bytes(),
            &shown::path(&self.path).to_string(),
        )?)
    }
}

impl IndividualEnrollment {
    fn of(id: &str, identities: &IndividualIdentities) -> Self {
        Self {
            id: id.to_owned(),
            folder: identities.folder.clone(),
            primary: Some(identities.primary_pem()),
            secondary: identities.secondary_pem(),
            unmade: Vec::new(),
        }
    }

    pub(super) fn primary_pem(&self) -> anyhow::Result<&str> {
        self.primary
            .as_deref()
            .ok_or_else(|| anyhow!("the certificate of device {} is not made yet", self.id))
    }
}

/// The ids of individual devices whose certificates are enrolled nowhere, on purpose.
pub(crate) fn foreign_individuals(manifest: &Manifest) -> BTreeSet<String> {
    let foreign = manifest
        .individual
        .iter()
        .filter(|individual| !individual.is_enrolled());
    // A read manifest has valid ids only.
    foreign
        .flat_map(|individual| individual.ids().unwrap_or_default())
        .map(|id| id.to_string())
        .collect()
}

fn unmade(primary: bool, secondary: bool, secondary_wanted: bool) -> Vec<Slot> {
    let missing = [
        (Slot::Primary, !primary),
        (Slot::Secondary, secondary_wanted && !secondary),
    ];
    missing
        .into_iter()
        .filter_map(|(slot, missing)| missing.then_some(slot))
        .collect()
}

/// Where the key of a CA is that was made here.
fn beside(certificate: &Path) -> PathBuf {
    let name = certificate.file_name().unwrap_or_default().to_string_lossy();
    certificate.with_file_name(name.replace("_cert.pem", "_key.pem"))
}
