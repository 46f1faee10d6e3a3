//! Whatever is read as a certificate or key, and however it is spoilt: no command shows a byte of a key.
#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test that can't go on has no other way to say so"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use tempfile::TempDir;

/// So many characters of a key in a row are one too many.
const WINDOW: usize = 16;

const GROUP: &str = r#"
[fleet]
name = "small"
[target]
kind = "emulator"
[[group]]
id = "g"
devices = { prefix = "thermo-", count = 1 }
"#;

/// A folder with a CA, a device below it, and what must not be shown of them.
struct Folder {
    folder: TempDir,
    key: String,
}

impl Folder {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let mut this = Self {
            folder,
            key: String::new(),
        };
        for line in ["cert root r", "cert device thermo-1 r", "cert device other r"] {
            let made = this.fleet(line, &[]);
            assert!(made.status.success(), "{line}: {made:?}");
        }
        this.key = this.read("thermo1_key.pem");
        this
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn put(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn fleet(&self, line: &str, variables: &[(&str, &str)]) -> Output {
        let words: Vec<_> = line.split_whitespace().collect();
        self.words(&words, variables)
    }

    fn words(&self, words: &[&str], variables: &[(&str, &str)]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleet"));
        command.current_dir(self.folder.path()).args(words);
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("IOTHUB_") || name.starts_with("FLEET_") || name.starts_with("IOTC_") {
                command.env_remove(name);
            }
        }
        command
            .envs(variables.iter().copied())
            .env("NO_COLOR", "1")
            .output()
            .unwrap()
    }

    /// The words that a refusal is told in, none of which is a part of the key.
    #[track_caller]
    fn refused(&self, what: &str, output: &Output) -> String {
        let words = self.told(what, output);
        assert_ne!(output.status.code(), Some(0), "{what}: {words}");
        assert_ne!(output.status.code(), Some(101), "{what}: {words}");
        words
    }

    #[track_caller]
    fn told(&self, what: &str, output: &Output) -> String {
        let words = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        let words = words.concat();
        // A list of bytes in decimal is the key as well.
        let decoded: String = words
            .split(|c: char| !c.is_ascii_digit())
            .filter_map(|number| Some(char::from(number.parse::<u8>().ok()?)))
            .collect();
        let body: String = self.key.lines().filter(|line| !line.contains("-----")).collect();
        let windows: BTreeSet<&[u8]> = body.as_bytes().windows(WINDOW).collect();
        for text in [&words, &decoded] {
            let shown = text.as_bytes().windows(WINDOW).find(|window| windows.contains(window));
            assert!(shown.is_none(), "{what} shows the key: {words}");
        }
        words
    }
}

/// A private key, beside other things, in every way that was seen to spoil it.
fn spoilt(key: &str, cert: &str) -> Vec<(&'static str, Vec<u8>)> {
    let both = format!("{cert}{key}");
    let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let damaged = key.replacen("\n", "\n!", 2);
    let mut all: Vec<(&'static str, Vec<u8>)> = [
        ("no line breaks", key.replace('\n', "")),
        ("no line breaks, with its certificate", both.replace('\n', "")),
        ("blanks for line breaks", both.replace('\n', " ")),
        ("line breaks as two characters", both.replace('\n', "\\n")),
        (
            "data behind BEGIN",
            format!("{cert}{}", key.replacen("-----\n", "-----", 1)),
        ),
        ("data before END", both.replace("\n-----END", "-----END")),
        ("indented", both.replace("-----BEGIN", "  -----BEGIN")),
        ("in the text of a program", format!("KEY=\"{key}\"")),
        ("cut off", both[..both.len() - 60].to_owned()),
        (
            "cut off, then a certificate",
            format!("{}\n{cert}", &key[..key.len() - 60]),
        ),
        ("not base64", format!("{cert}{damaged}")),
        (
            "under the name of a certificate",
            key.replace("PRIVATE KEY", "CERTIFICATE"),
        ),
        (
            "without its lines",
            key.lines().filter(|line| !line.contains("-----")).collect(),
        ),
    ]
    .map(|(name, text)| (name, text.into_bytes()))
    .into();
    all.push(("UTF-16", wide(&format!("\u{feff}{both}"))));
    all.push(("UTF-16 without its mark", wide(&both)));
    all
}

#[test]
fn no_command_shows_a_byte_of_what_it_reads_as_a_certificate_or_key() {
    let folder = Folder::new();
    let cert = folder.read("thermo1_cert.pem");
    let device = |cert: &str, key: &str, more: &str| {
        let line = format!("device-sim --id-scope 0ne00AB --dps-endpoint localhost --port 1 {more}");
        let files = [("IOTHUB_DEVICE_X509_CERT", cert), ("IOTHUB_DEVICE_X509_KEY", key)];
        folder.fleet(&line, &files)
    };
    let manifest = |leaf: &str, ca: &str| {
        let own = format!(
            "certificates = {{ leaf = \"{leaf}\", key = \"{{device_id}}_key.pem\", ca = \"{ca}\", ca_key = \"r_key.pem\" }}"
        );
        folder.put("fleet.toml", format!("{GROUP}{own}\n"));
        folder.fleet("run fleet.toml", &[])
    };
    for (name, content) in spoilt(&folder.key, &cert) {
        folder.put("x_cert.pem", &content);
        folder.put("thermo-0001_x.pem", &content);
        folder.put("status/x_cert.pem", &content);
        for file in ["edge_ca_fullchain.pem", "edge_ca_key.pem"] {
            folder.put(&format!("edge/{file}"), &content);
            folder.put(&format!("edge-{file}/edge_ca_fullchain.pem"), folder.read("r_cert.pem"));
            folder.put(&format!("edge-{file}/{file}"), &content);
        }
        let edge = |dir: &str| {
            let line = format!(
                "emulator --mqtt 127.0.0.1:0 --https 127.0.0.1:0 --http 127.0.0.1:0 --gateway gw@localhost=127.0.0.1:0 \
                 --edge-ca gw={dir}"
            );
            folder.fleet(&line, &[])
        };
        for (command, output) in [
            ("inspect", folder.fleet("cert inspect x_cert.pem", &[])),
            (
                "inspect --format json",
                folder.fleet("cert inspect x_cert.pem --format json", &[]),
            ),
            (
                "inspect --ca",
                folder.fleet("cert inspect thermo1_cert.pem --ca x_cert.pem", &[]),
            ),
            (
                "inspect, two files",
                folder.fleet("cert inspect thermo1_cert.pem x_cert.pem", &[]),
            ),
            ("device-sim, certificate", device("x_cert.pem", "thermo1_key.pem", "")),
            (
                "device-sim, certificate and key",
                device("x_cert.pem", "x_cert.pem", ""),
            ),
            ("device-sim, key", device("thermo1_cert.pem", "x_cert.pem", "")),
            (
                "device-sim --ca",
                device("thermo1_cert.pem", "thermo1_key.pem", "--ca x_cert.pem"),
            ),
            ("run, leaf", manifest("{device_id}_x.pem", "r_cert.pem")),
            ("run, ca", manifest("{device_id}_x.pem", "x_cert.pem")),
            (
                "verification --ca",
                folder.fleet("cert verification --ca x_cert.pem --key r_key.pem --nonce A", &[]),
            ),
            (
                "verification --key",
                folder.fleet("cert verification --ca r_cert.pem --key x_cert.pem --nonce A", &[]),
            ),
            ("status", folder.fleet("cert status status", &[])),
            ("emulator --edge-ca", edge("edge")),
            ("emulator --edge-ca, chain", edge("edge-edge_ca_fullchain.pem")),
            ("emulator --edge-ca, key", edge("edge-edge_ca_key.pem")),
        ] {
            folder.refused(&format!("{name}: {command}"), &output);
        }
    }
}

#[test]
fn a_file_without_line_breaks_is_named_with_what_it_lacks() {
    let folder = Folder::new();
    folder.put("k.pem", folder.key.replace('\n', ""));
    let words = folder.refused("k.pem", &folder.fleet("cert inspect k.pem", &[]));
    assert_eq!(
        words,
        "error: `k.pem` has no line breaks; a PEM file has its BEGIN line alone on a line\n"
    );
}

#[test]
fn the_content_of_a_key_in_the_place_of_its_path_is_refused_without_it() {
    let folder = Folder::new();
    let key = folder.key.clone();
    let body: String = key.lines().filter(|line| !line.contains("-----")).collect();
    for content in [key.clone(), key.replace('\n', " "), key.replace('\n', "\\n"), body] {
        let content = content.as_str();
        let words = |words: &[&str]| folder.refused("an argument", &folder.words(words, &[]));
        for (place, said) in [
            (
                "--key",
                words(&["device-sim", "--cert", "thermo1_cert.pem", "--key", content]),
            ),
            ("--key", words(&["device-sim", &format!("--key={content}")])),
            (
                "--ca",
                words(&["device-sim", "--cert", "thermo1_cert.pem", "--ca", content]),
            ),
            ("--id-scope", words(&["device-sim", "--id-scope", content])),
            ("--ca", words(&["cert", "inspect", "thermo1_cert.pem", "--ca", content])),
            ("argument 3", words(&["cert", "inspect", content])),
            (
                "--key",
                words(&[
                    "cert",
                    "verification",
                    "--ca",
                    "r_cert.pem",
                    "--nonce",
                    "A",
                    "--key",
                    content,
                ]),
            ),
            ("--edge-ca", words(&["emulator", "--edge-ca", &format!("gw={content}")])),
            ("argument 2", words(&["run", content])),
            (
                "--set",
                words(&[
                    "run",
                    "fleet.toml",
                    "--set",
                    &format!("group.g.certificates.key={content}"),
                ]),
            ),
            ("--token", words(&["run", "--token", content])),
        ] {
            let expected = format!("error: {place} holds the text of a certificate or key");
            assert!(said.starts_with(&expected), "{place}: {said}");
            assert!(said.contains("\nhint: "), "{said}");
        }
        for variable in [
            "IOTHUB_DEVICE_X509_CERT",
            "IOTHUB_DEVICE_X509_KEY",
            "IOTHUB_DEVICE_DPS_ID_SCOPE",
            "IOTHUB_DEVICE_DPS_DEVICE_ID",
        ] {
            let output = folder.fleet("device-sim --dps-endpoint localhost", &[(variable, content)]);
            let said = folder.refused(variable, &output);
            let expected = format!("error: the environment variable {variable} holds the text of a certificate or key");
            assert!(said.starts_with(&expected), "{said}");
        }
        // Clap's own words repeat what they can't use.
        let output = folder.fleet("device-sim", &[("IOTHUB_DEVICE_SECURITY_TYPE", content)]);
        folder.refused("IOTHUB_DEVICE_SECURITY_TYPE", &output);
        // What another program keeps there is none of this command's business.
        let output = folder.fleet("cert inspect thermo1_cert.pem", &[("IOTHUB_DEVICE_X509_KEY", content)]);
        assert!(output.status.success(), "{output:?}");
    }
}

#[test]
fn a_manifest_with_a_key_or_a_token_in_it_is_shown_without_them() {
    let folder = Folder::new();
    let key = folder.key.clone();
    let token = "SharedAccessSignature sr=a&sig=s3cr3ts3cr3ts3cr3t&se=1";
    let own = |text: &str| format!("{GROUP}certificates = {{ {text}, ca = \"r_cert.pem\" }}\n");
    let central = |text: &str| {
        GROUP.replace(
            "kind = \"emulator\"",
            &format!("kind = \"iot-central\"\napp = \"https://x.azureiotcentral.com\"\n{text}"),
        )
    };
    for (name, manifest) in [
        (
            "as a path",
            own(&format!("leaf = \"{{device_id}}.pem\", key = '''\n{key}'''")),
        ),
        ("on one line", own(&format!("leaf = \"{}\"", key.replace('\n', "\\n")))),
        ("unquoted", format!("{}\n", own("leaf = \"a\"").replace("\"a\"", &key))),
        (
            "before a mistake",
            own(&format!(
                "leaf = \"{{device_id}}.pem\", key = '''{key}''', nonsense = 1"
            )),
        ),
        (
            "as the ca of the target",
            GROUP.replace("kind = ", &format!("ca = '''{key}'''\nkind = ")),
        ),
        ("a token", central(&format!("api_token = \"{token}\""))),
        (
            "a token as a variable",
            central(&format!("api_token = {{ env = \"{token}\" }}")),
        ),
        (
            "a password as a variable",
            own("pfx = \"{device_id}.pfx\", password = { env = \"s3cr3ts3cr3ts3cr3t!\" }"),
        ),
        (
            "an address with a password",
            central("").replace("https://x", "https://me:s3cr3ts3cr3ts3cr3t@x"),
        ),
    ] {
        folder.put("fleet.toml", &manifest);
        let said = folder.refused(name, &folder.fleet("run fleet.toml", &[]));
        assert!(!said.contains("s3cr3ts3cr3ts3cr3t"), "{name}: {said}");
        assert!(said.contains("fleet.toml:"), "{name}: {said}");
    }
}

#[test]
fn what_others_wrote_reaches_no_terminal_as_it_is() {
    let folder = Folder::new();
    let wild = "x \u{1b}]0;pwned\u{7}\u{1b}[2J\r\nvalid: yes";
    let refused = |words: &[&str]| folder.refused("wild", &folder.words(words, &[]));
    folder.put("fleet.toml", GROUP);
    folder.put("wild.toml", GROUP.replace("small", wild));
    folder.put("\u{1b}[31mx.pem", "nothing");
    for said in [
        refused(&["cert", "root", wild]),
        refused(&["cert", "device", wild]),
        refused(&["cert", "inspect", "\u{1b}[31mx.pem"]),
        refused(&["cert", "inspect", wild]),
        refused(&["run", wild]),
        refused(&["run", "wild.toml"]),
        refused(&["run", "fleet.toml", "--set", &format!("fleet.name={wild}")]),
        refused(&["run", "fleet.toml", "--set", "fleet.name=\"\\u001b]0;pwned\\u0007x\""]),
        refused(&["run", "fleet.toml", "--set", &format!("{wild}=1")]),
        refused(&["emulator", "--edge-ca", wild]),
        refused(&["device-sim", "--id-scope", wild, "--cert", wild]),
        refused(&["device-sim", "--plan", "\u{1b}[31mx.json"]),
        refused(&["nonsense", wild]),
    ] {
        let tame = |c: char| !c.is_control() || c == '\n';
        assert!(said.chars().all(tame), "{said:?}");
        assert!(!said.contains("\nvalid: yes"), "{said}");
    }
}
