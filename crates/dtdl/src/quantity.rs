//! The semantic types of DTDL, and the units that each allows.
//!
//! Source: [QuantitativeTypes, version 1](https://github.com/Azure/opendigitaltwins-dtdl/blob/master/DTDL/v3/DTDL.quantitativeTypes.v1.md);
//! version 2 of DTDL has the same types natively.

use std::str::SplitWhitespace;

/// The units that a semantic type allows; `None` where there is no such type.
#[must_use]
pub fn units_of(semantic_type: &str) -> Option<SplitWhitespace<'static>> {
    let (_, kind) = SEMANTIC_TYPES.iter().find(|(name, _)| *name == semantic_type)?;
    let (_, units) = UNITS.iter().find(|(name, _)| name == kind)?;
    Some(units.split_whitespace())
}

/// Every semantic type.
pub fn semantic_types() -> impl Iterator<Item = &'static str> {
    SEMANTIC_TYPES.iter().map(|(name, _)| *name)
}

/// Each with the kind of its unit.
const SEMANTIC_TYPES: &[(&str, &str)] = &[
    ("Acceleration", "AccelerationUnit"),
    ("Angle", "AngleUnit"),
    ("AngularAcceleration", "AngularAccelerationUnit"),
    ("AngularVelocity", "AngularVelocityUnit"),
    ("ApparentEnergy", "ApparentEnergyUnit"),
    ("ApparentPower", "ApparentPowerUnit"),
    ("Area", "AreaUnit"),
    ("Capacitance", "CapacitanceUnit"),
    ("Concentration", "Unitless"),
    ("Current", "CurrentUnit"),
    ("DataRate", "DataRateUnit"),
    ("DataSize", "DataSizeUnit"),
    ("Density", "DensityUnit"),
    ("Distance", "LengthUnit"),
    ("ElectricCharge", "ChargeUnit"),
    ("Energy", "EnergyUnit"),
    ("EnergyRate", "PowerUnit"),
    ("Force", "ForceUnit"),
    ("Frequency", "FrequencyUnit"),
    ("Humidity", "DensityUnit"),
    ("Illuminance", "IlluminanceUnit"),
    ("Inductance", "InductanceUnit"),
    ("IonizingRadiationDose", "IonizingRadiationDoseUnit"),
    ("Irradiance", "IrradianceUnit"),
    ("Latitude", "AngleUnit"),
    ("Length", "LengthUnit"),
    ("Longitude", "AngleUnit"),
    ("Luminance", "LuminanceUnit"),
    ("Luminosity", "PowerUnit"),
    ("LuminousFlux", "LuminousFluxUnit"),
    ("LuminousIntensity", "LuminousIntensityUnit"),
    ("MagneticFlux", "MagneticFluxUnit"),
    ("MagneticInduction", "MagneticInductionUnit"),
    ("Mass", "MassUnit"),
    ("MassFlowRate", "MassFlowRateUnit"),
    ("Power", "PowerUnit"),
    ("Pressure", "PressureUnit"),
    ("Radioactivity", "RadioactivityUnit"),
    ("ReactiveEnergy", "ReactiveEnergyUnit"),
    ("ReactivePower", "ReactivePowerUnit"),
    ("RelativeDensity", "Unitless"),
    ("RelativeHumidity", "Unitless"),
    ("Resistance", "ResistanceUnit"),
    ("SoundPressure", "SoundPressureUnit"),
    ("Temperature", "TemperatureUnit"),
    ("Thrust", "ForceUnit"),
    ("TimeSpan", "TimeUnit"),
    ("Torque", "TorqueUnit"),
    ("Velocity", "VelocityUnit"),
    ("Voltage", "VoltageUnit"),
    ("Volume", "VolumeUnit"),
    ("VolumeFlowRate", "VolumeFlowRateUnit"),
];

/// The units of each kind.
const UNITS: &[(&str, &str)] = &[
    (
        "AccelerationUnit",
        "centimetrePerSecondSquared gForce metrePerSecondSquared",
    ),
    ("AngleUnit", "degreeOfArc minuteOfArc radian secondOfArc turn"),
    ("AngularAccelerationUnit", "radianPerSecondSquared"),
    (
        "AngularVelocityUnit",
        "degreePerSecond radianPerSecond revolutionPerMinute revolutionPerSecond",
    ),
    (
        "ApparentEnergyUnit",
        "gigavoltAmpereHour kilovoltAmpereHour megavoltAmpereHour voltAmpereHour",
    ),
    (
        "ApparentPowerUnit",
        "gigavoltAmpere kilovoltAmpere megavoltAmpere millivoltAmpere voltAmpere",
    ),
    (
        "AreaUnit",
        "acre hectare squareCentimetre squareFoot squareInch squareKilometre squareMetre squareMillimetre",
    ),
    ("CapacitanceUnit", "farad microfarad millifarad nanofarad picofarad"),
    ("ChargeUnit", "ampereHour coulomb milliampereHour"),
    ("CurrentUnit", "ampere kiloampere microampere milliampere"),
    (
        "DataRateUnit",
        "bitPerSecond bytePerSecond exbibitPerSecond exbibytePerSecond gibibitPerSecond gibibytePerSecond \
         kibibitPerSecond kibibytePerSecond mebibitPerSecond mebibytePerSecond tebibitPerSecond \
         tebibytePerSecond yobibitPerSecond yobibytePerSecond zebibitPerSecond zebibytePerSecond",
    ),
    (
        "DataSizeUnit",
        "bit byte exbibit exbibyte gibibit gibibyte kibibit kibibyte mebibit mebibyte tebibit tebibyte \
         yobibit yobibyte zebibit zebibyte",
    ),
    (
        "DensityUnit",
        "gramPerCubicMetre kilogramPerCubicMetre microgramPerCubicMetre milligramPerCubicMetre",
    ),
    (
        "EnergyUnit",
        "britishThermalUnit electronvolt gigajoule gigawattHour joule kiloBritishThermalUnit kilojoule \
         kilowattHour megaelectronvolt megajoule megawattHour milliwattHour terawattHour wattHour",
    ),
    ("ForceUnit", "newton ounce pound ton"),
    ("FrequencyUnit", "gigahertz hertz kilohertz megahertz millihertz"),
    ("IlluminanceUnit", "footcandle lux"),
    ("InductanceUnit", "henry microhenry millihenry"),
    (
        "IonizingRadiationDoseUnit",
        "gray microgray microsievert milligray millisievert sievert",
    ),
    ("IrradianceUnit", "wattPerSquareMetre"),
    (
        "LengthUnit",
        "astronomicalUnit centimetre foot inch kilometre metre micrometre mile millimetre nanometre \
         nauticalMile",
    ),
    ("LuminanceUnit", "candelaPerSquareMetre"),
    ("LuminousFluxUnit", "lumen"),
    ("LuminousIntensityUnit", "candela"),
    ("MagneticFluxUnit", "maxwell weber"),
    ("MagneticInductionUnit", "gauss tesla"),
    (
        "MassFlowRateUnit",
        "gramPerHour gramPerSecond kilogramPerHour kilogramPerSecond massPoundPerHour",
    ),
    ("MassUnit", "gram kilogram massPound microgram milligram slug tonne"),
    (
        "PowerUnit",
        "britishThermalUnitPerHour gigajoulePerHour gigawatt horsepower joulePerHour joulePerSecond \
         kiloBritishThermalUnitPerHour kilojoulePerHour kilojoulePerSecond kilowatt kilowattHourPerYear \
         megajoulePerHour megawatt microwatt milliwatt tonOfRefrigeration watt",
    ),
    (
        "PressureUnit",
        "bar decapascal hectopascal inchesOfMercury inchesOfWater kilopascal millibar millimetresOfMercury \
         pascal poundPerSquareInch",
    ),
    (
        "RadioactivityUnit",
        "becquerel gigabecquerel kilobecquerel megabecquerel",
    ),
    (
        "ReactiveEnergyUnit",
        "gigavoltAmpereReactiveHour kilovoltAmpereReactiveHour megavoltAmpereReactiveHour \
         voltAmpereReactiveHour",
    ),
    (
        "ReactivePowerUnit",
        "gigavoltAmpereReactive kilovoltAmpereReactive megavoltAmpereReactive millivoltAmpereReactive \
         voltAmpereReactive",
    ),
    ("ResistanceUnit", "kiloohm megaohm milliohm ohm"),
    ("SoundPressureUnit", "bel decibel"),
    ("TemperatureUnit", "degreeCelsius degreeFahrenheit kelvin"),
    (
        "TimeUnit",
        "day hour microsecond millisecond minute nanosecond second year",
    ),
    ("TorqueUnit", "newtonMetre"),
    (
        "Unitless",
        "partsPerBillion partsPerMillion partsPerQuadrillion partsPerTrillion percent unity",
    ),
    (
        "VelocityUnit",
        "centimetrePerSecond kilometrePerHour kilometrePerSecond knot metrePerHour metrePerSecond milePerHour \
         milePerSecond",
    ),
    ("VoltageUnit", "kilovolt megavolt microvolt millivolt volt"),
    (
        "VolumeFlowRateUnit",
        "cubicFootPerMinute cubicMetrePerHour cubicMetrePerMinute cubicMetrePerSecond gallonPerHour \
         gallonPerMinute litrePerHour litrePerMinute litrePerSecond millilitrePerHour millilitrePerMinute \
         millilitrePerSecond",
    ),
    (
        "VolumeUnit",
        "cubicCentimetre cubicFoot cubicInch cubicMetre fluidOunce gallon litre millilitre",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_semantic_type_has_units() {
        for name in semantic_types() {
            assert!(units_of(name).is_some_and(|units| units.count() > 0), "{name}");
        }
        let temperature: Vec<_> = units_of("Temperature").into_iter().flatten().collect();
        assert_eq!(temperature, ["degreeCelsius", "degreeFahrenheit", "kelvin"]);
        assert!(units_of("temperature").is_none());
    }
}
