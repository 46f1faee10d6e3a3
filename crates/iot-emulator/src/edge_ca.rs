//! An Edge CA for a gateway that is made elsewhere, as an IoT Edge device has it in `[edge_ca]` of its `config.toml`.
//!
//! Source: [How IoT Edge uses certificates](https://learn.microsoft.com/azure/iot-edge/iot-edge-certs).

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use iot_protocol::IdError;
use iot_protocol::id::DeviceId;
use jiff::Timestamp;
use rcgen::{Issuer, KeyPair};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::authority::{ServerIdentity, server_parameters};
use crate::certificate::CERTIFICATE;
use crate::error::StartError;
use crate::pem::{self, Section};

/// The CA first, then those between it and the root.
const CHAIN: &str = "edge_ca_fullchain.pem";
const KEY: &str = "edge_ca_key.pem";

/// The Edge CA of an IoT Edge device that a gateway stands for. Its text form is `DEVICE=DIR`:
///
/// ```
/// use iot_emulator::EdgeCa;
///
/// let edge_ca: EdgeCa = "gw-1=certs/gateways/edge/gw-1".parse()?;
/// assert_eq!(edge_ca.device.as_str(), "gw-1");
/// # Ok::<(), iot_emulator::InvalidEdgeCa>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeCa {
    /// The Edge device.
    pub device: DeviceId,
    /// The folder with `edge_ca_fullchain.pem` and `edge_ca_key.pem`.
    pub folder: PathBuf,
}

/// Why a text names no Edge CA.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEdgeCa {
    /// There is no `=` in it, or nothing behind.
    #[error("`{0}` names no folder; accepted: DEVICE=DIR, e.g. gw-1=certs/gateways/edge/gw-1")]
    NoFolder(String),
    /// The device is not one.
    #[error(transparent)]
    Id(#[from] IdError),
}

impl FromStr for EdgeCa {
    type Err = InvalidEdgeCa;

    fn from_str(text: &str) -> Result<Self, InvalidEdgeCa> {
        let (device, folder) = text
            .split_once('=')
            .filter(|(_, folder)| !folder.is_empty())
            .ok_or_else(|| InvalidEdgeCa::NoFolder(text.into()))?;
        Ok(Self {
            device: device.parse()?,
            folder: folder.into(),
        })
    }
}

impl EdgeCa {
    /// Makes the certificate of a gateway that is reached by `hostname`, below this CA.
    pub(crate) fn gateway_identity(&self, hostname: &str, now: Timestamp) -> Result<ServerIdentity, StartError> {
        let bad = |path: &Path, reason: String| StartError::EdgeCa {
            path: path.to_owned(),
            reason,
        };
        let read = |name| {
            let path = self.folder.join(name);
            let sections = fs::read(&path).map_err(|error| bad(&path, error.to_string()))?;
            match pem::sections(&sections) {
                Ok(sections) => Ok((path, sections)),
                Err(flaw) => Err(bad(&path, format!("it {flaw}"))),
            }
        };
        let (chain_path, chain) = read(CHAIN)?;
        let (key_path, key) = read(KEY)?;
        let key = key.into_iter().find_map(private_key);
        let key = key.ok_or_else(|| {
            bad(
                &key_path,
                "there is no private key in it, or none that can be used".into(),
            )
        })?;
        let above: Vec<CertificateDer<'static>> = chain
            .into_iter()
            .filter(|section| section.label == CERTIFICATE)
            .map(|section| CertificateDer::from(section.der))
            .collect();
        let first = above.first();
        let edge = first.ok_or_else(|| bad(&chain_path, "there is no certificate in it".into()))?;
        let parsed = X509Certificate::from_der(edge);
        let (_, parsed) = parsed.map_err(|_| bad(&chain_path, "its first certificate is damaged".into()))?;
        if !parsed.is_ca() {
            return Err(bad(&chain_path, "its first certificate is not that of a CA".into()));
        }
        if parsed.public_key().subject_public_key.data.as_ref() != key.public_key_raw() {
            return Err(bad(&key_path, "it is not the key of the CA beside it".into()));
        }
        let issuer = Issuer::from_ca_cert_der(edge, key)?;
        let server_key = KeyPair::generate()?;
        let server = server_parameters(vec![hostname.to_owned()], hostname, now)?.signed_by(&server_key, &issuer)?;
        let mut chain = vec![server.der().clone()];
        chain.extend(above);
        Ok(ServerIdentity {
            chain,
            key: PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(server_key.serialize_der())),
        })
    }
}

fn private_key(section: Section) -> Option<KeyPair> {
    let der = section.der;
    let der: PrivateKeyDer<'static> = match section.label.as_str() {
        "PRIVATE KEY" => PrivatePkcs8KeyDer::from(der).into(),
        "RSA PRIVATE KEY" => PrivatePkcs1KeyDer::from(der).into(),
        "EC PRIVATE KEY" => PrivateSec1KeyDer::from(der).into(),
        _ => return None,
    };
    KeyPair::try_from(&der).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_ca_is_a_device_and_a_folder() {
        let edge_ca: EdgeCa = "gw-1=a=b/c".parse().unwrap();
        assert_eq!(
            (edge_ca.device.as_str(), edge_ca.folder.as_path()),
            ("gw-1", Path::new("a=b/c"))
        );
        for text in ["gw-1", "gw-1=", "=dir", "a b=dir"] {
            assert!(text.parse::<EdgeCa>().is_err(), "{text}");
        }
    }
}
