//! `@type`, and other members that are one value or a list of them.

use serde_json::Value;

/// The elements of a list, or the one value that stands for it.
pub(crate) fn list(value: Option<&Value>) -> &[Value] {
    match value {
        None => &[],
        Some(Value::Array(list)) => list,
        Some(one) => std::slice::from_ref(one),
    }
}

/// The types of an element.
pub(crate) fn types(element: &Value) -> impl Iterator<Item = &str> {
    list(element.get("@type")).iter().filter_map(Value::as_str)
}

/// Whether an element has this type.
pub fn is_a(element: &Value, kind: &str) -> bool {
    types(element).any(|found| found == kind)
}
