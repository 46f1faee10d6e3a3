//! Command lines as a POSIX shell takes them, for a person who types or pastes them.

/// One word of a command line. Control characters are escaped (`$'…'`, in POSIX since 2024), so that they
/// neither reach a terminal nor are lost.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else if word.chars().any(char::is_control) {
        format!("$'{}'", word.chars().map(escaped).collect::<String>())
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

fn escaped(c: char) -> String {
    match c {
        '\'' | '\\' => format!("\\{c}"),
        // Octal, since hexadecimal digits have no end of their own.
        c if c.is_control() => c.to_string().bytes().map(|byte| format!("\\{byte:03o}")).collect(),
        c => c.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_quoted_where_a_shell_would_take_it_apart() {
        for (word, expected) in [
            ("certs/demo/root_cert.pem", "certs/demo/root_cert.pem"),
            ("my certs/a", "'my certs/a'"),
            ("it's", r"'it'\''s'"),
            ("$HOME", "'$HOME'"),
            ("a;rm -rf b", "'a;rm -rf b'"),
            ("--set=a.b=1", "--set=a.b=1"),
            ("", "''"),
            ("it's\n\u{1b}[2J\\", r"$'it\'s\012\033[2J\\'"),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }
}
