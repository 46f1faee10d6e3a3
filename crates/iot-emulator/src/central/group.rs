use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::new_etag;
use crate::attestation::Entry;
use crate::certificate::Certificate;
use crate::store::{Record, Table};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Group {
    pub(crate) id: String,
    pub(crate) display_name: String,
    pub(crate) enabled: bool,
    pub(crate) group_type: GroupType,
    pub(crate) primary: Option<SigningCertificate>,
    pub(crate) secondary: Option<SigningCertificate>,
    pub(crate) etag: String,
}

/// What the devices of a group are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum GroupType {
    Iot,
    IotEdge,
}

/// A certificate of a group: only once verified does it let devices in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SigningCertificate {
    pub(crate) certificate: Arc<Certificate>,
    pub(crate) verified: bool,
    /// What a verification certificate must have as its common name.
    pub(crate) code: Option<String>,
    pub(crate) etag: String,
}

impl Record for Group {
    const TABLE: Table = Table::Groups;
}

impl SigningCertificate {
    pub(crate) fn new(certificate: Certificate, verified: bool) -> Self {
        Self {
            certificate: Arc::new(certificate),
            verified,
            code: None,
            etag: new_etag(),
        }
    }
}

impl Group {
    /// Both certificates, as far as they are there.
    pub(crate) fn certificates(&self) -> impl Iterator<Item = (Entry, &SigningCertificate)> {
        let primary = self.primary.iter().map(|signing| (Entry::Primary, signing));
        primary.chain(self.secondary.iter().map(|signing| (Entry::Secondary, signing)))
    }

    pub(crate) fn certificate(&self, entry: Entry) -> Option<&SigningCertificate> {
        match entry {
            Entry::Primary => self.primary.as_ref(),
            Entry::Secondary => self.secondary.as_ref(),
        }
    }

    /// The place of one of the two certificates.
    pub(crate) fn certificate_mut(&mut self, entry: Entry) -> &mut Option<SigningCertificate> {
        match entry {
            Entry::Primary => &mut self.primary,
            Entry::Secondary => &mut self.secondary,
        }
    }
}
