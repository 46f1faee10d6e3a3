//! The emulator's own certificate authority, which clients have to trust, and the server certificate it signs at
//! every start.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType, date_time_ymd,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::error::StartError;

const NAME: &str = "IoT emulator test CA";
const EDGE_NAME: &str = "IoT emulator Edge CA";

/// Certificate and key of the authority, as PEM.
pub(crate) struct Authority {
    pub(crate) certificate_pem: String,
    key: KeyPair,
}

/// What a TLS server needs.
pub(crate) struct ServerIdentity {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
}

impl Authority {
    /// Makes a new authority.
    pub(crate) fn generate(now: Timestamp) -> Result<Self, StartError> {
        let key = KeyPair::generate()?;
        let certificate_pem = parameters(now)?.self_signed(&key)?.pem();
        Ok(Self { certificate_pem, key })
    }

    /// Takes up an authority that was stored.
    pub(crate) fn load(certificate_pem: String, key_pem: &str) -> Result<Self, StartError> {
        Ok(Self {
            certificate_pem,
            key: KeyPair::from_pem(key_pem)?,
        })
    }

    pub(crate) fn public_key(&self) -> &[u8] {
        self.key.public_key_raw()
    }

    /// The private key, for the state folder only.
    pub(crate) fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// Whether this authority may have others below it, as a gateway needs it.
    pub(crate) fn may_have_authorities_below(&self) -> bool {
        let Ok((_, pem)) = x509_parser::pem::parse_x509_pem(self.certificate_pem.as_bytes()) else {
            return false;
        };
        let parsed = pem.parse_x509();
        parsed.is_ok_and(|certificate| match certificate.basic_constraints() {
            Ok(Some(constraints)) => constraints.value.path_len_constraint.is_none_or(|length| length > 0),
            _ => false,
        })
    }

    /// Makes the certificate of a gateway that is reached by `hostname`, and of the Edge CA above it, which is a new one.
    ///
    /// Source: [How IoT Edge uses certificates](https://learn.microsoft.com/azure/iot-edge/iot-edge-certs).
    pub(crate) fn gateway_identity(&self, hostname: &str, now: Timestamp) -> Result<ServerIdentity, StartError> {
        let edge_key = KeyPair::generate()?;
        let mut edge = authority_parameters(EDGE_NAME, 0, 1, now)?;
        edge.use_authority_key_identifier_extension = true;
        let edge_certificate = edge.signed_by(&edge_key, &Issuer::new(parameters(now)?, &self.key))?;
        let key = KeyPair::generate()?;
        let server = server_parameters(vec![hostname.to_owned()], hostname, now)?;
        let certificate = server.signed_by(&key, &Issuer::new(edge, edge_key))?;
        Ok(ServerIdentity {
            chain: vec![certificate.der().clone(), edge_certificate.der().clone()],
            key: PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        })
    }

    /// Makes the certificate of a server that is reached by `hostname`, `others`, `localhost` and the loopback addresses.
    pub(crate) fn server_identity<'a>(
        &self,
        hostname: &str,
        others: impl Iterator<Item = &'a str>,
        now: Timestamp,
    ) -> Result<ServerIdentity, StartError> {
        let key = KeyPair::generate()?;
        let mut names = vec![hostname.to_owned()];
        for name in others.chain(["localhost"]) {
            if !names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                names.push(name.to_owned());
            }
        }
        let mut server = server_parameters(names, hostname, now)?;
        for address in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
            let address = SanType::IpAddress(address);
            if !server.subject_alt_names.contains(&address) {
                server.subject_alt_names.push(address);
            }
        }
        // Only the name and the key of the issuer enter the new certificate, and both are known without the old one.
        let issuer = Issuer::new(parameters(now)?, &self.key);
        let certificate = server.signed_by(&key, &issuer)?;
        Ok(ServerIdentity {
            chain: vec![certificate.der().clone()],
            key: PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        })
    }
}

/// Of the root, below which there may be Edge CAs.
fn parameters(now: Timestamp) -> Result<CertificateParams, rcgen::Error> {
    authority_parameters(NAME, 1, 10, now)
}

fn authority_parameters(
    name: &str,
    authorities_below: u8,
    years: i32,
    now: Timestamp,
) -> Result<CertificateParams, rcgen::Error> {
    let mut parameters = CertificateParams::new(vec![])?;
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(authorities_below));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_validity(&mut parameters, now, years);
    Ok(parameters)
}

pub(crate) fn server_parameters(
    names: Vec<String>,
    hostname: &str,
    now: Timestamp,
) -> Result<CertificateParams, rcgen::Error> {
    let mut parameters = CertificateParams::new(names)?;
    parameters.distinguished_name.push(DnType::CommonName, hostname);
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    parameters.use_authority_key_identifier_extension = true;
    set_validity(&mut parameters, now, 1);
    Ok(parameters)
}

/// From yesterday, as clocks differ, for so many years.
fn set_validity(parameters: &mut CertificateParams, now: Timestamp, years: i32) {
    let today = TimeZone::UTC.to_datetime(now).date();
    let at = |date: Date| {
        let part = |number: i8| u8::try_from(number).expect("months and days are small and positive");
        date_time_ymd(date.year().into(), part(date.month()), part(date.day()))
    };
    parameters.not_before = at(today.saturating_sub(1.days()));
    parameters.not_after = at(today.saturating_add(years.years()));
}
