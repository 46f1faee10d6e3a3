//! What a value means.

/// What a value means, as far as a model says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Meaning {
    /// The semantic type: one of DTDL's, or of IoT Central's `Event`, `State`, `Location`, `VelocityVector` and
    /// `AccelerationVector`.
    pub semantic_type: Option<String>,
    /// The unit.
    pub unit: Option<String>,
    /// The least value that IoT Central lets a person enter (`minValue`).
    pub least: Option<f64>,
    /// The greatest (`maxValue`).
    pub greatest: Option<f64>,
    /// To how many decimal places IoT Central shows it (`decimalPlaces`).
    pub decimal_places: Option<u8>,
}
