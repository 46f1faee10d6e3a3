//! Chains of certificates as nobody ever made them: what `cert inspect` refuses, DPS refuses, and the other way round.
//!
//! A changed byte of a signed certificate only breaks its signature, so an input is a recipe: the certificates that it
//! describes are made and signed here. A device that is told that its chain is good must get in, and one that is told
//! otherwise would be let in by nothing but a mistake of the emulator's.

use std::sync::OnceLock;

use iot_emulator::fuzzing::{self, KnownCertificate};
use iot_protocol::id::RegistrationId;
use jiff::Timestamp;
use provisioning::certificate::examine::{Enrolled, ExamineRequest, Examined, Level, examine};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, date_time_ymd,
};
use rustls_pki_types::CertificateDer;

const ID: &str = "thermo-1";
/// A chain has a leaf, at most three intermediates and a root.
const MOST: usize = 5;

/// The law.
///
/// # Panics
///
/// It does not hold.
pub fn law(data: &[u8]) {
    let mut recipe = Recipe(data);
    let Some(certificates) = recipe.certificates() else {
        return;
    };
    let (sent, enrolled) = recipe.sent(&certificates);
    let now: Timestamp = "2030-01-01T00:00:00Z".parse().expect("the constant is a time");

    let known = |certificate: &Certificate| KnownCertificate::from_der(certificate.der());
    let chain: Option<Vec<_>> = sent.iter().map(|certificate| known(certificate)).collect();
    let authority = match enrolled.map(known) {
        // IoT Central refuses such a CA when it is uploaded.
        Some(None) => return,
        Some(authority) => authority,
        None => None,
    };
    let refused_by_dps = match chain {
        None => Some("it can't be read".to_owned()),
        Some(chain) => {
            let enrolled = match &authority {
                Some(authority) => fuzzing::Enrolled::Below(authority),
                None => fuzzing::Enrolled::Individually(&chain[0]),
            };
            let id = RegistrationId::new(ID).expect("the constant is an id");
            fuzzing::refusal(enrolled, &id, &chain, now)
        }
    };

    let authorities: Vec<CertificateDer<'_>> = enrolled.iter().map(|certificate| certificate.der().clone()).collect();
    let request = ExamineRequest {
        registration_id: Some(ID),
        enrolled: match authorities.as_slice() {
            [] => Enrolled::Individually,
            authorities => Enrolled::Below(authorities),
        },
        ..ExamineRequest::at(now)
    };
    let pem: String = sent.iter().map(|certificate| certificate.pem()).collect();
    let refused_by_inspect = match examine(pem.as_bytes(), "chain.pem", &request) {
        Err(error) => Some(error.to_string()),
        Ok(Examined { findings, .. }) => {
            let mut serious = findings.into_iter().filter(|finding| finding.level == Level::Error);
            serious
                .next()
                .map(|finding| format!("{}: {}", finding.code, finding.text))
        }
    };
    assert_eq!(
        refused_by_inspect.is_some(),
        refused_by_dps.is_some(),
        "inspect: {refused_by_inspect:?}; DPS: {refused_by_dps:?}\n{pem}enrolled:\n{}",
        enrolled.map(Certificate::pem).unwrap_or_default()
    );
}

/// Bytes that decide; at their end, everything is as usual.
struct Recipe<'a>(&'a [u8]);

impl Recipe<'_> {
    fn byte(&mut self) -> u8 {
        match self.0 {
            [] => 0,
            [first, rest @ ..] => {
                self.0 = rest;
                *first
            }
        }
    }

    /// One of so many choices.
    fn choice(&mut self, of: usize) -> usize {
        usize::from(self.byte()) % of
    }

    /// The leaf, its issuer, the issuer's issuer and so on. None if one of them can't be made at all.
    fn certificates(&mut self) -> Option<Vec<Certificate>> {
        let count = 1 + self.choice(MOST);
        let made: Vec<_> = (0..count)
            .map(|place| (self.parameters(place, count), key(place)))
            .collect();
        let mut certificates = Vec::new();
        for (place, (parameters, key)) in made.iter().enumerate() {
            let (issuer_parameters, issuer_key) = made.get(place + 1).unwrap_or(&made[place]);
            // Sometimes the name is right and the key is another one, as of a CA that was made again.
            let issuer_key = if self.byte() == 1 { self::key(MOST) } else { issuer_key };
            let issuer = Issuer::from_params(issuer_parameters, issuer_key);
            certificates.push(parameters.signed_by(key, &issuer).ok()?);
        }
        Some(certificates)
    }

    fn parameters(&mut self, place: usize, count: usize) -> CertificateParams {
        let is_leaf = place == 0;
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = self.name(is_leaf, place);
        parameters.is_ca = match (self.choice(6), is_leaf) {
            (0, true) | (1, false) => IsCa::ExplicitNoCa,
            (0, false) | (1, true) => IsCa::Ca(BasicConstraints::Unconstrained),
            (2, _) => IsCa::NoCa,
            (length, _) => IsCa::Ca(BasicConstraints::Constrained(u8::try_from(length - 3).unwrap_or(0))),
        };
        parameters.key_usages = match self.choice(5) {
            0 if is_leaf => vec![KeyUsagePurpose::DigitalSignature],
            0 => vec![KeyUsagePurpose::KeyCertSign],
            1 => Vec::new(),
            2 => vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature],
            3 => vec![KeyUsagePurpose::KeyAgreement],
            _ => vec![KeyUsagePurpose::CrlSign],
        };
        parameters.extended_key_usages = match self.choice(5) {
            0 if is_leaf => vec![ExtendedKeyUsagePurpose::ClientAuth],
            0 | 1 => Vec::new(),
            2 => vec![ExtendedKeyUsagePurpose::ServerAuth],
            3 => vec![ExtendedKeyUsagePurpose::Any],
            _ => vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth],
        };
        (parameters.not_before, parameters.not_after) = match self.choice(6) {
            4 => (date_time_ymd(2020, 1, 1), date_time_ymd(2029, 12, 31)),
            5 => (date_time_ymd(2030, 1, 2), date_time_ymd(2040, 1, 1)),
            _ => (date_time_ymd(2020, 1, 1), date_time_ymd(2040, 1, 1)),
        };
        parameters.name_constraints = self.constraints();
        parameters.use_authority_key_identifier_extension = self.byte() & 1 == 0 && place + 1 < count;
        if let Some(extension) = self.extension() {
            parameters.custom_extensions = vec![extension];
        }
        parameters
    }

    fn name(&mut self, is_leaf: bool, place: usize) -> DistinguishedName {
        let mut name = DistinguishedName::new();
        let usual = if is_leaf { ID.to_owned() } else { format!("CA {place}") };
        match self.choice(8) {
            5 => name.push(DnType::OrganizationName, "Contoso"),
            6 => name.push(DnType::CommonName, "CA 1"),
            // Another case would be another device to a hub, of which DPS says nothing.
            7 => name.push(DnType::CommonName, "thermo-2"),
            4 => {
                name.push(DnType::OrganizationName, "Contoso");
                name.push(DnType::CommonName, usual);
            }
            _ => name.push(DnType::CommonName, usual),
        }
        name
    }

    fn constraints(&mut self) -> Option<NameConstraints> {
        let subtree = match self.choice(12) {
            1 => directory(DnType::OrganizationName, "Contoso"),
            2 => directory(DnType::CommonName, ID),
            3 => GeneralSubtree::DnsName("example.com".into()),
            _ => return None,
        };
        let (permitted_subtrees, excluded_subtrees) = match self.byte() & 1 {
            0 => (vec![subtree], Vec::new()),
            _ => (Vec::new(), vec![subtree]),
        };
        Some(NameConstraints {
            permitted_subtrees,
            excluded_subtrees,
        })
    }

    /// Any content, also below the names of extensions that everything knows.
    fn extension(&mut self) -> Option<CustomExtension> {
        let oid: &[u64] = match self.choice(16) {
            1 => &[2, 5, 29, 19],
            2 => &[2, 5, 29, 15],
            3 => &[2, 5, 29, 37],
            4 => &[2, 5, 29, 30],
            5 => &[2, 5, 29, 32],
            6 => &[2, 5, 29, 36],
            7 => &[2, 5, 29, 17],
            8 => &[1, 3, 6, 1, 4, 1, 311, 1],
            _ => return None,
        };
        let is_critical = self.byte() & 1 == 1;
        let length = self.choice(24);
        let content = (0..length).map(|_| self.byte()).collect();
        let mut extension = CustomExtension::from_oid_content(oid, content);
        extension.set_criticality(is_critical);
        Some(extension)
    }

    /// What the device sends, and the CA that is enrolled; without one, the leaf is enrolled itself.
    fn sent<'c>(&mut self, certificates: &'c [Certificate]) -> (Vec<&'c Certificate>, Option<&'c Certificate>) {
        let enrolled = match self.choice(4) {
            3 => None,
            near => certificates
                .get((near + 1).min(certificates.len() - 1))
                .filter(|_| certificates.len() > 1),
        };
        let mut sent: Vec<_> = certificates.iter().collect();
        let last = self.choice(3);
        sent.truncate((certificates.len() - last.min(certificates.len() - 1)).max(1));
        for place in 0..sent.len() {
            let other = match self.byte() {
                swap @ 1..8 => usize::from(swap) % sent.len(),
                _ => place,
            };
            sent.swap(place, other);
        }
        (sent, enrolled)
    }
}

fn directory(kind: DnType, value: &str) -> GeneralSubtree {
    let mut name = DistinguishedName::new();
    name.push(kind, value);
    GeneralSubtree::DirectoryName(name)
}

/// The key of a place in the chain; the last one is of none.
fn key(place: usize) -> &'static KeyPair {
    static KEYS: OnceLock<Vec<KeyPair>> = OnceLock::new();
    let make = || {
        (0..=MOST)
            .map(|_| KeyPair::generate().expect("keys can be made"))
            .collect()
    };
    &KEYS.get_or_init(make)[place]
}
