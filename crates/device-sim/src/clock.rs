//! Certificates that were refused for their dates, in words that a person can compare with a clock: a machine whose clock is
//! wrong sees the same errors as one whose peer has let a certificate expire.

use jiff::Timestamp;
use mqtt_link::{OutOfDate, TlsFailure};

/// What to say of a failed handshake in which dates were at fault. `now` is what this machine's clock says.
#[must_use]
pub fn words(failure: &TlsFailure, now: Timestamp) -> Option<String> {
    Some(match failure.out_of_date()? {
        OutOfDate::ServerExpired { now, not_after } => format!(
            "the server's certificate expired on {}; this machine's clock says {}",
            date(not_after),
            date(now)
        ),
        OutOfDate::ServerNotYetValid { now, not_before } => format!(
            "the server's certificate is not valid before {}; this machine's clock says {}",
            date(not_before),
            date(now)
        ),
        OutOfDate::Ours => {
            format!("the server says that our certificate has expired; this machine's clock says {now:.0}")
        }
    })
}

/// Also a date that no timestamp can hold.
fn date(seconds: u64) -> String {
    let timestamp = i64::try_from(seconds)
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok());
    timestamp.unwrap_or(Timestamp::MAX).to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustls::pki_types::UnixTime;
    use rustls::{AlertDescription, CertificateError, Error};

    use super::*;

    #[test]
    fn dates_are_told_beside_the_clock_and_other_failures_are_not() {
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
        for (error, said) in [
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
                    "the server says that our certificate has expired; this machine's clock says 2026-11-27T18:00:00Z",
                ),
            ),
            (Error::InvalidCertificate(CertificateError::UnknownIssuer), None),
            (Error::AlertReceived(AlertDescription::UnknownCA), None),
        ] {
            assert_eq!(words(&TlsFailure::Tls(error), now).as_deref(), said);
        }
    }
}
