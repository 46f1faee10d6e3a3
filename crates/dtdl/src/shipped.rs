//! The models of the public repository that other models use most, and that the samples of the SDKs are: nothing has to
//! be fetched for them.
//!
//! Source: [iot-plugandplay-models](https://github.com/Azure/iot-plugandplay-models/tree/main/dtmi).

use std::sync::LazyLock;

use crate::documents::{Documents, Found};

/// Their texts, a copy of which is in `configs/models`, for people.
const TEXTS: [(&str, &str); 4] = [
    (
        "dtmi:com:example:Thermostat;1",
        include_str!("../models/thermostat-1.json"),
    ),
    (
        "dtmi:com:example:Thermostat;2",
        include_str!("../models/thermostat-2.json"),
    ),
    (
        "dtmi:com:example:TemperatureController;2",
        include_str!("../models/temperature-controller-2.json"),
    ),
    (
        "dtmi:azure:DeviceManagement:DeviceInformation;1",
        include_str!("../models/device-information-1.json"),
    ),
];

static SHIPPED: LazyLock<Documents> = LazyLock::new(|| {
    let mut documents = Documents::new();
    for (_, text) in TEXTS {
        let document = serde_json::from_str(text).expect("the shipped models are JSON; a test reads them all");
        documents.add("shipped", &document);
    }
    documents
});

/// The models that are there without a file.
#[must_use]
pub fn shipped() -> &'static Documents {
    &SHIPPED
}

/// The text of one of them, as it was published.
#[must_use]
pub fn shipped_text(id: &str) -> Option<&'static str> {
    TEXTS.iter().find(|(known, _)| *known == id).map(|(_, text)| *text)
}

pub(crate) fn find(id: &str) -> Option<&'static Found> {
    SHIPPED.find(id)
}
