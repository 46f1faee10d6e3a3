//! Devices: their entries, their individual attestation, and what they report.

use std::time::Duration;

use reqwest::Method;
use serde::Serialize;
use serde_json::{Value, json};

use super::enrollment_groups::encode;
use super::schema::{request, response};
use super::transport::Repeat;
use super::{Central, CentralError};

const DEVICES: &str = "devices";

/// Seconds for which IoT Central waits for a device that is not connected: not at all.
const CONNECTION_TIMEOUT: u8 = 0;

/// Seconds for which it waits for the answer of a device that is: the most it offers.
const RESPONSE_TIMEOUT: u8 = 30;

/// A device's entry as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewDevice<'a> {
    /// The name in the user interface.
    pub display_name: &'a str,
    /// The id of its device template; without one IoT Central finds it by the model id the device announces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<&'a str>,
    /// Whether it may connect.
    pub enabled: bool,
}

impl Central {
    /// All devices.
    pub async fn devices(&self) -> Result<Vec<response::Device>, CentralError> {
        self.list(&[DEVICES], "devices").await
    }

    /// Any device, without reading all of them; `None` where there is none.
    pub(crate) async fn any_device(&self) -> Result<Option<response::Device>, CentralError> {
        let page: response::Page<response::Device> = self.request(Method::GET, &[DEVICES], "devices").json().await?;
        Ok(page.value.into_iter().next())
    }

    /// One device.
    pub async fn device(&self, id: &str) -> Result<response::Device, CentralError> {
        self.request(Method::GET, &[DEVICES, id], subject(id)).json().await
    }

    /// Creates or changes a device's entry.
    pub async fn put_device(&self, id: &str, device: &NewDevice<'_>) -> Result<response::Device, CentralError> {
        self.request(Method::PUT, &[DEVICES, id], subject(id))
            .with_json(json!(device))
            .json()
            .await
    }

    /// Lets a device in, or blocks it.
    pub async fn set_device_enabled(&self, id: &str, enabled: bool) -> Result<response::Device, CentralError> {
        self.request(Method::PATCH, &[DEVICES, id], subject(id))
            .with_merge_patch(json!({ "enabled": enabled }))
            .json()
            .await
    }

    /// Removes a device.
    pub async fn delete_device(&self, id: &str) -> Result<(), CentralError> {
        self.request(Method::DELETE, &[DEVICES, id], subject(id)).done().await
    }

    /// What a device needs to reach DPS.
    pub async fn credentials(&self, id: &str) -> Result<response::DeviceCredentials, CentralError> {
        self.request(
            Method::GET,
            &[DEVICES, id, "credentials"],
            format!("credentials of device {id}"),
        )
        .json()
        .await
    }

    /// The application's id scope, found through any of its devices.
    pub async fn id_scope(&self, device_id: &str) -> Result<String, CentralError> {
        Ok(self.credentials(device_id).await?.id_scope)
    }

    /// The device's individual enrollment.
    pub async fn attestation(&self, id: &str) -> Result<response::DeviceAttestation, CentralError> {
        self.request(Method::GET, &[DEVICES, id, "attestation"], attestation_subject(id))
            .json()
            .await
    }

    /// Gives the device an individual enrollment with one or two certificates of its own.
    pub async fn put_x509_attestation(
        &self,
        id: &str,
        primary_pem: Option<&str>,
        secondary_pem: Option<&str>,
    ) -> Result<response::DeviceAttestation, CentralError> {
        let certificate = |pem: &str| request::Certificate {
            certificate: encode(pem),
        };
        let body = request::X509Attestation {
            r#type: "x509",
            x509: request::X509 {
                client_certificates: request::ClientCertificates {
                    primary: primary_pem.map(certificate),
                    secondary: secondary_pem.map(certificate),
                },
            },
        };
        self.request(Method::PUT, &[DEVICES, id, "attestation"], attestation_subject(id))
            .with_json(json!(body))
            .json()
            .await
    }

    /// Removes the device's individual enrollment.
    pub async fn delete_attestation(&self, id: &str) -> Result<(), CentralError> {
        self.request(Method::DELETE, &[DEVICES, id, "attestation"], attestation_subject(id))
            .done()
            .await
    }

    /// The device's properties, those of one component where it is named.
    pub async fn properties(&self, id: &str, component: Option<&str>) -> Result<Value, CentralError> {
        let path = with_component(id, component, &["properties"]);
        self.request(Method::GET, &path, format!("properties of device {id}"))
            .json()
            .await
    }

    /// Asks the device to change writable properties; `null` takes a wish back.
    pub async fn patch_properties(
        &self,
        id: &str,
        component: Option<&str>,
        properties: &Value,
    ) -> Result<Value, CentralError> {
        let path = with_component(id, component, &["properties"]);
        self.request(Method::PATCH, &path, format!("properties of device {id}"))
            .with_merge_patch(properties.clone())
            .json()
            .await
    }

    /// The last known value of one telemetry.
    pub async fn telemetry(
        &self,
        id: &str,
        component: Option<&str>,
        name: &str,
    ) -> Result<response::Telemetry, CentralError> {
        let path = with_component(id, component, &["telemetry", name]);
        self.request(Method::GET, &path, format!("telemetry {name} of device {id}"))
            .json()
            .await
    }

    /// Runs a command on the device and waits for its answer.
    pub async fn command(
        &self,
        id: &str,
        component: Option<&str>,
        name: &str,
        request: Option<&Value>,
    ) -> Result<response::Command, CentralError> {
        let path = with_component(id, component, &["commands", name]);
        let body = request::Command {
            request,
            connection_timeout: CONNECTION_TIMEOUT,
            response_timeout: RESPONSE_TIMEOUT,
        };
        self.request(Method::POST, &path, format!("command {name} of device {id}"))
            .with_json(json!(body))
            .repeat(Repeat::IfNotExecuted)
            // Longer than the service waits itself, so that the word on a silent device is the service's.
            .timeout(Duration::from_secs(
                u64::from(CONNECTION_TIMEOUT) + u64::from(RESPONSE_TIMEOUT) + 15,
            ))
            .json()
            .await
    }
}

fn subject(id: &str) -> String {
    format!("device {id}")
}

fn attestation_subject(id: &str) -> String {
    format!("attestation of device {id}")
}

fn with_component<'a>(id: &'a str, component: Option<&'a str>, rest: &[&'a str]) -> Vec<&'a str> {
    let mut path = vec![DEVICES, id];
    if let Some(component) = component {
        path.extend(["components", component]);
    }
    path.extend(rest);
    path
}
