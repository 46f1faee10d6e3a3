//! What is usual of units and of words: tables, and no more than a good guess.

/// What is usual: from, to, and the seconds in which a disturbance settles.
type Usual = (f64, f64, f64);

/// What is usual of a unit.
const UNITS: &[(&str, Usual)] = &[
    ("degreeCelsius", (12.0, 32.0, 900.0)),
    ("degreeFahrenheit", (54.0, 90.0, 900.0)),
    ("kelvin", (285.0, 305.0, 900.0)),
    ("percent", (0.0, 100.0, 1_800.0)),
    ("unity", (0.0, 1.0, 1_800.0)),
    ("partsPerMillion", (400.0, 1_400.0, 1_200.0)),
    ("partsPerBillion", (5.0, 60.0, 1_200.0)),
    ("bar", (1.0, 10.0, 120.0)),
    ("millibar", (980.0, 1_040.0, 7_200.0)),
    ("hectopascal", (980.0, 1_040.0, 7_200.0)),
    ("kilopascal", (100.0, 1_000.0, 120.0)),
    ("pascal", (98_000.0, 104_000.0, 7_200.0)),
    ("poundPerSquareInch", (15.0, 150.0, 120.0)),
    ("volt", (224.0, 236.0, 60.0)),
    ("millivolt", (3_200.0, 4_200.0, 3_600.0)),
    ("ampere", (0.0, 16.0, 60.0)),
    ("milliampere", (0.0, 500.0, 60.0)),
    ("watt", (0.0, 3_500.0, 60.0)),
    ("kilowatt", (0.0, 50.0, 60.0)),
    ("hertz", (49.9, 50.1, 30.0)),
    ("revolutionPerMinute", (600.0, 3_000.0, 30.0)),
    ("kilometrePerHour", (0.0, 90.0, 60.0)),
    ("milePerHour", (0.0, 60.0, 60.0)),
    ("metrePerSecond", (0.0, 12.0, 60.0)),
    ("metrePerSecondSquared", (-2.0, 2.0, 5.0)),
    ("gForce", (-0.2, 0.2, 5.0)),
    ("litrePerMinute", (0.0, 120.0, 60.0)),
    ("litrePerSecond", (0.0, 4.0, 60.0)),
    ("cubicMetrePerHour", (0.0, 30.0, 60.0)),
    ("lux", (50.0, 900.0, 1_800.0)),
    ("decibel", (35.0, 75.0, 30.0)),
    ("litre", (20.0, 400.0, 3_600.0)),
    ("kilogram", (50.0, 900.0, 600.0)),
    ("tonne", (1.0, 24.0, 600.0)),
    ("newtonMetre", (0.0, 200.0, 30.0)),
    ("metre", (0.0, 5.0, 600.0)),
    ("millimetre", (0.0, 50.0, 60.0)),
    ("degreeOfArc", (0.0, 359.0, 120.0)),
];

/// What is usual of a word, where no unit says it.
const WORDS: &[(&[&str], Usual)] = &[
    (&["temperature", "temp", "celsius"], (12.0, 32.0, 900.0)),
    (&["humidity", "moisture"], (30.0, 70.0, 1_800.0)),
    (&["pressure"], (1.0, 10.0, 120.0)),
    (
        &["level", "fill", "battery", "charge", "percentage", "share"],
        (20.0, 95.0, 3_600.0),
    ),
    (&["rpm"], (600.0, 3_000.0, 30.0)),
    (&["speed", "velocity"], (0.0, 25.0, 60.0)),
    (&["voltage"], (224.0, 236.0, 60.0)),
    (&["current"], (0.0, 16.0, 60.0)),
    (&["power", "consumption"], (0.0, 3_500.0, 60.0)),
    (&["frequency"], (49.9, 50.1, 30.0)),
    (&["flow"], (0.0, 120.0, 60.0)),
    (&["co2", "carbon"], (400.0, 1_400.0, 1_200.0)),
    (&["vibration", "acceleration"], (-1.5, 1.5, 5.0)),
    (&["rssi", "signal"], (-95.0, -45.0, 120.0)),
    (&["weight", "mass", "load"], (0.0, 900.0, 600.0)),
    (&["altitude", "elevation"], (80.0, 160.0, 600.0)),
    (&["heading", "direction", "angle"], (0.0, 359.0, 120.0)),
    (&["floor"], (0.0, 12.0, 60.0)),
    (&["light", "illuminance", "brightness"], (50.0, 900.0, 1_800.0)),
    (&["noise", "sound"], (35.0, 75.0, 30.0)),
    (&["latitude", "lat"], (47.0, 47.5, 1_800.0)),
    (&["longitude", "lon", "lng"], (8.0, 8.5, 1_800.0)),
];

/// Words of what only grows.
pub(super) const COUNTERS: &[&str] = &[
    "count", "counter", "counts", "total", "energy", "odometer", "mileage", "trips", "cycles", "uptime", "runtime",
    "hours", "starts", "errors", "packets", "sequence", "produced", "consumed", "index",
];
/// Units of what only grows, with what is added in a second.
pub(super) const COUNTER_UNITS: &[(&str, f64)] = &[
    ("kilowattHour", 0.000_3),
    ("wattHour", 0.3),
    ("megawattHour", 0.000_000_3),
    ("joule", 1_000.0),
    ("kilojoule", 1.0),
    ("cubicMetre", 0.000_1),
    ("kilometre", 0.015),
    ("mile", 0.01),
    ("second", 1.0),
    ("minute", 1.0 / 60.0),
    ("hour", 1.0 / 3_600.0),
];
/// Words of what happens now and then.
pub(super) const EVENTS: &[&str] = &["event", "alarm", "alert", "error", "fault", "warning", "incident"];
/// Words of what is seldom so.
pub(super) const SELDOM: &[&str] = &[
    "alarm",
    "alert",
    "fault",
    "failure",
    "leak",
    "error",
    "open",
    "overheated",
    "blocked",
    "tamper",
    "smoke",
    "low",
];

/// What is usual of a unit, or of one of the words.
pub(super) fn usual(words: &[String], unit: &str) -> Usual {
    let of_words = WORDS
        .iter()
        .find(|(known, _)| has(words, known))
        .map(|(_, usual)| *usual);
    // Percentages are of many kinds; the word is more exact.
    let of_unit = UNITS.iter().find(|(known, _)| *known == unit).map(|(_, usual)| *usual);
    match unit {
        "percent" => of_words
            .filter(|(min, max, _)| *min >= 0.0 && *max <= 100.0)
            .or(of_unit),
        _ => of_unit.or(of_words),
    }
    .unwrap_or((0.0, 100.0, 300.0))
}

/// The words of a name: `tankLevel2` and `tank_level_2` are tank, level and 2.
pub(super) fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for c in name.chars() {
        let begins = c == '_' || c.is_ascii_uppercase() && before.is_ascii_lowercase();
        if begins {
            words.push(String::new());
        }
        if c != '_' {
            words.last_mut().expect("there is one").push(c.to_ascii_lowercase());
        }
        before = c;
    }
    words
}

/// Whether one of the words is known. A number at the end of a word counts only where a known word has one.
pub(super) fn has(words: &[String], known: &[&str]) -> bool {
    words.iter().any(|word| {
        let word = word.trim_end_matches(|c: char| c.is_ascii_digit());
        known.contains(&word)
            || known
                .iter()
                .any(|known| known.ends_with(char::is_numeric) && words.contains(&(*known).to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_words() {
        assert_eq!(words("tankLevel2"), ["tank", "level2"]);
        assert_eq!(words("tank_level"), ["tank", "level"]);
        assert!(has(&words("tankLevel2"), &["level"]));
        assert!(has(&words("co2"), &["co2"]));
    }
}
