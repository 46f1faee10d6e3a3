//! What `cert inspect` would warn of, for a whole fleet: each warning once, with how many certificates it is about.

use std::collections::BTreeMap;
use std::fmt;

use crate::certificate::examine::Finding;

/// Warnings about the certificates of a group, or of an individually enrolled device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Warnings(BTreeMap<&'static str, Warning>);

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// What is reported of the first of the certificates.
    text: String,
    /// About how many.
    count: usize,
}

impl Warnings {
    /// Adds what was found in one certificate.
    pub(super) fn add(&mut self, findings: impl IntoIterator<Item = Finding>) {
        for Finding { code, text, .. } in findings {
            let warning = self.0.entry(code).or_insert_with(|| Warning {
                text: text.clone(),
                count: 0,
            });
            warning.count += 1;
            // Of several the first by name, in whatever order they were looked at.
            warning.text = text.min(std::mem::take(&mut warning.text));
        }
    }

    /// Adds those about other certificates.
    pub fn merge(&mut self, other: &Self) {
        for (code, warning) in &other.0 {
            let ours = self.0.entry(code).or_insert_with(|| Warning {
                count: 0,
                ..warning.clone()
            });
            ours.count += warning.count;
            ours.text = warning.text.clone().min(std::mem::take(&mut ours.text));
        }
    }

    /// Each with its code, such as `sha-1`.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Warning)> {
        self.0.iter().map(|(code, warning)| (*code, warning))
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        match self.count {
            1 => Ok(()),
            count => write!(f, " (and {} more like it)", count - 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::examine::Level;

    fn found(code: &'static str, text: &str) -> Finding {
        Finding {
            level: Level::Warning,
            code,
            text: text.into(),
        }
    }

    #[test]
    fn each_warning_is_there_once_with_the_first_of_its_certificates() {
        let mut warnings = Warnings::default();
        warnings.add([found("sha-1", "`b` is weak"), found("no-purpose", "`b` is for nothing")]);
        warnings.add([found("sha-1", "`a` is weak")]);
        let mut more = Warnings::default();
        more.add([found("sha-1", "`c` is weak")]);
        warnings.merge(&more);
        let lines: Vec<_> = warnings
            .iter()
            .map(|(code, warning)| format!("{code}: {warning}"))
            .collect();
        assert_eq!(
            lines,
            [
                "no-purpose: `b` is for nothing",
                "sha-1: `a` is weak (and 2 more like it)"
            ]
        );
    }
}
