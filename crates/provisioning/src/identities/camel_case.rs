//! File names as Microsoft's `create_test_cert.js` forms them from common names.
//!
//! The tool calls the npm package `camelcase` 4.1.0. What that does, in words: words are what `-`, `_`, `.` and blanks
//! separate, and also what a change from small to capital letters begins (`deviceID` is `device`, `id`; of several
//! capitals the last one belongs to the small letters after it). All become small, then the first character of each word
//! but the first becomes a capital. Whatever else there is, such as `:`, stays where it is.

/// The common name as the beginning of a file name.
#[must_use]
pub fn camel_case(common_name: &str) -> String {
    let name = common_name.trim();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if name.chars().count() == 1 || name.chars().all(plain) {
        return name.to_lowercase();
    }
    let has_capitals = name.to_lowercase() != name;
    let separated = if has_capitals { separate(name) } else { name.to_owned() };
    join(&separated.to_lowercase())
}

/// Puts a `-` before each word that only its letters' case marks.
fn separate(name: &str) -> String {
    let is_capital = |c: char| c.is_ascii_uppercase();
    let is_small = |c: char| c.is_ascii_lowercase();
    let mut out: Vec<char> = Vec::with_capacity(name.len() + 8);
    // A character without case, such as a digit, counts as both.
    let (mut after_lower, mut after_upper, mut after_two_upper) = (false, false, false);
    for c in name.chars() {
        if after_lower && is_capital(c) {
            out.push('-');
            (after_two_upper, after_upper, after_lower) = (after_upper, true, false);
        } else if after_upper && after_two_upper && is_small(c) {
            let at = out.len().saturating_sub(1);
            out.insert(at, '-');
            (after_two_upper, after_upper, after_lower) = (after_upper, false, true);
        } else {
            after_two_upper = after_upper;
            after_lower = c.to_lowercase().eq([c]);
            after_upper = c.to_uppercase().eq([c]);
        }
        out.push(c);
    }
    out.into_iter().collect()
}

/// Leaves the separators out and makes what follows one a capital.
fn join(separated: &str) -> String {
    let is_separator = |c: char| matches!(c, '-' | '_' | '.' | ' ');
    let mut out = String::with_capacity(separated.len());
    let mut begins_word = false;
    for c in separated.trim_start_matches(is_separator).chars() {
        if is_separator(c) {
            begins_word = true;
        } else if std::mem::take(&mut begins_word) {
            out.extend(c.to_uppercase());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_npm_package() {
        // Printed by camelcase 4.1.0.
        for (common_name, file) in [
            ("My Test Root Certificate", "myTestRootCertificate"),
            ("sample-device-01", "sampleDevice01"),
            ("THERMO-01", "thermo01"),
            ("ABC", "abc"),
            ("deviceID", "deviceId"),
            ("My_Intermediate.CA", "myIntermediateCa"),
            ("sn-007-888-ABC", "sn007888Abc"),
            ("Test Root Cert", "testRootCert"),
            ("a", "a"),
            ("A", "a"),
            ("device:01", "device:01"),
            ("device-01", "device01"),
            ("device01", "device01"),
            ("--x--y", "xY"),
            ("x-", "x"),
            ("ÄÖ test", "äöTest"),
            ("XMLHttpRequest", "xmlHttpRequest"),
            ("fooBAR", "fooBar"),
            ("foo1BAR2baz", "foo1Bar2baz"),
            ("A1", "a1"),
            ("1a", "1a"),
            ("A-b-C", "aBC"),
            ("a..b", "aB"),
            ("FOO bar", "fooBar"),
            ("mytestselfcertprimary", "mytestselfcertprimary"),
            (" my root ", "myRoot"),
            ("thermo_0001", "thermo0001"),
            ("Lab.Thermostat-2", "labThermostat2"),
            ("ABCdef", "abCdef"),
            ("aBC", "aBc"),
            ("aB-", "aB"),
            ("-", "-"),
        ] {
            assert_eq!(camel_case(common_name), file, "{common_name}");
        }
    }
}
