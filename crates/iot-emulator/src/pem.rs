//! PEM as people upload it: whole, or refused with words that hold nothing of it.
//!
//! A reader that skips what it does not understand would take the second certificate of a file for the first. Text around
//! the sections is skipped, as OpenSSL does.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// What stands between a BEGIN line and its END line.
pub(crate) struct Section {
    pub(crate) label: String,
    pub(crate) der: Vec<u8>,
}

/// Why a text is no PEM. It goes on where the name of a file or field leaves off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotPem {
    #[error("is binary, such as DER or PFX, and PEM is needed; `openssl x509 -inform der -in … -out …` converts DER")]
    Binary,
    #[error("is UTF-16, and PEM is ASCII")]
    Utf16,
    #[error("has no BEGIN line, which begins each part of PEM")]
    Nothing,
    #[error("has no line breaks; PEM has its BEGIN line alone on a line")]
    NoLineBreaks,
    #[error("has more than a BEGIN line on line {0}; PEM has its BEGIN line alone on a line")]
    BeginNotAlone(usize),
    #[error("breaks off: what begins on line {0} has no END line")]
    NoEnd(usize),
    #[error("is damaged: what stands between BEGIN and END is not base64")]
    NotBase64,
}

/// All sections of a file or a body; at least one.
pub(crate) fn sections(bytes: &[u8]) -> Result<Vec<Section>, NotPem> {
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) || bytes.contains(&0) && bytes[0] != 0x30 {
        return Err(NotPem::Utf16);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| NotPem::Binary)?;
    // What Windows programs put before UTF-8 is no part of a line.
    let text = text.replace('\u{feff}', "").replace("\r\n", "\n");
    let mut sections = Vec::new();
    let mut open: Option<(usize, &str, String)> = None;
    for (number, line) in (1..).zip(text.split(['\n', '\r'])) {
        let Some((begin, label, body)) = &mut open else {
            open = begin_line(line, number)?.map(|label| (number, label, String::new()));
            continue;
        };
        if let Some(behind) = line.strip_prefix(END).and_then(|end| end.strip_prefix(*label)) {
            if behind.contains(BEGIN) {
                return Err(NotPem::BeginNotAlone(number));
            }
            sections.push(Section {
                label: (*label).to_owned(),
                der: BASE64_STANDARD.decode(&*body).map_err(|_| NotPem::NotBase64)?,
            });
            open = None;
        } else if line.contains(DASHES) {
            return Err(NotPem::NoEnd(*begin));
        } else {
            body.extend(line.split_whitespace());
        }
    }
    match open {
        Some((begin, ..)) => Err(NotPem::NoEnd(begin)),
        None if sections.is_empty() => Err(NotPem::Nothing),
        None => Ok(sections),
    }
}

fn begin_line(line: &str, number: usize) -> Result<Option<&str>, NotPem> {
    let Some(at) = line.find(BEGIN) else {
        return Ok(None);
    };
    match line[at + BEGIN.len()..].split_once(DASHES) {
        Some((label, behind)) if at == 0 && behind.trim_end().is_empty() => Ok(Some(label)),
        _ if line.trim_start().starts_with('#') => Ok(None),
        Some((_, behind)) if behind.contains(END) => Err(NotPem::NoLineBreaks),
        _ => Err(NotPem::BeginNotAlone(number)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "-----BEGIN CERTIFICATE-----\nAAEC\nAw==\n-----END CERTIFICATE-----\n";

    fn of(text: &str) -> Result<Vec<(String, Vec<u8>)>, NotPem> {
        let pairs = |section: Section| (section.label, section.der);
        sections(text.as_bytes()).map(|sections| sections.into_iter().map(pairs).collect())
    }

    #[test]
    fn whole_sections_are_read_whatever_stands_around_them() {
        let one = ("CERTIFICATE".to_owned(), vec![0, 1, 2, 3]);
        for text in [
            ONE.to_owned(),
            format!("\u{feff}{ONE}"),
            ONE.replace('\n', "\r\n"),
            ONE.replace('\n', "\r"),
            format!("subject=CN = x\n{}null", ONE.trim_end()),
        ] {
            assert_eq!(of(&text).unwrap(), std::slice::from_ref(&one), "{text:?}");
        }
        assert_eq!(of(&format!("\u{feff}{ONE}\u{feff}{ONE}")).unwrap().len(), 2);
    }

    #[test]
    fn what_is_spoilt_is_refused_rather_than_skipped() {
        for (text, expected) in [
            (ONE.replace('\n', ""), NotPem::NoLineBreaks),
            (ONE.replace('\n', " "), NotPem::NoLineBreaks),
            (ONE.replace('\n', "\\n"), NotPem::NoLineBreaks),
            (ONE.replacen('\n', "", 1), NotPem::BeginNotAlone(1)),
            (format!("  {ONE}{ONE}"), NotPem::BeginNotAlone(1)),
            (format!("{}{ONE}", ONE.trim_end()), NotPem::BeginNotAlone(4)),
            (format!("{}{ONE}", &ONE[..31]), NotPem::NoEnd(1)),
            (ONE.replace("Aw==", "Aw==!"), NotPem::NotBase64),
            ("no certificate".to_owned(), NotPem::Nothing),
        ] {
            assert_eq!(of(&text), Err(expected), "{text:?}");
        }
        let wide: Vec<u8> = ONE.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(sections(&wide).err(), Some(NotPem::Utf16));
        assert_eq!(sections(&[0x30, 0x82, 0xFF, 0]).err(), Some(NotPem::Binary));
    }
}
