//! GeoJSON (RFC 7946): a type, and coordinates as deep as it says.

use serde_json::Value;

use crate::schema::Geometry;

pub(super) fn geometry(kind: Geometry, value: &Value) -> bool {
    let Some(object) = value.as_object() else { return false };
    let coordinates = object.get("coordinates").unwrap_or(&Value::Null);
    object.get("type").is_some_and(|name| name == kind.type_name())
        && match kind {
            Geometry::Point => position(coordinates),
            Geometry::MultiPoint => all(coordinates, position),
            Geometry::LineString => line(coordinates),
            Geometry::MultiLineString => all(coordinates, line),
            Geometry::Polygon => all(coordinates, ring),
            Geometry::MultiPolygon => all(coordinates, |polygon| all(polygon, ring)),
        }
}

fn all(value: &Value, is: impl Fn(&Value) -> bool) -> bool {
    value.as_array().is_some_and(|list| list.iter().all(is))
}

/// Two or three numbers; RFC 7946 discourages more.
fn position(value: &Value) -> bool {
    let numbers = value.as_array().filter(|list| (2..=3).contains(&list.len()));
    numbers.is_some_and(|numbers| numbers.iter().all(Value::is_number))
}

fn line(value: &Value) -> bool {
    value.as_array().is_some_and(|list| list.len() >= 2) && all(value, position)
}

/// A closed line of four positions or more.
fn ring(value: &Value) -> bool {
    let is_closed = |list: &Vec<Value>| list.len() >= 4 && list.first() == list.last();
    value.as_array().is_some_and(is_closed) && all(value, position)
}
