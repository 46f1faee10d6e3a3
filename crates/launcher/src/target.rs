//! The target of a run, made ready: an emulator started where one is wanted, everything enrolled, the id scope known.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use device_sim::plan;
use iot_protocol::id::IdScope;
use jiff::Timestamp;

use crate::application::{Application, secret};
use crate::emulator_child::{self, EmulatorChild};
use crate::enrollment;
use crate::exit::Failure;
use crate::identities::Identities;
use crate::manifest::Manifest;
use crate::manifest::types::{DpsTarget, EmulatorTarget, Endpoint, IotCentralTarget, Target};
use crate::roster;
use crate::story::Story;

/// Where devices go, and who can be asked about them.
#[derive(Debug)]
pub struct Ready {
    /// For the plan.
    pub plan: plan::Target,
    /// The application, where there is one.
    pub application: Option<Application>,
    /// The emulator, where the run has started one.
    pub emulator: Option<EmulatorChild>,
}

/// What making a target ready takes.
#[derive(Debug, Clone, Copy)]
pub struct Preparation<'a> {
    /// The manifest.
    pub manifest: &'a Manifest,
    /// The certificates.
    pub identities: &'a Identities,
    /// The first device of the fleet.
    pub first_device: &'a str,
    /// Our own program.
    pub executable: &'a Path,
    /// The date of the run.
    pub now: Timestamp,
    /// Where steps are told.
    pub story: Story,
}

/// Reads what has to be there before anything is started: the API token.
///
/// # Errors
///
/// It is not where the manifest says.
pub fn token(target: &Target, variables: impl Fn(&str) -> Option<String>) -> Result<Option<Token>, Failure> {
    match target {
        Target::IotCentral(target) => secret(&target.api_token, variables)
            .map(|token| Some(Token(token)))
            .map_err(Failure::Refused),
        Target::Emulator(_) | Target::Dps(_) => Ok(None),
    }
}

/// An API token, which nobody prints by mistake.
pub struct Token(String);

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
    pub async fn run(self, token: Option<Token>) -> Result<Ready, Failure> {
        match (&self.manifest.target, token) {
            (Target::Emulator(target), _) => self.emulator(target).await,
            (Target::IotCentral(target), Some(token)) => self.iot_central(target, &token).await,
            (Target::IotCentral(_), None) => Err(anyhow!("there is no API token").into()),
            (Target::Dps(target), _) => self.dps(target),
        }
    }

    async fn emulator(self, target: &EmulatorTarget) -> Result<Ready, Failure> {
        let state = roster::absolute(&self.manifest.fleet.state)?.join("emulator");
        let (transport, port) = (target.transport, target.port.unwrap_or(0));
        let hubs = hub_names(target.hubs);
        let mut weather = vec!["--seed".to_owned(), self.manifest.fleet.seed.to_string()];
        for (flag, setting) in [("--quota", &target.quota), ("--faults", &target.faults)] {
            weather.extend(setting.iter().flat_map(|setting| [flag.to_owned(), setting.clone()]));
        }
        let emulator = EmulatorChild::start(self.executable, &state, port, transport, &hubs, &weather).await?;
        let ready = emulator.ready.clone();
        let port = ready.port(transport).context("the emulator does not speak WebSocket")?;
        let dps_endpoint = ready.hostname.clone();
        let app = ready.app();
        self.story.tell(format!(
            "emulator ready: DPS and hub on {dps_endpoint}:{port}, IoT Central on {app}"
        ));
        let token = std::fs::read_to_string(&ready.api_token_file)
            .with_context(|| format!("can't read `{}`", ready.api_token_file.display()))?;
        let application = Application::new(&app, &token, Some(&ready.ca))?;
        self.tell_page(&application, &ready).await;
        self.enroll(&application).await?;
        Ok(Ready {
            plan: plan::Target {
                id_scope: IdScope::new(&ready.id_scope).context("the emulator has no id scope")?,
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
            application: Some(application),
            emulator: Some(emulator),
        })
    }

    /// Tells where a person can look. Its address is the one without TLS, as browsers do not know the emulator's CA.
    async fn tell_page(&self, application: &Application, ready: &emulator_child::Ready) {
        let page = format!("http://{}", ready.http);
        self.story.tell(match application.sign_in_path().await {
            Ok(path) => format!("look at it: {page}{path} (lets you in once, within ten minutes)"),
            Err(error) => format!(
                "look at it: {page}, with the API token in {}, since there is no link: {error:#}",
                ready.api_token_file.display()
            ),
        });
    }

    async fn iot_central(self, target: &IotCentralTarget, token: &Token) -> Result<Ready, Failure> {
        let application =
            Application::new(&target.app, &token.0, target.endpoint.ca.as_deref()).map_err(Failure::Refused)?;
        self.enroll(&application).await?;
        let id_scope = match &target.id_scope {
            Some(id_scope) => id_scope.clone(),
            None => {
                let found = enrollment::id_scope(&application.central, self.identities, self.first_device).await?;
                self.story.tell(format!("id scope {found} found"));
                IdScope::new(&found).context("the application tells an id scope that is none")?
            }
        };
        Ok(Ready {
            plan: plan_target(id_scope, &target.endpoint)?,
            application: Some(application),
            emulator: None,
        })
    }

    fn dps(self, target: &DpsTarget) -> Result<Ready, Failure> {
        enrollment::tell_what_to_upload(self.manifest, self.identities, self.story);
        Ok(Ready {
            plan: plan_target(target.id_scope.clone(), &target.endpoint)?,
            application: None,
            emulator: None,
        })
    }

    async fn enroll(&self, application: &Application) -> anyhow::Result<()> {
        enrollment::enroll(
            &application.central,
            self.manifest,
            self.identities,
            self.now,
            self.story,
        )
        .await
        .context("enrolling failed")
    }
}

/// The names of several hubs; a single one is named by the emulator.
fn hub_names(hubs: u32) -> Vec<String> {
    match hubs {
        ..=1 => Vec::new(),
        hubs => (1..=hubs).map(|number| format!("hub-{number}.localhost")).collect(),
    }
}

/// Where the devices of a target register, as the plan says it.
pub(crate) fn plan_target(id_scope: IdScope, endpoint: &Endpoint) -> anyhow::Result<plan::Target> {
    let ca: Option<PathBuf> = endpoint.ca.as_deref().map(roster::absolute).transpose()?;
    Ok(plan::Target {
        id_scope,
        dps_endpoint: endpoint.dps_endpoint.clone(),
        port: endpoint.port,
        ca,
        transport: endpoint.transport,
        connect_host: endpoint.connect_host.clone(),
    })
}
