//! Percent encoding and `key=value&…` lists, as topics and user names hold them.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::TopicError;
use crate::id::RequestId;

/// Everything but RFC 3986's unreserved characters. A space becomes `%20`, never `+`.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Encodes `text` for use as a key or a value.
pub(crate) fn encode(text: &str) -> impl std::fmt::Display {
    utf8_percent_encode(text, RESERVED)
}

/// Decodes a key or a value; `None` when it is not UTF-8. A `%` that starts no escape stands for itself, as some
/// clients send raw text.
pub(crate) fn decode(text: &str) -> Option<String> {
    percent_decode_str(text)
        .decode_utf8()
        .ok()
        .map(std::borrow::Cow::into_owned)
}

/// The raw pairs of a list; a key without `=` has no value.
pub(crate) fn pairs(list: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    list.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| match pair.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (pair, None),
        })
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
