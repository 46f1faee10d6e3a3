//! Bodies of requests: unreadable JSON is a bad request, readable JSON of another shape an invalid body.

use axum::body::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::error::ApiError;
use crate::central::{Application, Owner};
use crate::certificate::Certificate;
use crate::unconfirmed::CERTIFICATE_IN_USE;

pub(super) fn parse<T: DeserializeOwned>(body: &Bytes) -> Result<T, ApiError> {
    let value: Value = serde_json::from_slice(body).map_err(|error| ApiError::bad_request(format!("body: {error}")))?;
    serde_json::from_value(value).map_err(|error| ApiError::invalid(format!("body: {error}")))
}

pub(super) fn object(body: &Bytes) -> Result<Map<String, Value>, ApiError> {
    parse(body)
}

/// The certificate of an enrollment, which no other enrollment may have.
pub(super) fn own_certificate(
    application: &Application,
    text: &str,
    owner: Owner<'_>,
) -> Result<Certificate, ApiError> {
    let certificate = certificate(text)?;
    if application.is_enrolled_elsewhere(&certificate, owner) {
        return Err(ApiError::new(
            CERTIFICATE_IN_USE.0,
            CERTIFICATE_IN_USE.1,
            "another enrollment uses the certificate",
        ));
    }
    Ok(certificate)
}

pub(super) fn certificate(text: &str) -> Result<Certificate, ApiError> {
    Certificate::from_text(text).map_err(|error| ApiError::invalid(format!("certificate: {error}")))
}

/// For a field where `null` means something else than absence: in a merge patch, that it is removed.
pub(super) fn nullable<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

/// Applies a merge patch ([RFC 7396](https://www.rfc-editor.org/rfc/rfc7396)).
pub(super) fn merge(target: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (key, value) in patch {
        match value {
            Value::Null => {
                target.shift_remove(&key);
            }
            Value::Object(patch) => {
                let inner = target.entry(key).or_insert(Value::Null);
                if !inner.is_object() {
                    *inner = Value::Object(Map::new());
                }
                if let Value::Object(inner) = inner {
                    merge(inner, patch);
                }
            }
            value => {
                target.insert(key, value);
            }
        }
    }
}

/// A body that names an etag must name the current one; a thing that is not there has none.
pub(super) fn check_etag(given: Option<&str>, current: Option<&str>) -> Result<(), ApiError> {
    match given {
        Some(given) if Some(given) != current => Err(ApiError::stale()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The cases of the RFC's appendix in which both sides are objects.
    #[test]
    fn a_merge_patch_does_what_its_rfc_says() {
        for (target, patch, result) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (
                json!({"a": {"b": "c"}}),
                json!({"a": {"b": "d", "c": null}}),
                json!({"a": {"b": "d"}}),
            ),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            let mut merged = target.as_object().unwrap().clone();
            merge(&mut merged, patch.as_object().unwrap().clone());
            assert_eq!(Value::Object(merged), result, "{target} {patch}");
        }
    }
}
