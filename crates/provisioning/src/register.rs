//! Registering a device with DPS: which hub is it assigned to?
//!
//! One connection, one subscription, a PUT, and polls until the answer is final, as
//! <https://learn.microsoft.com/azure/iot/iot-mqtt-connect-to-iot-dps> has it. What to do when is decided by
//! [`machine`], which does no I/O and reads no clock; this file only drives it.
//!
//! ```no_run
//! use iot_protocol::id::{IdScope, RegistrationId};
//! use mqtt_link::{Credentials, Endpoint, Tls, TrustRoots};
//! use provisioning::register::Registration;
//!
//! # async fn example(key: std::sync::Arc<rustls::sign::CertifiedKey>) -> Result<(), Box<dyn std::error::Error>> {
//! let tls = Tls::new(TrustRoots::WebPki)?;
//! let registered = Registration {
//!     endpoint: &Endpoint::new("global.azure-devices-provisioning.net", 8883, tls)?,
//!     id_scope: &IdScope::new("0ne00ABCDEF")?,
//!     registration_id: &RegistrationId::new("thermo-0001")?,
//!     model_id: None,
//!     credentials: &Credentials::X509(key),
//!     jitter_seed: 7,
//! }
//! .run()
//! .await?;
//! println!("assigned to {}", registered.assigned_hub);
//! # Ok(())
//! # }
//! ```

mod error;
pub mod machine;
mod poll_limit;

use std::time::Duration;

use iot_protocol::dps::{RESPONSE_FILTER, RegistrationRequest, Substatus};
use iot_protocol::id::{DeviceId, HubHost, IdScope, ModelId, RegistrationId};
use iot_protocol::username::DpsUserName;
use mqtt_link::{ConnectOptions, ConnectTimings, Credentials, Endpoint, Link, Qos};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use tokio::time::{Instant, timeout_at};
use tracing::debug;

pub use self::error::{RegistrationError, RegistrationFailure};
use self::machine::{Action, Assigned, Event, Machine, Patience};

/// How long leaving may take. The answer is known by then.
const FAREWELL: Duration = Duration::from_secs(2);
/// A year: longer is never, and no clock overflows on it.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A device that asks where it belongs.
#[derive(Debug, Clone, Copy)]
pub struct Registration<'a> {
    /// DPS.
    pub endpoint: &'a Endpoint,
    /// Which DPS instance.
    pub id_scope: &'a IdScope,
    /// The device; with X.509 the subject CN of its leaf.
    pub registration_id: &'a RegistrationId,
    /// The model that IoT Central is to pick a template by.
    pub model_id: Option<&'a ModelId>,
    /// What it attests with.
    pub credentials: &'a Credentials,
    /// Where the randomness of waits comes from that DPS leaves to the device, so that a fleet does not come back all at
    /// once and still does the same in every run.
    pub jitter_seed: u64,
}

/// How patient a registration is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegistrationOptions {
    /// For the whole registration, connecting and waiting included.
    pub deadline: Duration,
    /// For connecting.
    pub connect_timeout: Duration,
    /// For the answer to one request.
    pub answer_timeout: Duration,
}

impl Default for RegistrationOptions {
    /// Five minutes, of which 30 s to connect and 30 s for each answer (as the Node and Python SDKs have it).
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(300),
            connect_timeout: Duration::from_secs(30),
            answer_timeout: Duration::from_secs(30),
        }
    }
}

/// Where a device belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// The hub to connect to.
    pub assigned_hub: HubHost,
    /// The device's id in that hub.
    pub device_id: DeviceId,
    /// What became of the data that the device had in a hub before.
    pub substatus: Option<Substatus>,
    /// How long connecting to DPS took.
    pub timings: ConnectTimings,
    /// How much of the rest was waiting that DPS asked for.
    pub waited: Duration,
    /// How often DPS throttled.
    pub throttled: u32,
}

impl Registration<'_> {
    /// Registers with the default patience.
    pub async fn run(&self) -> Result<Registered, RegistrationError> {
        self.run_with(&RegistrationOptions::default()).await
    }

    /// Registers.
    pub async fn run_with(&self, options: &RegistrationOptions) -> Result<Registered, RegistrationError> {
        self.run_reporting(options, || {}).await
    }

    /// Registers, and calls `on_throttled` each time that DPS throttles: a device may be kept waiting for
    /// minutes.
    pub async fn run_reporting(
        &self,
        options: &RegistrationOptions,
        on_throttled: impl Fn(),
    ) -> Result<Registered, RegistrationError> {
        let patience = Patience {
            deadline: options.deadline.min(LONGEST),
            answer_timeout: options.answer_timeout.min(LONGEST),
        };
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(self.jitter_seed);
        let request = RegistrationRequest::new(self.registration_id, self.model_id);
        let mut machine = Machine::new(&request, patience, move || rng.random(), Instant::now());
        let result = self.converse(&mut machine, options, &on_throttled).await;
        let (waited, throttled) = (machine.waited(), machine.throttled());
        match result {
            Ok((
                Assigned {
                    assigned_hub,
                    device_id,
                    substatus,
                },
                timings,
            )) => Ok(Registered {
                assigned_hub,
                device_id,
                substatus,
                timings,
                waited,
                throttled,
            }),
            Err(failure) => Err(RegistrationError::new(self.registration_id, failure, waited, throttled)),
        }
    }

    async fn converse(
        &self,
        machine: &mut Machine<impl FnMut() -> f64>,
        options: &RegistrationOptions,
        throttled: &impl Fn(),
    ) -> Result<(Assigned, ConnectTimings), RegistrationFailure> {
        let connect = ConnectOptions {
            user_name: Some(DpsUserName::new(self.id_scope.clone(), self.registration_id.clone()).to_string()),
            timeout: options.connect_timeout.min(options.deadline),
            ..ConnectOptions::new(self.registration_id.as_str())
        };
        let (mut link, timings) = Link::connect(self.endpoint, self.credentials, &connect).await?;
        let outcome = drive(&mut link, machine, throttled).await;
        // Whether a link that failed can still send DISCONNECT is of no interest; whether one that worked can, hardly more.
        if let Err(error) = link.close(FAREWELL).await {
            debug!(registration_id = %self.registration_id, %error, "connection to dps did not close in order");
        }
        Ok((outcome?, timings))
    }
}

/// Carries out the machine's actions until it is done.
async fn drive(
    link: &mut Link,
    machine: &mut Machine<impl FnMut() -> f64>,
    throttled: &impl Fn(),
) -> Result<Assigned, RegistrationFailure> {
    let mut event = Event::Connected;
    loop {
        let throttled_before = machine.throttled();
        let action = machine.handle(event, Instant::now());
        if machine.throttled() > throttled_before {
            throttled();
        }
        event = match action {
            Action::Subscribe => match timeout_at(machine.deadline(), subscribe(link)).await {
                Ok(subscribed) => subscribed.map(|()| Event::Subscribed)?,
                Err(_) => Event::Deadline,
            },
            Action::Publish { topic, body } => {
                link.publish(&topic.to_string(), body, Qos::AtLeastOnce)?;
                wait(link, machine.deadline()).await?
            }
            Action::Wait => wait(link, machine.deadline()).await?,
            Action::Done(assigned) => return Ok(assigned),
            Action::Fail(failure) => return Err(failure),
        };
    }
}

async fn subscribe(link: &mut Link) -> Result<(), RegistrationFailure> {
    Ok(link.subscribe(&[(RESPONSE_FILTER, Qos::AtLeastOnce)]).await?)
}

/// The next thing that concerns the machine.
async fn wait(link: &mut Link, deadline: Instant) -> Result<Event, RegistrationFailure> {
    loop {
        match timeout_at(deadline, link.next()).await {
            Ok(Ok(mqtt_link::Event::Message { topic, payload, .. })) => {
                return Ok(Event::Response { topic, body: payload });
            }
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(error.into()),
            Err(_) => return Ok(Event::Deadline),
        }
    }
}
