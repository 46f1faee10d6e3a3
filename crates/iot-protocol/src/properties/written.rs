use std::borrow::Cow;

use super::{PropertyBag, PropertyBagError};
use crate::query;

/// A bag as it is in a topic: checked, but not taken apart. There is one in each message, and a hub reads two values of
/// it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrittenProperties<'a>(&'a str);

impl<'a> WrittenProperties<'a> {
    /// Checks a bag, as the parser of a [`PropertyBag`] does.
    ///
    /// # Errors
    ///
    /// An escape is not UTF-8, or a value has no key.
    pub fn new(text: &'a str) -> Result<Self, PropertyBagError> {
        if query::is_readable(text) {
            Ok(Self(text))
        } else {
            Err(PropertyBagError(text.into()))
        }
    }

    /// The value of `key`, if it has one. Of several, the last counts.
    #[must_use]
    pub fn value(self, key: &str) -> Option<Cow<'a, str>> {
        let [value] = self.values([key]);
        value
    }

    /// The values of several keys, which are found in one pass.
    #[must_use]
    pub fn values<const N: usize>(self, keys: [&str; N]) -> [Option<Cow<'a, str>>; N] {
        let mut found = [None; N];
        for (written, value) in query::pairs(self.0) {
            if let Some(place) = keys.iter().position(|key| query::is_key(written, key)) {
                found[place] = value;
            }
        }
        found.map(|value| query::decode(value?))
    }

    /// The text in the topic.
    #[must_use]
    pub fn as_str(self) -> &'a str {
        self.0
    }
}

impl From<WrittenProperties<'_>> for PropertyBag {
    fn from(WrittenProperties(text): WrittenProperties<'_>) -> Self {
        let decoded = |text| query::decode(text).expect("it was checked").into_owned();
        let pairs = query::pairs(text).map(|(key, value)| (decoded(key), value.map(decoded)));
        Self(pairs.collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::properties::MESSAGE_ID;

    #[test]
    fn a_value_is_found_whichever_way_its_key_is_written() {
        let written = WrittenProperties::new("%24.mid=a&$.mid=r-1&x=%C3%A4&y").unwrap();
        assert_eq!(written.value(MESSAGE_ID).as_deref(), Some("r-1"), "the last counts");
        assert_eq!(written.value("x").as_deref(), Some("\u{e4}"));
        assert_eq!((written.value("y"), written.value("mid")), (None, None));
        let [none, id, x] = written.values(["mid", MESSAGE_ID, "x"]);
        assert_eq!((none, id.as_deref(), x.as_deref()), (None, Some("r-1"), Some("\u{e4}")));
    }

    proptest! {
        #[test]
        fn what_is_read_where_it_stands_is_what_the_bag_holds(text in "([%$=&a\u{e4}]|%[0-9A-Fa-f]{2}|%24\\.mid|%C3%A4){0,12}") {
            let is_utf8 = |(key, value): (&str, Option<&str>)| {
                !key.is_empty() && query::decode(key).is_some() && value.is_none_or(|value| query::decode(value).is_some())
            };
            let bag = text.parse::<PropertyBag>();
            prop_assert_eq!(bag.is_ok(), query::pairs(&text).all(is_utf8));
            if let Ok(bag) = bag {
                let written = WrittenProperties::new(&text).unwrap();
                for key in bag.iter().map(|(key, _)| key).chain([MESSAGE_ID]) {
                    let value = written.value(key);
                    prop_assert_eq!(value.as_deref(), bag.value(key));
                }
            }
        }
    }
}
