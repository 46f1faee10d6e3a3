//! What all runs share: a folder, an emulator, and an enrolled group with a leaf for every device.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow};
use jiff::Timestamp;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use provisioning::central::{ApiToken, Central};
use provisioning::enroll::{EnrollmentGroupSpec, enroll_group};
use provisioning::identities::{GroupIdentities, Issuer};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use crate::case::{Case, Contender, GROUP, Traffic};
use crate::process::Process;

/// Making a certificate authority and opening three ports takes a moment, not this long.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// The emulator has seen to what a run left behind when it uses less than this share of a core.
const QUIET: f64 = 0.02;

/// What all runs share. Dropping it ends the server, then removes the folder.
#[derive(Debug)]
pub(crate) struct World {
    fleet: PathBuf,
    devices: u32,
    pub(crate) server: Server,
    pub(crate) emulator: Process,
    pub(crate) ready: Ready,
    pub(crate) group_folder: PathBuf,
    starts: u32,
    folder: TempDir,
}

/// What the devices connect to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Server {
    /// The program as shipped.
    Emulator,
    /// The fewest lines that do.
    Acceptor,
}

impl Server {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Emulator => "the emulator",
            Self::Acceptor => "the bare acceptor",
        }
    }
}

/// Whether callgrind counts the instructions of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    Yes,
    No,
}

/// The emulator's ready line.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Ready {
    pub(crate) mqtt: SocketAddr,
    https: Option<SocketAddr>,
    pub(crate) hostname: String,
    pub(crate) id_scope: String,
    pub(crate) ca: PathBuf,
    api_token_file: Option<PathBuf>,
}

impl World {
    /// Starts an emulator, makes `devices` leaves and enrolls their authority.
    pub(crate) async fn make(fleet: &Path, devices: u32) -> anyhow::Result<Self> {
        raise_file_handles()?;
        let folder = tempfile::Builder::new().prefix("fleet-bench-").tempdir()?;
        let mut emulator = Process::start("the emulator", fleet, emulator(&folder.path().join("emulator")))?;
        let ready = Ready::read(&mut emulator).await?;
        let group_folder = enroll(&ready, folder.path().join("certs"), devices).await?;
        Ok(Self {
            fleet: fleet.to_owned(),
            devices,
            server: Server::Emulator,
            emulator,
            ready,
            group_folder,
            starts: 0,
            folder,
        })
    }

    /// The same devices with another server: a new process, which has not seen them before.
    pub(crate) async fn with_server(mut self, server: Server, counted: Counted) -> anyhow::Result<Self> {
        let (name, folder) = (server.name(), self.new_folder()?.1);
        self.server = server;
        self.emulator = match server {
            Server::Emulator => self.begin(name, &self.fleet, emulator(&folder.join("emulator")), counted)?,
            Server::Acceptor => {
                let arguments: [OsString; 5] = [
                    "acceptor".into(),
                    "--root".into(),
                    self.group_folder.join("ca/root_cert.pem").into(),
                    "--ca".into(),
                    folder.join("acceptor_cert.pem").into(),
                ];
                self.begin(name, &std::env::current_exe()?, arguments.into(), counted)?
            }
        };
        self.ready = Ready::read(&mut self.emulator).await?;
        if server == Server::Emulator {
            enroll(&self.ready, self.folder.path().join("certs"), self.devices).await?;
        }
        Ok(self)
    }

    /// Starts a program; if its instructions are counted, the profiles go to [`World::folder`].
    fn begin(&self, name: &str, program: &Path, arguments: Vec<OsString>, counted: Counted) -> anyhow::Result<Process> {
        match counted {
            Counted::Yes => Process::start_counted(name, program, arguments, self.folder()),
            Counted::No => Process::start(name, program, arguments),
        }
    }

    /// The folder of all of this.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A name that was not used before, and a folder that is called so.
    fn new_folder(&mut self) -> anyhow::Result<(String, PathBuf)> {
        self.starts += 1;
        let name = format!("r{}", self.starts);
        let folder = self.folder.path().join(&name);
        std::fs::create_dir(&folder)?;
        Ok((name, folder))
    }

    /// Starts the contender of `case`.
    pub(crate) fn start(&mut self, case: Case, counted: Counted) -> anyhow::Result<Process> {
        let (run_id, folder) = self.new_folder()?;
        let path = folder.join("plan.json");
        let plan = case.plan(self, &run_id, &folder.join("state"))?;
        std::fs::write(&path, serde_json::to_vec(&plan)?)?;

        let mut arguments: Vec<OsString> = vec![case.contender.subcommand().into(), "--plan".into(), path.into()];
        if case.contender == Contender::DeviceSim {
            arguments.extend(["--control".into(), "stdin".into()]);
            return self.begin(case.contender.name(), &self.fleet, arguments, counted);
        }
        if matches!(case.traffic, Traffic::WindowFull) {
            arguments.push("--window-full".into());
        }
        self.begin(case.contender.name(), &std::env::current_exe()?, arguments, counted)
    }

    /// Waits until the server has nothing left to do.
    pub(crate) async fn quiet(&self) -> anyhow::Result<()> {
        let window = Duration::from_millis(500);
        loop {
            let before = self.emulator.cpu()?;
            sleep(window).await;
            if (self.emulator.cpu()? - before).as_secs_f64() < QUIET * window.as_secs_f64() {
                return Ok(());
            }
        }
    }
}

/// How an emulator is started that keeps its state in that folder.
fn emulator(state: &Path) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = ["emulator", "--stop-on-stdin-eof", "--dps-retry-after", "0"]
        .map(Into::into)
        .into();
    for listener in ["--mqtt", "--https", "--http"] {
        arguments.extend([listener.into(), "127.0.0.1:0".into()]);
    }
    arguments.extend(["--state".into(), state.into()]);
    arguments
}

impl Ready {
    /// Reads the first line of a server.
    async fn read(server: &mut Process) -> anyhow::Result<Self> {
        let line = timeout(READY_WITHIN, server.line()).await;
        let line = line.context("the server did not get ready")??;
        serde_json::from_str(&line).with_context(|| format!("the server said `{line}`"))
    }
}

/// Makes the leaves and enrolls their authority through the emulator's REST API. Returns the group's folder.
async fn enroll(ready: &Ready, certs: PathBuf, devices: u32) -> anyhow::Result<PathBuf> {
    let now = Timestamp::now();
    let make = move || {
        let ids = (0..devices).map(|index| format!("{GROUP}-{index:05}"));
        GroupIdentities::open_or_create(&certs, GROUP, Issuer::Root, ids, now, &|_, _| {})
    };
    let identities = tokio::task::spawn_blocking(make).await??;
    let root = identities.ca.root.as_ref().ok_or_else(|| anyhow!("no root was made"))?;

    let token_file = ready.api_token_file.as_ref().context("no API token")?;
    let token = std::fs::read_to_string(token_file)?;
    let trusted = provisioning::certificate::load::trust_roots(Some(&ready.ca))?;
    let https = ready.https.context("no REST API")?;
    let url = format!("https://{}:{}", ready.hostname, https.port());
    let central = Central::new(&url, &ApiToken::new(token.trim()), trusted)?;
    enroll_group(
        &central,
        &EnrollmentGroupSpec::new(GROUP, "Benchmark", root),
        now,
        &|_| {},
    )
    .await?;
    Ok(identities.folder.path().to_owned())
}

/// A connection is a file handle, for the contenders and for the emulator; they inherit the limit.
fn raise_file_handles() -> anyhow::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).context("can't raise the limit of file handles")
}
