//! What is checked before anything is started.

use std::net::{IpAddr, Ipv4Addr, TcpListener};

use anyhow::{Context, anyhow};
use device_sim::hint::Hint;
use device_sim::limits::{TooFewFileHandles, ensure_file_handles};
use device_sim::source_addresses::ensure_ours;
use fleet_report::words::{self, counted};

use crate::exit::Failure;

/// Makes sure that every process can open as many connections as it will need, raising the soft limit if it has to.
/// Children inherit it.
///
/// # Errors
///
/// The hard limit is too low.
pub(crate) fn file_handles(devices: u32, processes: u32, with_emulator: bool) -> Result<(), Failure> {
    // The emulator holds one connection of every device; a device-sim process only those of its own.
    let (connections, holder) = match with_emulator {
        true => (devices, Holder::Emulator),
        false => (devices.div_ceil(processes.max(1)), Holder::Sim),
    };
    ensure_file_handles(u64::from(connections))
        .map_err(|too_few| Failure::Refused(explained(too_few, devices, connections, holder)))
}

/// The process that has most connections.
#[derive(Debug, Clone, Copy)]
enum Holder {
    /// Of every device.
    Emulator,
    /// Of its own devices.
    Sim,
}

fn explained(too_few: TooFewFileHandles, devices: u32, connections: u32, holder: Holder) -> anyhow::Error {
    let (whose, instead) = match holder {
        Holder::Emulator => (
            "the emulator",
            "or start several with `fleet emulator`, each for a part of the devices in a manifest of its own",
        ),
        Holder::Sim => (
            "a device-sim process",
            "or let as many processes share the fleet as it takes: `--set load.processes=auto`",
        ),
    };
    let TooFewFileHandles { needed, allowed } = too_few;
    anyhow!(
        "too few file handles for {}: {whose} holds {} and needs {needed}, but the hard limit is {allowed}",
        words::devices(devices),
        counted(connections, "connection", "connections")
    )
    .hint(format!(
        "raise it in the shell that starts fleet: `sudo prlimit --pid $$ --nofile={needed}:{needed}`; for good: \
         `* hard nofile {needed}` in /etc/security/limits.conf, LimitNOFILE={needed} in a systemd unit, \
         `docker run --ulimit nofile={needed}`"
    ))
    .hint(instead)
}

/// Makes sure that connections can begin at all addresses that the manifest names.
///
/// # Errors
///
/// At some they can't.
pub(crate) fn source_addresses(addresses: &[IpAddr]) -> Result<(), Failure> {
    ensure_ours(addresses)
        .map_err(anyhow::Error::from)
        .context("not all of `load.source_addresses` can be used")
        .hint("`ip addr` lists the addresses of this machine, and `ip addr add 10.0.0.5/24 dev eth0` adds one")
        .map_err(Failure::Refused)
}

/// Makes sure that a port which was asked for by number is free.
///
/// # Errors
///
/// Another program listens there, or we may not.
pub(crate) fn port(port: u16) -> Result<(), Failure> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .map(drop)
        .with_context(|| format!("port {port} of this machine, which `target.port` asks for, can't be used"))
        .hint("end the program that listens there, or leave the key out: then any free port is taken")
        .map_err(Failure::Refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_port_is_named() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let busy = listener.local_addr().unwrap().port();
        let failure = port(busy).unwrap_err();
        assert_eq!(failure.code(), crate::exit::REFUSED);
        assert!(
            failure.to_string().starts_with(&format!("port {busy} of this machine")),
            "{failure}"
        );
        // Freed, the port could be taken; any free one is always there.
        port(0).unwrap();
    }

    #[test]
    fn too_few_file_handles_are_explained() {
        let too_few = TooFewFileHandles {
            needed: 10_064,
            allowed: 4096,
        };
        insta::assert_snapshot!(
            "too_few_for_the_emulator",
            explained(too_few, 10_000, 10_000, Holder::Emulator)
        );
        let sim = explained(too_few, 20_000, 10_000, Holder::Sim);
        insta::assert_snapshot!("too_few_for_device_sim", sim);
    }
}
