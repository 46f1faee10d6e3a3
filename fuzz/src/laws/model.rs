//! Models in DTDL: a document is refused with places in it, or read as a model that reads the same when it is written
//! with everything in place, and whose devices send what it allows.

use std::sync::Arc;

use device_sim::model::Blueprint;
use device_sim::random::{Purpose, stream};
use device_sim::weather::Weather;
use dtdl::Documents;
use fleet_protocol::plan::Behaviours;
use jiff::Timestamp;
use serde_json::Value;

/// Devices of larger models take longer than a fuzzer waits.
const MOST: usize = 200;

/// The law.
///
/// # Panics
///
/// It does not hold.
pub fn law(data: &[u8]) {
    let Ok(document) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    let read = |document: &Value| {
        let mut documents = Documents::new();
        documents.add("input", document);
        documents.read(None)
    };
    let parsed = match read(&document) {
        Ok(parsed) => parsed,
        Err(problems) => return assert!(problems.iter().count() > 0, "a refusal has a reason"),
    };
    let again = read(&parsed.document).expect("what is written in place is read");
    assert_eq!(again.model, parsed.model);
    let published = read(&dtdl::template(&parsed.document));
    // DTDL 2 has smaller limits than what may have been read.
    if let Ok(published) = published {
        assert_eq!(published.model.id, parsed.model.id);
    }
    let model = Arc::new(parsed.model);
    if model.capabilities().count() > MOST {
        return;
    }
    let Ok(blueprint) = Blueprint::own(&model, &Behaviours::new()) else {
        return;
    };
    let mut device = blueprint.device(Weather::new(7), stream(7, "fuzz", Purpose::Physics));
    let components: Vec<_> = blueprint.components().map(|name| name.map(str::to_owned)).collect();
    for second in 0..3 {
        let now = Timestamp::from_second(1_800_000_000 + second).expect("it is a time");
        let measured = device.measure(5.0, now);
        assert_eq!(model.property_findings(&measured.report), []);
        for (component, body) in measured.telemetry {
            let body = serde_json::from_slice(&body).expect("telemetry is JSON");
            let component = components[usize::from(component)].as_deref();
            assert_eq!(model.telemetry_findings(component, &body), [], "{body}");
        }
    }
    assert_eq!(model.property_findings(&device.properties()), []);
}
