//! The language of an interface: its version, and what extends it.

use serde_json::{Value, json};

use crate::problem::{Place, Problem};

/// What `@context` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Context {
    pub(crate) version: Version,
    /// Semantic types and units have their meaning.
    pub(crate) has_quantities: bool,
    /// An extension that is not known here may add types and keys.
    pub(crate) is_extended: bool,
}

/// The versions of DTDL that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    V2,
    V3,
}

/// What a version allows
/// ([v2](https://github.com/Azure/opendigitaltwins-dtdl/blob/master/DTDL/v2/DTDL.v2.md),
/// [v3](https://github.com/Azure/opendigitaltwins-dtdl/blob/master/DTDL/v3/DTDL.v3.md)).
pub(crate) struct Limits {
    pub(crate) name: usize,
    pub(crate) contents: usize,
    pub(crate) extends: usize,
    pub(crate) enum_values: usize,
    pub(crate) fields: usize,
}

impl Version {
    pub(crate) fn limits(self) -> Limits {
        match self {
            Self::V2 => Limits {
                name: 64,
                contents: 300,
                extends: 2,
                enum_values: 100,
                fields: 30,
            },
            Self::V3 => Limits {
                name: 512,
                contents: 100_000,
                extends: 1024,
                enum_values: 100_000,
                fields: 100_000,
            },
        }
    }
}

const LANGUAGE: &str = "dtmi:dtdl:context;";
const QUANTITIES: &str = "dtmi:dtdl:extension:quantitativeTypes;1";
const CENTRAL: &str = "dtmi:iotcentral:context;";

/// What a device template means where it does not say so.
pub(crate) const OF_TEMPLATES: Context = Context {
    version: Version::V2,
    has_quantities: true,
    is_extended: false,
};

/// The same as it is written.
pub(crate) fn written_in_templates() -> Value {
    json!(["dtmi:iotcentral:context;2", "dtmi:dtdl:context;2"])
}

/// Reads an `@context`. What is left out of the language goes into `notes`.
pub(crate) fn read(
    value: &Value,
    place: &Place,
    notes: &mut Vec<Problem>,
    problems: &mut Vec<Problem>,
) -> Option<Context> {
    let list = match value {
        Value::Array(list) => list.as_slice(),
        one => std::slice::from_ref(one),
    };
    let mut problem = |message: String| {
        problems.push(Problem {
            place: place.clone(),
            message,
        });
        None
    };
    let (mut version, mut has_quantities, mut is_extended) = (None, false, false);
    for specifier in list {
        let Some(specifier) = specifier.as_str() else {
            return problem("must be the id of a context, or a list of them".to_owned());
        };
        match specifier.strip_prefix(LANGUAGE) {
            Some("2") => version = Some(Version::V2),
            Some("3") => version = Some(Version::V3),
            Some(other) => return problem(format!("is DTDL {other}; versions 2 and 3 are read")),
            None if specifier == QUANTITIES => has_quantities = true,
            None if specifier.starts_with(CENTRAL) => {}
            None => {
                is_extended = true;
                notes.push(Problem {
                    place: place.clone(),
                    message: format!("what the extension `{specifier}` adds is left out"),
                });
            }
        }
    }
    match version {
        None => problem(format!("must have `{LANGUAGE}2` or `{LANGUAGE}3`")),
        Some(version) => Some(Context {
            version,
            has_quantities: has_quantities || version == Version::V2,
            is_extended,
        }),
    }
}
