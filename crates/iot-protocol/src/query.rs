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
    percent_decode_str(text).decode_utf8().ok()
}

/// Whether a key or a value can be decoded. For most, this shows without decoding: an escape of an ASCII
/// character keeps UTF-8 valid.
pub(crate) fn is_readable(text: &str) -> bool {
    let is_beyond_ascii = |start: &[u8]| start[0] == b'%' && start[1] >= b'8';
    !text.as_bytes().windows(2).any(is_beyond_ascii) || decode(text).is_some()
}

/// Whether a key is `plain` when it is decoded.
pub(crate) fn is_key(key: &str, plain: &str) -> bool {
    percent_decode_str(key).eq(plain.bytes())
}

/// The raw pairs of a list; a key without `=` has no value.
pub(crate) fn pairs(list: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    let mut rest = Some(list);
    std::iter::from_fn(move || {
        let (pair, others) = cut(rest?, b'&');
        rest = others;
        Some(cut(pair, b'='))
    })
    .filter(|(key, value)| !key.is_empty() || value.is_some())
}

/// The text before the first `mark`, and the text after it if there is one. Keys and values are a few characters long,
/// and the standard library's search is optimized for long texts.
fn cut(text: &str, mark: u8) -> (&str, Option<&str>) {
    match text.bytes().position(|byte| byte == mark) {
        Some(place) => (&text[..place], Some(&text[place + 1..])),
        None => (text, None),
    }
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
