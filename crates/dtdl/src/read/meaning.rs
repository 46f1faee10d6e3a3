//! Semantic types and units.

use serde_json::Value;

use super::{Reader, meant, types};
use crate::context::Context;
use crate::meaning::Meaning;
use crate::problem::Place;
use crate::quantity::{semantic_types, units_of};
use crate::schema::Schema;

/// IoT Central's own types
/// (<https://github.com/Azure/opendigitaltwins-dtdl/blob/master/DTDL/v2/DTDL.iotcentral.v2.md>).
const CENTRAL: [&str; 5] = ["Event", "State", "Location", "VelocityVector", "AccelerationVector"];
/// The units of two of them are those of a semantic type.
const VECTORS: [(&str, &str); 2] = [("VelocityVector", "Velocity"), ("AccelerationVector", "Acceleration")];
/// Units that are not in the language: IoT Central writes the first where there is none, and the published
/// `dtmi:azure:DeviceManagement:DeviceInformation;1` has the second.
const ALSO: [&str; 2] = ["unitless", "kilobyte"];
/// How IoT Central marks what a person may enter: no more than the schema says.
const ENTERED: &str = "Value";

impl Reader<'_> {
    /// What an element means. `own` are the types that say what it is.
    pub(super) fn meaning(
        &mut self,
        element: &Value,
        schema: Option<&Schema>,
        own: &[&str],
        place: &Place,
        context: Context,
    ) -> Meaning {
        let mut semantic_type = None;
        for found in types(element).filter(|found| !own.contains(found)) {
            let is_quantity = units_of(found).is_some();
            if is_quantity && !context.has_quantities {
                let message = format!("`{found}` needs the context `dtmi:dtdl:extension:quantitativeTypes;1`");
                self.problem(place.at("@type"), message);
            }
            if is_quantity && schema.is_some_and(|schema| !schema.is_number()) {
                self.note(place.clone(), format!("`{found}` is for numbers, and left out"));
            } else if is_quantity || CENTRAL.contains(&found) {
                semantic_type = Some(found.to_owned());
            } else if !found.ends_with(ENTERED) && found != "Initialized" {
                let hint = meant(found, semantic_types().chain(CENTRAL));
                if hint.is_empty() || context.is_extended {
                    self.note(
                        place.at("@type"),
                        format!("the type `{found}` is not known here, and left out"),
                    );
                } else {
                    self.problem(place.at("@type"), format!("there is no type `{found}`{hint}"));
                }
            }
        }
        let number = |key| element.get(key).and_then(Value::as_f64);
        let decimal_places = element.get("decimalPlaces").and_then(Value::as_u64);
        Meaning {
            unit: self.unit(element, semantic_type.as_deref(), place),
            semantic_type,
            least: number("minValue"),
            greatest: number("maxValue"),
            decimal_places: decimal_places.and_then(|places| u8::try_from(places.min(12)).ok()),
        }
    }

    fn unit(&mut self, element: &Value, semantic_type: Option<&str>, place: &Place) -> Option<String> {
        let unit = element.get("unit")?;
        let Some(unit) = unit.as_str() else {
            self.problem(place.at("unit"), "must be the name of a unit");
            return None;
        };
        let unit = unit.rsplit_once(':').map_or(unit, |(_, name)| name);
        let unit = unit.split_once(';').map_or(unit, |(name, _)| name);
        let of = VECTORS.iter().find(|(vector, _)| Some(*vector) == semantic_type);
        let units = units_of(of.map_or(semantic_type?, |(_, semantic_type)| semantic_type));
        if let Some(units) = units
            && !units.clone().any(|known| known == unit)
            && !ALSO.contains(&unit)
        {
            let hint = meant(unit, units);
            let semantic_type = semantic_type.unwrap_or_default();
            let message = format!("`{unit}` is not a unit of `{semantic_type}`{hint}");
            self.problem(place.at("unit"), message);
        }
        Some(unit.to_owned())
    }
}
