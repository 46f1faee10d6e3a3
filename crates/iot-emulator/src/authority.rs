//! The emulator's own certificate authority, which clients are told to trust, and the server certificate it signs at
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

    /// The public key.
    pub(crate) fn public_key(&self) -> &[u8] {
        self.key.public_key_raw()
    }

    /// The private key, for the state folder only.
    pub(crate) fn key_pem(&self) -> String {
        self.key.serialize_pem()
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
        let mut server = CertificateParams::new(names)?;
        for address in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
            let address = SanType::IpAddress(address);
            if !server.subject_alt_names.contains(&address) {
                server.subject_alt_names.push(address);
            }
        }
        server.distinguished_name.push(DnType::CommonName, hostname);
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        server.use_authority_key_identifier_extension = true;
        set_validity(&mut server, now, 1);
        // Only the name and the key of the issuer enter the new certificate, and both are known without the old one.
        let issuer = Issuer::new(parameters(now)?, &self.key);
        let certificate = server.signed_by(&key, &issuer)?;
        Ok(ServerIdentity {
            chain: vec![certificate.der().clone()],
            key: PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        })
    }
}

fn parameters(now: Timestamp) -> Result<CertificateParams, rcgen::Error> {
    let mut parameters = CertificateParams::new(vec![])?;
    parameters.distinguished_name.push(DnType::CommonName, NAME);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_validity(&mut parameters, now, 10);
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
