//! Certificates made elsewhere: which files, and where their passwords are.

use std::path::PathBuf;

use provisioning::identities::DEVICE_ID;
use settings::Table;

use super::{Enrollments, Walk};
use crate::manifest::forms::Typed;
use crate::manifest::types::{AuthorityFiles, GroupCertificates, IndividualCertificates, PairFiles, Secret};

/// Why keys about how certificates are made are refused.
pub(super) const NOT_MADE: &str = "is of no use here: with certificates of your own, none are made";
const PASSWORD_FORM: &str =
    "password = { env = \"PFX_PASSWORD\" } or { file = \"password\" }; a manifest holds no secret";

/// A certificate and its key.
struct Pair {
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    pfx: Option<PathBuf>,
    password: Option<Secret>,
}

impl Walk<'_> {
    pub(super) fn group_certificates(&self, table: &Table<'_>) -> Option<GroupCertificates> {
        let table = table.table("certificates")?;
        let pair = self.pair(&table, "leaf", true);
        let (ca, ca_key) = (self.path(&table, "ca"), self.path(&table, "ca_key"));
        self.check_authority(&table);
        let secondary = table.table("secondary").and_then(|table| {
            let (ca, ca_key) = (self.path(&table, "ca"), self.path(&table, "ca_key"));
            if !table.has("ca") {
                let message = format!("`{}` has no CA", table.path());
                table.problem(
                    message,
                    "accepted: secondary = { ca = \"byo/next_cert.pem\", ca_key = \"byo/next_key.pem\" }",
                );
            } else {
                self.check_authority(&table);
            }
            table.finish();
            Some(AuthorityFiles { ca: ca?, ca_key })
        });
        table.finish();
        let Pair {
            cert: leaf,
            key,
            pfx,
            password,
        } = pair?;
        Some(GroupCertificates {
            leaf,
            key,
            pfx,
            password,
            ca,
            ca_key,
            secondary,
        })
    }

    pub(super) fn individual_certificates(&self, table: &Table<'_>, several: bool) -> Option<IndividualCertificates> {
        let table = table.table("certificates")?;
        let pair = self.pair(&table, "cert", several);
        let second = table.table("secondary").and_then(|table| {
            let pair = self.pair(&table, "cert", several);
            table.finish();
            pair
        });
        table.finish();
        let Pair {
            cert,
            key,
            pfx,
            password,
        } = pair?;
        Some(IndividualCertificates {
            cert,
            key,
            pfx,
            password,
            secondary: second.map(|pair| PairFiles {
                cert: pair.cert,
                key: pair.key,
                pfx: pair.pfx,
                password: pair.password,
            }),
        })
    }

    /// Either a certificate under the name `cert` and its key, or a PFX file. Devices that are `several` can't share one.
    fn pair(&self, table: &Table<'_>, cert: &'static str, several: bool) -> Option<Pair> {
        let accepted = format!(
            "accepted: {cert} = \"byo/{DEVICE_ID}_cert.pem\" and key = \"byo/{DEVICE_ID}_key.pem\", or pfx = \"byo/{DEVICE_ID}.pfx\""
        );
        let [certificate, key, pfx] = [cert, "key", "pfx"].map(|name| {
            let path = self.path(table, name)?;
            if several && !path.to_string_lossy().contains(DEVICE_ID) {
                table.problem(
                    format!("`{}.{name}` is the same file for every device", table.path()),
                    &format!("accepted: a path with {DEVICE_ID} in it, such as \"byo/{DEVICE_ID}_cert.pem\""),
                );
            }
            Some(path)
        });
        let password = table
            .table_of_form("password", PASSWORD_FORM)
            .and_then(|inner| self.secret(inner, PASSWORD_FORM));
        if table.has(cert) == table.has("pfx") || (table.has("pfx") && table.has("key")) {
            let message = format!("`{}` needs either {cert} or pfx, and a pfx holds its key", table.path());
            table.problem(message, &accepted);
            return None;
        }
        Some(Pair {
            cert: certificate,
            key,
            pfx,
            password,
        })
    }

    fn path(&self, table: &Table<'_>, key: &'static str) -> Option<PathBuf> {
        table.optional::<PathBuf>(key).map(|path| self.folder.join(path.value))
    }

    /// Whether there is as much of the CA as the target needs.
    fn check_authority(&self, table: &Table<'_>) {
        match (table.has("ca"), table.has("ca_key"), self.enrollments) {
            (false, true, _) => table.problem(
                format!("`{}` has the key of a CA, but not the CA", table.path()),
                "accepted: ca = \"byo/ca_cert.pem\" beside ca_key",
            ),
            (false, false, Enrollments::Made | Enrollments::Asked) => table.problem(
                format!("`{}` has no CA, and the enrollment needs one", table.path()),
                "accepted: ca = \"byo/ca_cert.pem\"; only with kind = \"dps\" it may be left out",
            ),
            (true, false, Enrollments::Made) => table.problem(
                format!(
                    "`{}` has no key of the CA, and a new emulator asks for proof of it",
                    table.path()
                ),
                "accepted: ca_key = \"byo/ca_key.pem\"; without it, the enrollment has to be verified already",
            ),
            _ => {}
        }
    }
}
