//! Relationships: which devices are behind which gateway.
//!
//! <https://learn.microsoft.com/rest/api/iotcentral/dataplane/devices/create-relationship>

use reqwest::Method;
use serde_json::json;

use super::schema::response::Relationship;
use super::{Central, CentralError};

impl Central {
    /// The relationships of a gateway, one for each device behind it.
    pub async fn relationships(&self, gateway: &str) -> Result<Vec<Relationship>, CentralError> {
        let path = ["devices", gateway, "relationships"];
        self.list(&path, &format!("relationships of device {gateway}")).await
    }

    /// Puts a device behind a gateway. The relationship is called like the device.
    pub async fn put_relationship(&self, gateway: &str, child: &str) -> Result<Relationship, CentralError> {
        let path = ["devices", gateway, "relationships", child];
        let subject = format!("relationship of device {child} to {gateway}");
        self.request(Method::PUT, &path, subject)
            .with_json(json!({ "id": child, "source": gateway, "target": child }))
            .json()
            .await
    }

    /// Takes a device from behind a gateway.
    pub async fn delete_relationship(&self, gateway: &str, relationship: &str) -> Result<(), CentralError> {
        let path = ["devices", gateway, "relationships", relationship];
        let subject = format!("relationship {relationship} of device {gateway}");
        self.request(Method::DELETE, &path, subject).done().await
    }
}
