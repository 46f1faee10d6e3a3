//! Laws that hold for every input: parsers never panic, and what is written is read back as the same.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::{Debug, Display};
use std::str::FromStr;

use iot_protocol::dps::{RequestTopic, ResponseTopic};
use iot_protocol::hub::{FromHub, Subscription, TelemetryTopic, ToHub};
use iot_protocol::id::{DeviceId, HubHost, IdScope, ModelId, RegistrationId, RequestId};
use iot_protocol::properties::PropertyBag;
use iot_protocol::twin::{Section, TwinDocument, merge};
use iot_protocol::username::{DpsUserName, HubUserName, UserName};
use proptest::prelude::*;
use serde_json::{Map, Value};

fn device_id() -> impl Strategy<Value = DeviceId> {
    "[A-Za-z0-9.+%_#*?!(),:=@$'-]{1,128}".prop_map(|id| id.parse().unwrap())
}

fn registration_id() -> impl Strategy<Value = RegistrationId> {
    "[A-Za-z0-9._:-]{0,127}[A-Za-z0-9-]".prop_map(|id| id.parse().unwrap())
}

fn request_id() -> impl Strategy<Value = RequestId> {
    prop_oneof![
        any::<u64>().prop_map(RequestId::from_number),
        "[a-f0-9-]{1,36}".prop_map(|id| id.parse().unwrap())
    ]
}

fn bag() -> impl Strategy<Value = PropertyBag> {
    proptest::collection::vec((any::<String>(), any::<Option<String>>()), 0..5).prop_map(|pairs| {
        let mut bag = PropertyBag::new();
        for (key, value) in pairs {
            bag.push(&key, value.as_deref());
        }
        bag
    })
}

fn to_hub() -> impl Strategy<Value = ToHub> {
    prop_oneof![
        (device_id(), proptest::option::of(device_id()), bag()).prop_map(|(device_id, module_id, properties)| {
            ToHub::Telemetry {
                device_id,
                module_id,
                properties,
            }
        }),
        request_id().prop_map(|request_id| ToHub::TwinGet { request_id }),
        request_id().prop_map(|request_id| ToHub::TwinReport { request_id }),
        (any::<u16>(), request_id()).prop_map(|(status, request_id)| ToHub::MethodResponse { status, request_id }),
    ]
}

fn from_hub() -> impl Strategy<Value = FromHub> {
    prop_oneof![
        (device_id(), bag()).prop_map(|(device_id, properties)| FromHub::CloudToDevice { device_id, properties }),
        (any::<u16>(), request_id(), any::<Option<u64>>()).prop_map(|(status, request_id, version)| {
            FromHub::TwinResponse {
                status,
                request_id,
                version,
            }
        }),
        any::<u64>().prop_map(|version| FromHub::DesiredChanged { version }),
        (".+", request_id()).prop_map(|(name, request_id)| FromHub::MethodCall { name, request_id }),
    ]
}

fn subscription() -> impl Strategy<Value = Subscription> {
    prop_oneof![
        device_id().prop_map(|device_id| Subscription::CloudToDevice { device_id }),
        Just(Subscription::Everything),
        Just(Subscription::TwinResponses),
        Just(Subscription::DesiredChanges),
        Just(Subscription::Methods),
        (device_id(), device_id())
            .prop_map(|(device_id, module_id)| Subscription::ModuleInputs { device_id, module_id }),
    ]
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-c]{0,3}".prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        proptest::collection::btree_map("[a-c]", inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect()))
    })
}

fn object() -> impl Strategy<Value = Map<String, Value>> {
    proptest::collection::btree_map("[a-c]", json(), 0..4).prop_map(|map| map.into_iter().collect())
}

fn same<T: FromStr<Err: Debug> + Display + PartialEq + Debug>(value: &T) {
    assert_eq!(&value.to_string().parse::<T>().unwrap(), value, "written as {value}");
}

fn has_null(map: &Map<String, Value>) -> bool {
    map.values().any(|value| match value {
        Value::Null => true,
        Value::Object(map) => has_null(map),
        _ => false,
    })
}

proptest! {
    #[test]
    fn what_is_written_reads_back_as_the_same(
        to_hub in to_hub(), from_hub in from_hub(), subscription in subscription(), bag in bag(),
        request_id in request_id(), operation_id in ".+", status in any::<u16>(), retry_after in any::<Option<u64>>(),
    ) {
        same(&to_hub);
        same(&from_hub);
        same(&subscription);
        same(&bag);
        same(&RequestTopic::Register { request_id: request_id.clone() });
        same(&RequestTopic::Poll { request_id: request_id.clone(), operation_id });
        same(&ResponseTopic { status, request_id, retry_after });
    }

    #[test]
    fn user_names_read_back_as_the_same_and_are_distinguished(
        scope in "[A-Za-z0-9]{1,32}", registration_id in registration_id(), hub in "[a-z0-9.-]{1,60}",
        device_id in device_id(), module_id in proptest::option::of(device_id()), agent in proptest::option::of(".+"),
    ) {
        let dps = DpsUserName { client_version: agent.clone(), ..DpsUserName::new(scope.parse().unwrap(), registration_id) };
        same(&dps);
        prop_assert_eq!(dps.to_string().parse::<UserName>().unwrap(), UserName::Dps(dps));
        let model_id: ModelId = "dtmi:com:example:Thermostat;1".parse().unwrap();
        let mut name = HubUserName::new(hub.parse().unwrap(), device_id, Some(model_id));
        name.device_client_type = agent;
        name.module_id = module_id;
        same(&name);
    }

    #[test]
    fn parsers_never_panic(text in any::<String>(), bytes in any::<Vec<u8>>()) {
        fn parse<T: FromStr>(text: &str) {
            let _ = text.parse::<T>();
        }
        for text in [text.clone(), format!("$dps/registrations/{text}"), format!("$iothub/{text}"), format!("devices/{text}"), format!("$iothub/methods/POST/{text}"), format!("$dps/registrations/res/{text}")] {
            parse::<ToHub>(&text);
            parse::<FromHub>(&text);
            parse::<Subscription>(&text);
            parse::<RequestTopic>(&text);
            parse::<ResponseTopic>(&text);
            parse::<UserName>(&text);
            parse::<PropertyBag>(&text);
            parse::<IdScope>(&text);
            parse::<HubHost>(&text);
            parse::<ModelId>(&text);
        }
        let _ = TwinDocument::parse(&bytes);
        let _ = Section::parse(&bytes);
    }

    #[test]
    fn a_prepared_telemetry_topic_is_the_topic_itself(device_id in device_id(), bag in bag(), run in ".*", number: u64) {
        let mut prepared = TelemetryTopic::new(&device_id, &bag, &run);
        let properties = bag.with("$.mid", &format!("{run}{number}"));
        prop_assert_eq!(prepared.of(number), ToHub::Telemetry { device_id, module_id: None, properties }.to_string());
    }

    #[test]
    fn a_merged_patch_leaves_no_null_of_its_own_and_merging_it_again_changes_nothing(target in object(), patch in object()) {
        prop_assume!(!has_null(&target));
        let mut once = target;
        merge(&mut once, &patch);
        prop_assert!(!has_null(&once));
        let mut twice = once.clone();
        merge(&mut twice, &patch);
        prop_assert_eq!(once, twice);
    }
}
