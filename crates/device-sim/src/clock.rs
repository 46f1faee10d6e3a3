//! Messages about certificates that were refused for their dates, which a person can compare with a clock: a machine
//! whose clock is wrong sees the same errors as one whose peer has an expired certificate.

use jiff::Timestamp;
use mqtt_link::{OutOfDate, TlsFailure};
use provisioning::certificate::inspect::CertificateFacts;

/// The message about a handshake that failed because of dates. `now` is the time of this machine's clock.
#[must_use]
pub fn words(failure: &TlsFailure, now: Timestamp) -> Option<String> {
    let leaf = match failure {
        TlsFailure::Dates { leaf, .. } => CertificateFacts::from_der(leaf, "the server").ok(),
        _ => None,
    };
    Some(match failure.out_of_date()? {
        OutOfDate::ServerExpired { now, not_after } => {
            let end = date(not_after);
            let (whose, also) = match leaf {
                Some(leaf) if leaf.not_after == end => (LEAF, format!("it was valid from {}, and ", leaf.not_before)),
                Some(_) => (ABOVE, String::new()),
                None => (LEAF, String::new()),
            };
            format!(
                "{whose} expired on {end}; {also}this machine's clock says {}",
                date(now)
            )
        }
        OutOfDate::ServerNotYetValid { now, not_before } => {
            let begin = date(not_before);
            let (whose, also) = match leaf {
                Some(leaf) if leaf.not_before == begin => (LEAF, format!("it is valid until {}, and ", leaf.not_after)),
                Some(_) => (ABOVE, String::new()),
                None => (LEAF, String::new()),
            };
            format!(
                "{whose} is not valid before {begin}; {also}this machine's clock says {}",
                date(now)
            )
        }
        OutOfDate::Ours => {
            format!("the server reports that our certificate has expired; this machine's clock says {now:.0}")
        }
    })
}

const LEAF: &str = "the server's certificate";
const ABOVE: &str = "a CA above the server's certificate";

/// Also a date that no timestamp can hold.
fn date(seconds: u64) -> Timestamp {
    let timestamp = i64::try_from(seconds)
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok());
    timestamp.unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use provisioning::certificate::load;
    use provisioning::certificate::make::{self, KeyType, Validity};
    use rustls::pki_types::UnixTime;
    use rustls::{AlertDescription, CertificateError, Error};

    use super::*;

    #[test]
    fn dates_are_shown_beside_the_clock_and_other_failures_are_not() {
        let now: Timestamp = "2026-11-27T18:00:00.5Z".parse().unwrap();
        let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let (clock, other) = (at(1_795_802_400), at(1_000_000_000));
        let expired = CertificateError::ExpiredContext {
            time: clock,
            not_after: other,
        };
        let early = CertificateError::NotValidYetContext {
            time: other,
            not_before: clock,
        };
        for (error, expected) in [
            (
                Error::InvalidCertificate(expired),
                Some(
                    "the server's certificate expired on 2001-09-09T01:46:40Z; this machine's clock says 2026-11-27T18:00:00Z",
                ),
            ),
            (
                Error::InvalidCertificate(early),
                Some(
                    "the server's certificate is not valid before 2026-11-27T18:00:00Z; this machine's clock says 2001-09-09T01:46:40Z",
                ),
            ),
            (
                Error::AlertReceived(AlertDescription::CertificateExpired),
                Some(
                    "the server reports that our certificate has expired; this machine's clock says 2026-11-27T18:00:00Z",
                ),
            ),
            (Error::InvalidCertificate(CertificateError::UnknownIssuer), None),
            (Error::AlertReceived(AlertDescription::UnknownCA), None),
        ] {
            assert_eq!(words(&TlsFailure::Tls(error), now).as_deref(), expected);
        }
    }

    #[test]
    fn both_dates_of_the_certificate_that_did_not_fit_are_shown() {
        let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let of = |timestamp: Timestamp| at(u64::try_from(timestamp.as_second()).unwrap());
        let (clock, now) = (at(1_795_802_400), Timestamp::now());
        let validity = Validity::days("2020-01-01T00:05:00Z".parse().unwrap(), 10);
        let made = make::self_signed("dps", KeyType::P256, validity).unwrap();
        let (from, to) = (made.facts().not_before, made.facts().not_after);
        let leaf = load::certificates_in(made.cert_pem().as_bytes(), "dps")
            .unwrap()
            .remove(0);
        let words_of = |error| {
            let error = Error::InvalidCertificate(error);
            words(
                &TlsFailure::Dates {
                    error,
                    leaf: leaf.clone(),
                },
                now,
            )
            .unwrap()
        };
        let expired = |not_after| CertificateError::ExpiredContext { time: clock, not_after };
        let early = |time, not_before| CertificateError::NotValidYetContext { time, not_before };
        assert_eq!(
            words_of(expired(of(to))),
            format!(
                "the server's certificate expired on {to}; it was valid from {from}, and this machine's clock says \
                 2026-11-27T18:00:00Z"
            )
        );
        assert_eq!(
            words_of(early(at(1_000_000_000), of(from))),
            format!(
                "the server's certificate is not valid before {from}; it is valid until {to}, and this machine's clock says \
                 2001-09-09T01:46:40Z"
            )
        );
        assert_eq!(
            words_of(expired(at(1_000_000_000))),
            "a CA above the server's certificate expired on 2001-09-09T01:46:40Z; this machine's clock says \
             2026-11-27T18:00:00Z"
        );
    }
}
