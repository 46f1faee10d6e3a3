//! What instructions are for.

use super::profile::{Place, Profile};

/// What instructions are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    Crypto,
    Tls,
    Socket,
    Runtime,
    Memory,
    Packets,
    Ours,
    Other,
}

impl Group {
    pub(crate) const ALL: [Self; 8] = [
        Self::Crypto,
        Self::Tls,
        Self::Socket,
        Self::Runtime,
        Self::Memory,
        Self::Packets,
        Self::Ours,
        Self::Other,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Crypto => "encryption (aws-lc)",
            Self::Tls => "TLS (rustls and its stream)",
            Self::Socket => "sockets (tokio, mio, libc)",
            Self::Runtime => "runtime: tasks and timers (tokio)",
            Self::Memory => "allocation and copies (libc)",
            Self::Packets => "MQTT's encoding (rumqttc, bytes)",
            Self::Ours => "ours",
            Self::Other => "everything else",
        }
    }

    fn of(place: &Place) -> Self {
        // Code of the standard library is inlined nearly everywhere: it belongs to the function that it is in.
        if !is_standard(&place.file)
            && let Some(group) = Self::of_name(&place.file)
        {
            return group;
        }
        if place.object.contains("/libc") || place.object.contains("/ld-linux") {
            return Self::of_system(&place.function);
        }
        Self::of_name(&place.function).unwrap_or(Self::Other)
    }

    /// By the path of a file, or by the path of a function with its types.
    fn of_name(name: &str) -> Option<Self> {
        let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
        // The order decides where a name has several: `tokio::net` before `tokio`.
        let rules: [(Self, &[&str]); 8] = [
            (Self::Ours, &["/crates/unbuffered-tls"]),
            (Self::Ours, &["/crates/", "/bench/src/", "bench/src/", "crates/"]),
            (
                Self::Crypto,
                &["aws-lc", "aws_lc", "/aws-lc", "gcm", "aesni", "ghash", "bcm_"],
            ),
            (Self::Tls, &["rustls", "unbuffered_tls", "webpki"]),
            (
                Self::Socket,
                &[
                    "/mio",
                    "mio::",
                    "/src/net/",
                    "tokio::net",
                    "/src/io/",
                    "tokio::io",
                    "/runtime/io/",
                    "socket2",
                ],
            ),
            (
                Self::Packets,
                &["rumqttc", "/bytes-", "bytes::", "tokio-util", "tokio_util"],
            ),
            (
                Self::Runtime,
                &["/tokio-", "tokio::", "parking_lot", "futures", "slab", "/std/src/sys/"],
            ),
            (
                Self::Ours,
                &[
                    "mqtt_link",
                    "device_sim",
                    "iot_emulator",
                    "iot_protocol",
                    "fleet_",
                    "fleet::",
                    "provisioning",
                    "quotas",
                ],
            ),
        ];
        let found = rules.iter().find(|(_, words)| has(words));
        match found {
            Some((Self::Ours, words)) if words[0] == "/crates/unbuffered-tls" => Some(Self::Tls),
            found => found.map(|(group, _)| *group),
        }
    }

    fn of_system(function: &str) -> Self {
        let has = |words: &[&str]| words.iter().any(|word| function.contains(word));
        if has(&[
            "alloc",
            "free",
            "mem",
            "str",
            "brk",
            "arena",
            "consolidate",
            "tcache",
            "_int_",
        ]) {
            Self::Memory
        } else if has(&["send", "recv", "read", "write", "epoll"]) {
            Self::Socket
        } else if has(&["pthread", "lock", "futex", "clock", "yield", "syscall"]) {
            Self::Runtime
        } else {
            Self::Other
        }
    }
}

/// Whether a file belongs to Rust's standard library, or is not known.
fn is_standard(file: &str) -> bool {
    file.starts_with("/rustc/") || file.contains("/library/") || file.contains("???")
}

/// Instructions by what they are for.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Groups([f64; Group::ALL.len()]);

impl Groups {
    pub(crate) fn of(profile: &Profile) -> Self {
        let mut groups = Self::default();
        for (place, cost) in &profile.places {
            groups.0[Group::of(place) as usize] += *cost as f64;
        }
        groups
    }

    pub(crate) fn get(&self, group: Group) -> f64 {
        self.0[group as usize]
    }

    pub(crate) fn total(&self) -> f64 {
        self.0.iter().sum()
    }

    pub(crate) fn minus(&self, other: &Self) -> Self {
        let mut rest = self.clone();
        for (value, less) in rest.0.iter_mut().zip(other.0) {
            *value -= less;
        }
        rest
    }

    pub(crate) fn per(mut self, count: f64) -> Self {
        for value in &mut self.0 {
            *value /= count;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_belong_to_the_file_and_those_of_the_standard_library_to_the_function() {
        let group = |object: &str, file: &str, function: &str| {
            Group::of(&Place {
                object: object.to_owned(),
                file: file.to_owned(),
                function: function.to_owned(),
            })
        };
        let fleet = "/w/target/release/fleet";
        let registry = "/home/u/.cargo/registry/src/index/";
        for (file, function, expected) in [
            ("rustls-0.23.46/src/conn.rs", "mqtt_link::link::poll", Group::Tls),
            ("tokio-1.54.0/src/net/tcp/stream.rs", "x", Group::Socket),
            ("tokio-1.54.0/src/runtime/task/raw.rs", "x", Group::Runtime),
            ("bytes-1.12.0/src/bytes_mut.rs", "x", Group::Packets),
        ] {
            assert_eq!(group(fleet, &format!("{registry}{file}"), function), expected, "{file}");
        }
        let core = "/rustc/abc/library/core/src/ptr/mod.rs";
        assert_eq!(group(fleet, core, "iot_emulator::mqtt::hub::serve"), Group::Ours);
        assert_eq!(group(fleet, core, "<rustls::conn::X>::y"), Group::Tls);
        assert_eq!(group(fleet, "/w/crates/unbuffered-tls/src/stream.rs", "x"), Group::Tls);
        assert_eq!(group(fleet, "/w/crates/mqtt-link/src/link.rs", "tokio::x"), Group::Ours);
        assert_eq!(group(fleet, "???", "aws_lc_0_40_0_aes_gcm_enc_update"), Group::Crypto);
        let libc = "/usr/lib/x86_64-linux-gnu/libc.so.6";
        assert_eq!(group(libc, "./malloc/malloc.c", "_int_malloc"), Group::Memory);
        assert_eq!(group(libc, "./socket/send.c", "send"), Group::Socket);
    }
}
