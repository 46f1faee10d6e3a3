//! Text from outside, as it may be shown to a person.
//!
//! A certificate's subject, a service's message, a value of a manifest and a file's name come from outside. On a
//! terminal, control characters in them could clear the screen or forge a line of output; and a text that should be a
//! path or a name can be the content of a key. [`text`] takes care of both, wherever such text enters an error, a log
//! line or a report that is read as text. JSON needs no escaping, but must not contain secrets either.
//!
//! ```
//! use iot_protocol::shown;
//!
//! assert_eq!(shown::text("a\u{1b}[2Jb\nvalid: yes").to_string(), r"a\u{1b}[2Jb\nvalid: yes");
//! assert_eq!(shown::text("-----BEGIN PRIVATE KEY-----\nMIGH").to_string(), "(the text of a certificate or key)");
//! assert_eq!(shown::text("SharedAccessSignature sr=x&sig=abc").to_string(), "SharedAccessSignature ****");
//! ```

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::ops::Range;
use std::path::Path;

/// Begins every section of PEM, at the start of a line or in the middle of a text that has lost its lines.
const PEM: &str = "-----BEGIN ";
/// Ends the last line of a section, after its label.
const PEM_END: &str = "-----END ";
const DASHES: &str = "-----";
const PEM_SHOWN: &str = "(the text of a certificate or key)";

/// How base64 of DER, and of PEM, begins: a SEQUENCE of more than 127 bytes, and the dashes.
const ENCODED: [&str; 4] = ["MII", "MIG", "MIH", "LS0tLS1CRUdJTi"];
/// No key is shorter in base64, and no file name has so many letters and digits in a row.
const SHORTEST_ENCODED: usize = 64;

/// What precedes a secret: tokens of IoT Central, IoT Hub and DPS, and the keys in connection strings.
const SECRETS: [&str; 3] = ["SharedAccessSignature ", "SharedAccessKey=", "sig="];
const STARS: &str = "****";

/// Text from outside that is shown in one line, with control characters escaped and secrets left out.
#[must_use]
pub fn text(text: &str) -> Shown<'_> {
    Shown {
        text: without_secrets(text),
        keeps_lines: false,
    }
}

/// The same for text that has several lines on purpose, such as an error with a hint below it.
#[must_use]
pub fn lines(text: &str) -> Shown<'_> {
    Shown {
        text: without_secrets(text),
        keeps_lines: true,
    }
}

/// A path, or any other text that was given in place of one.
#[must_use]
pub fn path(path: &Path) -> Shown<'static> {
    Shown {
        text: Cow::Owned(without_secrets(&path.to_string_lossy()).into_owned()),
        keeps_lines: false,
    }
}

/// Whether a text is the content of a PEM file rather than the name of one.
///
/// A shell, a container or a `.env` file may have put it on one line, or left blanks where lines ended.
#[must_use]
pub fn is_pem(text: &str) -> bool {
    text.contains(PEM) || !encoded(text).is_empty()
}

/// See [`text`].
#[derive(Debug, Clone)]
pub struct Shown<'a> {
    text: Cow<'a, str>,
    keeps_lines: bool,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.text.chars() {
            match c {
                '\n' | '\t' if self.keeps_lines => f.write_char(c)?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                c if c.is_control() || turns_text(c) => write!(f, "{}", c.escape_unicode())?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// Characters that break a line or change the reading direction of what follows, without being control characters.
fn turns_text(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Where the secrets in a text are, in its order: to leave them out, or to put stars over them.
#[must_use]
pub fn secrets(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<_> = pem(text)
        .into_iter()
        .chain(encoded(text))
        .chain(tokens(text))
        .chain(users(text))
        .collect();
    found.sort_by_key(|range| range.start);
    // One may begin in another, and end after it.
    let mut merged: Vec<Range<usize>> = Vec::new();
    for range in found {
        match merged.last_mut().filter(|last| range.start < last.end) {
            Some(last) => last.end = last.end.max(range.end),
            None => merged.push(range),
        }
    }
    merged
}

fn without_secrets(text: &str) -> Cow<'_, str> {
    let mut shown = Cow::Borrowed(text);
    for range in secrets(text).into_iter().rev() {
        let instead = if is_pem(&text[range.clone()]) { PEM_SHOWN } else { STARS };
        shown.to_mut().replace_range(range, instead);
    }
    shown
}

/// From the first section's BEGIN up to the last one's END; without an END, nothing after the BEGIN can be trusted.
fn pem(text: &str) -> Option<Range<usize>> {
    let begin = text.find(PEM)?;
    let last_begin = text.rfind(PEM).unwrap_or(begin);
    let end = text.rfind(PEM_END).filter(|end| *end > last_begin).and_then(|end| {
        let label = end + PEM_END.len();
        text[label..].find(DASHES).map(|dashes| label + dashes + DASHES.len())
    });
    Some(begin..end.unwrap_or(text.len()))
}

fn tokens(text: &str) -> impl Iterator<Item = Range<usize>> {
    let of = |secret: &'static str| text.match_indices(secret);
    SECRETS.into_iter().flat_map(of).filter_map(|(at, secret)| {
        let begin = at + secret.len();
        let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | ';' | ',');
        let end = text[begin..].find(ends).map_or(text.len(), |length| begin + length);
        // A hint shows where a token belongs.
        let is_example = text[begin..end].contains('…');
        (end > begin && !is_example).then_some(begin..end)
    })
}

/// Name and password in an address.
fn users(text: &str) -> impl Iterator<Item = Range<usize>> {
    text.match_indices("://").filter_map(|(at, slashes)| {
        let begin = at + slashes.len();
        let ends = |c: char| c.is_whitespace() || matches!(c, '/' | '"' | '\'' | '`');
        let host = text[begin..].split(ends).next().unwrap_or_default();
        host.rfind('@').map(|length| begin..begin + length)
    })
}

/// Whether a text can be the name of an environment variable. If it can't, it may be the secret itself.
#[must_use]
pub fn is_variable(text: &str) -> bool {
    let is_legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !text.is_empty()
        && text.len() <= 255
        && text.chars().all(is_legal)
        && !text.starts_with(|c: char| c.is_ascii_digit())
}

/// The position, among the words of a command line, of the content of a certificate or key in place of a file name.
#[must_use]
pub fn content_among<'a>(words: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let mut before = "";
    for (index, word) in words.into_iter().enumerate() {
        if is_pem(word) {
            let own = word.split_once('=').map(|(flag, _)| flag);
            let is_flag = |flag: &&str| flag.starts_with("--") && !is_pem(flag);
            let flag = own.filter(is_flag).or(Some(before).filter(is_flag));
            return Some(flag.map_or_else(|| format!("argument {index}"), str::to_owned));
        }
        before = word;
    }
    None
}

/// The message about such a position.
#[must_use]
pub fn content_refused(place: &str) -> String {
    format!(
        "{} holds the text of a certificate or key, where the path of a file belongs\n\
         hint: write it into a file that only you can read, and give the path of that",
        text(place)
    )
}

/// Where a certificate or key is in base64 without its BEGIN and END lines, as a variable or a secret store may hold
/// it.
fn encoded(text: &str) -> Vec<Range<usize>> {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let (mut begin, mut found) = (0, Vec::new());
    for run in text.as_bytes().split(|byte| !is_digit(byte)) {
        if found.last().is_some_and(|last: &Range<usize>| begin < last.end) {
            begin += run.len() + 1;
            continue;
        }
        let is_encoded = run.len() >= SHORTEST_ENCODED && ENCODED.iter().any(|start| run.starts_with(start.as_bytes()));
        if is_encoded {
            // It may continue in further lines, which may begin with anything.
            let goes_on = |c: char| c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || "+/=\\".contains(c);
            let behind = begin + run.len();
            let end = text[behind..]
                .find(|c| !goes_on(c))
                .map_or(text.len(), |length| behind + length);
            found.push(begin..end);
        }
        begin += run.len() + 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        for (given, expected) in [
            ("thermo-1", "thermo-1"),
            ("Grüße, 温度 \u{1f321}", "Grüße, 温度 \u{1f321}"),
            (
                "x \u{1b}]0;pwned\u{7}\u{1b}[2J\r\nvalid: yes",
                r"x \u{1b}]0;pwned\u{7}\u{1b}[2J\r\nvalid: yes",
            ),
            ("\u{9b}2J\u{7f}\0", r"\u{9b}2J\u{7f}\u{0}"),
            ("a\u{202e}b\u{2028}c\u{2066}d", r"a\u{202e}b\u{2028}c\u{2066}d"),
        ] {
            assert_eq!(text(given).to_string(), expected, "{given:?}");
        }
        assert_eq!(
            lines("error: a\u{1b}\r\n  hint: b").to_string(),
            "error: a\\u{1b}\\r\n  hint: b"
        );
        assert_eq!(path(Path::new("a\u{1b}[31mb")).to_string(), r"a\u{1b}[31mb");
    }

    #[test]
    fn no_secret_is_shown_wherever_it_stands() {
        let key = "-----BEGIN PRIVATE KEY-----\nMIGHAgEA\n-----END PRIVATE KEY-----";
        for (given, expected) in [
            (key.to_owned(), PEM_SHOWN.to_owned()),
            (format!("{key}\n{key}"), PEM_SHOWN.to_owned()),
            (format!("{key}\n{}", &key[..36]), PEM_SHOWN.to_owned()),
            (
                format!("`{}\n{}=`: no", "MIGHAgEA".repeat(8), "abcd".repeat(15)),
                format!("`{PEM_SHOWN}`: no"),
            ),
            (
                format!("cannot read `{key}`: no such file"),
                format!("cannot read `{PEM_SHOWN}`: no such file"),
            ),
            (
                format!("cannot read `{}`: no such file", key.replace('\n', " ")),
                format!("cannot read `{PEM_SHOWN}`: no such file"),
            ),
            // Cut off: what follows may be the key.
            (format!("`{}`: no such file", &key[..36]), format!("`{PEM_SHOWN}")),
            (
                "`HostName=h;DeviceId=d;SharedAccessKey=c2VjcmV0` is none".to_owned(),
                "`HostName=h;DeviceId=d;SharedAccessKey=****` is none".to_owned(),
            ),
            (
                "'SharedAccessSignature sr=a&sig=b%3D&se=1' and sig=c&d".to_owned(),
                "'SharedAccessSignature ****' and sig=****".to_owned(),
            ),
            (
                format!("`{}`: no such file", "MIGHAgEA".repeat(8)),
                format!("`{PEM_SHOWN}`: no such file"),
            ),
            (
                format!("--key={}==", "MIGHAgEA".repeat(8)),
                format!("--key={PEM_SHOWN}"),
            ),
            (
                format!("'LS0tLS1CRUdJTi{}'", "BQUklWQVRF".repeat(6)),
                format!("'{PEM_SHOWN}'"),
            ),
            (
                "`https://me:s3cr3t@localhost/` is none".to_owned(),
                "`https://****@localhost/` is none".to_owned(),
            ),
            ("https://localhost/a@b".to_owned(), "https://localhost/a@b".to_owned()),
            (
                "-----BEGIN X----- -----END sig=a-----b".to_owned(),
                PEM_SHOWN.to_owned(),
            ),
            (
                "export T='SharedAccessSignature sr=…'".to_owned(),
                "export T='SharedAccessSignature sr=…'".to_owned(),
            ),
            ("sig=".to_owned(), "sig=".to_owned()),
            ("design=round".to_owned(), "design=round".to_owned()),
        ] {
            assert_eq!(text(&given).to_string(), expected);
        }
    }

    #[test]
    fn content_on_a_command_line_is_found_with_its_place() {
        let key = "-----BEGIN PRIVATE KEY-----\nMIGHAgEA\n-----END PRIVATE KEY-----";
        let (flagged, set) = (format!("--key={key}"), format!("group.0.certificates.key=\"{key}\""));
        for (words, place) in [
            (["device-sim", "--key", key], "--key"),
            (["device-sim", "x", &flagged], "--key"),
            (["run", "--set", &set], "--set"),
            (["cert", "inspect", key], "argument 2"),
        ] {
            assert_eq!(content_among(words).as_deref(), Some(place));
        }
        assert_eq!(content_among(["cert", "inspect", "thermo1_key.pem"]), None);
        assert!(!content_refused("--key").contains(key));
    }

    #[test]
    fn the_text_of_a_pem_file_is_no_path() {
        assert!(is_pem(
            "-----BEGIN CERTIFICATE-----\\nMIIB\\n-----END CERTIFICATE-----\\n"
        ));
        assert!(is_pem(&"MIGHAgEA".repeat(20)));
        assert!(!is_pem(&format!("MIDLANDS/{}.pem", "a".repeat(60))));
        assert!(!is_pem("certs/BEGIN-here/leaf.pem"));
    }
}
