//! CONNECTs that are refused.

use rumqttc::mqttbytes::v4::ConnectReturnCode;

use super::packets::Wire;
use crate::journal::{Event, Service};
use crate::services::Services;
use crate::stats::count;
use crate::stream::Stream;

pub(crate) struct Refused {
    pub(crate) code: ConnectReturnCode,
    pub(crate) reason: String,
}

impl Refused {
    pub(crate) fn new(code: ConnectReturnCode, reason: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.into(),
        }
    }
}

/// Refuses a CONNECT, and records it.
pub(crate) async fn refuse<S: Stream>(
    wire: Wire<S>,
    services: &Services,
    service: Option<Service>,
    device: Option<&str>,
    Refused { code, reason }: Refused,
) {
    count(&services.counters.refused);
    services.journal.record(
        device,
        Event::Refused {
            service,
            code: code as u8,
            reason,
        },
    );
    wire.refuse(code).await;
}
