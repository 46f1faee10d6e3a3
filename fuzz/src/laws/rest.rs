//! Requests to the REST interface with a valid token: no request makes it fail. Under `/api` and `/emulator`, each
//! answer is JSON, and an error has the shape of IoT Central's; below an id scope, that of DPS.
//!
//! An input is a list of requests behind each other, as `METHOD target`, a line break, and a body up to a line with only
//! `;`.

use iot_emulator::fuzzing::Tenant;
use serde_json::Value;

/// More requests than that say nothing new.
const REQUESTS: usize = 16;
/// No answer to so few requests is longer.
const LONGEST: usize = 1 << 20;

/// The law.
///
/// # Panics
///
/// It does not hold.
pub fn law(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let tenant = Tenant::new();
    super::runtime().block_on(async {
        for request in text.split("\n;\n").take(REQUESTS) {
            let (line, body) = request.split_once('\n').unwrap_or((request, ""));
            let Some((method, target)) = line.split_once(' ') else {
                continue;
            };
            let Some(answer) = tenant.request(method, target, body.into()).await else {
                continue;
            };
            assert_ne!(answer.status, 500, "{line}");
            assert!(answer.body.len() <= LONGEST, "{line}: {} bytes", answer.body.len());
            // DPS has doors of its own, and another shape for errors.
            if is_dps(target) && answer.status >= 400 {
                let json: Option<Value> = serde_json::from_slice(&answer.body).ok();
                let has_code = json.is_some_and(|json| json["errorCode"].is_u64());
                assert!(
                    method == "HEAD" || has_code,
                    "{line}: {}",
                    String::from_utf8_lossy(&answer.body)
                );
            }
            // Other paths are other services', and the bodies of HEAD are the server's to leave out, which is not here.
            let is_interface = target.starts_with("/api/") || target.starts_with("/emulator/");
            if method == "HEAD" || !is_interface {
                continue;
            }
            let about = format!("{line}: {} {}", answer.status, String::from_utf8_lossy(&answer.body));
            let json: Option<Value> = serde_json::from_slice(&answer.body).ok();
            match answer.status {
                204 => assert!(answer.body.is_empty(), "{about}"),
                200..300 => assert!(json.is_some(), "{about}"),
                _ => assert!(json.is_some_and(|json| json["error"]["code"].is_string()), "{about}"),
            }
        }
    });
    assert_eq!(tenant.stats().panics, 0);
}

/// Whether a path is one of DPS: `{idScope}/registrations/{id}`, with `register` or an operation behind it.
fn is_dps(target: &str) -> bool {
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let parts: Vec<_> = path.split('/').skip(1).collect();
    match parts[..] {
        [_, "registrations", id] | [_, "registrations", id, "register"] => !id.is_empty(),
        [_, "registrations", id, "operations", operation] => !id.is_empty() && !operation.is_empty(),
        _ => false,
    }
}
