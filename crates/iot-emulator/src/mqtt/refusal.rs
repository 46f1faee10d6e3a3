//! CONNECTs that are refused: the answer, and its record.

use rumqttc::mqttbytes::v4::ConnectReturnCode;

use super::packets::Wire;
use crate::certificate::Certificate;
use crate::journal::{Event, Service};
use crate::refusal_reason::RefusalReason;
use crate::services::Services;
use crate::stats::count;
use crate::stream::Stream;

pub(crate) struct Refused {
    pub(crate) code: ConnectReturnCode,
    pub(crate) why: RefusalReason,
    /// The same in words.
    pub(crate) reason: String,
}

impl Refused {
    pub(crate) fn new(code: ConnectReturnCode, why: RefusalReason, reason: impl Into<String>) -> Self {
        Self {
            code,
            why,
            reason: reason.into(),
        }
    }
}

/// Refuses a CONNECT, and records it; where it was judged by its certificates, `chain`, with these.
pub(crate) async fn refuse<S: Stream>(
    wire: Wire<S>,
    services: &Services,
    service: Option<Service>,
    device: Option<&str>,
    chain: Option<&[Certificate]>,
    Refused { code, why, reason }: Refused,
) {
    count(&services.counters.refused);
    if let (Some(service), Some(device), Some(chain)) = (service, device, chain) {
        services.refused.record(device, service, why, &reason, chain);
    }
    services.journal.record(
        device,
        Event::Refused {
            service,
            code: code as u8,
            why,
            reason,
        },
    );
    wire.refuse(code).await;
}
