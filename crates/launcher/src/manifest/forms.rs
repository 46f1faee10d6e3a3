//! The kinds of values that stand in a manifest, and the form in which each is written.

use std::path::PathBuf;

use fleet_protocol::plan::{Model, Transport};
use iot_protocol::id::{IdScope, MAX_COMMON_NAME, RegistrationId};
use iot_protocol::shown;
use provisioning::certificate::make::KeyType;
use provisioning::identities::{Issuer, Slot};
use settings::rate::RATE_FORM;
use settings::reading::{number, text, whole, word};
use settings::span::SPAN_FORM;
use settings::{At, DeValue, Rate, Span, Table, Unreadable};

use super::addresses::{ADDRESSES_FORM, Addresses};
use super::case::Case;
use super::values::{Processes, STAGE_FORM, Stage, VALIDITY_PERIOD_FORM, ValidityPeriod};

/// A value that a manifest can hold, and the form in which it is written.
pub(super) trait Value: Sized {
    /// Ends the sentence "accepted: …".
    const FORM: &'static str;

    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable>;
}

/// Reads such values from a table.
pub(super) trait Typed {
    fn optional<T: Value>(&self, key: &'static str) -> Option<At<T>>;
    fn required<T: Value>(&self, key: &'static str) -> Option<At<T>>;
    fn list<T: Value>(&self, key: &'static str, form: &str) -> Option<At<Vec<At<T>>>>;
}

impl Typed for Table<'_> {
    fn optional<T: Value>(&self, key: &'static str) -> Option<At<T>> {
        self.read(key, T::FORM, T::read)
    }

    fn required<T: Value>(&self, key: &'static str) -> Option<At<T>> {
        self.read_required(key, T::FORM, T::read)
    }

    fn list<T: Value>(&self, key: &'static str, form: &str) -> Option<At<Vec<At<T>>>> {
        self.read_list(key, form, T::FORM, T::read)
    }
}

// It also keeps a typing error from filling the memory.
pub(super) use fleet_protocol::plan::MAX_DEVICES;

/// The name of a fleet.
pub(super) struct Name(pub(super) String);
/// The id of an enrollment group.
pub(super) struct GroupId(pub(super) String);
/// What the ids of numbered devices begin with. The ids themselves are checked when prefix and number meet.
pub(super) struct Prefix(pub(super) String);
/// A number of devices.
pub(super) struct Count(pub(super) u32);
/// Any number from 0.
pub(super) struct Natural(pub(super) u32);
/// How many digits a number has at least.
pub(super) struct Width(pub(super) usize);
/// The seed of all randomness.
pub(super) struct Seed(pub(super) u64);
/// A number from 0 to 1.
pub(super) struct Fraction(pub(super) f64);
/// A number above 0 and up to 1.
pub(super) struct Share(pub(super) f64);
/// A number from 0.
pub(super) struct Amount(pub(super) f64);
/// A time that is not zero.
pub(super) struct Interval(pub(super) Span);
/// How slowly a room follows the weather.
pub(super) struct TimeConstant(pub(super) Span);
/// A TCP port.
pub(super) struct Port(pub(super) u16);
/// How many hubs an emulator has.
pub(super) struct Hubs(pub(super) u32);
/// A quota: a preset or a file.
pub(super) struct QuotaName(pub(super) String);
/// Units of a hub.
pub(super) struct Units(pub(super) u32);
/// The faults of an emulator: a preset or a file.
pub(super) struct FaultsName(pub(super) String);
/// A host name or an address.
pub(super) struct Host(pub(super) String);
/// The address of an IoT Central application.
pub(super) struct App(pub(super) String);
/// The name of an environment variable.
pub(super) struct Variable(pub(super) String);
/// What kind of target.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Emulator,
    IotCentral,
    Dps,
}

/// As many as a DPS instance links: <https://learn.microsoft.com/azure/iot-dps/about-iot-dps#quotas-and-limits>
const MAX_HUBS: i128 = 50;

fn named(value: &DeValue<'_>, max: usize, extra: &str) -> Result<String, Unreadable> {
    let text = text(value)?;
    if text.is_empty() {
        return Err(Unreadable::Value("it is empty".into()));
    }
    if text.chars().count() > max {
        return Err(Unreadable::Value(format!("`{text}` has more than {max} characters")));
    }
    match text.chars().find(|c| !c.is_ascii_alphanumeric() && !extra.contains(*c)) {
        Some(illegal) => Err(Unreadable::Value(format!(
            "`{text}` holds the illegal character `{illegal}`"
        ))),
        None => Ok(text.to_owned()),
    }
}

impl Value for Name {
    const FORM: &'static str = "a name of letters, digits, `-` and `_`, at most 64 characters";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        named(value, 64, "-_").map(Self)
    }
}

impl Value for GroupId {
    // https://learn.microsoft.com/rest/api/iotcentral/dataplane/enrollment-groups/create
    const FORM: &'static str = "letters, digits and `-`, at most 255 characters, and not `individual`";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        let id = named(value, 255, "-")?;
        if id == "individual" {
            return Err(Unreadable::Value(
                "`individual` is where individual enrollments are kept".into(),
            ));
        }
        Ok(Self(id))
    }
}

impl Value for Prefix {
    const FORM: &'static str = "the beginning of a device id, such as \"thermo-\"";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        text(value).map(|text| Self(text.to_owned()))
    }
}

impl Value for RegistrationId {
    const FORM: &'static str = "letters, digits and `- . _ :`, the last a letter, digit or `-`, at most 64 characters";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        device_id(text(value)?).map_err(Unreadable::Value)
    }
}

/// A registration id that can be the common name of a certificate.
pub(super) fn device_id(text: &str) -> Result<RegistrationId, String> {
    let id = RegistrationId::new(text).map_err(|error| error.to_string())?;
    let length = text.chars().count();
    if length > MAX_COMMON_NAME {
        return Err(format!(
            "`{text}` has {length} characters; the common name of its certificate can have {MAX_COMMON_NAME}"
        ));
    }
    Ok(id)
}

impl Value for IdScope {
    const FORM: &'static str = "an id scope, such as \"0ne00ABCDEF\"";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        Self::new(text(value)?).map_err(|error| Unreadable::Value(error.to_string()))
    }
}

impl Value for Count {
    const FORM: &'static str = "a whole number from 1 to 1000000";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        let number = whole(value, 1, i128::from(MAX_DEVICES))?;
        Ok(Self(u32::try_from(number).expect("the number was just bounded")))
    }
}

impl Value for bool {
    const FORM: &'static str = "true or false";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        settings::reading::boolean(value)
    }
}

impl Value for ValidityPeriod {
    const FORM: &'static str = VALIDITY_PERIOD_FORM;
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        Ok(text(value)?.parse()?)
    }
}

impl Value for KeyType {
    const FORM: &'static str = "\"p256\", \"p384\", \"rsa2048\" or \"rsa4096\"";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        let words = [
            ("p256", Self::P256),
            ("p384", Self::P384),
            ("rsa2048", Self::Rsa2048),
            ("rsa4096", Self::Rsa4096),
        ];
        word(value, &words)
    }
}

impl Value for Natural {
    const FORM: &'static str = "a whole number from 0 to 4294967295";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        let number = whole(value, 0, i128::from(u32::MAX))?;
        Ok(Self(u32::try_from(number).expect("the number was just bounded")))
    }
}

impl Value for Width {
    const FORM: &'static str = "a whole number from 1 to 20";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        let number = whole(value, 1, 20)?;
        Ok(Self(usize::try_from(number).expect("the number was just bounded")))
    }
}

impl Value for Processes {
    const FORM: &'static str = "a whole number from 1 to 256, or \"auto\"";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        if value.as_str() == Some(Self::AUTO) {
            return Ok(Self::Auto);
        }
        let number = whole(value, 1, i128::from(Self::MOST))?;
        Ok(Self::Number(
            u32::try_from(number).expect("the number was just bounded"),
        ))
    }
}

impl Value for Seed {
    const FORM: &'static str = "a whole number from 0 to 9223372036854775807";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        let number = whole(value, 0, i128::from(i64::MAX))?;
        Ok(Self(u64::try_from(number).expect("the number was just bounded")))
    }
}

impl Value for Port {
    const FORM: &'static str = "a TCP port, from 1 to 65535";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        let number = whole(value, 1, i128::from(u16::MAX))?;
        Ok(Self(u16::try_from(number).expect("the number was just bounded")))
    }
}

impl Value for Hubs {
    const FORM: &'static str = "a number of hubs, from 1 to 50";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        let number = whole(value, 1, MAX_HUBS)?;
        Ok(Self(u32::try_from(number).expect("the number was just bounded")))
    }
}

impl Value for QuotaName {
    const FORM: &'static str = "\"iot-central\", \"dps\", \"hub-f1\", \"hub-s1\", \"hub-s2\", \"hub-s3\", or a file of limits, relative to the manifest; of an emulator also \"off\"";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        text(value).map(|name| Self(name.to_owned()))
    }
}

impl Value for Units {
    const FORM: &'static str = "a whole number from 1 to 200";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        let number = whole(value, 1, 200)?;
        Ok(Self(u32::try_from(number).expect("the number was just bounded")))
    }
}

impl Value for FaultsName {
    const FORM: &'static str = "a preset (\"slow-network\", \"lost-acks\", \"throttled-dps\", \"hub-move\", \"outage\"), or a file of rules, relative to the manifest";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        text(value).map(|name| Self(name.to_owned()))
    }
}

impl Value for Fraction {
    const FORM: &'static str = "a number from 0 to 1, such as 0.1";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        let number = number(value)?;
        if (0.0..=1.0).contains(&number) {
            Ok(Self(number))
        } else {
            Err(Unreadable::Value(format!("{number} is not from 0 to 1")))
        }
    }
}

impl Value for Share {
    const FORM: &'static str = "a number above 0 and up to 1";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        let Fraction(share) = Fraction::read(value)?;
        if share > 0.0 {
            Ok(Self(share))
        } else {
            Err(Unreadable::Value("it is 0".into()))
        }
    }
}

impl Value for Case {
    const FORM: &'static str = "\"group-expiry\", \"group-breach\", \"individual-expiry\" or \"individual-breach\"";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        word(value, &Self::ALL.map(|case| (case.word(), case)))
    }
}

impl Value for Slot {
    const FORM: &'static str = "\"primary\" or \"secondary\"";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        word(value, &[("primary", Self::Primary), ("secondary", Self::Secondary)])
    }
}

impl Value for Amount {
    const FORM: &'static str = "a number from 0 to 1000000, such as 2.5";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        let number = number(value)?;
        if (0.0..=1e6).contains(&number) {
            Ok(Self(number))
        } else {
            Err(Unreadable::Value(format!("{number} is not from 0 to 1000000")))
        }
    }
}

impl Value for Interval {
    const FORM: &'static str = SPAN_FORM;
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        let span: Span = text(value)?.parse()?;
        if span.millis() == 0 {
            return Err(Unreadable::Value("it is shorter than 1ms".into()));
        }
        Ok(Self(span))
    }
}

impl Value for TimeConstant {
    const FORM: &'static str = r#"a time of at least 6m, such as "8h""#;
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        let span: Span = text(value)?.parse()?;
        if span < Span::seconds(360) {
            return Err(Unreadable::Value("no room loses its heat so fast".into()));
        }
        Ok(Self(span))
    }
}

impl Value for Rate {
    const FORM: &'static str = RATE_FORM;
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        Ok(text(value)?.parse()?)
    }
}

impl Value for Addresses {
    const FORM: &'static str = ADDRESSES_FORM;
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        Ok(text(value)?.parse()?)
    }
}

impl Value for Stage {
    const FORM: &'static str = STAGE_FORM;
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        Ok(text(value)?.parse()?)
    }
}

impl Value for PathBuf {
    const FORM: &'static str = "a path, relative to the manifest";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        match text(value)? {
            "" => Err(Unreadable::Value("it is empty".into())),
            content if shown::is_pem(content) => Err(Unreadable::Value(
                "it holds the text of a certificate or key, where the path of a file belongs".into(),
            )),
            path => Ok(path.into()),
        }
    }
}

impl Value for Host {
    const FORM: &'static str = "a host name, without scheme, port and path";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        named(value, 253, "-._").map(Self)
    }
}

impl Value for App {
    const FORM: &'static str = "the application's address, such as \"https://contoso.azureiotcentral.com\"";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        let text = text(value)?.trim_end_matches('/');
        let (scheme, host) = text
            .split_once("://")
            .ok_or_else(|| Unreadable::Value(format!("`{text}` does not begin with https://")))?;
        if host.is_empty() || host.contains(['/', '?', '#', '@']) || host.contains(char::is_whitespace) {
            return Err(Unreadable::Value(format!(
                "`{text}` is more or less than a scheme and a host"
            )));
        }
        let local = ["127.0.0.1", "localhost", "[::1]"].iter().any(|name| {
            host.strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
        });
        match scheme {
            "https" => Ok(Self(text.to_owned())),
            "http" if local => Ok(Self(text.to_owned())),
            "http" => Err(Unreadable::Value(
                "the API token would cross the network in clear text".into(),
            )),
            _ => Err(Unreadable::Value(format!("`{text}` does not begin with https://"))),
        }
    }
}

impl Value for Variable {
    const FORM: &'static str = "the name of an environment variable, such as \"IOTC_API_TOKEN\"";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        // What is no name may be the secret itself.
        match text(value)? {
            name if shown::is_variable(name) => Ok(Self(name.to_owned())),
            _ => Err(Unreadable::Value(
                "it is not the name of an environment variable".into(),
            )),
        }
    }
}

impl Value for Kind {
    const FORM: &'static str = "\"emulator\", \"iot-central\" or \"dps\"";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        let words = [
            ("emulator", Self::Emulator),
            ("iot-central", Self::IotCentral),
            ("dps", Self::Dps),
        ];
        word(value, &words)
    }
}

impl Value for Issuer {
    const FORM: &'static str = "\"root\" or \"intermediate\"";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        word(value, &[("root", Self::Root), ("intermediate", Self::Intermediate)])
    }
}

impl Value for Transport {
    const FORM: &'static str = "\"mqtt\" or \"websocket\"";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        word(value, &[("mqtt", Self::Mqtt), ("websocket", Self::WebSocket)])
    }
}

impl Value for Model {
    const FORM: &'static str = "\"thermostat\" or \"temperature-controller\"";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        let words = [
            ("thermostat", Self::Thermostat),
            ("temperature-controller", Self::TemperatureController),
        ];
        word(value, &words)
    }
}
