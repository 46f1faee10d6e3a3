//! The manifest of a fleet: it is read, or every problem has words and a place that can be shown.
//!
//! The first line of an input may be an override (`--set path=value`), the rest is the TOML text.

use std::path::Path;

use launcher::manifest::problem::Look;
use launcher::manifest::{ManifestError, parse};

/// The law.
///
/// # Panics
///
/// It does not hold.
pub fn law(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (overrides, text) = match text.strip_prefix("--set ").and_then(|text| text.split_once('\n')) {
        Some((argument, text)) => (vec![argument.to_owned()], text),
        None => (Vec::new(), text),
    };
    match parse("fleet.toml", text, Path::new("."), &overrides) {
        Ok(manifest) => {
            let json = serde_json::to_value(&manifest).expect("a manifest goes into the report");
            assert!(json["fleet"]["name"].is_string());
        }
        Err(ManifestError::Invalid(problems)) => {
            assert!(!problems.is_empty());
            let rendered = ManifestError::Invalid(problems.clone()).render(Look::Plain);
            for problem in problems {
                assert!(!problem.message.is_empty(), "{problem:?}");
            }
            assert!(rendered.contains("nothing was started"));
        }
        Err(error) => panic!("nothing was read from a file: {error}"),
    }
}
