use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::id::{DeviceId, HubHost, ModelId, RegistrationId};

/// The body of a registration. Every field may be left out: the C# SDK sends only the payload, or nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegistrationRequest {
    /// Must equal the one in the user name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_id: Option<String>,
    /// Free JSON for the service's allocation; IoT Central reads `modelId` in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
}

impl RegistrationRequest {
    /// The body of a device that announces its model.
    #[must_use]
    pub fn new(registration_id: &RegistrationId, model_id: Option<&ModelId>) -> Self {
        Self {
            registration_id: Some(registration_id.to_string()),
            payload: model_id.map(|id| serde_json::json!({ "modelId": id })),
        }
    }

    /// The model that the device announces.
    #[must_use]
    pub fn model_id(&self) -> Option<&str> {
        self.payload.as_ref()?.get("modelId")?.as_str()
    }
}

/// How far a registration has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Status {
    /// Not assigned to a hub.
    Unassigned,
    /// In progress: poll again.
    Assigning,
    /// Done.
    Assigned,
    /// The allocation refused the device.
    Failed,
    /// The enrollment is disabled.
    Disabled,
}

/// What an assignment did with the data that the device had in a hub before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Substatus {
    /// First assignment.
    InitialAssignment,
    /// The same hub as before.
    ReprovisionedToInitialAssignment,
    /// The twin moved along.
    DeviceDataMigrated,
    /// The twin was emptied.
    DeviceDataReset,
    /// A word that is not in this list. A device that is assigned is assigned, whatever else the service sends.
    #[serde(untagged)]
    Other(String),
}

/// Body of an answer with a status below 300. The topic's status alone is not enough: `failed` and `disabled` come with
/// 200 too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Registration {
    /// Handle for polling. Empty when the enrollment is disabled.
    #[serde(default)]
    pub operation_id: String,
    /// How far it has come.
    pub status: Status,
    /// Details; always there with a final status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_state: Option<RegistrationState>,
}

/// The registration record of a device. Times are texts: DPS writes seven fractional digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegistrationState {
    /// Present for X.509 attestation, often empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x509: Option<Map<String, Value>>,
    /// The device's id at DPS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_id: Option<String>,
    /// When the registration was first made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_date_time_utc: Option<String>,
    /// The hub to connect to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assigned_hub: Option<HubHost>,
    /// The device's id in that hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<DeviceId>,
    /// How far it has come.
    pub status: Status,
    /// What happened to the device's data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub substatus: Option<Substatus>,
    /// Why it failed, e.g. 400209: not authorized by the allocation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<u32>,
    /// The same in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// When the record was last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_updated_date_time_utc: Option<String>,
    /// Version of the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// What a custom allocation returned for the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
}

impl RegistrationState {
    /// A record with only its status; the rest is filled in by name.
    #[must_use]
    pub fn new(status: Status) -> Self {
        Self {
            x509: None,
            registration_id: None,
            created_date_time_utc: None,
            assigned_hub: None,
            device_id: None,
            status,
            substatus: None,
            error_code: None,
            error_message: None,
            last_updated_date_time_utc: None,
            etag: None,
            payload: None,
        }
    }
}

/// Body of an answer with a status of 400 or above. The code is the HTTP status × 1000 plus a detail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceError {
    /// E.g. 401002: invalid certificate.
    pub error_code: u32,
    /// For Microsoft's support.
    #[serde(default)]
    pub tracking_id: String,
    /// What went wrong, in words.
    #[serde(default)]
    pub message: String,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp_utc: Option<String>,
}

impl ServiceError {
    /// The HTTP status that the code belongs to.
    #[must_use]
    pub fn status(&self) -> u16 {
        u16::try_from(self.error_code / 1000).unwrap_or(u16::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_substatus_does_not_spoil_an_assignment() {
        let body = r#"{"operationId":"4","status":"assigned","registrationState":{"status":"assigned","substatus":"brandNew"}}"#;
        let state = serde_json::from_str::<Registration>(body)
            .unwrap()
            .registration_state
            .unwrap();
        assert_eq!(state.substatus, Some(Substatus::Other("brandNew".into())));
        assert_eq!(serde_json::to_value(&state).unwrap()["substatus"], "brandNew");
        assert_eq!(
            serde_json::to_value(Substatus::DeviceDataReset).unwrap(),
            "deviceDataReset"
        );
    }
}
