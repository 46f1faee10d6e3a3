//! `fleet edge-config`: the `/etc/aziot/config.toml` with which a real IoT Edge device takes up an identity of the fleet.
//!
//! <https://learn.microsoft.com/azure/iot-edge/how-to-provision-devices-at-scale-linux-x509> and the
//! [template](https://github.com/Azure/iotedge/blob/main/edgelet/contrib/config/linux/template.toml) that is installed.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use device_sim::hint::Hint;
use iot_protocol::id::IdScope;
use iot_protocol::shown;
use jiff::Timestamp;
use reqwest::Url;

use crate::exit::Failure;
use crate::manifest::Manifest;
use crate::manifest::types::{Group, Target};
use crate::paths::absolute;
use crate::prepare::application::{Application, secret};
use crate::prepare::identities::{group_spec, open_edge_cas};
use crate::prepare::plan;

/// Where every IoT Edge device registers by default.
/// <https://learn.microsoft.com/azure/iot-dps/concepts-service#device-provisioning-endpoint>
const GLOBAL_DPS: &str = "global.azure-devices-provisioning.net";

/// The folders for certificates and keys, each of which belongs to another service of the runtime.
/// <https://learn.microsoft.com/azure/iot-edge/how-to-manage-device-certificates>
const CERTS: &str = "certs";
const SECRETS: &str = "secrets";

/// What to write.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// The Edge device.
    pub device: String,
    /// The folder of the device in which its files will be, certificates in `certs` and keys in `secrets`; without one they
    /// are named where they are here.
    pub prefix: Option<PathBuf>,
    /// The id scope, over that of the manifest.
    pub id_scope: Option<IdScope>,
    /// Whether the registration id is written, which is the common name of the certificate anyway.
    pub registration_id: bool,
}

/// A configuration, and the files that it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EdgeConfig {
    /// The content of `config.toml`.
    pub text: String,
    /// The files, here and as the configuration names them.
    pub files: Vec<(PathBuf, PathBuf)>,
    /// Notes for the reader.
    pub notes: Vec<String>,
}

/// Writes the configuration of an Edge device. Certificates that are missing are made.
///
/// # Errors
///
/// The manifest has no such Edge device, its certificates can't be used, or the id scope can't be found out.
pub(crate) async fn write(
    manifest: &Manifest,
    options: &Options,
    now: Timestamp,
    variables: impl Fn(&str) -> Option<String>,
) -> Result<EdgeConfig, Failure> {
    let group = find(manifest, &options.device).map_err(Failure::Refused)?;
    if let Some(prefix) = options.prefix.as_deref().filter(|prefix| !prefix.is_absolute()) {
        return Err(Failure::refused(anyhow!(
            "--prefix `{}` is not an absolute path, such as /var/aziot",
            shown::path(prefix)
        )));
    }
    let mut notes = Vec::new();
    let id_scope = match &options.id_scope {
        Some(id_scope) => id_scope.clone(),
        None => id_scope(manifest, group, &mut notes, variables).await?,
    };
    let files = Files::of(manifest, group, &options.device, now)?;
    let mut needed = Vec::new();
    let mut url = |path: &Path, folder: &str| {
        let place = match (&options.prefix, path.file_name()) {
            (Some(prefix), Some(name)) => prefix.join(folder).join(name),
            _ => path.to_owned(),
        };
        let url = Url::from_file_path(&place)
            .map_err(|()| anyhow!("`{}` can't be written as a file:// address", shown::path(&place)))?;
        needed.push((path.to_owned(), place));
        Ok::<String, Failure>(url.into())
    };
    let mut text = format!(
        "# The configuration of {}, for /etc/aziot/config.toml; take it up with `sudo iotedge config apply`.\n",
        options.device
    );
    let mut line = |key: &str, value: &str| {
        text.push_str(key);
        text.push_str(" = ");
        text.push_str(&toml::Value::from(value).to_string());
        text.push('\n');
    };
    line("hostname", &group.hostname_of(&options.device));
    line("trust_bundle_cert", &url(&files.trust_bundle, CERTS)?);
    line("auto_reprovisioning_mode", "Dynamic");
    line("\n[provisioning]\nsource", "dps");
    line(
        "global_endpoint",
        &format!("https://{}", dps_endpoint(&manifest.target)),
    );
    line("id_scope", id_scope.as_str());
    line("\n[provisioning.attestation]\nmethod", "x509");
    if options.registration_id {
        line("registration_id", &options.device);
    }
    line("identity_cert", &url(&files.identity_cert, CERTS)?);
    line("identity_pk", &url(&files.identity_pk, SECRETS)?);
    line("\n[edge_ca]\ncert", &url(&files.edge_ca_cert, CERTS)?);
    line("pk", &url(&files.edge_ca_pk, SECRETS)?);
    Ok(EdgeConfig {
        text,
        files: needed,
        notes,
    })
}

/// The group of an Edge device, or who else could have been meant.
fn find<'a>(manifest: &'a Manifest, device: &str) -> anyhow::Result<&'a Group> {
    if let Some((_, group)) = manifest.edge_group(device) {
        return Ok(group);
    }
    if plan::holds(&plan::groups(manifest)?, device) {
        return Err(anyhow!("{device} is no IoT Edge device").hint("those are in a [[group]] with kind = \"edge\""));
    }
    let ids = plan::edge_devices(manifest);
    let nearest = ids
        .map(|known| (strsim::damerau_levenshtein(&known, device), known))
        .min_by_key(|(distance, _)| *distance);
    Err(match nearest {
        Some((_, known)) => {
            anyhow!("there is no device `{device}` in the manifest").hint(format!("did you mean `{known}`?"))
        }
        None => anyhow!("there is no device `{device}` in the manifest, and no IoT Edge device at all")
            .hint("those are in a [[group]] with kind = \"edge\""),
    })
}

/// What a configuration names.
struct Files {
    trust_bundle: PathBuf,
    identity_cert: PathBuf,
    identity_pk: PathBuf,
    edge_ca_cert: PathBuf,
    edge_ca_pk: PathBuf,
}

impl Files {
    fn of(manifest: &Manifest, group: &Group, device: &str, now: Timestamp) -> Result<Self, Failure> {
        let certs = absolute(&manifest.fleet.certs)?;
        let ids = (0..group.devices.count).map(|index| group.devices.id(index));
        let identities = group_spec(&certs, group)
            .open_or_create(ids, now, &|_, _| {})
            .map_err(|problems| Failure::refused(anyhow!("the certificates on disk can't be used\n{problems}")))?;
        open_edge_cas(group, &identities, now).map_err(|problems| {
            let problems = provisioning::identities::Problems(problems);
            Failure::refused(anyhow!("the Edge CAs on disk can't be used\n{problems}"))
        })?;
        let folder = &identities.folder;
        let current = folder.current_generation().map_err(Failure::refused)?;
        let leaf = folder.leaf_paths(current.context("there are no leaves")?, device);
        let edge_ca = folder.edge_ca_paths(identities.ca.generation, device);
        Ok(Self {
            trust_bundle: edge_ca.trust_bundle,
            identity_cert: leaf.fullchain,
            identity_pk: leaf.key,
            edge_ca_cert: edge_ca.fullchain,
            edge_ca_pk: edge_ca.key,
        })
    }
}

fn dps_endpoint(target: &Target) -> &str {
    match target {
        Target::Emulator(_) => GLOBAL_DPS,
        Target::IotCentral(target) => &target.endpoint.dps_endpoint,
        Target::Dps(target) => &target.endpoint.dps_endpoint,
    }
}

async fn id_scope(
    manifest: &Manifest,
    group: &Group,
    notes: &mut Vec<String>,
    variables: impl Fn(&str) -> Option<String>,
) -> Result<IdScope, Failure> {
    match &manifest.target {
        Target::Dps(target) => Ok(target.id_scope.clone()),
        Target::Emulator(_) => {
            notes.push(
                "the id scope is that of the emulator, and the endpoint that of Azure: change `global_endpoint` to \
                 register with the emulator, or give the scope of a real DPS with --id-scope"
                    .to_owned(),
            );
            Ok(iot_emulator::Config::default().id_scope)
        }
        Target::IotCentral(target) => {
            if let Some(id_scope) = &target.id_scope {
                return Ok(id_scope.clone());
            }
            let token = target
                .api_token
                .as_ref()
                .context("there is no API token to find the id scope with")?;
            let token = secret(token, variables).map_err(Failure::Refused)?;
            let ca = target.endpoint.ca.as_deref();
            let application = Application::new(&target.app, &token, ca).map_err(Failure::Refused)?;
            let found = application.central.group_id_scope(&group.id).await;
            let found = found
                .context("the id scope can't be found out")
                .hint("enroll the group first, or give --id-scope")?;
            let found = found
                .context("the application does not return its id scope")
                .hint("give --id-scope")?;
            Ok(IdScope::new(&found).context("the application returned an invalid id scope")?)
        }
    }
}
