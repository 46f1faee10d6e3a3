use std::collections::BTreeMap;

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, NameConstraints, date_time_ymd,
};

use super::refusal::Defect;
use super::*;

/// Enrollments as a test writes them down.
#[derive(Default)]
struct Enrolled {
    individuals: BTreeMap<Thumbprint, Individual>,
    groups: Vec<(&'static str, bool, Arc<Certificate>)>,
    /// Not verified, of group `unver`.
    unverified: Vec<Arc<Certificate>>,
    /// The primary and the secondary certificate of each individual enrollment.
    pairs: BTreeMap<String, Vec<Certificate>>,
    /// What other devices have shown.
    above: Option<Above>,
}

impl Enrolled {
    fn group(mut self, id: &'static str, enabled: bool, authority: &Party) -> Self {
        self.groups.push((id, enabled, authority.certificate.clone().into()));
        self
    }

    fn unverified(mut self, authority: &Party) -> Self {
        self.unverified.push(authority.certificate.clone().into());
        self
    }

    fn individual(mut self, id: &str, enabled: bool, leaf: &Party) -> Self {
        let pair = self.pairs.entry(id.to_owned()).or_default();
        let individual = Individual {
            registration_id: id.into(),
            entry: if pair.is_empty() {
                Entry::Primary
            } else {
                Entry::Secondary
            },
            enabled,
        };
        pair.push(leaf.certificate.clone());
        self.individuals.insert(leaf.certificate.thumbprint(), individual);
        self
    }
}

impl Enrollments for Enrolled {
    fn individual(&self, leaf: &Thumbprint) -> Option<Individual> {
        self.individuals.get(leaf).cloned()
    }

    fn individual_for(&self, registration_id: &str) -> Option<(&Certificate, Option<&Certificate>)> {
        let pair = self.pairs.get(registration_id)?;
        Some((&pair[0], pair.get(1)))
    }

    fn authorities(&self) -> impl Iterator<Item = Authority<'_>> {
        let verified = self.groups.iter().map(|(group, enabled, certificate)| Authority {
            group,
            entry: Entry::Primary,
            enabled: *enabled,
            verified: true,
            certificate,
        });
        verified.chain(self.unverified.iter().map(|certificate| Authority {
            group: "unver",
            entry: Entry::Secondary,
            enabled: true,
            verified: false,
            certificate,
        }))
    }

    fn above(&self, _below: &Certificate) -> Option<Above> {
        self.above.clone()
    }
}

/// A certificate and, where it signs others, its key.
struct Party {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

fn parameters(name: &str, is_authority: bool, years: (i32, i32)) -> CertificateParams {
    let mut parameters = CertificateParams::new(vec![]).unwrap();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.not_before = date_time_ymd(years.0, 1, 1);
    parameters.not_after = date_time_ymd(years.1, 1, 1);
    if is_authority {
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    parameters
}

fn make(name: &str, is_authority: bool, years: (i32, i32), by: Option<&Party>) -> Party {
    make_with(KeyPair::generate().unwrap(), name, is_authority, years, by)
}

fn make_with(key: KeyPair, name: &str, is_authority: bool, years: (i32, i32), by: Option<&Party>) -> Party {
    let parameters = parameters(name, is_authority, years);
    let certificate = match by {
        Some(by) => parameters.signed_by(&key, &by.issuer),
        None => parameters.self_signed(&key),
    };
    let certificate = Certificate::from_der(certificate.unwrap().der()).unwrap();
    Party {
        certificate,
        issuer: Issuer::new(parameters, key),
    }
}

const GOOD: (i32, i32) = (2020, 2040);
const PAST: (i32, i32) = (2010, 2011);

fn expired() -> Defect {
    Defect::Expired("2011-01-01T00:00:00Z".into())
}

fn root(name: &str) -> Party {
    make(name, true, GOOD, None)
}

fn intermediate(name: &str, by: &Party) -> Party {
    make(name, true, GOOD, Some(by))
}

fn leaf(name: &str, by: &Party) -> Party {
    make(name, false, GOOD, Some(by))
}

fn judge(enrolled: &Enrolled, id: &str, chain: &[&Party]) -> Verdict {
    let chain: Vec<_> = chain.iter().map(|party| party.certificate.clone()).collect();
    let now = "2026-11-23T15:00:00Z".parse().unwrap();
    let attested = attest(enrolled, &RegistrationId::new(id).unwrap(), &chain, now);
    attested.map(|attested| in_words(&attested))
}

/// What decided, in words, or why nothing did.
type Verdict = Result<String, Refusal>;

fn by_group(id: &str, enabled: bool) -> Verdict {
    Ok(format!("{id} {enabled}"))
}

fn individually(entry: Entry, enabled: bool) -> Verdict {
    Ok(format!("{entry} {enabled}"))
}

fn in_words(attested: &Attested) -> String {
    match attested {
        Attested::Individual { entry, enabled } => format!("{entry} {enabled}"),
        Attested::Group { id, enabled, .. } => format!("{id} {enabled}"),
    }
}

#[test]
fn a_leaf_of_an_enrolled_root_needs_no_certificate_but_its_own() {
    let root = root("root");
    let leaf = leaf("t-1", &root);
    let enrolled = Enrolled::default().group("g", true, &root);
    assert_eq!(judge(&enrolled, "t-1", &[&leaf]), by_group("g", true));
    assert_eq!(
        judge(&enrolled, "t-1", &[&leaf, &root]),
        by_group("g", true),
        "sending the root is harmless"
    );
    assert_eq!(
        judge(&enrolled, "T-1", &[&leaf]),
        by_group("g", true),
        "DPS ignores the case of ids"
    );
}

#[test]
fn a_root_that_is_not_enrolled_or_not_verified_lets_no_device_in() {
    let root = root("root");
    let middle = intermediate("middle", &root);
    let (leaf, below) = (leaf("t-1", &root), leaf("t-1", &middle));
    assert_eq!(
        judge(&Enrolled::default(), "t-1", &[&leaf, &root]),
        Err(Refusal::UnknownCa {
            ca: "CN=root".into(),
            thumbprint: root.certificate.sha1_thumbprint(),
        })
    );
    let unverified = Enrolled::default().unverified(&root);
    for chain in [
        &[&leaf, &root][..],
        &[&leaf],
        &[&below, &middle],
        &[&below, &middle, &root],
    ] {
        assert_eq!(
            judge(&unverified, "t-1", chain),
            Err(Refusal::CaNotVerified {
                ca: "CN=root".into(),
                group: "unver".into(),
                entry: Entry::Secondary,
            })
        );
    }
    // What is verified in another group is as good as ever.
    assert_eq!(
        judge(&unverified.group("g", true, &root), "t-1", &[&leaf]),
        by_group("g", true)
    );
}

#[test]
fn a_missing_issuer_is_named_with_the_group_above_it_where_that_is_known() {
    let root = root("root");
    let middle = intermediate("middle", &root);
    let leaf = leaf("t-1", &middle);
    let mut enrolled = Enrolled::default().group("g", true, &root);
    let missing = |above| {
        Err(Refusal::IssuerMissing {
            subject: "CN=t-1".into(),
            issuer: "CN=middle".into(),
            above,
        })
    };
    assert_eq!(judge(&enrolled, "t-1", &[&leaf]), missing(None));
    let above = Above {
        group: "g".into(),
        ca: "CN=root".into(),
    };
    enrolled.above = Some(above.clone());
    assert_eq!(judge(&enrolled, "t-1", &[&leaf]), missing(Some(above)));
}

#[test]
fn the_name_of_an_enrolled_root_is_not_enough_its_key_must_have_signed() {
    let real = root("root");
    let forged = root("root");
    let leaf = leaf("t-1", &forged);
    let enrolled = Enrolled::default().group("g", true, &real);
    assert_eq!(
        judge(&enrolled, "t-1", &[&leaf, &forged]),
        unusable("CN=root", Defect::AnotherOfTheName("CN=root".into()))
    );
}

#[test]
fn every_certificate_between_leaf_and_enrolled_root_must_be_shown() {
    let root = root("root");
    let upper = intermediate("upper", &root);
    let lower = intermediate("lower", &upper);
    let leaf = leaf("t-1", &lower);
    let enrolled = Enrolled::default().group("g", true, &root);
    assert_eq!(judge(&enrolled, "t-1", &[&leaf, &lower, &upper]), by_group("g", true));
    assert_eq!(
        judge(&enrolled, "t-1", &[&leaf, &upper, &lower]),
        by_group("g", true),
        "in any order"
    );
    assert_eq!(
        judge(&enrolled, "t-1", &[&leaf, &lower]),
        missing("CN=lower", "CN=upper")
    );
    assert_eq!(judge(&enrolled, "t-1", &[&leaf, &upper]), missing("CN=t-1", "CN=lower"));
}

fn missing(subject: &str, issuer: &str) -> Verdict {
    Err(Refusal::IssuerMissing {
        subject: subject.into(),
        issuer: issuer.into(),
        above: None,
    })
}

#[test]
fn the_nearest_enrolled_authority_decides_also_when_it_is_disabled() {
    let root = root("root");
    let middle = intermediate("middle", &root);
    let leaf = leaf("t-1", &middle);
    let enrolled = Enrolled::default()
        .group("all", true, &root)
        .group("some", false, &middle);
    assert_eq!(judge(&enrolled, "t-1", &[&leaf, &middle]), by_group("some", false));
}

#[test]
fn dates_count_for_the_leaf_for_intermediates_and_for_the_enrolled_authority() {
    let root = root("root");
    let old_leaf = make("t-1", false, PAST, Some(&root));
    let enrolled = Enrolled::default().group("g", true, &root);
    assert_eq!(judge(&enrolled, "t-1", &[&old_leaf]), unusable("CN=t-1", expired()));

    let old_middle = make("middle", true, PAST, Some(&root));
    let leaf_below = leaf("t-1", &old_middle);
    assert_eq!(
        judge(&enrolled, "t-1", &[&leaf_below, &old_middle]),
        unusable("CN=middle", expired())
    );

    let old_root = make("root", true, PAST, None);
    let leaf_of_old = leaf("t-1", &old_root);
    let enrolled = Enrolled::default().group("g", true, &old_root);
    assert_eq!(judge(&enrolled, "t-1", &[&leaf_of_old]), unusable("CN=root", expired()));
}

#[test]
fn an_issuer_that_is_no_certificate_authority_signs_nothing() {
    let root = root("root");
    let middle = make("middle", false, GOOD, Some(&root));
    let leaf = leaf("t-1", &middle);
    let enrolled = Enrolled::default().group("g", true, &root);
    assert_eq!(
        judge(&enrolled, "t-1", &[&leaf, &middle]),
        unusable("CN=middle", Defect::NotAnAuthority)
    );
}

#[test]
fn an_individual_enrollment_keeps_leaves_of_groups_away_from_its_device() {
    let root = root("root");
    let (own, of_group) = (make("lab-1", false, GOOD, None), leaf("lab-1", &root));
    let group = || Enrolled::default().group("g", true, &root);
    let both = group().individual("lab-1", true, &own);
    assert_eq!(judge(&both, "lab-1", &[&own]), individually(Entry::Primary, true));
    let another = Err(Refusal::EnrolledIndividually {
        sent: of_group.certificate.sha1_thumbprint(),
        enrolled: Thumbprints {
            primary: own.certificate.sha1_thumbprint(),
            secondary: None,
        },
    });
    for id in ["lab-1", "LAB-1"] {
        assert_eq!(judge(&both, id, &[&of_group]), another);
    }
    let blocked = group().individual("lab-1", false, &own);
    assert_eq!(judge(&blocked, "lab-1", &[&of_group]), another);
    assert_eq!(judge(&group(), "lab-1", &[&of_group]), by_group("g", true));
}

/// A certificate with what `change` makes of its parameters.
fn made(name: &str, by: Option<&Party>, change: impl FnOnce(&mut CertificateParams)) -> Party {
    let mut parameters = parameters(name, by.is_none() || name.starts_with("CA"), GOOD);
    change(&mut parameters);
    let key = KeyPair::generate().unwrap();
    let certificate = match by {
        Some(by) => parameters.signed_by(&key, &by.issuer),
        None => parameters.self_signed(&key),
    };
    Party {
        certificate: Certificate::from_der(certificate.unwrap().der()).unwrap(),
        issuer: Issuer::new(parameters, key),
    }
}

fn unusable(subject: &str, defect: Defect) -> Verdict {
    Err(Refusal::Unusable {
        subject: subject.into(),
        defect,
    })
}

#[test]
fn what_a_certificate_may_not_be_used_for_is_refused_and_named() {
    let root = root("root");
    let enrolled = Enrolled::default().group("g", true, &root);
    let judge = |chain: &[&Party]| judge(&enrolled, "t-1", chain);

    let server = made("t-1", Some(&root), |p| {
        p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]
    });
    assert_eq!(judge(&[&server]), unusable("CN=t-1", Defect::NotForClients));
    for usages in [
        vec![],
        vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth],
        vec![ExtendedKeyUsagePurpose::Any],
    ] {
        let client = made("t-1", Some(&root), |p| p.extended_key_usages = usages);
        assert_eq!(judge(&[&client]), by_group("g", true));
    }
    let authority = made("t-1", Some(&root), |p| {
        p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)
    });
    assert_eq!(judge(&[&authority]), unusable("CN=t-1", Defect::AuthorityAsLeaf));

    let no_sign = made("CA 1", Some(&root), |p| p.key_usages = vec![KeyUsagePurpose::CrlSign]);
    let below = leaf("t-1", &no_sign);
    assert_eq!(judge(&[&below, &no_sign]), unusable("CN=CA 1", Defect::NoCertSign));

    let strange = made("t-1", Some(&root), |p| {
        let mut extension = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
        extension.set_criticality(true);
        p.custom_extensions = vec![extension];
    });
    assert_eq!(judge(&[&strange]), unusable("CN=t-1", Defect::CriticalExtension));

    // Readers may differ in which of the two they take.
    let doubled = made("t-1", Some(&root), |p| {
        let second = CustomExtension::from_oid_content(&[2, 5, 29, 37], vec![0x30, 0]);
        p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        p.custom_extensions = vec![second];
    });
    assert_eq!(judge(&[&doubled]), unusable("CN=t-1", Defect::DoubledExtension));
}

#[test]
fn a_path_length_counts_the_authorities_below() {
    let root = root("root");
    let enrolled = Enrolled::default().group("g", true, &root);
    let upper = made("CA 1", Some(&root), |p| {
        p.is_ca = IsCa::Ca(BasicConstraints::Constrained(0))
    });
    let at_once = leaf("t-1", &upper);
    assert_eq!(judge(&enrolled, "t-1", &[&at_once, &upper]), by_group("g", true));
    let lower = intermediate("CA 2", &upper);
    let below = leaf("t-1", &lower);
    assert_eq!(
        judge(&enrolled, "t-1", &[&below, &lower, &upper]),
        unusable("CN=CA 1", Defect::PathLength(0))
    );
}

#[test]
fn names_that_an_authority_excludes_are_refused_and_others_are_not() {
    let directory = |name: &str| {
        let mut names = rcgen::DistinguishedName::new();
        names.push(DnType::CommonName, name);
        GeneralSubtree::DirectoryName(names)
    };
    let root = root("root");
    let enrolled = Enrolled::default().group("g", true, &root);
    for (permitted, excluded, is_good) in [
        (vec![], vec![directory("t-1")], false),
        (vec![], vec![directory("t-2")], true),
        (vec![directory("t-1")], vec![], true),
        (vec![directory("t-2")], vec![], false),
        (vec![GeneralSubtree::DnsName("example.com".into())], vec![], true),
    ] {
        let constraining = made("CA 1", Some(&root), |p| {
            p.name_constraints = Some(NameConstraints {
                permitted_subtrees: permitted,
                excluded_subtrees: excluded,
            });
        });
        let leaf = leaf("t-1", &constraining);
        let expected = if is_good {
            by_group("g", true)
        } else {
            unusable("CN=CA 1", Defect::Name)
        };
        assert_eq!(judge(&enrolled, "t-1", &[&leaf, &constraining]), expected);
    }
}

#[test]
fn an_enrolled_authority_is_not_a_device_of_its_own_group() {
    let root = root("t-1");
    let enrolled = Enrolled::default().group("g", true, &root);
    assert_eq!(
        judge(&enrolled, "t-1", &[&root]),
        Err(Refusal::NotEnrolled {
            subject: "CN=t-1".into(),
            thumbprint: root.certificate.sha1_thumbprint(),
        })
    );
}

#[test]
fn the_common_name_must_be_the_registration_id() {
    let root = root("root");
    let leaf = leaf("t-1", &root);
    let enrolled = Enrolled::default().group("g", true, &root);
    assert_eq!(
        judge(&enrolled, "t-2", &[&leaf]),
        Err(Refusal::common_name(&leaf.certificate, "t-2"))
    );
    assert_eq!(judge(&enrolled, "t-1", &[]), Err(Refusal::NoCertificate));
}

#[test]
fn a_disabled_individual_beats_an_enabled_group() {
    let root = root("root");
    let leaf = leaf("t-1", &root);
    let enrolled = Enrolled::default()
        .group("g", true, &root)
        .individual("t-1", false, &leaf);
    assert_eq!(judge(&enrolled, "t-1", &[&leaf]), individually(Entry::Primary, false));
}

#[test]
fn a_self_signed_certificate_enters_as_primary_or_as_secondary() {
    let primary = make("lab", false, GOOD, None);
    let secondary = make("lab", false, GOOD, None);
    let stranger = make("lab", false, GOOD, None);
    let enrolled = Enrolled::default()
        .individual("lab", true, &primary)
        .individual("lab", true, &secondary);
    for (known, entry) in [(&primary, Entry::Primary), (&secondary, Entry::Secondary)] {
        assert_eq!(judge(&enrolled, "lab", &[known]), individually(entry, true));
    }
    let [sent, primary, secondary] = [&stranger, &primary, &secondary].map(|it| it.certificate.sha1_thumbprint());
    let enrolled_are = Thumbprints {
        primary,
        secondary: Some(secondary),
    };
    assert_eq!(
        judge(&enrolled, "lab", &[&stranger]),
        Err(Refusal::EnrolledIndividually {
            sent,
            enrolled: enrolled_are
        })
    );
}

#[test]
fn the_certificate_of_another_individual_enrollment_is_refused() {
    let mine = make("lab", false, GOOD, None);
    let enrolled = Enrolled::default().individual("other", true, &mine);
    assert_eq!(
        judge(&enrolled, "lab", &[&mine]),
        Err(Refusal::EnrolledForAnother("other".into()))
    );
}

#[test]
fn a_hub_accepts_a_device_with_the_certificate_that_it_registered_with() {
    let now = "2026-11-23T15:00:00Z".parse().unwrap();
    let root = root("root");
    let (one, two) = (leaf("t-1", &root), leaf("t-1", &root));
    let registered = one.certificate.thumbprint();
    let judge = |registered, chain: &[&Party]| {
        let chain: Vec<_> = chain.iter().map(|party| party.certificate.clone()).collect();
        authenticate(registered, &chain, now)
    };
    assert_eq!(judge(&registered, &[&one]), Ok(()));
    let another = Refusal::Thumbprint {
        sent: two.certificate.sha1_thumbprint(),
    };
    assert_eq!(
        judge(&registered, &[&two]),
        Err(another.clone()),
        "another leaf of the same authority"
    );
    assert_eq!(
        judge(&registered, &[&two, &one]),
        Err(another),
        "only the leaf counts, as its key was proved"
    );
    assert_eq!(judge(&registered, &[]), Err(Refusal::NoCertificate));
    let old = make("t-1", false, PAST, Some(&root));
    assert_eq!(
        judge(&old.certificate.thumbprint(), &[&old]),
        Err(Refusal::Unusable {
            subject: "CN=t-1".into(),
            defect: expired()
        })
    );
}

#[test]
fn rsa_and_other_curves_are_as_good_as_p256() {
    for algorithm in [&rcgen::PKCS_RSA_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384] {
        let key = || KeyPair::generate_for(algorithm).unwrap();
        let root = make_with(key(), "root", true, GOOD, None);
        let leaf = make_with(key(), "t-1", false, GOOD, Some(&root));
        let enrolled = Enrolled::default().group("g", true, &root);
        assert_eq!(judge(&enrolled, "t-1", &[&leaf]), by_group("g", true), "{algorithm:?}");
    }
}

#[test]
fn a_renewed_authority_lets_in_what_its_expired_predecessor_over_the_same_key_signed() {
    let key = KeyPair::generate().unwrap();
    let with_key = |years| {
        let certificate = parameters("root", true, years).self_signed(&key).unwrap();
        Certificate::from_der(certificate.der()).unwrap()
    };
    let (old, new) = (with_key(PAST), with_key(GOOD));
    let issuer = Issuer::new(parameters("root", true, PAST), &key);
    let leaf_key = KeyPair::generate().unwrap();
    let leaf = parameters("t-1", false, GOOD).signed_by(&leaf_key, &issuer).unwrap();
    let leaf = Certificate::from_der(leaf.der()).unwrap();
    let enrolled = Enrolled {
        groups: vec![("g", true, old.into()), ("g", true, new.into())],
        ..Enrolled::default()
    };
    let id = RegistrationId::new("t-1").unwrap();
    let now = "2026-11-23T15:00:00Z".parse().unwrap();
    let attested = attest(&enrolled, &id, &[leaf], now).map(|attested| in_words(&attested));
    assert_eq!(attested, by_group("g", true));
}
