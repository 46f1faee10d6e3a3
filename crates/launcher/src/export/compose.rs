//! The export for Docker Compose: a fleet on one machine, two services for each shard. One makes the leaves, the other
//! simulates the devices.

use std::collections::BTreeMap;

use fleet_report::words::{self, counted};
use serde::Serialize;

use super::container;
use super::model::{Collector, Export, ExportFile};
use super::yaml::{Commented, commented, document};
use crate::exit::Failure;

#[derive(Debug, Serialize)]
struct File {
    services: BTreeMap<String, Service>,
    volumes: BTreeMap<String, Empty>,
}

/// A value that has nothing to configure.
#[derive(Debug, Serialize)]
struct Empty {}

#[derive(Debug, Serialize)]
struct Service {
    image: String,
    command: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    profiles: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    environment: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    depends_on: BTreeMap<String, Condition>,
    restart: Commented<&'static str>,
    stop_grace_period: String,
    read_only: bool,
    cap_drop: Vec<&'static str>,
    security_opt: Vec<&'static str>,
    volumes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Condition {
    condition: &'static str,
}

/// The files for Docker Compose.
///
/// # Errors
///
/// The file can't be put into YAML.
pub(super) fn render(export: &Export) -> Result<Vec<ExportFile>, Failure> {
    let (mut services, mut volumes) = (BTreeMap::new(), vec!["work".to_owned()]);
    let mut files: Vec<_> = export.config.iter().map(|file| file.below("config")).collect();
    for (index, shard) in (0..).zip(&export.shard_files) {
        if !shard.authorities.is_empty() {
            services.insert(format!("leaves-{index}"), leaves(export, index));
            volumes.push(format!("leaves-{index}"));
        }
        services.insert(format!("sim-{index}"), sim(export, index));
        let mut below = |folder: &str, of: &[ExportFile]| {
            let folder = format!("{folder}/shard-{index}");
            files.extend(of.iter().map(|file| file.below(&folder)));
        };
        below("authorities", &shard.authorities);
        below("certificates", &shard.certificates);
        if let Some(collector) = &export.collector {
            below("sims", &collector.sims[index as usize]);
        }
    }
    if let Some(collector) = &export.collector {
        services.insert(container::COLLECTOR_HOST.to_owned(), collect(export, collector));
        files.extend(collector.credentials.iter().map(|file| file.below("collector")));
    }
    services.insert("report".to_owned(), report(export));
    let file = File {
        services,
        volumes: volumes.into_iter().map(|name| (name, Empty {})).collect(),
    };
    let head = format!(
        "# {} in {}, run {}:\n#\n#   docker compose up\n#   docker compose run --rm report\n#\n\
         # The files beside this one hold keys. Containers read them as user {}, so only the folder above keeps others
         # out.\n",
        words::devices(export.devices),
        counted(export.shards.get(), "shard", "shards"),
        export.run_id,
        container::USER
    );
    files.push(ExportFile::open("compose.yaml", head + &document(&file)?));
    Ok(files.into_iter().map(ExportFile::for_containers).collect())
}

fn service(export: &Export, command: Vec<String>, volumes: Vec<String>) -> Service {
    Service {
        image: export.image.clone(),
        command,
        profiles: Vec::new(),
        environment: Vec::new(),
        depends_on: BTreeMap::new(),
        restart: commented("no", ""),
        stop_grace_period: format!("{}s", container::GRACE_S),
        read_only: true,
        cap_drop: vec!["ALL"],
        security_opt: vec!["no-new-privileges:true"],
        volumes,
    }
}

fn config() -> String {
    format!("./config:{}:ro", container::CONFIG)
}

fn work() -> String {
    format!("work:{}", container::WORK)
}

fn leaves(export: &Export, index: u32) -> Service {
    let volumes = vec![
        config(),
        format!("./authorities/shard-{index}:{}:ro", container::AUTHORITIES),
        format!("leaves-{index}:{}", container::LEAVES),
    ];
    service(export, export.leaves_arguments(Some(index)), volumes)
}

fn sim(export: &Export, index: u32) -> Service {
    let shard = &export.shard_files[index as usize];
    let mut volumes = vec![config(), work()];
    let mut depends_on = BTreeMap::new();
    if !shard.authorities.is_empty() {
        volumes.push(format!("leaves-{index}:{}:ro", container::LEAVES));
        let condition = "service_completed_successfully";
        depends_on.insert(format!("leaves-{index}"), Condition { condition });
    }
    if !shard.certificates.is_empty() {
        volumes.push(format!("./certificates/shard-{index}:{}:ro", container::CERTIFICATES));
    }
    if export.collector.is_some() {
        volumes.push(format!("./sims/shard-{index}:{}:ro", container::COLLECTOR));
    }
    let mut command = export.sim_arguments(Some(index));
    command.extend(export.collector_arguments());
    Service {
        depends_on,
        restart: commented("on-failure:2", "as often as an Indexed Job tries a shard again"),
        ..service(export, command, volumes)
    }
}

fn collect(export: &Export, collector: &Collector) -> Service {
    let mut volumes = vec![config(), work(), format!("./collector:{}:ro", container::COLLECTOR)];
    let token = export
        .application
        .as_ref()
        .map(|application| &application.token_variable);
    if let Some(None) = token {
        volumes.push(format!(
            "${{FLEET_API_TOKEN_FILE:-./api_token}}:{}/{}:ro",
            container::TOKEN_FOLDER,
            container::TOKEN
        ));
    }
    Service {
        environment: token.into_iter().flatten().cloned().collect(),
        ..service(export, export.collect_arguments(collector), volumes)
    }
}

/// At any time: one report of what the sims have written.
fn report(export: &Export) -> Service {
    let results = format!("{}/results", container::WORK);
    let report = format!("--report={}/merged", container::WORK);
    let command = vec!["report".to_owned(), "merge".to_owned(), results, report];
    Service {
        profiles: vec!["report"],
        ..service(export, command, vec![work()])
    }
}
