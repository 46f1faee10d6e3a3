//! The target of a run, made ready: an emulator started where one is wanted, everything enrolled, the id scope known.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, anyhow};
use device_sim::hint::Hint;
use fleet_protocol::plan;
use iot_protocol::id::IdScope;
use iot_protocol::shown;
use jiff::Timestamp;
use provisioning::central::Pace;
use provisioning::enroll::Attest;
use tokio::time::Instant;

use crate::control::state_lock::SOCKET;
use crate::exit::Failure;
use crate::manifest::Manifest;
use crate::manifest::types::{EmulatorTarget, Endpoint, Target};
use crate::paths::absolute;
use crate::prepare::application::{Application, secret};
use crate::prepare::edge::{self, Gateways};
use crate::prepare::enrollment::{self, Enrollments, How};
use crate::prepare::identities::Identities;
use crate::process::emulator::{self, EmulatorChild};
use crate::progress::ProgressLog;

/// Where devices go, and who can be asked about them.
#[derive(Debug)]
pub(crate) struct Ready {
    /// For the plan.
    pub plan: plan::Target,
    /// The gateways that devices are behind.
    pub gateways: Gateways,
    /// The application, where there is one.
    pub application: Option<Application>,
    /// The emulator, where the run has started one.
    pub emulator: Option<EmulatorChild>,
}

/// What making a target ready takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Preparation<'a> {
    pub manifest: &'a Manifest,
    pub identities: &'a Identities,
    /// Our own program.
    pub executable: &'a Path,
    /// The date of the run.
    pub now: Timestamp,
    /// Where steps are reported.
    pub progress: ProgressLog,
}

/// Reads what has to be there before anything is started: the API token.
///
/// # Errors
///
/// It is not where the manifest names.
pub(crate) fn token(target: &Target, variables: impl Fn(&str) -> Option<String>) -> Result<Option<Token>, Failure> {
    match target {
        Target::IotCentral(target) => {
            let secret = target.api_token.as_ref().map(|place| secret(place, variables));
            secret
                .transpose()
                .map(|token| token.map(Token))
                .map_err(Failure::Refused)
        }
        Target::Emulator(_) | Target::Dps(_) => Ok(None),
    }
}

/// Refuses what has to ask an application where there is none: `what` is what would be done there.
///
/// # Errors
///
/// The manifest's target is enrolled elsewhere.
pub(crate) fn require_application(target: &Target, what: &str, instead: &str) -> Result<(), Failure> {
    match target {
        Target::Dps(_) => Err(Failure::refused(
            anyhow!("with kind = \"dps\" there is no application {what}").hint(instead.to_owned()),
        )),
        Target::IotCentral(target) if target.api_token.is_none() => Err(Failure::refused(
            anyhow!("without `target.api_token` there is no application {what}")
                .hint("set target.api_token = { env = \"IOTC_API_TOKEN\" }, or do it in IoT Central's pages"),
        )),
        Target::IotCentral(_) | Target::Emulator(_) => Ok(()),
    }
}

/// An API token, which is not printed by mistake.
pub(crate) struct Token(String);

impl Token {
    /// The token itself, for the one header that it belongs into.
    pub(crate) fn secret(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(****)")
    }
}

impl Preparation<'_> {
    /// Goes all the way.
    ///
    /// # Errors
    ///
    /// The target can't be reached or does not agree.
    pub(crate) async fn run(self, token: Option<Token>) -> Result<Ready, Failure> {
        let gateways = edge::emulator_arguments(self.manifest, self.identities)?;
        let opened = open_with(self.manifest, self.executable, token, &gateways, self.progress).await?;
        let Some(application) = &opened.application else {
            enrollment::report_what_to_upload(self.manifest, self.identities, self.progress);
            return self.with_gateways(opened.ready(None)?).await;
        };
        if let Some(emulator) = &opened.emulator {
            self.report_page(application, &emulator.ready).await;
        }
        let enrollments = Enrollments::of(self.manifest, self.identities)?;
        let how = How {
            attest: Attest::Prove,
            now: self.now,
            report_found: false,
            progress: self.progress,
        };
        enrollment::enroll(&application.central, &enrollments, how)
            .await
            .context("enrolling failed")?;
        let found = match &opened.id_scope {
            Some(_) => None,
            None => {
                let found = enrollment::id_scope(&application.central, &enrollments).await?;
                self.progress.report(format!("id scope {found} found"));
                Some(found)
            }
        };
        self.with_gateways(opened.ready(found)?).await
    }

    /// Finds the gateways that devices are behind, and makes them ready.
    async fn with_gateways(&self, ready: Ready) -> Result<Ready, Failure> {
        let preparation = edge::Preparation {
            manifest: self.manifest,
            identities: self.identities,
            target: &ready.plan,
            central: ready.application.as_ref().map(|application| &application.central),
            listeners: ready.emulator.as_ref().map_or(&[], |emulator| &emulator.ready.gateways),
            progress: self.progress,
        };
        let gateways = preparation.run().await.context("the gateways can't be made ready")?;
        Ok(Ready { gateways, ..ready })
    }

    /// Reports where a person can look. Its address is the one without TLS, as browsers do not trust the emulator's CA.
    async fn report_page(&self, application: &Application, ready: &emulator::Ready) {
        let page = format!("http://{}", ready.http);
        self.progress.report(match application.sign_in_path().await {
            Ok(path) => format!("look at it: {page}{path} (lets you in once, within ten minutes)"),
            Err(error) => format!(
                "look at it: {page}, with the API token in {}, since there is no link: {error:#}",
                shown::path(&ready.api_token_file)
            ),
        });
    }
}

/// A target that answers, with nothing enrolled yet.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The application, where there is one.
    pub application: Option<Application>,
    /// The emulator, where one was started.
    pub emulator: Option<EmulatorChild>,
    /// The id scope, where it is known.
    pub id_scope: Option<IdScope>,
    endpoint: Endpoint,
}

/// Reaches a target: starts the emulator where one is wanted, and finds out who can be asked.
///
/// # Errors
///
/// The emulator does not start, or what the manifest has of the application can't be used.
pub(crate) async fn open(
    manifest: &Manifest,
    executable: &Path,
    token: Option<Token>,
    progress: ProgressLog,
) -> Result<Opened, Failure> {
    open_with(manifest, executable, token, &[], progress).await
}

/// The same, with more arguments for the emulator.
async fn open_with(
    manifest: &Manifest,
    executable: &Path,
    token: Option<Token>,
    more: &[String],
    progress: ProgressLog,
) -> Result<Opened, Failure> {
    match (&manifest.target, token) {
        (Target::Emulator(target), _) => open_emulator(manifest, target, executable, more, progress).await,
        (Target::IotCentral(target), Some(token)) => {
            let ca = target.endpoint.ca.as_deref();
            let mut application = Application::new(&target.app, &token.0, ca).map_err(Failure::Refused)?;
            application.central = application
                .central
                .with_pace(Pace::IOT_CENTRAL)
                .on_trouble(now_and_then(progress));
            Ok(Opened {
                application: Some(application),
                emulator: None,
                id_scope: target.id_scope.clone(),
                endpoint: target.endpoint.clone(),
            })
        }
        (Target::IotCentral(target), None) => Ok(Opened {
            application: None,
            emulator: None,
            id_scope: target.id_scope.clone(),
            endpoint: target.endpoint.clone(),
        }),
        (Target::Dps(target), _) => Ok(Opened {
            application: None,
            emulator: None,
            id_scope: Some(target.id_scope.clone()),
            endpoint: target.endpoint.clone(),
        }),
    }
}

/// Reports trouble, but not each of a thousand requests that have the same.
fn now_and_then(progress: ProgressLog) -> impl Fn(String) + Send + Sync + 'static {
    let reported = Mutex::new(None);
    move |words| {
        let now = Instant::now();
        let mut reported = reported.lock().unwrap_or_else(PoisonError::into_inner);
        if reported.is_none_or(|reported| now.duration_since(reported) >= APART) {
            *reported = Some(now);
            progress.report(words);
        }
    }
}

/// Trouble is reported no more often.
const APART: Duration = Duration::from_secs(2);

/// Where the emulator of a manifest keeps its state.
pub(crate) fn emulator_state(manifest: &Manifest) -> anyhow::Result<PathBuf> {
    Ok(absolute(&manifest.fleet.state)?.join("emulator"))
}

async fn open_emulator(
    manifest: &Manifest,
    target: &EmulatorTarget,
    executable: &Path,
    more: &[String],
    progress: ProgressLog,
) -> Result<Opened, Failure> {
    let state = emulator_state(manifest)?;
    let (transport, port) = (target.transport, target.port.unwrap_or(0));
    let hubs = hub_names(target.hubs);
    let mut arguments = vec!["--seed".to_owned(), manifest.fleet.seed.to_string()];
    for (flag, setting) in [("--quota", &target.quota), ("--faults", &target.faults)] {
        arguments.extend(setting.iter().flat_map(|setting| [flag.to_owned(), setting.clone()]));
    }
    arguments.extend(
        target
            .units
            .into_iter()
            .flat_map(|units| ["--units".to_owned(), units.to_string()]),
    );
    arguments.extend_from_slice(more);
    // The socket is there when the devices are. Where its path is no text, the page says what else helps.
    if let Some(socket) = state.with_file_name(SOCKET).to_str() {
        arguments.extend(["--run".to_owned(), socket.to_owned()]);
    }
    let emulator = EmulatorChild::start(executable, &state, port, transport, &hubs, &arguments).await?;
    let ready = emulator.ready.clone();
    let port = ready.port(transport).context("the emulator does not speak WebSocket")?;
    let dps_endpoint = ready.hostname.clone();
    let app = ready.app();
    progress.report(format!(
        "emulator ready: DPS and hub on {dps_endpoint}:{port}, IoT Central on {app}"
    ));
    let token = std::fs::read_to_string(&ready.api_token_file)
        .with_context(|| format!("can't read `{}`", shown::path(&ready.api_token_file)))?;
    let mut application = Application::new(&app, &token, Some(&ready.ca))?;
    application.central = application.central.on_trouble(now_and_then(progress));
    Ok(Opened {
        application: Some(application),
        id_scope: Some(IdScope::new(&ready.id_scope).context("the emulator has no id scope")?),
        endpoint: Endpoint {
            // All hubs are where DPS is; their names need not lead anywhere.
            connect_host: target
                .connect_host
                .clone()
                .or_else(|| (!hubs.is_empty()).then(|| dps_endpoint.clone())),
            dps_endpoint,
            port,
            ca: Some(ready.ca),
            transport,
        },
        emulator: Some(emulator),
    })
}

impl Opened {
    /// With the id scope that was found, where it was not known before.
    fn ready(self, found: Option<String>) -> Result<Ready, Failure> {
        let found = found
            .map(|found| IdScope::new(&found).context("the application returned an invalid id scope"))
            .transpose()?;
        let id_scope = self.id_scope.or(found).context("there is no id scope")?;
        Ok(Ready {
            plan: plan_target(id_scope, &self.endpoint)?,
            gateways: Gateways::default(),
            application: self.application,
            emulator: self.emulator,
        })
    }
}

/// The names of several hubs; a single one is named by the emulator.
fn hub_names(hubs: u32) -> Vec<String> {
    match hubs {
        ..=1 => Vec::new(),
        hubs => (1..=hubs).map(|number| format!("hub-{number}.localhost")).collect(),
    }
}

/// Where the devices of a target register, as the plan has it.
pub(crate) fn plan_target(id_scope: IdScope, endpoint: &Endpoint) -> anyhow::Result<plan::Target> {
    let ca: Option<PathBuf> = endpoint.ca.as_deref().map(absolute).transpose()?;
    Ok(plan::Target {
        id_scope,
        dps_endpoint: endpoint.dps_endpoint.clone(),
        port: endpoint.port,
        ca,
        transport: endpoint.transport,
        connect_host: endpoint.connect_host.clone(),
    })
}
