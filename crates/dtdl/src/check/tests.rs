use serde_json::json;

use super::*;
use crate::schema::{EnumValue, Field, Geometry};

#[test]
fn each_plain_schema_accepts_its_own_values_and_no_others() {
    let cases = [
        ("boolean", vec![json!(true)], vec![json!(1), json!("true"), json!(null)]),
        (
            "date",
            vec![json!("2026-11-23")],
            vec![json!("2026-13-01"), json!("2026-11-23T15:00:00Z"), json!(5)],
        ),
        (
            "dateTime",
            vec![
                json!("2026-11-23T15:00:00Z"),
                json!("2026-11-23T15:00:00.1234567+01:00"),
            ],
            vec![json!("2026-11-23"), json!("2026-11-23T15:00:00"), json!("now")],
        ),
        ("double", vec![json!(1), json!(-1.5e300)], vec![json!("1"), json!(null)]),
        (
            "duration",
            vec![json!("PT1H30M"), json!("P1D"), json!("-PT5S")],
            vec![json!("1h"), json!("P"), json!(3)],
        ),
        ("float", vec![json!(1.5)], vec![json!(1e39)]),
        (
            "integer",
            vec![json!(1), json!(-2_147_483_648_i64), json!(5.0)],
            vec![json!(2_147_483_648_i64), json!(1.5)],
        ),
        (
            "long",
            vec![json!(i64::MAX), json!(i64::MIN)],
            vec![json!(u64::MAX), json!(0.5), json!(1e300)],
        ),
        ("string", vec![json!("")], vec![json!(1)]),
        (
            "time",
            vec![json!("15:00:00Z"), json!("15:00:00.5"), json!("15:00:00+01:00")],
            vec![json!("25:00:00Z"), json!("15")],
        ),
        (
            "point",
            vec![json!({"type": "Point", "coordinates": [13.4, 52.5]})],
            vec![
                json!({"type": "Point", "coordinates": [13.4]}),
                json!({"lat": 1, "lon": 2}),
            ],
        ),
        (
            "polygon",
            vec![json!({"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]})],
            vec![json!({"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1]]]})],
        ),
        (
            "geopoint",
            vec![
                json!({"lat": 52.5, "lon": 13.4}),
                json!({"lat": 52.5, "lon": 13.4, "alt": 30}),
            ],
            vec![json!({"lat": 52.5}), json!({"lat": 52.5, "lon": 13.4, "speed": 1})],
        ),
        (
            "vector",
            vec![json!({"x": 1, "y": 2, "z": 3})],
            vec![json!({"x": 1, "y": 2}), json!([1, 2, 3])],
        ),
    ];
    for (name, good, bad) in cases {
        let schema = Schema::Plain(Plain::of_name(name).unwrap());
        for value in good {
            assert_eq!(schema.mismatches(&value), [], "{name}: {value}");
        }
        for value in bad {
            assert!(!schema.accepts(&value), "{name}: {value}");
        }
    }
}

#[test]
fn a_mismatch_names_the_place_and_what_is_accepted() {
    let state = |name: &str, value| EnumValue {
        name: name.to_owned(),
        value: Literal::Integer(value),
    };
    let field = |name: &str, schema| Field {
        name: name.to_owned(),
        schema,
        meaning: crate::Meaning::default(),
    };
    let schema = Schema::Object(vec![
        field("state", Schema::Enum(vec![state("off", 0), state("on", 1)])),
        field("limits", Schema::Map(Box::new(Schema::Plain(Plain::Double)))),
        field(
            "route",
            Schema::Array(Box::new(Schema::Plain(Plain::Geometry(Geometry::Point)))),
        ),
    ]);
    let good = json!({"state": 1, "limits": {"a": 1.5}, "route": []});
    assert_eq!(schema.mismatches(&good), []);
    let bad = json!({"state": 2, "limits": {"a/b": "x"}, "route": [7], "sate": 1});
    let found: Vec<_> = schema.mismatches(&bad).iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "/state: must be one of 0 (off), 1 (on)",
            "/limits/a~1b: must be a number",
            "/route/0: must be a GeoJSON Point",
            "/sate: is not a field; did you mean `state`?",
        ]
    );
}
