//! The service side of direct methods.
//!
//! Source: [Direct methods](https://learn.microsoft.com/azure/iot-hub/iot-hub-devguide-direct-methods).

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout, timeout_at};

use super::device::{Command, Device};

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvokeError {
    #[error("the device is not online, or takes no methods")]
    NotOnline,
    #[error("the device did not answer in time")]
    NoAnswer,
}

/// Calls a method of a device: waits for the device if it is not there, then for its answer.
pub(crate) async fn invoke(
    device: &Device,
    name: &str,
    payload: Bytes,
    connect_within: Duration,
    answer_within: Duration,
) -> Result<(u16, Value), InvokeError> {
    let reply = reach(device, name, payload, Instant::now() + connect_within).await?;
    match timeout(answer_within, reply).await {
        Ok(Ok((status, body))) => Ok((status, read(&body))),
        // The session ended, and with it the question.
        Ok(Err(_)) | Err(_) => Err(InvokeError::NoAnswer),
    }
}

async fn reach(
    device: &Device,
    name: &str,
    payload: Bytes,
    deadline: Instant,
) -> Result<oneshot::Receiver<(u16, Bytes)>, InvokeError> {
    loop {
        let mut reachable = std::pin::pin!(device.reachable.notified());
        // From here on no notification is missed, also one between the look and the wait.
        reachable.as_mut().enable();
        if let Some(reply) = ask(device, name, &payload) {
            return Ok(reply);
        }
        timeout_at(deadline, reachable)
            .await
            .map_err(|_| InvokeError::NotOnline)?;
    }
}

fn ask(device: &Device, name: &str, payload: &Bytes) -> Option<oneshot::Receiver<(u16, Bytes)>> {
    let state = device.lock();
    let connection = state
        .connection
        .as_ref()
        .filter(|connection| connection.takes_methods)?;
    let (reply, answer) = oneshot::channel();
    connection
        .commands
        .send(Command::Method {
            name: name.into(),
            payload: payload.clone(),
            reply,
        })
        .ok()?;
    Some(answer)
}

fn read(body: &[u8]) -> Value {
    if body.is_empty() {
        return Value::Null;
    }
    serde_json::from_slice(body).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use iot_protocol::id::{DeviceId, HubHost};
    use tokio_util::sync::CancellationToken;

    use super::*;

    fn device() -> Device {
        let hub = Arc::new(HubHost::new("hub").unwrap());
        Device::new(DeviceId::new("t-1").unwrap(), None, hub)
    }

    async fn call(device: &Device) -> (Result<(u16, Value), InvokeError>, Duration) {
        let start = Instant::now();
        let (connect_within, answer_within) = (Duration::from_secs(7), Duration::from_secs(5));
        let answer = invoke(device, "reboot", Bytes::new(), connect_within, answer_within).await;
        (answer, start.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_method_waits_for_the_device_and_then_for_its_answer_and_no_longer() {
        let device = device();
        let (answer, took) = call(&device).await;
        assert_eq!((answer, took.as_secs()), (Err(InvokeError::NotOnline), 7));

        let (serial, mut commands) = device.lock().connect(None, CancellationToken::new());
        device.lock().connection_mut(serial).unwrap().takes_methods = true;
        let (answer, took) = call(&device).await;
        assert_eq!((answer, took.as_secs()), (Err(InvokeError::NoAnswer), 5));
        assert!(matches!(commands.recv().await, Some(Command::Method { .. })));
    }
}
