//! Who may connect to the hub.

use std::sync::Arc;

use iot_protocol::hub::ToHub;
use iot_protocol::id::ModelId;
use iot_protocol::properties::PropertyBag;
use iot_protocol::username::HubUserName;
use rumqttc::mqttbytes::v4::{Connect, ConnectReturnCode, LastWill};

use super::device::Device;
use crate::attestation::authenticate;
use crate::certificate::Certificate;
use crate::clock;
use crate::services::Services;
use crate::session::Refused;
use crate::unconfirmed::{BAD_CERTIFICATE, BAD_USER_NAME, WRONG_TENANT};

/// What a session is begun with: all that is left of a CONNECT that was taken.
pub(crate) struct Admitted {
    pub(super) device: Arc<Device>,
    pub(super) model_id: Option<ModelId>,
    pub(super) clean_session: bool,
    pub(super) keep_alive: u16,
    pub(super) will: Option<Box<LastWill>>,
}

/// Finds the device that a CONNECT is for, if the client is that device.
pub(crate) fn admit(
    connect: Connect,
    user: &HubUserName,
    chain: &[Certificate],
    services: &Services,
) -> Result<Admitted, Refused> {
    if !services.registry.has_hub(&user.hub) {
        return Err(Refused::new(
            WRONG_TENANT,
            format!("there is no hub `{}` here", user.hub),
        ));
    }
    if connect.client_id != user.client_id() {
        return Err(Refused::new(
            ConnectReturnCode::BadClientId,
            "the client id is not the one of the user name",
        ));
    }
    if user.module_id.is_some() {
        return Err(Refused::new(
            ConnectReturnCode::NotAuthorized,
            "modules are not emulated",
        ));
    }
    let unknown = || Refused::new(ConnectReturnCode::NotAuthorized, "the hub does not know the device");
    let device = services.registry.device(&user.device_id).ok_or_else(unknown)?;
    {
        let state = device.lock();
        if let Some(next) = &state.next_hub {
            return Err(Refused::new(
                WRONG_TENANT,
                format!("the device was moved to hub `{next}`"),
            ));
        }
        if !state.hub.as_str().eq_ignore_ascii_case(user.hub.as_str()) {
            return Err(Refused::new(
                WRONG_TENANT,
                format!("the device belongs to hub `{}`", state.hub),
            ));
        }
        if !state.enabled {
            return Err(Refused::new(ConnectReturnCode::NotAuthorized, "the device is disabled"));
        }
        authenticate(&state.thumbprint, chain, clock::now())
            .map_err(|refusal| Refused::new(BAD_CERTIFICATE, refusal.to_string()))?;
    }
    if let Some(will) = &connect.last_will
        && will_properties(will, &device).is_none()
    {
        return Err(Refused::new(BAD_USER_NAME, format!("a will to `{}`", will.topic)));
    }
    Ok(Admitted {
        device,
        model_id: user.model_id.clone(),
        clean_session: connect.clean_session,
        keep_alive: connect.keep_alive,
        will: connect.last_will.map(Box::new),
    })
}

/// The properties of a will; `None` if its topic is not the one for the device's own telemetry.
pub(super) fn will_properties(will: &LastWill, device: &Device) -> Option<PropertyBag> {
    match will.topic.parse() {
        Ok(ToHub::Telemetry {
            device_id,
            module_id: None,
            properties,
        }) if device_id == device.id => Some(properties),
        _ => None,
    }
}
