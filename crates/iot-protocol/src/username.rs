//! The MQTT user names with which a client connects to DPS or to a hub.
//!
//! The two differ in one character: a hub's has `/?` before `api-version`, DPS's has no `?`. Parsing is as tolerant as
//! the official SDKs need: parameters in any order, escaped or not, unknown ones ignored.
//!
//! Sources: [MQTT with DPS](https://learn.microsoft.com/azure/iot/iot-mqtt-connect-to-iot-dps),
//! [MQTT with IoT Hub](https://learn.microsoft.com/azure/iot/iot-mqtt-connect-to-iot-hub).

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::id::{DeviceId, HubHost, IdScope, ModelId, RegistrationId};
use crate::{UserNameError, query};

/// The version of DPS's device interface that this project uses.
const DPS_API_VERSION: &str = "2019-03-31";
/// The version of IoT Hub's device interface that this project uses. Plug and Play needs at least `2020-09-30`.
const HUB_API_VERSION: &str = "2021-04-12";

/// `{idScope}/registrations/{registrationId}/api-version=…&ClientVersion=…`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DpsUserName {
    /// The tenant.
    pub id_scope: IdScope,
    /// The device's id at DPS.
    pub registration_id: RegistrationId,
    /// Version of the interface.
    pub api_version: String,
    /// The client's name for itself.
    pub client_version: Option<String>,
}

impl DpsUserName {
    /// The user name that our devices use.
    #[must_use]
    pub fn new(id_scope: IdScope, registration_id: RegistrationId) -> Self {
        Self {
            id_scope,
            registration_id,
            api_version: DPS_API_VERSION.into(),
            client_version: None,
        }
    }
}

impl fmt::Display for DpsUserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            id_scope,
            registration_id,
            api_version,
            client_version,
        } = self;
        write!(
            f,
            "{id_scope}/registrations/{registration_id}/api-version={}",
            query::encode(api_version)
        )?;
        match client_version {
            Some(version) => write!(f, "&ClientVersion={}", query::encode(version)),
            None => Ok(()),
        }
    }
}

impl FromStr for DpsUserName {
    type Err = UserNameError;

    fn from_str(text: &str) -> Result<Self, UserNameError> {
        let malformed = || UserNameError::Malformed(text.into());
        let mut parts = text.splitn(4, '/');
        let (Some(id_scope), Some("registrations"), Some(registration_id), Some(parameters)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(malformed());
        };
        let parameters = Parameters(parameters.strip_prefix('?').unwrap_or(parameters));
        Ok(Self {
            id_scope: id_scope.parse()?,
            registration_id: registration_id.parse()?,
            api_version: parameters
                .value("api-version")
                .ok_or_else(|| UserNameError::NoApiVersion(text.into()))?,
            client_version: parameters.value("ClientVersion"),
        })
    }
}

/// `{hubHost}/{deviceId}[/{moduleId}]/?api-version=…&DeviceClientType=…&model-id=…`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HubUserName {
    /// The hub's own name, also where the connection goes through a gateway.
    pub hub: HubHost,
    /// The device.
    pub device_id: DeviceId,
    /// A module of the device, where the client is one.
    pub module_id: Option<DeviceId>,
    /// Version of the interface. Microsoft recommends it and does not require it: plain MQTT clients leave it out
    /// (<https://learn.microsoft.com/azure/iot/iot-mqtt-connect-to-iot-hub#use-the-mqtt-protocol-directly-as-a-device>).
    pub api_version: Option<String>,
    /// The client's name for itself.
    pub device_client_type: Option<String>,
    /// The model that the device announces (IoT Plug and Play).
    pub model_id: Option<ModelId>,
}

impl HubUserName {
    /// The user name of a device that announces `model_id`.
    #[must_use]
    pub fn new(hub: HubHost, device_id: DeviceId, model_id: Option<ModelId>) -> Self {
        Self {
            hub,
            device_id,
            module_id: None,
            api_version: Some(HUB_API_VERSION.into()),
            device_client_type: None,
            model_id,
        }
    }

    /// The MQTT client id that belongs to this user name.
    #[must_use]
    pub fn client_id(&self) -> String {
        match &self.module_id {
            Some(module_id) => format!("{}/{module_id}", self.device_id),
            None => self.device_id.to_string(),
        }
    }
}

impl fmt::Display for HubUserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/", self.hub, self.client_id())?;
        let parameters = [
            ("api-version", self.api_version.as_deref()),
            ("DeviceClientType", self.device_client_type.as_deref()),
            ("model-id", self.model_id.as_ref().map(ModelId::as_str)),
        ];
        let given = parameters.into_iter().filter_map(|(key, value)| Some((key, value?)));
        for (index, (key, value)) in given.enumerate() {
            let mark = if index == 0 { '?' } else { '&' };
            write!(f, "{mark}{key}={}", query::encode(value))?;
        }
        Ok(())
    }
}

impl FromStr for HubUserName {
    type Err = UserNameError;

    fn from_str(text: &str) -> Result<Self, UserNameError> {
        let malformed = || UserNameError::Malformed(text.into());
        let (hub, rest) = text.split_once('/').ok_or_else(malformed)?;
        // A device id may itself hold a `?`, so the parameters begin at the last slash, if there are any.
        let (client_id, parameters) = match rest.rsplit_once('/') {
            Some((client_id, parameters)) if parameters.is_empty() || parameters.contains('=') => {
                (client_id, parameters)
            }
            _ => (rest, ""),
        };
        let (device_id, module_id) = match client_id.split_once('/') {
            Some((device_id, module_id)) => (device_id, Some(module_id)),
            None => (client_id, None),
        };
        let parameters = Parameters(parameters.strip_prefix('?').unwrap_or(parameters));
        Ok(Self {
            hub: hub.parse()?,
            device_id: device_id.parse()?,
            module_id: module_id.map(str::parse).transpose()?,
            api_version: parameters.value("api-version"),
            device_client_type: parameters.value("DeviceClientType"),
            model_id: parameters.value("model-id").map(|id| id.parse()).transpose()?,
        })
    }
}

/// Either user name: one TLS port can serve both services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserName {
    /// The client wants to register.
    Dps(DpsUserName),
    /// The client wants to connect to its hub.
    Hub(HubUserName),
}

impl FromStr for UserName {
    type Err = UserNameError;

    fn from_str(text: &str) -> Result<Self, UserNameError> {
        let mut parts = text.split('/').skip(1);
        if let (Some("registrations"), Some(id)) = (parts.next(), parts.next())
            && (parts.next().is_some() || !id.is_empty() && !id.contains('='))
        {
            // `<host>/registrations/<module>/…` is a legal, if odd, module name; DPS's form is more likely.
            return text.parse().map(Self::Dps);
        }
        text.parse().map(Self::Hub)
    }
}

/// The `key=value&…` part of a user name.
struct Parameters<'a>(&'a str);

impl Parameters<'_> {
    fn value(&self, key: &str) -> Option<String> {
        let mut found = query::pairs(self.0).filter(|(k, _)| query::is_key(k, key));
        found
            .next()
            .and_then(|(_, value)| query::decode(value?))
            .filter(|value| !value.is_empty())
            .map(Cow::into_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_hub_has_a_question_mark_before_its_parameters() {
        let dps = DpsUserName::new("0ne00EMULATOR".parse().unwrap(), "thermo-0001".parse().unwrap());
        assert_eq!(
            dps.to_string(),
            "0ne00EMULATOR/registrations/thermo-0001/api-version=2019-03-31"
        );
        let model = "dtmi:com:example:Thermostat;1".parse().unwrap();
        let hub = HubUserName::new(
            "hub.example".parse().unwrap(),
            "thermo-0001".parse().unwrap(),
            Some(model),
        );
        assert_eq!(
            hub.to_string(),
            "hub.example/thermo-0001/?api-version=2021-04-12&model-id=dtmi%3Acom%3Aexample%3AThermostat%3B1"
        );
    }

    #[test]
    fn parameters_come_in_any_order_escaped_or_not_and_unknown_ones_are_ignored() {
        let raw =
            "h.net/dev/?model-id=dtmi:com:example:Thermostat;1&x=y&DeviceClientType=a%2Fb%20c&api-version=2020-09-30";
        let name: HubUserName = raw.parse().unwrap();
        assert_eq!(name.model_id.unwrap().as_str(), "dtmi:com:example:Thermostat;1");
        assert_eq!(name.device_client_type.as_deref(), Some("a/b c"));
        assert_eq!(name.api_version.as_deref(), Some("2020-09-30"));
    }

    #[test]
    fn the_two_services_are_distinguished_by_the_user_name() {
        let dps = "0ne00AB/registrations/d/api-version=2019-03-31&ClientVersion=x";
        assert!(matches!(dps.parse(), Ok(UserName::Dps(_))));
        assert!(matches!(
            "h/registrations/?api-version=2021-04-12".parse(),
            Ok(UserName::Hub(_))
        ));
        assert!(matches!("h/d/m/?api-version=2021-04-12".parse(), Ok(UserName::Hub(name)) if name.module_id.is_some()));
    }

    #[test]
    fn a_hub_recommends_the_api_version_and_dps_requires_it() {
        for (text, module_id, client_type) in [
            ("h/d", None, None),
            ("h/d/", None, None),
            ("h/d/m/", Some("m"), None),
            ("h/d/m", Some("m"), None),
            ("h/d/?DeviceClientType=x", None, Some("x")),
        ] {
            let name: HubUserName = text.parse().unwrap();
            assert_eq!((name.device_id.as_str(), &name.api_version), ("d", &None), "{text}");
            assert_eq!(name.module_id.as_ref().map(DeviceId::as_str), module_id, "{text}");
            assert_eq!(name.device_client_type.as_deref(), client_type, "{text}");
            assert_eq!(name.to_string().parse::<HubUserName>().unwrap(), name, "{text}");
        }
        assert!(matches!(
            "s/registrations/d/".parse::<UserName>(),
            Err(UserNameError::NoApiVersion(_))
        ));
        assert!(matches!(
            "s/registrations/d".parse::<UserName>(),
            Err(UserNameError::Malformed(_))
        ));
        assert!(matches!("thermo".parse::<UserName>(), Err(UserNameError::Malformed(_))));
    }
}
