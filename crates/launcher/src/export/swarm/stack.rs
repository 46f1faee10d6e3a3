//! The stack of the collector.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{NETWORK, TOKEN, needs_token};
use crate::export::container;
use crate::export::model::{Collector, Export, ExportFile};
use crate::export::yaml::{Commented, commented, document};

/// Where Swarm keeps the report: a volume of the node that has the collector.
const REPORT: &str = "report";

/// How long a shard may be away.
const LOST_AFTER: &str = "15m";

/// A stack file, of the one service that there is.
#[derive(Debug, Serialize)]
struct Stack {
    version: Commented<&'static str>,
    services: Services,
    networks: BTreeMap<&'static str, External>,
    configs: BTreeMap<String, External>,
    secrets: BTreeMap<String, External>,
    volumes: BTreeMap<&'static str, Empty>,
}

#[derive(Debug, Serialize)]
struct Services {
    collect: Service,
}

#[derive(Debug, Serialize)]
struct Service {
    image: String,
    command: Vec<String>,
    user: String,
    read_only: bool,
    cap_drop: Vec<&'static str>,
    stop_grace_period: String,
    networks: BTreeMap<&'static str, Aliases>,
    configs: Vec<Mounted>,
    secrets: Vec<Mounted>,
    volumes: Vec<String>,
    deploy: Deploy,
}

#[derive(Debug, Serialize)]
struct Aliases {
    aliases: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
struct Mounted {
    source: String,
    target: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gid: Option<String>,
    mode: Commented<u32>,
}

#[derive(Debug, Serialize)]
struct Deploy {
    endpoint_mode: &'static str,
    placement: Placement,
    restart_policy: RestartPolicy,
    resources: Resources,
}

#[derive(Debug, Serialize)]
struct Placement {
    constraints: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
struct RestartPolicy {
    condition: Commented<&'static str>,
}

#[derive(Debug, Serialize)]
struct Resources {
    limits: Amounts,
    reservations: Amounts,
}

#[derive(Debug, Serialize)]
struct Amounts {
    #[serde(skip_serializing_if = "Option::is_none")]
    cpus: Option<String>,
    memory: String,
}

/// Something that deploy.sh has made.
#[derive(Debug, Serialize)]
struct External {
    external: bool,
    name: String,
}

#[derive(Debug, Serialize)]
struct Empty {}

/// `stack.yaml`, where there is a collector.
///
/// # Errors
///
/// It can't be put into YAML.
pub(super) fn stack(export: &Export) -> anyhow::Result<Option<String>> {
    let Some(collector) = &export.collector else {
        return Ok(None);
    };
    let external = |file: &ExportFile| {
        let name = format!("fleet-{}-{}", export.run_id, file.path);
        (file.path.clone(), External::of(name))
    };
    let token = needs_token(export).then(|| (container::TOKEN.to_owned(), External::of(TOKEN.to_owned())));
    let stack = Stack {
        version: commented("3.8", "of the format; nothing newer than Docker 20.10 is asked for"),
        services: Services {
            collect: service(export, collector),
        },
        networks: BTreeMap::from([(NETWORK, External::of(NETWORK.to_owned()))]),
        configs: export.config.iter().map(external).collect(),
        secrets: collector.credentials.iter().map(external).chain(token).collect(),
        volumes: BTreeMap::from([(REPORT, Empty {})]),
    };
    let text = document(&stack)?;
    Ok(Some(format!(
        "# The collector: it gathers the figures of all shards, judges them and ends with the exit code of the run.\n{text}"
    )))
}

fn service(export: &Export, collector: &Collector) -> Service {
    let mut arguments = export.collect_arguments(collector);
    // A person has to remove a node that is down, before its shard comes back.
    arguments.push(format!("--lost-after={LOST_AFTER}"));
    let user = container::USER;
    let token = format!("{}/{}", container::TOKEN_FOLDER, container::TOKEN);
    if export
        .application
        .as_ref()
        .is_some_and(|application| application.token_variable.is_some())
    {
        // Swarm puts no secret into a variable.
        arguments.push(format!("--set=target.api_token={{ file = \"{token}\" }}"));
    }
    let credentials = collector.credentials.iter().map(|file| {
        let target = format!("{}/{}", container::COLLECTOR, file.path);
        Mounted::secret(&file.path, target)
    });
    let token = needs_token(export).then(|| Mounted::secret(container::TOKEN, token));
    Service {
        image: literal(&export.image),
        command: arguments.iter().map(|argument| literal(argument)).collect(),
        user: format!("{user}:{user}"),
        read_only: true,
        cap_drop: vec!["ALL"],
        stop_grace_period: format!("{}s", container::GRACE_S),
        networks: BTreeMap::from([(
            NETWORK,
            Aliases {
                aliases: vec![container::COLLECTOR_HOST],
            },
        )]),
        configs: export.config.iter().map(|file| Mounted::config(&file.path)).collect(),
        secrets: credentials.chain(token).collect(),
        volumes: vec![format!("{REPORT}:{}", container::WORK)],
        deploy: deploy(collector),
    }
}

fn deploy(collector: &Collector) -> Deploy {
    let needs = &collector.needs;
    Deploy {
        endpoint_mode: "dnsrr",
        placement: Placement {
            constraints: vec!["node.role == manager"],
        },
        restart_policy: RestartPolicy {
            condition: commented("none", "its end is the verdict"),
        },
        resources: Resources {
            limits: Amounts {
                cpus: None,
                memory: format!("{}M", needs.memory_limit_mib),
            },
            reservations: Amounts {
                cpus: Some(format!("{}.{:03}", needs.millicores / 1000, needs.millicores % 1000)),
                memory: format!("{}M", needs.memory_mib),
            },
        },
    }
}

/// A stack file replaces `$NAME` by a variable.
fn literal(text: &str) -> String {
    text.replace('$', "$$")
}

impl Mounted {
    fn config(name: &str) -> Self {
        Self {
            source: name.to_owned(),
            target: format!("{}/{name}", container::CONFIG),
            uid: None,
            gid: None,
            mode: commented(0o444, "0444"),
        }
    }

    fn secret(source: &str, target: String) -> Self {
        let user = || Some(container::USER.to_string());
        Self {
            source: source.to_owned(),
            target,
            uid: user(),
            gid: user(),
            mode: commented(0o400, "0400"),
        }
    }
}

impl External {
    fn of(name: String) -> Self {
        Self { external: true, name }
    }
}
