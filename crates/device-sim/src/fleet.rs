//! A process's part of the fleet: starts a task per device, has them moved by the conductor, and ends.

mod conductor;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use conductor::Conductor;
use fleet_protocol::histogram::Encoder;
use fleet_protocol::lines::{Control, EndReason, LINES_VERSION, Line, ProcessStats, counter};
use fleet_protocol::plan::{Plan, Shard, Target};
use iot_protocol::IdError;
use iot_protocol::id::RegistrationId;
use iot_protocol::shown;
use jiff::Timestamp;
use mqtt_link::{Tls, TlsSetupError};
use provisioning::assignment::{self, AssignmentCache};
use provisioning::certificate::{CertificateError, load};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::context::{Barrier, Connector, Context, GroupContext, WayError};
use crate::control::{Absences, Roster};
use crate::day::Days;
use crate::device::Device;
use crate::lag::Lag;
use crate::mailbox::Mailbox;
use crate::metrics::{Counter, Metrics};
use crate::model::{Blueprint, Models};
use crate::patience::Patience;
use crate::proxies::Proxies;
use crate::ramp::Ramp;
use crate::rate_limiter::{Epoch, RateLimiter};
use crate::spread::{self, Part};
use crate::start_at::Schedule;
use crate::usage::Usage;

/// How often the figures are written.
const STATS_EVERY: Duration = Duration::from_secs(1);
/// How many identities are read and parsed at the same time: enough for the cores, and few enough to need few threads.
const LOADING: usize = 4;

/// Why a fleet can't be started.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// The roots to trust can't be read.
    #[error("the roots to trust can't be used")]
    Ca(#[from] CertificateError),
    /// The roots to trust are not usable.
    #[error("TLS can't be set up")]
    Tls(#[from] TlsSetupError),
    /// A gateway has an invalid name, or the environment an invalid proxy.
    #[error("the gateway of group {group} can't be reached")]
    Gateway {
        /// The group behind it.
        group: String,
        /// Why not.
        source: WayError,
    },
    /// DPS has an invalid name, or the environment an invalid proxy.
    #[error("DPS can't be reached")]
    DpsEndpoint(#[from] WayError),
    /// The plan contains an invalid device id.
    #[error("the plan contains an invalid device id")]
    DeviceId(#[from] IdError),
    /// The plan's models can't be used.
    #[error("the plan's models can't be used: {}", .0.join("; "))]
    Models(Vec<String>),
    /// The assignment cache can't be opened.
    #[error("can't open the assignment cache in {}", shown::path(path))]
    Assignments {
        /// The folder.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
}

/// A process's part of the fleet, ready to run.
#[derive(Debug)]
pub struct Fleet {
    context: Arc<Context>,
    shard: Shard,
    ramp: Ramp,
    schedule: Option<Schedule>,
    roster: Roster,
    devices: Vec<(usize, RegistrationId)>,
    /// Of each device.
    parts: Vec<Part>,
    /// Those that must be refused.
    negative: Vec<((usize, RegistrationId), Part)>,
    days: Days,
    /// How many devices have messages to send, where the plan has a number of them.
    senders: Option<u32>,
    /// How many devices of the whole fleet the stages move.
    of: u32,
}

/// What a process gets besides its plan.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The proxy of the machine.
    pub proxies: Proxies,
    /// How long devices wait for the other side.
    pub patience: Patience,
    /// Enter on the terminal has devices that wait try again, and the log is to say so.
    pub enter_retries: bool,
    /// Whether devices send certificates that have expired or are not valid yet. Otherwise they wait for other ones.
    pub ignores_dates: bool,
    /// When the stages begin; without it, they do when the last device of the fleet has had its turn to register.
    pub schedule: Option<Schedule>,
}

/// What the outside may send to a running fleet.
#[derive(Debug)]
pub enum Input {
    /// A control line.
    Control(Control),
    /// Devices that wait after a failure try again now. Answered with how many do.
    Retry(oneshot::Sender<u32>),
    /// Drain and stop.
    Stop,
}

impl Fleet {
    /// Prepares the devices of `shard`. Lines are sent to `lines` from here on.
    ///
    /// # Errors
    ///
    /// The plan names roots, a host or ids that can't be used, or the state folder can't be used.
    pub fn new(
        plan: Plan,
        shard: Shard,
        settings: Settings,
        lines: mpsc::UnboundedSender<Line>,
    ) -> Result<Self, FleetError> {
        let Target { port, transport, .. } = plan.target;
        let Settings {
            proxies,
            patience,
            enter_retries,
            ignores_dates,
            schedule,
        } = settings;
        let sources = &plan.source_addresses;
        let way = Connector {
            tls: tls(plan.target.ca.as_deref())?,
            port,
            transport,
            proxies,
            sources: (!sources.is_empty()).then(|| Arc::new(sources.iter().copied().collect())),
        };
        let dps = way.to(&plan.target.dps_endpoint)?;
        let cached = assignment::Shard {
            index: shard.index,
            count: shard.count.get(),
        };
        let open = |path: PathBuf| {
            AssignmentCache::open(&path, cached).map_err(|source| FleetError::Assignments { path, source })
        };
        let assignments = plan.state.clone().map(open).transpose()?;
        let mut devices = plan.devices(shard)?;
        let models = Models::read(&plan.models).map_err(FleetError::Models)?;
        let groups = plan.groups.iter().map(|group| {
            let gateway = group.gateway.as_ref().map(|gateway| {
                let tls = match &gateway.ca {
                    Some(ca) => tls(Some(ca))?,
                    None => way.tls.clone(),
                };
                way.to_gateway(gateway, tls).map_err(|source| FleetError::Gateway {
                    group: group.name.clone(),
                    source,
                })
            });
            let blueprint = Blueprint::new(group.model, &group.room, &group.behaviours, &models);
            let blueprint = blueprint.map_err(|problems| {
                FleetError::Models(
                    problems
                        .iter()
                        .map(|problem| format!("{}: {problem}", group.name))
                        .collect(),
                )
            })?;
            Ok::<_, FleetError>(GroupContext::new(group, blueprint, gateway.transpose()?))
        });
        let groups: Vec<GroupContext> = groups.collect::<Result<_, _>>()?;
        let components: Vec<_> = groups.iter().map(|group| group.components.len()).collect();
        let mut parts = spread::parts(&plan, &components, shard);
        // Those that must be refused are the last ones; what moves the fleet does not move them.
        let positive = devices.partition_point(|(group, _)| groups[*group].expect.is_none());
        let negative: Vec<_> = devices
            .split_off(positive)
            .into_iter()
            .zip(parts.split_off(positive))
            .collect();
        let days = Days::new(
            plan.seed,
            devices
                .iter()
                .zip(&parts)
                .enumerate()
                .map(|(index, ((group, id), part))| {
                    let load = groups[*group].loads.get(usize::from(part.profile));
                    (index, load.and_then(|load| load.day.as_ref()), id.as_str())
                }),
        );
        let senders = parts
            .iter()
            .filter(|part| part.messages.is_some_and(|messages| messages > 0));
        let senders = plan
            .messages
            .map(|_| u32::try_from(senders.count()).unwrap_or(u32::MAX));
        let names = plan.groups.iter().map(|group| group.name.clone());
        let roster = Roster::new(plan.seed, shard, names.clone().collect(), &devices);
        let mut sizes = vec![0; plan.groups.len()];
        for (group, _) in devices.iter().chain(negative.iter().map(|(device, _)| device)) {
            sizes[*group] += 1;
        }
        let of = plan.positive_count();
        // Where the clock of a machine is before the start of the plan, only the start itself is in common.
        let age = Timestamp::now()
            .duration_since(plan.start)
            .try_into()
            .unwrap_or_default();
        let epoch = Epoch::new(Instant::now(), age);
        let context = Arc::new(Context {
            groups,
            register_limiter: RateLimiter::new(plan.rates.register_per_s, shard, epoch),
            connect_limiter: RateLimiter::new(plan.rates.connect_per_s, shard, epoch),
            metrics: Metrics::new(names.zip(sizes)),
            settled: Barrier::default(),
            messages_sent: Barrier::default(),
            loading: Semaphore::new(LOADING),
            run_id: plan.run_id,
            seed: plan.seed,
            target: plan.target,
            dps,
            way,
            patience,
            ignores_dates,
            assignments,
            lines,
            begun: Instant::now(),
            enter_retries,
        });
        let all = devices.iter().zip(&parts);
        for ((group, _), part) in all.chain(negative.iter().map(|(device, part)| (device, part))) {
            for fault in part.faults.of(&context.groups[*group].faults) {
                context
                    .metrics
                    .count_reason(*group, counter::DEVICES_FAULTY, fault.word());
            }
        }
        for ((group, _), _) in &negative {
            context.metrics.count(*group, Counter::DevicesNegative);
        }
        Ok(Self {
            context,
            shard,
            ramp: Ramp::new(plan.stages),
            schedule,
            roster,
            devices,
            parts,
            negative,
            days,
            senders,
            of,
        })
    }

    /// Runs until the stages are over or the input is [`Input::Stop`] (or ends).
    pub async fn run(self, input: mpsc::UnboundedReceiver<Input>) -> EndReason {
        let Self {
            context,
            shard,
            ramp,
            schedule,
            roster,
            devices,
            parts,
            negative,
            days,
            senders,
            of,
        } = self;
        context.send(Line::Ready {
            version: LINES_VERSION,
            shard: shard.to_string(),
            devices: u32::try_from(devices.len() + negative.len()).unwrap_or(u32::MAX),
            pid: std::process::id(),
        });
        let mut tasks = JoinSet::new();
        for (((group, id), part), mailbox) in devices.into_iter().zip(parts).zip(roster.mailboxes()) {
            tasks.spawn(Device::new(Arc::clone(&context), Arc::clone(mailbox), id, (group, part)).live());
        }
        let negative: Vec<_> = negative
            .into_iter()
            .map(|((group, id), part)| {
                let mailbox = Arc::new(Mailbox::default());
                mailbox.want_online();
                tasks.spawn(Device::new(Arc::clone(&context), Arc::clone(&mailbox), id, (group, part)).live());
                mailbox
            })
            .collect();
        let conductor = Conductor {
            negative,
            context: Arc::clone(&context),
            shard,
            of,
            ramp,
            schedule,
            roster,
            days,
            senders,
            absences: Absences::default(),
            input,
        };
        let mut reporting = Reporting {
            context: Arc::clone(&context),
            begun: Instant::now(),
            seq: 0,
            usage: Usage::begin(),
            lag: Lag::begin(),
            encoder: Encoder::default(),
        };

        let conducting = conductor.conduct(&mut tasks);
        let (reason, outcomes) = tokio::select! {
            ended = conducting => ended,
            never = reporting.run() => match never {},
        };
        for outcome in &outcomes {
            if let Some(reason) = outcome.failure() {
                context
                    .metrics
                    .count_reason(outcome.group, counter::DEVICES_FAILED, reason);
            }
        }
        reporting.report();
        context.send(Line::End { reason });
        reason
    }
}

/// Trust in the roots of a file, or in the public ones.
fn tls(ca: Option<&Path>) -> Result<Tls, FleetError> {
    Ok(Tls::new(load::trust_roots(ca)?)?)
}

/// Writes the stats lines.
struct Reporting {
    context: Arc<Context>,
    begun: Instant,
    seq: u64,
    usage: Usage,
    lag: Lag,
    encoder: Encoder,
}

impl Reporting {
    async fn run(&mut self) -> std::convert::Infallible {
        let mut interval = interval(STATS_EVERY);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            self.report();
        }
    }

    fn report(&mut self) {
        let t = self.begun.elapsed().as_secs_f64();
        let mut stats = self.context.metrics.stats(self.seq, t, &mut self.encoder);
        stats.process = Some(ProcessStats {
            lag: self.lag.take(&mut self.encoder),
            ..self.usage.sample(self.seq)
        });
        self.seq += 1;
        self.context.send(Line::Stats(stats));
    }
}
