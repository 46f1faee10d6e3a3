//! Device templates, passed through as they are.

use reqwest::Method;
use serde_json::Value;

use super::{Central, CentralError};

const TEMPLATES: &str = "deviceTemplates";

impl Central {
    /// All device templates.
    pub async fn device_templates(&self) -> Result<Vec<Value>, CentralError> {
        self.list(&[TEMPLATES], "device templates").await
    }

    /// One device template.
    pub async fn device_template(&self, id: &str) -> Result<Value, CentralError> {
        self.request(Method::GET, &[TEMPLATES, id], format!("device template {id}"))
            .json()
            .await
    }

    /// Creates and publishes a device template.
    pub async fn put_device_template(&self, id: &str, template: &Value) -> Result<Value, CentralError> {
        self.request(Method::PUT, &[TEMPLATES, id], format!("device template {id}"))
            .with_json(template.clone())
            .json()
            .await
    }
}
