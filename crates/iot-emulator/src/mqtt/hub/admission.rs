//! Who may connect to the hub.

use std::sync::Arc;

use iot_protocol::hub::ToHub;
use iot_protocol::id::{DeviceId, HubHost, ModelId, RegistrationId};
use iot_protocol::properties::PropertyBag;
use iot_protocol::username::HubUserName;
use jiff::Timestamp;
use rumqttc::mqttbytes::v4::{Connect, ConnectReturnCode, LastWill};

use crate::attestation::{Refusal, authenticate};
use crate::clock;
use crate::gateway::Gateway;
use crate::hub::Device;
use crate::mqtt::peer::Peer;
use crate::mqtt::refusal::Refused;
use crate::presented::{Presented, Shown, Through, Way};
use crate::refusal_reason::RefusalReason;
use crate::services::Services;
use crate::unconfirmed::{BAD_CERTIFICATE, BAD_USER_NAME, NOT_DOWNSTREAM, WRONG_TENANT};

/// What a session is begun with: all that is left of a CONNECT that was taken.
pub(crate) struct Admitted {
    pub(super) device: Arc<Device>,
    pub(super) model_id: Option<ModelId>,
    pub(super) clean_session: bool,
    pub(super) keep_alive: u16,
    pub(super) will: Option<Box<LastWill>>,
    /// The gateway that the device came through.
    pub(super) gateway: Option<Arc<Gateway>>,
}

/// Finds the device that a CONNECT is for, if the client is that device.
pub(crate) fn admit(
    connect: Connect,
    user: &HubUserName,
    peer: &Peer,
    services: &Services,
) -> Result<Admitted, Refused> {
    let is_named = |name: &HubHost| name.as_str().eq_ignore_ascii_case(user.hub.as_str());
    // Behind a gateway, a client may take that for its hub.
    let names_gateway = peer.gateway.as_ref().is_some_and(|gateway| is_named(&gateway.hostname));
    if !names_gateway && !services.registry.has_hub(&user.hub) {
        return Err(Refused::new(
            WRONG_TENANT,
            RefusalReason::UnknownHub,
            format!("there is no hub `{}` here", user.hub),
        ));
    }
    if connect.client_id != user.client_id() {
        return Err(Refused::new(
            ConnectReturnCode::BadClientId,
            RefusalReason::ClientId,
            "the client id is not the one of the user name",
        ));
    }
    if user.module_id.is_some() {
        return Err(Refused::new(
            ConnectReturnCode::NotAuthorized,
            RefusalReason::NotEmulated,
            "modules are not emulated",
        ));
    }
    // The hub refers no device to another hub: after any refusal the device has to register again, and DPS assigns.
    let unknown = || {
        let why = RefusalReason::UnknownDevice;
        Refused::new(ConnectReturnCode::NotAuthorized, why, "the hub has no such device")
    };
    let device = services.registry.device(&user.device_id).ok_or_else(unknown)?;
    let now = clock::now();
    // The application is asked before the device is locked: a change of identities locks in this order.
    let downstream = match &peer.gateway {
        Some(gateway) if !is_child(&device, &gateway.device, services) => {
            return Err(Refused::new(
                NOT_DOWNSTREAM,
                RefusalReason::Gateway,
                format!("the device is no child of `{}`", gateway.device),
            ));
        }
        Some(_) => Some(services.central.attest_downstream(&device.id, &peer.chain, now)),
        None => None,
    };
    {
        let state = device.lock();
        if let Some(next) = &state.next_hub {
            return Err(Refused::new(
                WRONG_TENANT,
                RefusalReason::AnotherHub,
                format!("the device was moved to hub `{next}`"),
            ));
        }
        if !names_gateway && !is_named(&state.hub) {
            return Err(Refused::new(
                WRONG_TENANT,
                RefusalReason::AnotherHub,
                format!("the device belongs to hub `{}`", state.hub),
            ));
        }
        if !state.enabled {
            let why = RefusalReason::DeviceBlocked;
            return Err(Refused::new(
                ConnectReturnCode::NotAuthorized,
                why,
                "the device is disabled",
            ));
        }
        // The thumbprint of the last registration and the dates count, and neither chain nor enrollment: a change of
        // the enrollment reaches the hub with the next registration, which is what makes a roll of certificates
        // seamless.
        let registered = match &state.thumbprint {
            Some(thumbprint) => authenticate(thumbprint, &peer.chain, now),
            None => Err(Refusal::NotRegistered),
        };
        // A child of a gateway need never register, so its enrollment may vouch for it instead.
        registered
            .or_else(|refusal| downstream.unwrap_or(Err(refusal)))
            .map_err(|refusal| Refused::new(BAD_CERTIFICATE, refusal.reason(), refusal.to_string()))?;
    }
    remember(&device, peer, services, now);
    if let Some(will) = &connect.last_will
        && will_properties(will, &device).is_none()
    {
        let reason = format!("a will to `{}`", will.topic);
        return Err(Refused::new(BAD_USER_NAME, RefusalReason::Will, reason));
    }
    Ok(Admitted {
        device,
        model_id: user.model_id.clone(),
        clean_session: connect.clean_session,
        keep_alive: connect.keep_alive,
        will: connect.last_will.map(Box::new),
        gateway: peer.gateway.clone(),
    })
}

/// Keeps what the device came with, where that is not known from its registration: this process has not seen it, or the
/// device comes through a gateway and need not register.
fn remember(device: &Device, peer: &Peer, services: &Services, now: Timestamp) {
    services.refused.admitted(device.id.as_str());
    let Some(leaf) = peer.chain.first() else {
        return;
    };
    let is_known = |presented: &Presented| peer.gateway.is_none() || presented.is(leaf);
    if device.lock().presented.as_deref().is_some_and(is_known) {
        return;
    }
    let id = RegistrationId::new(device.id.as_str()).ok();
    let attested = id.and_then(|id| services.central.attest(&id, &peer.chain, now).ok());
    let way = Way::new(&peer.chain, attested.as_ref().map(Through::from));
    let (leaf, way) = (Shown::from(leaf), services.central.read().ways.share(way));
    Presented::follow(&mut device.lock().presented, leaf, way, now);
}

/// Whether a device is a child of the one that a gateway stands for.
pub(super) fn is_child(device: &Device, gateway: &DeviceId, services: &Services) -> bool {
    let application = services.central.read();
    application
        .parent(&device.id)
        .is_some_and(|parent| parent.source == *gateway)
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
