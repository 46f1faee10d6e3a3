//! How the lines of PEM stand, and what is wrong with them. Nothing of a text is ever part of a message about it.
//!
//! The reader below ([`rustls_pki_types::pem`]) skips every line that is not quite a BEGIN line, so a certificate would be
//! gone without a word, and its errors quote the line that it stumbled over, which may be a whole key. So the lines are
//! looked at first, and its words are never shown.

use std::iter;

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";

/// What keeps a text from being read as PEM. It goes on where the name of a file leaves off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// All of it is one line.
    #[error("has no line breaks; a PEM file has its BEGIN line alone on a line")]
    NoLineBreaks,
    /// Its line breaks were written as in a program's text.
    #[error("has `\\n`, two characters, where a line should end; `printf '%b'` makes line breaks of them")]
    EscapedLineBreaks,
    /// Something stands before or behind a BEGIN line.
    #[error("has more than a BEGIN line on line {line}; a PEM file has its BEGIN line alone on a line")]
    BeginNotAlone {
        /// The line, from 1.
        line: usize,
    },
    /// Something stands before an END line.
    #[error("has something before its END line on line {line}; a PEM file has its END line on a line of its own")]
    EndNotAlone {
        /// The line, from 1.
        line: usize,
    },
    /// A section is not closed, or by the line of another one.
    #[error("breaks off: what begins on line {line} has no END line")]
    NoEnd {
        /// The line of its begin, from 1.
        line: usize,
    },
    /// What stands between the lines is not base64.
    #[error("is damaged: what stands between a BEGIN line and its END line is not base64")]
    NotBase64,
    /// Two bytes for each character.
    #[error(
        "is UTF-16, as `>` of Windows PowerShell 5 writes it, and PEM is ASCII; `Get-Content … | Set-Content -Encoding ascii …` converts it"
    )]
    Utf16,
}

/// The labels of all sections, such as `CERTIFICATE`, in their order.
pub(super) fn labels(text: &[u8]) -> Result<Vec<&[u8]>, Flaw> {
    if is_utf16(text) {
        return Err(Flaw::Utf16);
    }
    let mut labels = Vec::new();
    let mut open: Option<(usize, &[u8])> = None;
    for (line, content) in (1..).zip(lines(text)) {
        let Some((begin, label)) = open else {
            open = begin_line(content, line)?.map(|label| (line, label));
            continue;
        };
        let ends = find(content, END);
        let behind = content.strip_prefix(END).and_then(|end| end.strip_prefix(label));
        match behind.and_then(|behind| behind.strip_prefix(DASHES)) {
            // As `cat` joins files whose last line does not end. Anything else is skipped, as OpenSSL does.
            Some(behind) if find(behind, BEGIN).is_some() => return Err(Flaw::BeginNotAlone { line }),
            Some(_) => {
                labels.push(label);
                open = None;
            }
            None if ends == Some(0) || find(content, BEGIN).is_some() => return Err(Flaw::NoEnd { line: begin }),
            None if ends.is_some() => return Err(Flaw::EndNotAlone { line }),
            None => {}
        }
    }
    match open {
        Some((line, _)) => Err(Flaw::NoEnd { line }),
        None => Ok(labels),
    }
}

/// The label of a BEGIN line; `None` if the line has nothing of one.
fn begin_line(content: &[u8], line: usize) -> Result<Option<&[u8]>, Flaw> {
    let Some(at) = find(content, BEGIN) else {
        return Ok(None);
    };
    let label = &content[at + BEGIN.len()..];
    let behind = find(label, DASHES).map(|end| (&label[..end], &label[end + DASHES.len()..]));
    match behind {
        Some((label, behind)) if at == 0 && behind.iter().all(|byte| *byte == b' ') => Ok(Some(label)),
        // A comment may speak of such lines.
        _ if content.trim_ascii_start().starts_with(b"#") => Ok(None),
        Some((_, behind)) if behind.starts_with(b"\\n") || behind.starts_with(b"\\r") => Err(Flaw::EscapedLineBreaks),
        Some((_, behind)) if find(behind, END).is_some() => Err(Flaw::NoLineBreaks),
        _ => Err(Flaw::BeginNotAlone { line }),
    }
}

/// Lines that end in LF, in CRLF or, as on old systems, in CR alone.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n').flat_map(|line| {
        let mut rest = Some(line.strip_suffix(b"\r").unwrap_or(line));
        iter::from_fn(move || {
            let line = rest?;
            let end = line.iter().position(|byte| *byte == b'\r');
            rest = end.map(|end| &line[end + 1..]);
            Some(end.map_or(line, |end| &line[..end]))
        })
    })
}

/// With its mark, or by the zeros in the dashes.
fn is_utf16(text: &[u8]) -> bool {
    let marked = text.starts_with(&[0xFF, 0xFE]) || text.starts_with(&[0xFE, 0xFF]);
    let unmarked = || find(text, b"-\0-\0-\0-\0-\0B\0").or_else(|| find(text, b"\0-\0-\0-\0-\0-\0B"));
    marked || text.contains(&0) && unmarked().is_some()
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    // Most lines are base64 and have no dash at all.
    text.contains(&b'-')
        .then(|| text.windows(what.len()).position(|window| window == what))
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "-----BEGIN CERTIFICATE-----\nAAECAw==\n-----END CERTIFICATE-----\n";
    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nAAECAw==\n-----END PRIVATE KEY-----\n";

    fn of(text: &str) -> Result<Vec<String>, Flaw> {
        labels(text.as_bytes()).map(|labels| {
            let named = |label: &&[u8]| String::from_utf8_lossy(label).into_owned();
            labels.iter().map(named).collect()
        })
    }

    #[test]
    fn sections_are_found_between_whatever_else_there_is() {
        let both = format!("subject=CN = x\n{ONE}# -----BEGIN CERTIFICATE----- comes before a certificate\n{KEY}null");
        for text in [
            both.clone(),
            both.replace('\n', "\r\n"),
            both.replace('\n', "\r"),
            both.replace("-----\n", "-----  \n")
                .replace("END CERTIFICATE-----  ", "END CERTIFICATE-----null"),
        ] {
            assert_eq!(of(&text).unwrap(), ["CERTIFICATE", "PRIVATE KEY"], "{text:?}");
        }
        assert_eq!(of("nothing of the kind").unwrap(), Vec::<String>::new());
    }

    #[test]
    fn every_way_to_spoil_the_lines_is_named() {
        let joined = |text: &str| text.trim_end().to_owned();
        for (text, flaw) in [
            (KEY.replace('\n', ""), Flaw::NoLineBreaks),
            (KEY.replace('\n', " "), Flaw::NoLineBreaks),
            (format!("{ONE}{}", KEY.replace('\n', "")), Flaw::NoLineBreaks),
            (KEY.replace('\n', "\\n"), Flaw::EscapedLineBreaks),
            (KEY.replace('\n', "\\r\\n"), Flaw::EscapedLineBreaks),
            (format!("KEY=\"{}\"", KEY.replace('\n', "\\n")), Flaw::EscapedLineBreaks),
            (KEY.replacen('\n', "", 1), Flaw::BeginNotAlone { line: 1 }),
            (format!("{ONE}  {KEY}"), Flaw::BeginNotAlone { line: 4 }),
            (
                format!("{ONE}key: {KEY}").replace('\n', "\r\n"),
                Flaw::BeginNotAlone { line: 4 },
            ),
            (format!("{}{KEY}", joined(ONE)), Flaw::BeginNotAlone { line: 3 }),
            (KEY.replace("==\n", "=="), Flaw::EndNotAlone { line: 2 }),
            (KEY.replace("-----END", "  -----END"), Flaw::EndNotAlone { line: 3 }),
            (KEY[..40].to_owned(), Flaw::NoEnd { line: 1 }),
            (format!("{ONE}{}{ONE}", &KEY[..37]), Flaw::NoEnd { line: 4 }),
            (
                ONE.replace("END CERTIFICATE", "END PRIVATE KEY"),
                Flaw::NoEnd { line: 1 },
            ),
        ] {
            assert_eq!(of(&text), Err(flaw), "{text:?}");
        }
    }

    #[test]
    fn utf_16_is_named_with_its_mark_and_without() {
        let little: Vec<u8> = KEY.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = KEY.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for text in [
            [&[0xFF, 0xFE], little.as_slice()].concat(),
            [&[0xFE, 0xFF], big.as_slice()].concat(),
            little,
            big,
        ] {
            assert_eq!(labels(&text), Err(Flaw::Utf16), "{text:?}");
        }
    }
}
