//! What a child sees of the environment: what it needs, and no secret that is meant for another program.
//!
//! `IOTC_API_TOKEN`, or whatever variable a manifest names for the API token, opens the whole application. Neither
//! device-sim nor the emulator needs it, and a child's environment can be read by every process of the same user.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};

use fleet_protocol::plan::Plan;

use crate::process::orphan;

/// Variables that every child may have, each with the reason.
const ALLOWED: [&str; 26] = [
    // What to log, and how.
    "RUST_LOG",
    "RUST_BACKTRACE",
    "NO_COLOR",
    // The way out of this network, for DPS and hub.
    "HTTPS_PROXY",
    "https_proxy",
    "NO_PROXY",
    "no_proxy",
    // The system's name resolver.
    "RES_OPTIONS",
    "LOCALDOMAIN",
    "HOSTALIASES",
    // Without these some systems can't load the program or open a socket.
    "PATH",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "SystemRoot",
    // Places, language and time of the user.
    "HOME",
    "TMPDIR",
    "TEMP",
    "TMP",
    "LANG",
    "LC_ALL",
    "TZ",
    // How many threads the runtime has, and how the allocator behaves.
    "TOKIO_WORKER_THREADS",
    "MALLOC_ARENA_MAX",
    // Trust of a private PKI, where the platform's libraries look for it.
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    // Coverage of tests that run the real program.
    "LLVM_PROFILE_FILE",
];

/// The variables that a child gets.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment {
    /// Names beyond those that every child has.
    more: BTreeSet<String>,
    /// It ends when this process does.
    ends_with_us: bool,
}

impl Environment {
    /// For a program that needs no secrets.
    #[must_use]
    pub(crate) fn plain() -> Self {
        Self::default()
    }

    /// For a device-sim process: also the passwords of certificates that the plan finds in variables.
    #[must_use]
    pub(crate) fn of_devices(plan: &Plan) -> Self {
        Self {
            more: plan.password_variables().map(str::to_owned).collect(),
            ..Self::default()
        }
    }

    /// For a program that takes no orders from its stdin, and is to end with this process even if that is killed.
    #[must_use]
    pub(crate) fn of_dependent() -> Self {
        Self {
            ends_with_us: true,
            ..Self::default()
        }
    }

    /// What of `all` the child gets.
    pub(super) fn choose(
        &self,
        all: impl Iterator<Item = (OsString, OsString)>,
    ) -> impl Iterator<Item = (OsString, OsString)> {
        let added = self.ends_with_us.then(|| (orphan::VARIABLE.into(), "1".into()));
        all.filter(|(name, _)| self.has(name)).chain(added)
    }

    fn has(&self, name: &OsStr) -> bool {
        name.to_str()
            .is_some_and(|name| ALLOWED.contains(&name) || self.more.contains(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_gets_what_it_needs_and_no_token() {
        let all = [
            "RUST_LOG",
            "IOTC_API_TOKEN",
            "AWS_SECRET_ACCESS_KEY",
            "OWN_PFX_PASSWORD",
            "HTTPS_PROXY",
        ];
        let all = || all.iter().map(|name| (OsString::from(name), OsString::from("x")));
        let names = |environment: Environment| -> Vec<_> {
            environment
                .choose(all())
                .map(|(name, _)| name.into_string().unwrap())
                .collect()
        };
        assert_eq!(names(Environment::plain()), ["RUST_LOG", "HTTPS_PROXY"]);
        let more = BTreeSet::from(["OWN_PFX_PASSWORD".to_owned()]);
        assert_eq!(
            names(Environment {
                more,
                ..Environment::default()
            }),
            ["RUST_LOG", "OWN_PFX_PASSWORD", "HTTPS_PROXY"]
        );
        assert_eq!(
            names(Environment::of_dependent()),
            ["RUST_LOG", "HTTPS_PROXY", "FLEET_ENDS_WITH_STDIN"]
        );
    }
}
