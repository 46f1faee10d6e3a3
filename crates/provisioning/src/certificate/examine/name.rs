//! What Azure makes of a device's name, wherever it comes from: a certificate that is looked at, or one that is to be made.

use super::{Finding, Level};

/// The longest registration id that X.509 can carry, since a common name is no longer (RFC 5280, `ub-common-name`).
const LONGEST_ID: usize = 64;

/// What there is to report about a common name as the registration id that it becomes.
#[must_use]
pub fn of_device(common_name: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut report = |level, text| {
        findings.push(Finding {
            level,
            code: "registration-id",
            text,
        })
    };
    let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':');
    let ends_well = common_name.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '-');
    if common_name.len() > LONGEST_ID || !common_name.chars().all(is_legal) || !ends_well {
        report(
            Level::Error,
            format!(
                "`{common_name}` can't be a registration id: up to {LONGEST_ID} letters, digits and `-._:`, the last one a letter, a digit or `-`"
            ),
        );
    } else if !common_name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        report(
            Level::Warning,
            format!("IoT Central takes only letters, digits and `-` in a device id, unlike `{common_name}`"),
        );
    }
    if common_name.chars().any(|c| c.is_ascii_uppercase()) {
        report(
            Level::Warning,
            format!("`{common_name}` has capital letters: DPS ignores case, the hub does not; small ones are safer"),
        );
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_judged_by_what_dps_and_iot_central_take() {
        let levels = |name: &str| of_device(name).iter().map(|one| one.level).collect::<Vec<_>>();
        for (name, expected) in [
            ("thermo-0001", [].as_slice()),
            ("Device 42", &[Level::Error, Level::Warning]),
            ("dév-45", &[Level::Error]),
            ("Device43", &[Level::Warning]),
            ("dev_44", &[Level::Warning]),
            ("ends-in.", &[Level::Error]),
        ] {
            assert_eq!(levels(name), expected, "{name}");
        }
    }
}
