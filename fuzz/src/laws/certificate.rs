//! Certificates and keys, as bytes of a handshake, as text of a REST body, and as the files of a device: nothing that
//! anybody makes up lets them in, and what is kept is what came.

use iot_emulator::fuzzing::{KnownCertificate, Tenant};
use provisioning::certificate::Password;
use provisioning::certificate::inspect::CertificateFacts;
use provisioning::certificate::load::Identity;
use rustls_pki_types::CertificateDer;

/// The most certificates that the emulator looks at in a chain.
const CHAIN: usize = 10;

/// The law.
///
/// # Panics
///
/// It does not hold.
pub fn law(data: &[u8]) {
    emulator(data);
    device(data);
}

fn emulator(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for known in [KnownCertificate::from_der(data), KnownCertificate::from_text(&text)]
        .into_iter()
        .flatten()
    {
        let kept = known.clone().stored();
        assert_eq!(
            KnownCertificate::from_text(&kept),
            Some(known.clone()),
            "stored as {kept}"
        );
        assert_eq!(known.sha1_thumbprint().len(), 40);
    }
    // A chain is certificates one after the other: DER says where each one ends.
    let mut chain = Vec::new();
    let mut rest = data;
    while let Some(end) = length(rest).filter(|_| chain.len() < CHAIN) {
        let (der, behind) = rest.split_at(end);
        chain.extend(KnownCertificate::from_der(der));
        rest = behind;
    }
    for pair in chain.windows(2) {
        let _ = pair[0].is_signed_by(&pair[1]);
    }
    // Its key was made when this process began, so no input can have been signed with it.
    assert!(!Tenant::new().lets_in(&chain), "a stranger is let in");
}

fn device(data: &[u8]) {
    if let Ok(facts) = CertificateFacts::from_der(&CertificateDer::from(data), "a file") {
        assert_eq!((facts.sha1.len(), facts.sha256.len()), (40, 64));
    }
    let password = Password::new("fuzz");
    for password in [None, Some(&password)] {
        match Identity::from_bytes(data, None, password) {
            Ok(identity) => assert!(!identity.chain().is_empty()),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

/// How long the DER value at the beginning is, if it is whole.
fn length(der: &[u8]) -> Option<usize> {
    let [_, first, rest @ ..] = der else { return None };
    let (header, content) = match usize::from(*first) {
        short @ 0..0x80 => (2, short),
        long => {
            let digits = rest
                .get(..long & 0x7F)
                .filter(|digits| (1..=3).contains(&digits.len()))?;
            let content = digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit));
            (2 + digits.len(), content)
        }
    };
    (header + content <= der.len()).then_some(header + content)
}
