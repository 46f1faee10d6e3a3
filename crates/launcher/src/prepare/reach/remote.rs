//! A server that has to answer, and whom it is trusted through.

use std::path::{Path, PathBuf};

use anyhow::Context;
use mqtt_link::TrustRoots;
use provisioning::certificate::load;

use crate::manifest::types::Group;

/// The key of a manifest that names the roots of its target.
pub(super) const CA_KEY: &str = "target.ca";

/// A server that has to answer, and the key of the manifest that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remote {
    /// The name that it has to show.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) key: String,
    /// The host of the TCP connection where that is another, and the key that names it.
    pub(super) connect: Option<(String, String)>,
    /// The key that names its roots, where a manifest or a flag does.
    pub(super) ca_key: &'static str,
    /// Without TLS, which only an emulator on this machine is asked.
    pub(super) plain: bool,
    pub(super) trust: Trust,
}

/// Whom a server is trusted through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trust {
    /// These roots instead of the public ones, if any: `target.ca`.
    Target(Option<PathBuf>),
    /// The root above the Edge CA of this gateway, which may not be made yet.
    Gateway { device: String, root: PathBuf },
}

impl Remote {
    /// A server that speaks TLS, trusted through `ca` or the public roots.
    pub(crate) fn with_tls(host: &str, port: u16, key: &'static str, ca: Option<&Path>) -> Self {
        Self {
            host: host.to_owned(),
            port,
            key: key.to_owned(),
            connect: None,
            ca_key: CA_KEY,
            plain: false,
            trust: Trust::Target(ca.map(Path::to_owned)),
        }
    }

    /// The gateway that an IoT Edge device of `group` is, trusted through `root` as the devices behind it do.
    pub(crate) fn gateway(group: &Group, device: &str, root: PathBuf) -> Self {
        let key = |name: &str| format!("group.{}.{name}", group.id);
        let (connect_host, port) = group.gateway_address_of(device);
        Self {
            host: group.hostname_of(device),
            port,
            key: key("hostname"),
            connect: group
                .gateway_address
                .is_some()
                .then(|| (connect_host, key("gateway_address"))),
            ca_key: CA_KEY,
            plain: false,
            trust: Trust::Gateway {
                device: device.to_owned(),
                root,
            },
        }
    }

    /// The host of the TCP connection.
    pub(crate) fn connect_host(&self) -> &str {
        self.connect.as_ref().map_or(&self.host, |(host, _)| host)
    }

    /// The key that names the host of the TCP connection.
    pub(super) fn connect_key(&self) -> &str {
        self.connect.as_ref().map_or(&self.key, |(_, key)| key)
    }

    /// The root that is not there yet, so that nothing can be verified.
    pub(super) fn missing_root(&self) -> Option<(&str, &Path)> {
        match &self.trust {
            Trust::Gateway { device, root } if !root.exists() => Some((device, root)),
            Trust::Gateway { .. } | Trust::Target(_) => None,
        }
    }

    pub(super) fn roots(&self) -> anyhow::Result<TrustRoots> {
        match &self.trust {
            Trust::Target(ca) => {
                load::trust_roots(ca.as_deref()).with_context(|| format!("`{}` can't be used", self.ca_key))
            }
            // How far one comes shows all the same.
            Trust::Gateway { .. } if self.missing_root().is_some() => Ok(TrustRoots::WebPki),
            Trust::Gateway { root, .. } => {
                load::trust_roots(Some(root)).context("the root above the gateway can't be used")
            }
        }
    }
}
