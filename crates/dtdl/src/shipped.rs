//! The models of the public repository that other models use most, and that the samples of the SDKs are: nothing has to
//! be fetched for them.
//!
//! Source: [iot-plugandplay-models](https://github.com/Azure/iot-plugandplay-models/tree/main/dtmi).

use std::sync::LazyLock;

use crate::documents::{Documents, Found};

/// Their texts, as they stand in `configs/models`.
const TEXTS: [&str; 4] = [
    include_str!("../../../configs/models/thermostat-1.json"),
    include_str!("../../../configs/models/thermostat-2.json"),
    include_str!("../../../configs/models/temperature-controller-2.json"),
    include_str!("../../../configs/models/device-information-1.json"),
];

static SHIPPED: LazyLock<Documents> = LazyLock::new(|| {
    let mut documents = Documents::new();
    for text in TEXTS {
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

pub(crate) fn find(id: &str) -> Option<&'static Found> {
    SHIPPED.find(id)
}
