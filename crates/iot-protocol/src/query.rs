//! Percent encoding and `key=value&…` lists, as in topics and user names.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::TopicError;
use crate::id::RequestId;

/// Everything but RFC 3986's unreserved characters. A space becomes `%20`, never `+`.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Encodes `text` for use as a key or a value.
pub(crate) fn encode(text: &str) -> impl std::fmt::Display {
    utf8_percent_encode(text, RESERVED)
}

/// Decodes a key or a value; `None` when it is not UTF-8. A `%` that starts no escape is kept, as some clients
/// send raw text.
pub(crate) fn decode(text: &str) -> Option<Cow<'_, str>> {
    match text.as_bytes().contains(&b'%') {
        false => Some(Cow::Borrowed(text)),
        true => percent_decode_str(text).decode_utf8().ok(),
    }
}

/// Whether every key and value of a list can be decoded, and each has a key. For most lists this shows without taking them
/// apart: an escape of an ASCII character keeps UTF-8 valid.
pub(crate) fn is_readable(list: &str) -> bool {
    let bytes = list.as_bytes();
    let nexts = bytes.get(1..).unwrap_or_default();
    // Without branches, which lets the compiler look at many bytes at once.
    let is_odd = |(byte, next): (&u8, &u8)| ((*byte == b'&') & (*next == b'=')) | ((*byte == b'%') & (*next >= b'8'));
    let is_plain = !bytes.iter().zip(nexts).fold(false, |odd, pair| odd | is_odd(pair)) && bytes.first() != Some(&b'=');
    is_plain
        || pairs(list).all(|(key, value)| {
            !key.is_empty() && decode(key).is_some() && value.is_none_or(|value| decode(value).is_some())
        })
}

/// Whether a key is `plain` when it is decoded. Most are not, which their ends show: what comes last in a key is no escape
/// of a letter, as a rule.
pub(crate) fn is_key(key: &str, plain: &str) -> bool {
    let differs = match (key.as_bytes(), plain.as_bytes().last()) {
        ([.., b'%', _, _] | [], _) | (_, None) => false,
        ([.., last], Some(plain)) => last != plain,
    };
    !differs && percent_decode_str(key).eq(plain.bytes())
}

/// The raw pairs of a list; a key without `=` has no value.
pub(crate) fn pairs(list: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    let mut rest = Some(list);
    std::iter::from_fn(move || {
        let (pair, others) = first_pair(rest?);
        rest = others;
        Some(pair)
    })
    .filter(|(key, value)| !key.is_empty() || value.is_some())
}

/// The first pair, and what follows it. Keys and values are a few characters long: one loop that looks for both marks is
/// quicker than searches that are optimized for long texts.
fn first_pair(list: &str) -> ((&str, Option<&str>), Option<&str>) {
    let (mut equals, mut end) = (None, list.len());
    for (place, byte) in list.bytes().enumerate() {
        match byte {
            b'=' if equals.is_none() => equals = Some(place),
            b'&' => {
                end = place;
                break;
            }
            _ => {}
        }
    }
    let pair = match equals {
        Some(equals) => (&list[..equals], Some(&list[equals + 1..end])),
        None => (&list[..end], None),
    };
    (pair, list.get(end + 1..))
}

/// The raw value of `key` in a topic's list.
pub(crate) fn value<'a>(list: &'a str, key: &str) -> Option<&'a str> {
    pairs(list).find(|(k, _)| *k == key).and_then(|(_, value)| value)
}

/// The `$rid` in the list of `topic`.
pub(crate) fn request_id(topic: &str, list: &str) -> Result<RequestId, TopicError> {
    let malformed = || TopicError::Malformed {
        topic: topic.into(),
        part: "$rid",
    };
    RequestId::new(value(list, "$rid").ok_or_else(malformed)?).map_err(|_| malformed())
}

/// A number in the list of `topic`, where there is one.
pub(crate) fn number(topic: &str, list: &str, key: &'static str) -> Result<Option<u64>, TopicError> {
    let malformed = |_| TopicError::Malformed {
        topic: topic.into(),
        part: key,
    };
    value(list, key).map(str::parse).transpose().map_err(malformed)
}
