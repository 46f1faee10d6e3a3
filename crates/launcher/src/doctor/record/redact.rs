//! Takes names, tokens and keys out of answers, so that they can be handed on. Pure.
//!
//! Nothing is kept because it looks harmless: of JSON, only the members and values in the two lists below, and of a
//! message only plain words and short numbers. All else is replaced, the same by the same, so that what belongs together
//! is still seen. [`Redactor::learn`] reads everything first: a name that stands anywhere in a value is then replaced in
//! every message, even where it is a plain word.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Members of the API's answers, whose names say nothing about an application.
const MEMBERS: &[&str] = &[
    "attestation",
    "capabilityModel",
    "certificate",
    "clientCertificates",
    "code",
    "details",
    "displayName",
    "enabled",
    "entry",
    "error",
    "errorCode",
    "etag",
    "expiry",
    "id",
    "idScope",
    "innererror",
    "Message",
    "message",
    "model",
    "nextLink",
    "organization",
    "organizations",
    "operationId",
    "primary",
    "provisioned",
    "requestId",
    "role",
    "roles",
    "secondary",
    "simulated",
    "status",
    "symmetricKey",
    "target",
    "template",
    "time",
    "trackingId",
    "type",
    "value",
    "verified",
    "x509",
];

/// Values that are words of the service.
const VALUES: &[&str] = &[
    "assigned",
    "assigning",
    "disabled",
    "enabled",
    "failed",
    "iot",
    "iotEdge",
    "none",
    "primary",
    "secondary",
    "symmetricKey",
    "tpm",
    "unassigned",
    "x509",
];

/// Members whose values are sentences for a person.
const SENTENCES: [&str; 2] = ["message", "Message"];
/// Members whose values are words for a program, such as `NotFound`.
const CODES: [&str; 2] = ["code", "errorCode"];

/// Longer words are keys more often than words.
const LONGEST_WORD: usize = 20;
/// Codes of DPS have six digits.
const LONGEST_NUMBER: usize = 6;
/// A shorter name is replaced only where it stands alone.
const SHORTEST_INSIDE: usize = 3;

/// Remembers what was replaced by what.
#[derive(Debug, Default)]
pub(crate) struct Redactor {
    /// By the original.
    stand_ins: BTreeMap<String, String>,
    /// By what they stand for.
    counts: BTreeMap<&'static str, usize>,
}

impl Redactor {
    /// Remembers a secret, whatever it looks like.
    pub(crate) fn hide(&mut self, kind: &'static str, secret: &str) {
        if !secret.is_empty() && !VALUES.contains(&secret) {
            self.stand_in(kind, secret);
        }
    }

    /// Remembers every name in an answer.
    pub(crate) fn learn(&mut self, value: &Value) {
        match value {
            Value::Object(members) => {
                for (member, value) in members {
                    if !MEMBERS.contains(&member.as_str()) {
                        self.hide("member", member);
                    }
                    match value {
                        Value::String(_) if SENTENCES.contains(&member.as_str()) => {}
                        Value::String(text) if is_code(member, text) => {}
                        value => self.learn(value),
                    }
                }
            }
            Value::Array(values) => values.iter().for_each(|value| self.learn(value)),
            Value::String(text) => self.hide("name", text),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// An answer without what is its application's own.
    pub(crate) fn value(&mut self, value: &Value) -> Value {
        match value {
            Value::Object(members) => {
                let mut redacted = Map::new();
                for (member, value) in members {
                    let name = match MEMBERS.contains(&member.as_str()) {
                        true => member.clone(),
                        false => self.stand_in("member", member),
                    };
                    let value = match value {
                        Value::String(text) if SENTENCES.contains(&member.as_str()) => self.sentence(text).into(),
                        Value::String(text) if is_code(member, text) => text.clone().into(),
                        value => self.value(value),
                    };
                    redacted.insert(name, value);
                }
                redacted.into()
            }
            Value::Array(values) => values.iter().map(|value| self.value(value)).collect(),
            Value::String(text) if text.is_empty() || VALUES.contains(&text.as_str()) => value.clone(),
            Value::String(text) => self.stand_in("name", text).into(),
            // Numbers name nothing that a short one could show; a long one may be a telephone number.
            Value::Number(number) if number.to_string().len() > LONGEST_NUMBER => 0.into(),
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }

    /// A message without names.
    pub(crate) fn sentence(&mut self, text: &str) -> String {
        let mut text = text.to_owned();
        let mut known: Vec<_> = self
            .stand_ins
            .iter()
            .map(|(one, other)| (one.clone(), other.clone()))
            .collect();
        // A name that holds another one goes first.
        known.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        for (name, stand_in) in &known {
            text = replaced(&text, name, stand_in);
        }
        let stand_ins: Vec<_> = known.into_iter().map(|(_, stand_in)| stand_in).collect();
        let words = text.split_inclusive(char::is_whitespace);
        words.map(|word| self.word(word, &stand_ins)).collect()
    }

    /// One word with what stands around it.
    fn word(&mut self, word: &str, stand_ins: &[String]) -> String {
        let is_edge = |c: char| c.is_whitespace() || "'\"`()[]{}<>.,:;!?".contains(c);
        let core = word.trim_matches(is_edge);
        let is_word = core.chars().all(|c| c.is_ascii_alphabetic()) && core.len() <= LONGEST_WORD;
        let is_number = core.chars().all(|c| c.is_ascii_digit()) && core.len() <= LONGEST_NUMBER;
        if core.is_empty() || is_word || is_number || stand_ins.iter().any(|stand_in| stand_in == core) {
            return word.to_owned();
        }
        let stand_in = self.stand_in("text", core);
        word.replacen(core, &stand_in, 1)
    }

    fn stand_in(&mut self, kind: &'static str, original: &str) -> String {
        if let Some(known) = self.stand_ins.get(original) {
            return known.clone();
        }
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        let stand_in = format!("{kind}-{count}");
        self.stand_ins.insert(original.to_owned(), stand_in.clone());
        stand_in
    }
}

/// Whether a value is one that the service has chosen among its own: letters, or digits, and not long.
fn is_code(member: &str, text: &str) -> bool {
    let letters = text.chars().all(|c| c.is_ascii_alphabetic()) && text.len() <= 40;
    let digits = text.chars().all(|c| c.is_ascii_digit()) && text.len() <= LONGEST_NUMBER;
    CODES.contains(&member) && (letters || digits)
}

/// A text with a name replaced, in upper and lower case.
fn replaced(text: &str, name: &str, stand_in: &str) -> String {
    // Lower case may be longer than upper case, so that only ASCII keeps its places.
    let (lower, needle) = (text.to_ascii_lowercase(), name.to_ascii_lowercase());
    let alone = |begin: usize, end: usize| {
        let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        !is_word(text[..begin].chars().next_back()) && !is_word(text[end..].chars().next())
    };
    let mut result = String::with_capacity(text.len());
    let mut at = 0;
    for (begin, _) in lower.match_indices(&needle) {
        let end = begin + needle.len();
        if needle.len() >= SHORTEST_INSIDE || alone(begin, end) {
            result.push_str(&text[at..begin]);
            result.push_str(stand_in);
            at = end;
        }
    }
    result.push_str(&text[at..]);
    result
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_service_s_words_stay_and_the_application_s_go() {
        let answer = json!({
            "error": {
                "code": "NotFound",
                "message": "The device 'kitchen' of Contoso was not found, see https://contoso.example/x (401002).",
                "requestId": "0c1d",
            },
            "value": [{ "id": "kitchen", "displayName": "The stove", "type": "iot", "enabled": true, "myOwn": 12345678 }],
        });
        let mut redactor = Redactor::default();
        redactor.hide("application", "contoso");
        redactor.learn(&answer);
        let redacted = redactor.value(&answer);
        assert_eq!(
            redacted["error"]["message"],
            "The device 'name-2' of application-1 was not found, see text-1 (401002)."
        );
        assert_eq!(redacted["error"]["code"], "NotFound");
        assert_eq!(redacted["value"][0]["id"], "name-2");
        assert_eq!(redacted["value"][0]["type"], "iot");
        assert_eq!(redacted["value"][0]["enabled"], true);
        assert_eq!(redacted["value"][0]["member-1"], 0);
    }

    /// What must not be seen again: names as people give them, and what machines make.
    fn secret() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-z]{5,12}",
            "[A-Z][a-z]{3,9} [A-Z][a-z]{3,9}",
            "[a-z]{3,8}-[0-9]{2,6}",
            "[A-Za-z0-9+/]{24,60}={0,2}",
            "[0-9A-F]{40}",
            "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{12}",
            "SharedAccessSignature sr=[a-z0-9]{6,12}&sig=[A-Za-z0-9%]{20,44}&skn=[a-z]{4,9}&se=[0-9]{10}",
            "-----BEGIN PRIVATE KEY-----\n[A-Za-z0-9+/]{64}\n-----END PRIVATE KEY-----",
            "https://[a-z]{4,10}\\.azureiotcentral\\.com/[a-z]{4,8}",
            "[a-z]{3,8}@[a-z]{4,9}\\.example",
            "[à-ü]{4,9}",
            "[0-9]{9,14}",
        ]
    }

    /// A secret that is no part of what the service says itself.
    fn unlike_our_words(secret: &str) -> bool {
        let own = MEMBERS.iter().chain(VALUES).chain(&[
            "application",
            "member",
            "name",
            "text",
            "device",
            "could not be found",
        ]);
        let secret = secret.to_lowercase();
        own.into_iter().all(|word| !word.to_lowercase().contains(&secret))
    }

    fn anywhere(secrets: Vec<String>) -> impl Strategy<Value = Value> {
        let one = proptest::sample::select(secrets);
        let leaf = prop_oneof![
            one.clone().prop_map(Value::from),
            one.clone()
                .prop_map(|secret| json!({ "message": format!("device '{secret}' could not be found: {secret}") })),
            one.clone().prop_map(|secret| json!({ "code": secret, "id": secret })),
            Just(json!({ "type": "x509", "enabled": true })),
        ];
        leaf.prop_recursive(4, 24, 5, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                (one.clone(), inner.clone()).prop_map(|(member, value)| json!({ member: value })),
                inner.prop_map(|value| json!({ "value": [value] })),
            ]
        })
    }

    /// Every text in an answer as it is, without JSON's escapes. A code of letters only is kept on purpose: it is the
    /// service's.
    fn collect(value: &Value, texts: &mut String) {
        match value {
            Value::Object(members) => {
                for (member, value) in members {
                    *texts += &format!("{}\n", member.to_lowercase());
                    match value {
                        Value::String(text) if is_code(member, text) => {}
                        value => collect(value, texts),
                    }
                }
            }
            Value::Array(values) => values.iter().for_each(|value| collect(value, texts)),
            Value::String(text) => *texts += &format!("{}\n", text.to_lowercase()),
            _ => {}
        }
    }

    proptest! {
        #[test]
        fn no_secret_is_left_wherever_it_stands(
            (secrets, answers) in proptest::collection::vec(secret().prop_filter("a word of ours", |secret| unlike_our_words(secret)), 1..6)
                .prop_flat_map(|secrets| {
                    let answers = proptest::collection::vec(anywhere(secrets.clone()), 1..4);
                    (Just(secrets), answers)
                })
        ) {
            let mut redactor = Redactor::default();
            for secret in &secrets {
                redactor.hide("name", secret);
            }
            answers.iter().for_each(|answer| redactor.learn(answer));
            for answer in &answers {
                let mut texts = String::new();
                collect(&redactor.value(answer), &mut texts);
                for secret in &secrets {
                    prop_assert!(!texts.contains(&secret.to_lowercase()), "{secret} in {texts}");
                }
            }
        }

        #[test]
        fn what_looks_like_no_word_is_not_left_in_a_message_even_where_nothing_was_learnt(
            secret in prop_oneof![
                "[a-z]{3,8}-[0-9]{2,6}",
                "[A-Za-z0-9+/]{24,60}",
                "[0-9A-F]{39}1",
                "[a-z]{3,8}@[a-z]{4,9}\\.example",
                "[0-9]{9,14}",
            ]
        ) {
            let message = Redactor::default().sentence(&format!("the device '{secret}' is gone ({secret}): {secret}."));
            prop_assert!(!message.contains(&secret), "{message}");
        }
    }
}
