//! The clients that are compared with device-sim, each in a process of its own.
//!
//! They read the same plan, begin registrations and connections at the same rates, and tell the same figures in the same
//! lines. What they leave out is everything else that a device does: no room, no outbox, no twin, no recovery. Whatever
//! goes wrong ends the process.

pub(crate) mod acceptor;
pub(crate) mod floor;
pub(crate) mod rumqttc;
mod wire;

use std::collections::BTreeMap;
use std::future::Future;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use device_sim::plan_file;
use fleet_protocol::lines::{Line, Stats, counter};
use fleet_protocol::plan::{CredentialSource, Plan, Shard};
use iot_protocol::id::DeviceId;
use provisioning::identities::{Generation, GroupFolder, LeafPaths};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// How many messages may be unacknowledged at once, as in device-sim.
const WINDOW: u16 = 64;
/// Between the last registration and the first connection to the hub; see `case::PAUSE`.
const PAUSE: Duration = crate::case::PAUSE;

/// What a contender is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The plan, as device-sim reads it
    #[arg(long)]
    plan: PathBuf,
    /// Send whenever the window of unacknowledged messages has room, instead of by the clock
    #[arg(long)]
    window_full: bool,
}

/// What the devices of a process share.
#[derive(Debug)]
pub(crate) struct Fleet {
    plan: Plan,
    devices: Vec<DeviceId>,
    window_full: bool,
    folder: GroupFolder,
    generation: Generation,
    ca_pem: Vec<u8>,
    tls: ClientConfig,
    begun: Instant,
    registered: AtomicU64,
    connected: AtomicU64,
    acknowledged: AtomicU64,
    /// When the connections to the hub begin.
    connecting: watch::Sender<Option<Instant>>,
}

/// Runs a device's whole life, `live`, for every device of the plan, until stdin ends.
pub(crate) async fn run<F>(args: &Args, live: impl Fn(Arc<Fleet>, usize) -> F) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let fleet = Arc::new(Fleet::read(args)?);
    let mut devices = JoinSet::new();
    for index in 0..fleet.devices.len() {
        devices.spawn(live(Arc::clone(&fleet), index));
    }
    tokio::select! {
        ended = devices.join_next() => match ended {
            Some(ended) => ended?.and_then(|()| bail!("a device stopped by itself")),
            None => bail!("the plan has no devices"),
        },
        told = tell(&fleet) => told,
        ended = stdin_ended() => Ok(ended?),
    }
}

/// Writes a line of figures every second, as device-sim does.
async fn tell(fleet: &Fleet) -> anyhow::Result<()> {
    let mut every = interval(Duration::from_secs(1));
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let counters = [
            (counter::DEVICES_REGISTERED, &fleet.registered),
            (counter::DEVICES_CONNECTED, &fleet.connected),
            (counter::TELEMETRY_ACKED, &fleet.acknowledged),
        ];
        let stats = Stats {
            t: fleet.begun.elapsed().as_secs_f64(),
            counters: BTreeMap::from(counters.map(|(name, count)| (name.to_owned(), count.load(Ordering::Relaxed)))),
            ..Stats::default()
        };
        let mut line = serde_json::to_vec(&Line::Stats(stats))?;
        line.push(b'\n');
        std::io::stdout().write_all(&line)?;
    }
}

/// A thread of its own reads: a pending read on the runtime would keep the process from ending for another reason.
async fn stdin_ended() -> Result<(), oneshot::error::RecvError> {
    let (ended, wait) = oneshot::channel();
    std::thread::spawn(move || {
        while matches!(std::io::stdin().read(&mut [0; 64]), Ok(1..)) {}
        // Nobody waits any more when the process ends for another reason.
        let _ = ended.send(());
    });
    wait.await
}

impl Fleet {
    fn read(args: &Args) -> anyhow::Result<Self> {
        let plan = plan_file::read(&args.plan)?;
        let devices = plan.devices(Shard::WHOLE)?;
        let devices = devices.iter().map(|(_, id)| id.as_str().parse());
        let [group] = plan.groups.as_slice() else {
            bail!("the plan of a benchmark has one group");
        };
        let CredentialSource::Group(folder) = &group.credentials else {
            bail!("the devices of a benchmark belong to an enrollment group");
        };
        let folder = GroupFolder::at(folder);
        let generation = folder.current_generation()?.context("no leaves have been made")?;
        let ca = plan.target.ca.as_ref().context("the plan names no roots to trust")?;
        let ca_pem = std::fs::read(ca)?;
        Ok(Self {
            devices: devices.collect::<Result<_, _>>()?,
            window_full: args.window_full,
            tls: base_config(&ca_pem)?,
            folder,
            generation,
            ca_pem,
            plan,
            begun: Instant::now(),
            registered: AtomicU64::new(0),
            connected: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            connecting: watch::Sender::new(None),
        })
    }

    fn leaf_paths(&self, index: usize) -> LeafPaths {
        self.folder.leaf_paths(self.generation, self.devices[index].as_str())
    }

    /// The TLS of one device: the shared configuration with its own leaf, loaded just now.
    fn device_tls(&self, index: usize) -> anyhow::Result<Arc<ClientConfig>> {
        let paths = self.leaf_paths(index);
        let chain = CertificateDer::pem_file_iter(paths.fullchain)?.collect::<Result<Vec<_>, _>>()?;
        let key = aws_lc_rs::sign::any_supported_type(&PrivateKeyDer::from_pem_file(paths.key)?)?;
        let mut config = self.tls.clone();
        config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(CertifiedKey::new(chain, key)));
        Ok(Arc::new(config))
    }

    /// Waits until the device may go to DPS.
    async fn register_turn(&self, index: usize) {
        sleep_until(self.begun + turn(index, self.plan.rates.register_per_s)).await;
    }

    /// Waits until the device may go to the hub: in its turn, after all have registered.
    async fn connect_turn(&self, index: usize) -> anyhow::Result<()> {
        let begin = *self.connecting.subscribe().wait_for(Option::is_some).await?;
        let begin = begin.ok_or_else(|| anyhow!("waited for"))?;
        sleep_until(begin + turn(index, self.plan.rates.connect_per_s)).await;
        Ok(())
    }

    /// The device is registered, or was so before.
    fn registered(&self) {
        let before = self.registered.fetch_add(1, Ordering::AcqRel);
        if before + 1 == self.devices.len() as u64 {
            self.connecting.send_replace(Some(Instant::now() + PAUSE));
        }
    }

    fn connected(&self) {
        self.connected.fetch_add(1, Ordering::Relaxed);
    }

    fn acknowledged(&self, count: u64) {
        self.acknowledged.fetch_add(count, Ordering::Relaxed);
    }

    fn interval(&self) -> Duration {
        Duration::from_millis(self.plan.groups[0].telemetry.interval_ms)
    }

    /// When the message after the one that was `due` is due. What has been missed is not made up for.
    fn next_due(&self, due: Instant) -> Instant {
        (due + self.interval()).max(Instant::now())
    }

    /// When the device's first message is due: anywhere within the first interval, the same in every run.
    fn first_due(&self, index: usize) -> Instant {
        let golden = 0.618_033_988_749_894_9;
        Instant::now() + self.interval().mul_f64((index as f64 * golden).fract())
    }
}

/// When it is the turn of the `index`th.
fn turn(index: usize, per_second: f64) -> Duration {
    Duration::from_secs_f64(index as f64 / per_second)
}

/// What mqtt-link configures: TLS 1.2 and 1.3 with aws-lc-rs, and no session is ever resumed.
fn base_config(ca_pem: &[u8]) -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca_pem) {
        roots.add(certificate?)?;
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(config)
}
