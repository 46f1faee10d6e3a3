//! What a value may be.

use crate::meaning::Meaning;

/// A schema of DTDL, with what it refers to in it.
#[derive(Debug, Clone, PartialEq)]
pub enum Schema {
    /// One of the named ones.
    Plain(Plain),
    /// One of a list of values.
    Enum(Vec<EnumValue>),
    /// Named fields. DTDL requires none of them.
    Object(Vec<Field>),
    /// Any number of values.
    Array(Box<Schema>),
    /// Values by a text.
    Map(Box<Schema>),
}

/// A schema with a name of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plain {
    /// `true` or `false`
    Boolean,
    /// `2026-11-23`
    Date,
    /// RFC 3339, `2026-11-23T15:00:00Z`
    DateTime,
    /// 64 bits
    Double,
    /// ISO 8601, `PT1H30M`
    Duration,
    /// 32 bits
    Float,
    /// Integral, 4 bytes
    Integer,
    /// Integral, 8 bytes
    Long,
    /// Any text
    String,
    /// RFC 3339, `15:00:00Z`
    Time,
    /// GeoJSON
    Geometry(Geometry),
    /// IoT Central's `{"lat": …, "lon": …, "alt": …}`, the last one optional
    Geopoint,
    /// IoT Central's `{"x": …, "y": …, "z": …}`
    Vector,
}

/// A geometry of GeoJSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are GeoJSON's words")]
pub enum Geometry {
    Point,
    MultiPoint,
    LineString,
    MultiLineString,
    Polygon,
    MultiPolygon,
}

/// A value of an Enum.
#[derive(Debug, Clone, PartialEq)]
pub struct EnumValue {
    /// Its name in the model.
    pub name: String,
    /// What is sent.
    pub value: Literal,
}

/// What stands for a value of an Enum.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "they say what they hold")]
pub enum Literal {
    Integer(i64),
    Text(String),
}

/// A field of an Object.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Its key.
    pub name: String,
    /// What it holds.
    pub schema: Schema,
    /// What it means.
    pub meaning: Meaning,
}

/// The names of DTDL and of IoT Central's extension.
const NAMES: [(&str, Plain); 18] = [
    ("boolean", Plain::Boolean),
    ("date", Plain::Date),
    ("dateTime", Plain::DateTime),
    ("double", Plain::Double),
    ("duration", Plain::Duration),
    ("float", Plain::Float),
    ("integer", Plain::Integer),
    ("long", Plain::Long),
    ("string", Plain::String),
    ("time", Plain::Time),
    ("point", Plain::Geometry(Geometry::Point)),
    ("multiPoint", Plain::Geometry(Geometry::MultiPoint)),
    ("lineString", Plain::Geometry(Geometry::LineString)),
    ("multiLineString", Plain::Geometry(Geometry::MultiLineString)),
    ("polygon", Plain::Geometry(Geometry::Polygon)),
    ("multiPolygon", Plain::Geometry(Geometry::MultiPolygon)),
    ("geopoint", Plain::Geopoint),
    ("vector", Plain::Vector),
];

/// Where the names are defined, as ids.
const IRIS: [&str; 4] = [
    "dtmi:dtdl:instance:Schema:",
    "dtmi:standard:schema:geospatial:",
    "dtmi:iotcentral:schema:",
    "dtmi:standard:schema:",
];

impl Plain {
    /// The schema of this name, or of the id that the name stands for.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        let short = IRIS.iter().find_map(|iri| name.strip_prefix(iri));
        let name = short.map_or(name, |rest| rest.split_once(';').map_or(rest, |(name, _)| name));
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, plain)| *plain)
    }

    /// Its name in a model.
    #[must_use]
    pub fn name(self) -> &'static str {
        let (name, _) = NAMES
            .iter()
            .find(|(_, plain)| *plain == self)
            .expect("every schema has a name; a test asks for each");
        name
    }

    /// The names of all.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }

    /// Whether it is a number.
    #[must_use]
    pub fn is_number(self) -> bool {
        matches!(self, Self::Double | Self::Float | Self::Integer | Self::Long)
    }
}

impl Schema {
    /// Whether it is a number.
    #[must_use]
    pub fn is_number(&self) -> bool {
        matches!(self, Self::Plain(plain) if plain.is_number())
    }

    /// What it is, in one word of DTDL.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Plain(plain) => plain.name(),
            Self::Enum(_) => "Enum",
            Self::Object(_) => "Object",
            Self::Array(_) => "Array",
            Self::Map(_) => "Map",
        }
    }

    /// Whether an Array is in it, which version 2 of DTDL does not have in properties.
    pub(crate) fn has_array(&self) -> bool {
        match self {
            Self::Plain(plain) => matches!(plain, Plain::Geometry(_)),
            Self::Enum(_) => false,
            Self::Object(fields) => fields.iter().any(|field| field.schema.has_array()),
            Self::Array(_) => true,
            Self::Map(value) => value.has_array(),
        }
    }
}

impl Geometry {
    /// The `type` of such a value.
    #[must_use]
    pub fn type_name(self) -> &'static str {
        match self {
            Self::Point => "Point",
            Self::MultiPoint => "MultiPoint",
            Self::LineString => "LineString",
            Self::MultiLineString => "MultiLineString",
            Self::Polygon => "Polygon",
            Self::MultiPolygon => "MultiPolygon",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_has_a_name_and_an_id() {
        for name in Plain::names() {
            assert_eq!(Plain::of_name(name).map(Plain::name), Some(name));
        }
        let point = Some(Plain::Geometry(Geometry::Point));
        assert_eq!(Plain::of_name("dtmi:standard:schema:geospatial:point;3"), point);
        assert_eq!(
            Plain::of_name("dtmi:iotcentral:schema:geopoint;2"),
            Some(Plain::Geopoint)
        );
        assert_eq!(
            Plain::of_name("dtmi:dtdl:instance:Schema:double;2"),
            Some(Plain::Double)
        );
        assert_eq!(Plain::of_name("number"), None);
    }
}
