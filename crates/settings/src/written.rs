//! Values that are written as text, in JSON and in a JSON Schema.

#[doc(hidden)]
pub use {schemars, serde};

/// Serializes a type with its `Display`, and describes it in a JSON Schema by a form in words and a pattern.
#[macro_export]
macro_rules! written_as_text {
    ($type:ident, $form:expr, $pattern:literal) => {
        impl $crate::written::serde::Serialize for $type {
            fn serialize<S: $crate::written::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl $crate::written::schemars::JsonSchema for $type {
            fn schema_name() -> ::std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut $crate::written::schemars::SchemaGenerator) -> $crate::written::schemars::Schema {
                $crate::written::schemars::json_schema!({ "type": "string", "pattern": $pattern, "description": $form })
            }
        }
    };
}
