//! What only our emulator of IoT Central answers: its counts, its journal, and a link to its page.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::schema::response;
use super::transport::Request;
use super::{Central, CentralError};

/// An emulator runs on this machine or on one beside it.
const TIMEOUT: Duration = Duration::from_secs(10);

impl Central {
    /// All that the emulator counts.
    pub async fn emulator_stats(&self) -> Result<Value, CentralError> {
        self.ask_emulator(Method::GET, "stats").json_once().await
    }

    /// How much telemetry of a run the emulator has received.
    pub async fn emulator_run(&self, run: &str) -> Result<response::EmulatorRun, CentralError> {
        let request = self.ask_emulator(Method::GET, "stats").with_query("run", run);
        let response::EmulatorStats { run } = request.json_once().await?;
        Ok(run)
    }

    /// Sends a cloud-to-device message.
    pub async fn emulator_send(&self, device: &str, body: &Value) -> Result<(), CentralError> {
        let subject = format!("a message to device {device} of the emulator");
        let path = ["devices", device, "messages"];
        let request = self
            .request_below("emulator", Method::POST, &path, subject)
            .timeout(TIMEOUT);
        request.with_json(json!({ "body": body })).done().await
    }

    /// What the emulator's journal has after the entry of the number `since`, oldest first; 0 for all that is kept.
    pub async fn emulator_journal(&self, since: u64) -> Result<Vec<response::JournalEntry>, CentralError> {
        let request = self.ask_emulator(Method::GET, "journal");
        request.with_query("since", &since.to_string()).json_once().await
    }

    /// The path of a link to the emulator's page that lets one person in, once. It is a secret.
    pub async fn emulator_sign_in(&self) -> Result<String, CentralError> {
        let response::EmulatorSignIn { path } = self.ask_emulator(Method::POST, "sign-in").json_once().await?;
        Ok(path)
    }

    fn ask_emulator(&self, method: Method, path: &str) -> Request<'_> {
        let subject = format!("{path} of the emulator");
        self.request_below("emulator", method, &[path], subject)
            .timeout(TIMEOUT)
    }

    /// What the emulator's hub has of a device, as JSON: `connected`, `enabled`, `hub`, its twin and more.
    pub async fn emulator_device(&self, id: &str) -> Result<Value, CentralError> {
        let subject = format!("device {id} in the emulator's hub");
        let request = self.request_below("emulator", Method::GET, &["devices", id], subject);
        request.timeout(TIMEOUT).json_once().await
    }
}
