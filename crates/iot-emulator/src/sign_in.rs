//! Who may look: one-time codes, and the sessions that they are exchanged for. Both live in memory only, and only as
//! digests: reading them opens no session.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::time::Instant;

use crate::random::random_hex;

/// How long a link waits to be followed.
pub(crate) const CODE_LIFETIME: Duration = Duration::from_secs(10 * 60);
/// A session ends after a working day, whatever happens in it.
const SESSION_LIFETIME: Duration = Duration::from_secs(12 * 60 * 60);
/// Wrong tokens within [`TRIES_WITHIN`], after which none is looked at any more.
const TRIES: usize = 10;
const TRIES_WITHIN: Duration = Duration::from_secs(60);
/// Codes and sessions at a time. One more, and the oldest is dropped.
const LIMIT: usize = 64;

/// The codes and sessions in force.
#[derive(Default)]
pub struct SignIn(Mutex<Issued>);

#[derive(Default)]
struct Issued {
    codes: Secrets,
    sessions: Secrets,
    /// When wrong tokens were given, oldest first.
    failed: VecDeque<Instant>,
}

impl SignIn {
    /// The path of a fresh one-time link.
    pub(crate) fn link(&self, now: Instant) -> String {
        let code = self.issued(|issued| issued.codes.issue(now, CODE_LIFETIME));
        format!("/sign-in?code={code}")
    }

    /// Exchanges a code for a session. A code is good for one.
    pub fn exchange(&self, code: &str, now: Instant) -> Option<String> {
        self.issued(|issued| issued.codes.remove(code, now).then(|| issued.begin(now)))
    }

    /// Begins a session after the API token was shown.
    pub fn begin(&self, now: Instant) -> String {
        self.issued(|issued| issued.begin(now))
    }

    /// Whether a token may be tried now.
    pub fn may_try(&self, now: Instant) -> bool {
        self.issued(|issued| {
            issued.failed.retain(|at| now.duration_since(*at) < TRIES_WITHIN);
            issued.failed.len() < TRIES
        })
    }

    /// Notes that a wrong token was given.
    pub fn failed(&self, now: Instant) {
        self.issued(|issued| issued.failed.push_back(now));
    }

    /// Whether a session is in force.
    pub fn is_session(&self, session: &str, now: Instant) -> bool {
        self.issued(|issued| issued.sessions.position(session, now).is_some())
    }

    /// Ends a session.
    pub fn end(&self, session: &str, now: Instant) {
        self.issued(|issued| issued.sessions.remove(session, now));
    }

    fn issued<T>(&self, with: impl FnOnce(&mut Issued) -> T) -> T {
        with(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Issued {
    fn begin(&mut self, now: Instant) -> String {
        self.sessions.issue(now, SESSION_LIFETIME)
    }
}

impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignIn(****)")
    }
}

/// Random texts that were handed out, as digests, each with its end.
#[derive(Default)]
struct Secrets(VecDeque<([u8; 32], Instant)>);

impl Secrets {
    fn issue(&mut self, now: Instant, lifetime: Duration) -> String {
        self.0.retain(|(_, end)| now < *end);
        if self.0.len() == LIMIT {
            self.0.pop_front();
        }
        let secret = random_hex::<32>();
        self.0.push_back((digest(&secret), now + lifetime));
        secret
    }

    fn position(&self, secret: &str, now: Instant) -> Option<usize> {
        let given = digest(secret);
        let is_it = |(known, end): &([u8; 32], Instant)| bool::from(known.ct_eq(&given)) && now < *end;
        self.0.iter().position(is_it)
    }

    fn remove(&mut self, secret: &str, now: Instant) -> bool {
        let position = self.position(secret, now);
        position.and_then(|position| self.0.remove(position)).is_some()
    }
}

fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code_of(link: &str) -> &str {
        link.strip_prefix("/sign-in?code=").unwrap()
    }

    #[test]
    fn a_code_opens_once_and_not_after_its_time_and_a_session_lasts_until_its_end() {
        let (sign_in, start) = (SignIn::default(), Instant::now());
        let link = sign_in.link(start);
        assert!(sign_in.exchange("", start).is_none());
        assert!(sign_in.exchange(&code_of(&link)[1..], start).is_none());
        let session = sign_in.exchange(code_of(&link), start).unwrap();
        assert!(sign_in.exchange(code_of(&link), start).is_none(), "a second time");
        assert!(!sign_in.is_session(code_of(&link), start), "a code is no session");

        assert!(sign_in.is_session(&session, start + SESSION_LIFETIME / 2));
        assert!(!sign_in.is_session(&session, start + SESSION_LIFETIME));
        sign_in.end(&session, start);
        assert!(!sign_in.is_session(&session, start));

        let late = sign_in.link(start);
        assert!(sign_in.exchange(code_of(&late), start + CODE_LIFETIME).is_none());
    }

    #[test]
    fn ten_wrong_tokens_in_a_minute_are_enough() {
        let (sign_in, start) = (SignIn::default(), Instant::now());
        for second in 0..10 {
            let now = start + Duration::from_secs(second);
            assert!(sign_in.may_try(now));
            sign_in.failed(now);
        }
        assert!(!sign_in.may_try(start + Duration::from_secs(59)));
        assert!(
            sign_in.may_try(start + Duration::from_secs(60)),
            "the first one is a minute ago"
        );
    }

    #[test]
    fn links_without_end_take_no_memory_without_end_and_nothing_is_printed() {
        let (sign_in, now) = (SignIn::default(), Instant::now());
        let first = sign_in.link(now);
        for _ in 0..LIMIT {
            sign_in.link(now);
        }
        assert!(sign_in.exchange(code_of(&first), now).is_none());
        assert_eq!(sign_in.0.lock().unwrap().codes.0.len(), LIMIT);
        assert_eq!(format!("{sign_in:?}"), "SignIn(****)");
    }
}
