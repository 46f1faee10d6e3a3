//! Filters of lists, as far as they are documented: the comparison of a field, `indexof`, `contains`, `and`, `or` and
//! parentheses.
//!
//! Source: [Manage devices](https://learn.microsoft.com/azure/iot-central/core/howto-manage-devices-with-rest-api). Its
//! examples find `Aircon Thermostat` by `contains(displayName, 'thermostat')`, so searching ignores case.

/// How deep parentheses may nest.
const MAX_DEPTH: usize = 32;

/// What can be filtered.
pub(super) trait Fields {
    /// The names of fields with texts. They are recognized in any case.
    const TEXTS: &'static [&'static str];
    /// The names of fields with truth values.
    const FLAGS: &'static [&'static str];

    /// The text of a field; none equals nothing.
    fn text(&self, field: &str) -> Option<&str>;
    fn flag(&self, field: &str) -> bool;
    fn display_name(&self) -> &str;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Filter {
    All(Vec<Self>),
    Any(Vec<Self>),
    /// A field has this text, or has not.
    Text(&'static str, bool, String),
    /// A field has this truth value.
    Flag(&'static str, bool),
    /// Where a field has a text, or -1, compared with a number.
    Index(&'static str, String, Comparison, i64),
    Contains(&'static str, String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadFilter {
    #[error("`{0}` is not expected here")]
    Unexpected(String),
    #[error("it ends too early")]
    Ended,
    #[error("a text lacks its closing quote")]
    Quote,
    #[error("`{0}` is none of the fields {1}")]
    Field(String, String),
    #[error("a field with a text is compared with `eq` or `ne` and a text in single quotes")]
    Text,
    #[error("a field with a truth value is compared with `eq` or `ne` and `true` or `false`")]
    Flag,
    #[error("the parentheses are too deep")]
    TooDeep,
}

impl Filter {
    /// Reads a filter for this kind of things.
    pub(super) fn parse<T: Fields>(text: &str) -> Result<Self, BadFilter> {
        let mut parser = Parser {
            tokens: tokens(text)?.into_iter(),
            texts: T::TEXTS,
            flags: T::FLAGS,
        };
        let (filter, next) = parser.either(0)?;
        match next {
            None => Ok(filter),
            Some(token) => Err(BadFilter::Unexpected(token.to_string())),
        }
    }

    pub(super) fn accepts<T: Fields>(&self, thing: &T) -> bool {
        match self {
            Self::All(filters) => filters.iter().all(|filter| filter.accepts(thing)),
            Self::Any(filters) => filters.iter().any(|filter| filter.accepts(thing)),
            Self::Text(field, equal, text) => (thing.text(field) == Some(text)) == *equal,
            Self::Flag(field, value) => thing.flag(field) == *value,
            Self::Index(field, text, comparison, number) => comparison.holds(index(thing.text(field), text), *number),
            Self::Contains(field, text) => index(thing.text(field), text) >= 0,
        }
    }
}

impl Comparison {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "eq" => Self::Equal,
            "ne" => Self::NotEqual,
            "lt" => Self::Less,
            "le" => Self::LessOrEqual,
            "gt" => Self::Greater,
            "ge" => Self::GreaterOrEqual,
            _ => return None,
        })
    }

    fn holds(self, one: i64, other: i64) -> bool {
        match self {
            Self::Equal => one == other,
            Self::NotEqual => one != other,
            Self::Less => one < other,
            Self::LessOrEqual => one <= other,
            Self::Greater => one > other,
            Self::GreaterOrEqual => one >= other,
        }
    }
}

/// The place of a text in another one, in characters from 0; -1 if it is not there.
fn index(within: Option<&str>, text: &str) -> i64 {
    let within = within.unwrap_or_default().to_lowercase();
    let found = within.find(&text.to_lowercase());
    found.map_or(-1, |at| i64::try_from(within[..at].chars().count()).unwrap_or(i64::MAX))
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Open,
    Close,
    Comma,
}

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Word(word) => word,
            Self::Text(text) => return write!(f, "'{text}'"),
            Self::Open => "(",
            Self::Close => ")",
            Self::Comma => ",",
        })
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, BadFilter> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            ' ' | '\t' => continue,
            '(' => Token::Open,
            ')' => Token::Close,
            ',' => Token::Comma,
            '\'' => {
                let mut text = String::new();
                loop {
                    match chars.next().ok_or(BadFilter::Quote)? {
                        // As in OData: a quote within a text is written twice.
                        '\'' if chars.peek() == Some(&'\'') => {
                            chars.next();
                            text.push('\'');
                        }
                        '\'' => break,
                        c => text.push(c),
                    }
                }
                Token::Text(text)
            }
            c if is_word(c) => {
                let mut word = String::from(c);
                while let Some(c) = chars.next_if(|c| is_word(*c)) {
                    word.push(c);
                }
                Token::Word(word)
            }
            c => return Err(BadFilter::Unexpected(c.into())),
        });
    }
    Ok(tokens)
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '@' | '_' | '-' | '.' | '$')
}

struct Parser {
    tokens: std::vec::IntoIter<Token>,
    texts: &'static [&'static str],
    flags: &'static [&'static str],
}

/// What was read, and the token after it.
type Read = (Filter, Option<Token>);

impl Parser {
    fn either(&mut self, depth: usize) -> Result<Read, BadFilter> {
        let mut filters = Vec::new();
        loop {
            let (filter, next) = self.both(depth)?;
            filters.push(filter);
            if next != Some(Token::Word("or".into())) {
                return Ok((Filter::Any(filters), next));
            }
        }
    }

    fn both(&mut self, depth: usize) -> Result<Read, BadFilter> {
        let mut filters = Vec::new();
        loop {
            filters.push(self.one(depth)?);
            let next = self.tokens.next();
            if next != Some(Token::Word("and".into())) {
                return Ok((Filter::All(filters), next));
            }
        }
    }

    fn one(&mut self, depth: usize) -> Result<Filter, BadFilter> {
        if depth > MAX_DEPTH {
            return Err(BadFilter::TooDeep);
        }
        match self.next()? {
            Token::Open => match self.either(depth + 1)? {
                (filter, Some(Token::Close)) => Ok(filter),
                (_, Some(other)) => Err(BadFilter::Unexpected(other.to_string())),
                (_, None) => Err(BadFilter::Ended),
            },
            Token::Word(word) if word == "contains" => {
                let (field, text) = self.arguments()?;
                Ok(Filter::Contains(field, text))
            }
            Token::Word(word) if word == "indexof" => {
                let (field, text) = self.arguments()?;
                let comparison = self.comparison()?;
                let number = self.next()?;
                match &number {
                    Token::Word(word) => word.parse().ok(),
                    _ => None,
                }
                .map(|number| Filter::Index(field, text, comparison, number))
                .ok_or_else(|| BadFilter::Unexpected(number.to_string()))
            }
            Token::Word(word) => self.compared(&word),
            other => Err(BadFilter::Unexpected(other.to_string())),
        }
    }

    /// A field, what it is compared by and what with.
    fn compared(&mut self, word: &str) -> Result<Filter, BadFilter> {
        if let Some(field) = known(self.flags, word) {
            let equal = self.equality().ok_or(BadFilter::Flag)?;
            return match self.next()? {
                Token::Word(word) if word == "true" => Ok(Filter::Flag(field, equal)),
                Token::Word(word) if word == "false" => Ok(Filter::Flag(field, !equal)),
                _ => Err(BadFilter::Flag),
            };
        }
        let field = self.text_field(word)?;
        let equal = self.equality().ok_or(BadFilter::Text)?;
        match self.next()? {
            Token::Text(text) => Ok(Filter::Text(field, equal, text)),
            _ => Err(BadFilter::Text),
        }
    }

    /// `(field, 'text')`
    fn arguments(&mut self) -> Result<(&'static str, String), BadFilter> {
        self.expect(&Token::Open)?;
        let field = match self.next()? {
            Token::Word(word) => self.text_field(&word)?,
            other => return Err(BadFilter::Unexpected(other.to_string())),
        };
        self.expect(&Token::Comma)?;
        let Token::Text(text) = self.next()? else {
            return Err(BadFilter::Text);
        };
        self.expect(&Token::Close)?;
        Ok((field, text))
    }

    fn text_field(&self, word: &str) -> Result<&'static str, BadFilter> {
        known(self.texts, word).ok_or_else(|| {
            let fields: Vec<_> = self.texts.iter().chain(self.flags).copied().collect();
            BadFilter::Field(word.into(), fields.join(", "))
        })
    }

    fn comparison(&mut self) -> Result<Comparison, BadFilter> {
        let token = self.next()?;
        match &token {
            Token::Word(word) => Comparison::parse(word),
            _ => None,
        }
        .ok_or_else(|| BadFilter::Unexpected(token.to_string()))
    }

    fn equality(&mut self) -> Option<bool> {
        match self.comparison().ok()? {
            Comparison::Equal => Some(true),
            Comparison::NotEqual => Some(false),
            _ => None,
        }
    }

    fn expect(&mut self, expected: &Token) -> Result<(), BadFilter> {
        let token = self.next()?;
        if token == *expected {
            Ok(())
        } else {
            Err(BadFilter::Unexpected(token.to_string()))
        }
    }

    fn next(&mut self) -> Result<Token, BadFilter> {
        self.tokens.next().ok_or(BadFilter::Ended)
    }
}

fn known(fields: &'static [&'static str], word: &str) -> Option<&'static str> {
    fields.iter().find(|field| field.eq_ignore_ascii_case(word)).copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Thing(&'static str, bool);

    impl Fields for Thing {
        const TEXTS: &'static [&'static str] = &["displayName", "template"];
        const FLAGS: &'static [&'static str] = &["enabled"];

        fn text(&self, field: &str) -> Option<&str> {
            (field == "displayName").then_some(self.0)
        }

        fn flag(&self, _: &str) -> bool {
            self.1
        }

        fn display_name(&self) -> &str {
            self.0
        }
    }

    #[test]
    fn the_documented_forms_are_understood() {
        let on = Thing("Aircon Thermostat", true);
        let off = Thing("it's cold", false);
        for (filter, accepts_on, accepts_off) in [
            ("displayName eq 'Aircon Thermostat'", true, false),
            ("displayName ne 'Aircon Thermostat'", false, true),
            ("displayName eq 'it''s cold'", false, true),
            ("Enabled ne true", false, true),
            ("enabled eq false or displayName eq 'Aircon Thermostat'", true, true),
            ("enabled eq true and contains(displayName, 'thermostat')", true, false),
            ("indexof(displayName, 'thermostat') ge 0", true, false),
            ("indexof(displayName,'cold') eq 5", false, true),
            ("indexof(displayName, 'cold') le -1", true, false),
            ("indexof(displayName, 'cold') lt 0", true, false),
            ("indexof(displayName, 'cold') gt 0", false, true),
            ("template eq 'dtmi:a;1'", false, false),
            ("template ne 'dtmi:a;1'", true, true),
            // `and` binds more closely than `or`.
            (
                "enabled eq false or enabled eq true and displayName eq 'x'",
                false,
                true,
            ),
            (
                "(enabled eq false or enabled eq true) and displayName eq 'x'",
                false,
                false,
            ),
        ] {
            let parsed = Filter::parse::<Thing>(filter).unwrap();
            assert_eq!(
                (parsed.accepts(&on), parsed.accepts(&off)),
                (accepts_on, accepts_off),
                "{filter}"
            );
        }
    }

    #[test]
    fn what_is_no_filter_is_refused_by_its_fault() {
        let deep = "(".repeat(40);
        for (filter, words) in [
            ("", "it ends too early"),
            ("enabled", "a field with a truth value is compared"),
            ("enabled eq 'true'", "a field with a truth value is compared"),
            ("displayName lt 'a'", "a field with a text is compared"),
            ("displayName eq", "it ends too early"),
            ("displayName eq 'a", "a text lacks its closing quote"),
            ("displayName eq 'a' 'b'", "`'b'` is not expected here"),
            (
                "properties.x eq 'a'",
                "`properties.x` is none of the fields displayName, template, enabled",
            ),
            ("startswith(displayName, 'a')", "`startswith` is none of the fields"),
            ("indexof(displayName, 'a') ge 'b'", "`'b'` is not expected here"),
            ("contains(displayName 'a')", "`'a'` is not expected here"),
            ("not enabled eq true", "`not` is none of the fields"),
            ("displayName = 'a'", "`=` is not expected here"),
            ("(enabled eq true", "it ends too early"),
            (&deep, "the parentheses are too deep"),
        ] {
            let error = Filter::parse::<Thing>(filter).unwrap_err().to_string();
            assert!(error.starts_with(words), "{filter}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text: String, near in r"(enabled|displayName|contains|indexof|eq|and|or|'a'|[(), ]){0,12}") {
            let _ = Filter::parse::<Thing>(&text);
            let _ = Filter::parse::<Thing>(&near);
        }
    }
}
