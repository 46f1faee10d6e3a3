//! Parties with certificates: roots, intermediates, leaves.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// The years in which certificates are valid.
const GOOD: (i32, i32) = (2020, 2040);
const PAST: (i32, i32) = (2020, 2021);
const FUTURE: (i32, i32) = (2039, 2040);

/// A party with a certificate, its key, and the certificates above it.
pub struct Party {
    pub pem: String,
    der: CertificateDer<'static>,
    key_der: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
    above: Vec<CertificateDer<'static>>,
}

impl Party {
    /// A self-signed certificate authority.
    pub fn root(name: &str) -> Self {
        Self::make(name, true, GOOD, None)
    }

    /// A certificate authority that is no longer valid.
    pub fn expired_root(name: &str) -> Self {
        Self::make(name, true, PAST, None)
    }

    /// A self-signed leaf, for an individual enrollment.
    pub fn self_signed(name: &str) -> Self {
        Self::make(name, false, GOOD, None)
    }

    /// A certificate authority below this one.
    pub fn intermediate(&self, name: &str) -> Self {
        Self::make(name, true, GOOD, Some(self))
    }

    /// A leaf below this authority.
    pub fn leaf(&self, name: &str) -> Self {
        Self::make(name, false, GOOD, Some(self))
    }

    /// A leaf that is no longer valid.
    pub fn expired_leaf(&self, name: &str) -> Self {
        Self::make(name, false, PAST, Some(self))
    }

    /// A leaf that is not valid yet.
    pub fn future_leaf(&self, name: &str) -> Self {
        Self::make(name, false, FUTURE, Some(self))
    }

    fn make(name: &str, is_authority: bool, years: (i32, i32), by: Option<&Self>) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(vec![]).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.not_before = date_time_ymd(years.0, 1, 1);
        parameters.not_after = date_time_ymd(years.1, 1, 1);
        if is_authority {
            parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        let certificate = match by {
            Some(by) => parameters.signed_by(&key, &by.issuer),
            None => parameters.self_signed(&key),
        }
        .unwrap();
        let above = by.map(|by| by.chain()).unwrap_or_default();
        Self {
            pem: certificate.pem(),
            der: certificate.der().clone(),
            key_der: key.serialize_der(),
            issuer: Issuer::new(parameters, key),
            above,
        }
    }

    /// The certificate and all above it.
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        std::iter::once(self.der.clone())
            .chain(self.above.iter().cloned())
            .collect()
    }

    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key_der.clone()))
    }
}
