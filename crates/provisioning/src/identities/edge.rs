//! The Edge CA of an IoT Edge device: below it, the device makes the certificate of its gateway by itself.
//!
//! <https://learn.microsoft.com/azure/iot-edge/iot-edge-certs>

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::files::{Access, Lock, check_name, create_folder, exists, write};
use super::{Generation, GroupFolder, GroupIdentities, IdentityError, Issuer};
use crate::certificate::make::{Below, CertificateAuthority, KeyType, Validity, key_pair};
use crate::certificate::{inspect, load, pem};

/// A common name has room for so much of the device's id.
const ID_IN_NAME: usize = 56;

/// The files of an Edge CA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeCaPaths {
    /// The CA alone.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The CA and the intermediates above it, without the root: what `[edge_ca]` of a `config.toml` names.
    pub fullchain: PathBuf,
    /// The root above it, which the devices behind the gateway trust: the `trust_bundle_cert` of a `config.toml`.
    pub trust_bundle: PathBuf,
}

impl EdgeCaPaths {
    /// The folder of all three.
    pub fn folder(&self) -> &Path {
        self.cert.parent().unwrap_or(Path::new(""))
    }
}

/// An Edge CA that was found or made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeCa {
    /// Where it is.
    pub paths: EdgeCaPaths,
    /// Whether it was made just now.
    pub made: bool,
}

impl GroupFolder {
    /// The files of a device's Edge CA below a generation of the group's CAs.
    pub fn edge_ca_paths(&self, ca: Generation, device_id: &str) -> EdgeCaPaths {
        let folder = self.path().join("edge").join(ca.to_string()).join(device_id);
        let file = |kind: &str| folder.join(format!("edge_ca_{kind}.pem"));
        EdgeCaPaths {
            cert: file("cert"),
            key: file("key"),
            fullchain: file("fullchain"),
            trust_bundle: folder.join("trust_bundle.pem"),
        }
    }
}

impl GroupIdentities {
    /// Checks the Edge CA of a device, or makes what is missing of it: signed by the group's root, or by its intermediate
    /// where the root's key is kept elsewhere.
    pub fn edge_ca(&self, device_id: &str, key_type: KeyType, now: Timestamp) -> Result<EdgeCa, IdentityError> {
        check_name(device_id)?;
        let paths = self.folder.edge_ca_paths(self.ca.generation, device_id);
        create_folder(paths.folder())?;
        let _lock = Lock::take(paths.folder())?;
        let issuer = match (&self.ca.root, &self.ca.intermediate) {
            (Some(root), _) => root,
            (None, Some(intermediate)) => intermediate,
            (None, None) => {
                let (certificate, key) = self.folder.ca_paths(self.ca.generation, Issuer::Root);
                return Err(IdentityError::WithoutKey { certificate, key });
            }
        };
        let (cert, key, whole) = (exists(&paths.cert)?, exists(&paths.key)?, exists(&paths.fullchain)?);
        if !key && (cert || whole) {
            let certificate = if cert { paths.cert } else { paths.fullchain };
            return Err(IdentityError::WithoutKey {
                certificate,
                key: paths.key,
            });
        }
        if !cert {
            make(&paths, issuer, device_id, (key, key_type), now)?;
        }
        let edge = CertificateAuthority::load(&paths.cert, &paths.key)?;
        edge.facts().check_validity(now, &load::named(&paths.cert))?;
        let der = |authority: &CertificateAuthority| {
            let named = load::named(&paths.cert);
            pem::certificates(authority.cert_pem().as_bytes(), &named).map(|mut all| all.swap_remove(0))
        };
        if !inspect::issued_by(&der(&edge)?, &der(issuer)?, &load::named(&paths.cert))? {
            return Err(IdentityError::NotIssuedBy {
                certificate: paths.cert,
                issuer: issuer.name().to_owned(),
                ca: self.folder.ca_folder(self.ca.generation),
            });
        }
        if !exists(&paths.trust_bundle)? {
            write(
                &paths.trust_bundle,
                self.trust_bundle(issuer)?.as_bytes(),
                Access::Folder,
            )?;
        }
        if !whole {
            let chain = format!("{}{}", edge.cert_pem(), issuer.intermediates_pem());
            write(&paths.fullchain, chain.as_bytes(), Access::Folder)?;
        }
        Ok(EdgeCa { paths, made: !whole })
    }

    /// The root, of which there may be the certificate alone; without that, trust ends at the issuer.
    fn trust_bundle(&self, issuer: &CertificateAuthority) -> Result<String, IdentityError> {
        let root = self.folder.ca_cert(self.ca.generation, Issuer::Root);
        if self.ca.root.is_none() && exists(&root)? {
            return Ok(String::from_utf8_lossy(&load::read(&root)?).into_owned());
        }
        Ok(issuer.cert_pem().to_owned())
    }
}

/// The key is written before the certificate, so a certificate that is there always has its key.
fn make(
    paths: &EdgeCaPaths,
    issuer: &CertificateAuthority,
    device_id: &str,
    (has_key, key_type): (bool, KeyType),
    now: Timestamp,
) -> Result<(), IdentityError> {
    let id: String = device_id.chars().take(ID_IN_NAME).collect();
    let name = format!("{id} edge CA");
    let pair = if has_key {
        key_pair(&load::read(&paths.key)?, &load::named(&paths.key))?
    } else {
        key_type.generate(&name)?
    };
    // IoT Edge may put a CA of its own between this one and its server certificates.
    let edge = issuer.intermediate_over(pair, &name, Validity::intermediate(now), Below::Cas)?;
    if !has_key {
        write(&paths.key, edge.key_pem().as_bytes(), Access::Owner)?;
    }
    write(&paths.cert, edge.cert_pem().as_bytes(), Access::Folder)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::identities::GroupSpec;

    fn now() -> Timestamp {
        "2026-11-23T15:00:00Z".parse().unwrap()
    }

    fn group(certs: &Path) -> GroupIdentities {
        let spec = GroupSpec::new(certs, "edge", Issuer::Intermediate);
        spec.open_or_create(["gw-1"], now(), &|_, _| {}).unwrap()
    }

    #[test]
    fn an_edge_ca_is_a_ca_below_the_root_that_may_have_others_below_it_and_is_kept() {
        let certs = tempfile::tempdir().unwrap();
        let group = group(certs.path());
        let made = group.edge_ca("gw-1", KeyType::P256, now()).unwrap();
        assert!(made.made);
        let edge = CertificateAuthority::load(&made.paths.fullchain, &made.paths.key).unwrap();
        assert_eq!(edge.facts().common_name.as_deref(), Some("gw-1 edge CA"));
        assert_eq!(edge.facts().issuer_common_name.as_deref(), Some("edge root"));
        assert!(edge.facts().is_ca);
        let root = fs::read_to_string(&made.paths.trust_bundle).unwrap();
        assert_eq!(root, group.ca.root.as_ref().unwrap().cert_pem());
        edge.intermediate("workload", KeyType::P256, Validity::leaf(now()))
            .unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(&made.paths.key), mode(made.paths.folder())), (0o600, 0o700));
        }

        let before = fs::read(&made.paths.cert).unwrap();
        assert!(!group.edge_ca("gw-1", KeyType::P256, now()).unwrap().made);
        // As an interrupted run leaves it.
        fs::remove_file(&made.paths.fullchain).unwrap();
        assert!(group.edge_ca("gw-1", KeyType::P256, now()).unwrap().made);
        assert_eq!(fs::read(&made.paths.cert).unwrap(), before);
    }

    #[test]
    fn an_edge_ca_of_another_root_or_without_its_key_is_a_problem_and_stays() {
        let (certs, others) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (ours, others) = (group(certs.path()), group(others.path()));
        let paths = ours.edge_ca("gw-1", KeyType::P256, now()).unwrap().paths;
        let foreign = others.edge_ca("gw-1", KeyType::P256, now()).unwrap().paths;
        let before = fs::read(&paths.cert).unwrap();
        fs::copy(&foreign.cert, &paths.cert).unwrap();
        fs::copy(&foreign.key, &paths.key).unwrap();
        let error = ours.edge_ca("gw-1", KeyType::P256, now()).unwrap_err();
        assert!(matches!(error, IdentityError::NotIssuedBy { .. }), "{error}");
        fs::write(&paths.cert, &before).unwrap();
        fs::remove_file(&paths.key).unwrap();
        let error = ours.edge_ca("gw-1", KeyType::P256, now()).unwrap_err();
        assert!(matches!(error, IdentityError::WithoutKey { .. }), "{error}");
        assert_eq!(fs::read(&paths.cert).unwrap(), before);
    }
}
