//! What the API token of a target may do: its expiry, what it may read, and the role behind it.

use fleet_report::words;
use jiff::{SignedDuration, Timestamp};
use provisioning::central::{Answer, CentralError};
use provisioning::explain;
use serde_json::Value;

use super::finding::{Area, Finding, Verdict};
use crate::prepare::application::Application;

/// What a run reads before it writes.
const READ: [(&str, &str); 3] = [
    ("deviceTemplates", "device templates"),
    ("enrollmentGroups", "enrollment groups"),
    ("devices", "devices"),
];

/// The roles that every application has, and whether enrolling is theirs
/// (<https://learn.microsoft.com/azure/iot-central/core/howto-manage-users-roles>).
const ROLES: [(&str, &str, bool); 3] = [
    ("ca310b8d-2f4a-44e0-a36e-957c202cd8d4", "App Administrator", true),
    ("344138e9-8de4-4497-8c54-5237e96d6aaf", "App Builder", true),
    ("ae2c9854-393b-4f97-8c42-479d70ce626e", "App Operator", false),
];

/// Certificates that are made now are not valid yet for a service whose clock is this far behind.
const CLOCK_WARNING: SignedDuration = SignedDuration::from_secs(60);

/// Asks the application, reading only.
pub(super) async fn findings(application: &Application, token: &str, now: Timestamp) -> Vec<Finding> {
    let mut findings: Vec<_> = expiry(token, now).into_iter().collect();
    let mut clock = None;
    for (path, what) in READ {
        match application.central.answer(&[path]).await {
            Ok(answer) => {
                clock = clock.or(answer.clock_ahead(Timestamp::now()));
                findings.push(right(what, &answer));
            }
            Err(error) => {
                findings.push(unanswered(what, &error));
                return findings;
            }
        }
    }
    if let Some(name) = part(token, "skn") {
        match application.central.answer(&["apiTokens", name]).await {
            Ok(answer) => findings.push(role(&answer)),
            Err(error) => findings.push(unanswered("role", &error)),
        }
    }
    findings.extend(clock.map(of_clock));
    findings
}

fn unanswered(what: &str, error: &CentralError) -> Finding {
    Finding::of_error(Area::Token, what, Verdict::Broken, error)
        .remedy("see the network above; `target.app` is to be the address in the browser")
}

/// A part of `SharedAccessSignature sr=…&sig=…&skn=…&se=…`.
fn part<'a>(token: &'a str, name: &str) -> Option<&'a str> {
    let parts = token.rsplit(' ').next()?.split('&');
    parts
        .filter_map(|part| part.split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
}

/// When it ends, as it says itself, in seconds or in milliseconds since 1970.
fn expiry(token: &str, now: Timestamp) -> Option<Finding> {
    let number: i64 = part(token, "se")?.parse().ok()?;
    let end = match number {
        // Seconds reach this in the year 5138.
        ..100_000_000_000 => Timestamp::from_second(number),
        _ => Timestamp::from_millisecond(number),
    };
    let end = end.ok()?;
    let left = end.duration_since(now);
    let words = format!("valid until {end:.0}");
    Some(match left {
        left if left.is_negative() => {
            Finding::new(Area::Token, "expiry", Verdict::Broken, format!("expired on {end:.0}"))
                .remedy("make a new one: IoT Central, Permissions, API tokens")
        }
        left if left < SignedDuration::from_hours(7 * 24) => {
            Finding::new(Area::Token, "expiry", Verdict::Warning, words)
                .remedy("make a new one in time: IoT Central, Permissions, API tokens")
        }
        _ => Finding::good(Area::Token, "expiry", words),
    })
}

fn right(what: &str, answer: &Answer) -> Finding {
    if answer.status == 200 {
        return Finding::good(Area::Token, what, "may be read");
    }
    let finding = Finding::new(Area::Token, what, Verdict::Broken, refusal(answer));
    match explain::of_central(answer.status) {
        Some(advice) => Finding {
            words: format!("{}: {}", finding.words, advice.cause),
            ..finding
        }
        .remedy(advice.remedy),
        None => finding,
    }
}

/// The status and the service's own words.
fn refusal(answer: &Answer) -> String {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let message = body["error"]["message"].as_str().unwrap_or("no further words");
    format!("refused with {}, {message}", answer.status)
}

/// The role, which an administrator's token may read.
fn role(answer: &Answer) -> Finding {
    const SUBJECT: &str = "role";
    let unknown = |words: String| {
        Finding::new(Area::Token, SUBJECT, Verdict::Unknown, words)
            .remedy("a run that enrolls takes the rights of an App Administrator, or of a role that may manage templates, enrollment groups and devices")
    };
    if answer.status != 200 {
        return unknown(format!(
            "the application does not show the token's role ({})",
            answer.status
        ));
    }
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let ids = body["roles"].as_array().into_iter().flatten();
    let ids: Vec<_> = ids.filter_map(|role| role["role"].as_str()).collect();
    let known = ROLES.iter().find(|(id, ..)| ids.contains(id));
    match known {
        Some((_, name, true)) => Finding::good(Area::Token, SUBJECT, *name),
        Some((_, name, false)) => Finding::new(
            Area::Token,
            SUBJECT,
            Verdict::Broken,
            format!("{name}, which may not enroll"),
        )
        .remedy("use the token of an App Administrator: IoT Central, Permissions, API tokens"),
        None => unknown("a role of the application's own, whose rights can't be read here".to_owned()),
    }
}

fn of_clock(ahead: SignedDuration) -> Finding {
    let seconds = ahead.as_secs();
    let words = match seconds {
        0 => "the clocks of this machine and of the application agree".to_owned(),
        1.. => format!("this machine is {} ahead of the application", apart(seconds)),
        _ => format!("this machine is {} behind the application", apart(-seconds)),
    };
    if ahead.abs() < CLOCK_WARNING {
        return Finding::good(Area::Machine, "clock", words);
    }
    Finding::new(Area::Machine, "clock", Verdict::Warning, words).remedy(
        "set the clock: certificates that are made here may not be valid yet there, or shorter than they should be",
    )
}

fn apart(seconds: i64) -> String {
    words::counted(seconds, "second", "seconds")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "SharedAccessSignature sr=1-2-3&sig=secret%3D&skn=ci&se=1795802400000";

    #[test]
    fn a_token_says_when_it_ends() {
        let at = |time: &str| expiry(TOKEN, time.parse().unwrap()).unwrap();
        assert_eq!(at("2026-10-01T00:00:00Z").verdict, Verdict::Good);
        assert_eq!(at("2026-11-26T00:00:00Z").verdict, Verdict::Warning);
        let expired = at("2026-11-28T00:00:00Z");
        assert_eq!(expired.words, "expired on 2026-11-27T18:00:00Z");
        let seconds = TOKEN.replace("000000", "000");
        assert_eq!(
            expiry(&seconds, "2026-11-28T00:00:00Z".parse().unwrap()).unwrap(),
            expired
        );
        assert_eq!(part(TOKEN, "skn"), Some("ci"));
        assert_eq!(expiry("no token at all", Timestamp::now()), None);
        assert!(!format!("{expired:?}").contains("secret"));
    }

    #[test]
    fn a_role_that_may_not_enroll_is_found() {
        let of = |status, body: Value| {
            role(&Answer {
                status,
                headers: Vec::new(),
                body: body.to_string().into_bytes(),
            })
        };
        let roles = |id: &str| serde_json::json!({ "roles": [{ "role": id }] });
        assert_eq!(of(200, roles(ROLES[0].0)).verdict, Verdict::Good);
        assert_eq!(of(200, roles(ROLES[2].0)).verdict, Verdict::Broken);
        assert_eq!(of(200, roles("another")).verdict, Verdict::Unknown);
        assert_eq!(of(403, Value::Null).verdict, Verdict::Unknown);
    }

    #[test]
    fn clocks_that_differ_are_a_warning_from_a_minute_on() {
        assert_eq!(of_clock(SignedDuration::from_secs(59)).verdict, Verdict::Good);
        let behind = of_clock(SignedDuration::from_secs(-61));
        assert_eq!(behind.words, "this machine is 61 seconds behind the application");
        assert_eq!(behind.verdict, Verdict::Warning);
    }
}
