//! Property bags: what is read is written so that it reads as the same, in a bag and at the end of a topic, and the last
//! value of a key counts.

use iot_protocol::hub::{FromHub, TelemetryTopic, ToHub};
use iot_protocol::id::DeviceId;
use iot_protocol::properties::{MESSAGE_ID, PropertyBag, WrittenProperties};

/// The law.
///
/// # Panics
///
/// It does not hold.
pub fn law(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(bag) = text.parse::<PropertyBag>() else { return };
    let unread = WrittenProperties::new(text).expect("a bag was made of it");
    let written = bag.to_string();
    assert_eq!(written.parse().as_ref(), Ok(&bag), "written as {written:?}");
    assert!(written.is_ascii(), "nothing but ASCII goes over the wire: {written:?}");
    // What goes into a topic must not be taken for its structure, nor for a wildcard.
    assert!(!written.contains(['/', '#', '+', '\0']), "{written:?}");
    for (key, _) in bag.iter() {
        let last = bag.iter().filter(|(other, _)| *other == key).last();
        assert_eq!(bag.value(key), last.and_then(|(_, value)| value));
        assert_eq!(bag.value(key), unread.value(key).as_deref());
    }

    let device_id: DeviceId = "t-1".parse().expect("the constant is a device id");
    let sent = ToHub::Telemetry {
        device_id: device_id.clone(),
        module_id: None,
        properties: bag.clone(),
    };
    assert_eq!(sent.to_string().parse(), Ok(sent));
    let received = FromHub::CloudToDevice {
        device_id: device_id.clone(),
        properties: bag.clone(),
    };
    assert_eq!(received.to_string().parse(), Ok(received));
    let mut prepared = TelemetryTopic::new(&device_id, &bag, text);
    let prepared = prepared.of(7);
    match prepared.parse() {
        Ok(ToHub::Telemetry { properties, .. }) => {
            assert_eq!(properties, bag.with(MESSAGE_ID, &format!("{text}7")));
        }
        other => panic!("{prepared:?} is read as {other:?}"),
    }
}
