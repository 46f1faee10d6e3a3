//! Certificates that were made elsewhere, as the real program takes them.

use std::fs;

use jiff::{SignedDuration, Timestamp};
use provisioning::certificate::Password;
use provisioning::certificate::make::{CertificateAuthority, KeyType, Made, PfxCipher, Validity, self_signed, to_pfx};

use crate::support::Fleet;

const MANIFEST: &str = r#"
[fleet]
name = "own"

[target]
kind = "emulator"

[[group]]
id = "brought"
devices = { prefix = "byo-", count = 3 }
certificates = { leaf = "byo/{device_id}_fullchain.pem", key = "byo/{device_id}_key.pem", ca = "byo/ca_cert.pem", ca_key = "byo/ca_key.pem" }

[[group]]
id = "sealed"
devices = { prefix = "pfx-", count = 2 }

[group.certificates]
pfx = "byo/{device_id}.pfx"
password = { env = "OWN_PFX_PASSWORD" }
ca = "byo/other_cert.pem"
ca_key = "byo/other_key.pem"
secondary = { ca = "byo/next_cert.pem", ca_key = "byo/next_key.pem" }

[[individual]]
device_id = "lab"
certificates = { cert = "byo/lab_cert.pem", key = "byo/lab_key.pem", secondary = { pfx = "byo/{device_id}.pfx", password = { file = "byo/password" } } }

[load]
stages = ["100%@1s", "100%@1s", "0%@500ms"]
processes = 1
"#;

struct Own {
    fleet: Fleet,
    ca: CertificateAuthority,
}

impl Own {
    fn new() -> Self {
        let fleet = Fleet::new(MANIFEST);
        fs::create_dir(fleet.path("byo")).unwrap();
        let now = Timestamp::now();
        let ca = CertificateAuthority::root("own root", KeyType::P256, Validity::root(now)).unwrap();
        let own = Self { fleet, ca };
        own.put("ca_cert.pem", own.ca.cert_pem());
        own.put("ca_key.pem", own.ca.key_pem());
        let below = own
            .ca
            .intermediate("own intermediate", KeyType::P256, Validity::intermediate(now))
            .unwrap();
        for id in ["byo-0001", "byo-0002", "byo-0003"] {
            own.put_leaf(id, &below.leaf(id, KeyType::P256, Validity::leaf(now)).unwrap());
        }
        let other = CertificateAuthority::root("other root", KeyType::P384, Validity::root(now)).unwrap();
        own.put("other_cert.pem", other.cert_pem());
        own.put("other_key.pem", other.key_pem());
        let next = CertificateAuthority::root("next root", KeyType::P256, Validity::root(now)).unwrap();
        own.put("next_cert.pem", next.cert_pem());
        own.put("next_key.pem", next.key_pem());
        // One of them has been issued by the CA to come already.
        for (id, ca) in [("pfx-0001", &other), ("pfx-0002", &next)] {
            own.put_pfx(
                id,
                &ca.leaf(id, KeyType::P256, Validity::leaf(now)).unwrap(),
                "from-env",
            );
        }
        let lab = || self_signed("lab", KeyType::P256, Validity::leaf(now)).unwrap();
        let primary = lab();
        own.put("lab_cert.pem", primary.cert_pem());
        own.put("lab_key.pem", primary.key_pem());
        own.put_pfx("lab", &lab(), "from-file");
        own.put("password", "from-file\n");
        own
    }

    fn put(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.fleet.path("byo").join(name), content).unwrap();
    }

    fn put_leaf(&self, id: &str, leaf: &Made) {
        self.put(&format!("{id}_fullchain.pem"), leaf.fullchain_pem());
        self.put(&format!("{id}_key.pem"), leaf.key_pem());
    }

    fn put_pfx(&self, id: &str, leaf: &Made, password: &str) {
        let pfx = to_pfx(
            &leaf.fullchain_pem(),
            leaf.key_pem(),
            &Password::new(password),
            PfxCipher::Modern,
            id,
        )
        .unwrap();
        self.put(&format!("{id}.pfx"), pfx.as_slice());
    }

    fn run(&self) -> crate::support::Finished {
        let mut command = self.fleet.command(&["run", "fleet.toml"]);
        command.env("OWN_PFX_PASSWORD", "from-env").output().unwrap().into()
    }
}

#[test]
fn a_fleet_comes_with_certificates_of_its_own_and_nothing_is_made() {
    let own = Own::new();
    let finished = own.run().expect(0);
    for words in [
        "3 leaves of brought, your own, checked",
        "2 leaves of sealed, your own, checked",
        "2 certificates of your own checked",
        "CA `own root` uploaded as primary certificate of group brought",
        "CA `next root` uploaded as secondary certificate of group sealed",
        "2 certificates of device lab uploaded",
    ] {
        assert!(finished.stderr.contains(words), "no `{words}` in\n{}", finished.stderr);
    }
    assert_eq!(finished.figure("connected"), 6, "{}", finished.stdout);
    own.fleet.wait_until_nothing_runs();
    assert_eq!(own.fleet.entries(), ["byo", "fleet.toml", "state"]);
    let plan = fs::read_to_string(own.fleet.path("state/own/plan.json")).unwrap();
    assert!(plan.contains("OWN_PFX_PASSWORD"), "{plan}");
    assert!(!plan.contains("from-env") && !plan.contains("from-file"), "{plan}");
}

#[test]
fn children_see_the_password_that_they_need_and_no_token() {
    let own = Own::new();
    let mut command = own.fleet.command(&["run", "fleet.toml", "--duration", "10m"]);
    command
        .env("OWN_PFX_PASSWORD", "from-env")
        .env("IOTC_API_TOKEN", "SharedAccessSignature secret")
        .env("OTHER_SECRET", "secret")
        .env("RUST_LOG", "warn");
    let mut running = crate::support::Running::spawn(command);
    running.wait_for("all 6 devices online");
    let environment = |words: &str| {
        let text = fs::read(format!("/proc/{}/environ", own.fleet.process(words))).unwrap();
        String::from_utf8(text).unwrap().replace('\0', "\n")
    };
    let (devices, emulator) = (environment(" device-sim "), environment(" emulator "));
    for environment in [&devices, &emulator] {
        assert!(!environment.contains("secret"), "{environment}");
        assert!(environment.contains("RUST_LOG=warn"), "{environment}");
    }
    assert!(devices.contains("OWN_PFX_PASSWORD=from-env"), "{devices}");
    assert!(!emulator.contains("OWN_PFX_PASSWORD"), "{emulator}");
    running.interrupt();
    running.end();
    own.fleet.wait_until_nothing_runs();
}

#[test]
fn everything_that_is_wrong_with_them_is_reported_before_anything_starts() {
    let own = Own::new();
    let now = Timestamp::now();
    let stranger = CertificateAuthority::root("a stranger", KeyType::P256, Validity::root(now)).unwrap();
    own.put_leaf(
        "byo-0001",
        &stranger.leaf("byo-0001", KeyType::P256, Validity::leaf(now)).unwrap(),
    );
    own.put_leaf(
        "byo-0002",
        &own.ca.leaf("byo-2", KeyType::P256, Validity::leaf(now)).unwrap(),
    );
    let long_ago = now - SignedDuration::from_hours(24 * 400);
    let ca = CertificateAuthority::root("own root", KeyType::P256, Validity::root(long_ago)).unwrap();
    own.put_leaf(
        "byo-0003",
        &ca.leaf("byo-0003", KeyType::P256, Validity::leaf(long_ago)).unwrap(),
    );
    fs::remove_file(own.fleet.path("byo/pfx-0001.pfx")).unwrap();
    own.put("next_key.pem", stranger.key_pem());
    own.put("lab_key.pem", stranger.key_pem());
    own.put("password", "wrong\n");

    let refused = own.run().expect(2);
    for words in [
        "byo-0001_fullchain.pem` can't be used: the chain does not lead to the enrolled CA `own root`",
        "after `byo-0001` the certificate of `CN=a stranger` is missing",
        "the common name is `byo-2`, the registration id is `byo-0002`",
        "byo-0003_fullchain.pem` can't be used: `byo-0003` expired on ",
        "`byo-0003` is signed by another one of the name `CN=own root`",
        "pfx-0001.pfx`: ",
        "next_key.pem` does not belong to the certificate in ",
        "lab_key.pem` does not belong to the certificate in ",
        "lab.pfx`",
        "hint: certificates of your own are only read",
    ] {
        assert!(refused.stderr.contains(words), "no `{words}` in\n{}", refused.stderr);
    }
    assert!(!refused.stderr.contains("emulator ready"), "{}", refused.stderr);
    assert!(!refused.stderr.contains("wrong\n") && !refused.stderr.contains("from-env"));
}

#[test]
fn a_password_that_is_not_there_is_named() {
    let own = Own::new();
    let refused = own.fleet.fleet(&["run", "fleet.toml"]).expect(2);
    let words = "there is no password in the environment variable OWN_PFX_PASSWORD";
    assert!(refused.stderr.contains(words), "{}", refused.stderr);
}

#[test]
fn a_locked_file_without_a_password_is_refused_with_the_key_of_the_manifest() {
    let own = Own::new();
    let manifest = fs::read_to_string(own.fleet.path("fleet.toml")).unwrap();
    let without = manifest.replace("password = { env = \"OWN_PFX_PASSWORD\" }\n", "");
    assert_ne!(manifest, without);
    fs::write(own.fleet.path("fleet.toml"), without).unwrap();
    let refused = own.fleet.fleet(&["run", "fleet.toml"]).expect(2);
    for words in [
        "is protected by a password, and none was given",
        "password = { env = \"VARIABLE\" }",
    ] {
        assert!(refused.stderr.contains(words), "no {words} in {}", refused.stderr);
    }
}

#[test]
fn what_inspect_warns_of_is_reported_once_before_a_run() {
    let own = Own::new();
    let all = fs::read_to_string(own.fleet.path("byo/byo-0001_fullchain.pem")).unwrap();
    // The root between leaf and intermediate is an unusual order, which not every service takes.
    for id in ["byo-0001", "byo-0002"] {
        let path = own.fleet.path(&format!("byo/{id}_fullchain.pem"));
        let chain = fs::read_to_string(&path).unwrap();
        let (leaf, above) = chain.split_at(chain.find("-----END").unwrap() + 26);
        fs::write(&path, format!("{leaf}{}{above}", own.ca.cert_pem())).unwrap();
    }
    assert!(all.matches("BEGIN").count() > 1, "{all}");
    let finished = own.run().expect(0);
    let warnings: Vec<_> = finished
        .stderr
        .lines()
        .filter(|line| line.contains("warning: "))
        .collect();
    assert_eq!(warnings.len(), 1, "{}", finished.stderr);
    assert!(
        warnings[0].contains("unusual order: `byo-0001` was issued by `CN=own intermediate`")
            && warnings[0].ends_with("(and 1 more like it)"),
        "{}",
        finished.stderr
    );
}

#[test]
fn they_are_enrolled_found_again_and_taken_back_by_hand_as_well() {
    let own = Own::new();
    let fleet = |arguments: &[&str]| -> crate::support::Finished {
        let mut command = own.fleet.command(arguments);
        command.env("OWN_PFX_PASSWORD", "from-env").output().unwrap().into()
    };
    let first = fleet(&["enroll", "fleet.toml"]).expect(0);
    assert!(first.stderr.contains("enrolled: "), "{}", first.stderr);
    let again = fleet(&["enroll", "fleet.toml", "--dry-run"]).expect(0);
    assert!(!again.stdout.contains("upload"), "{}", again.stdout);
    let gone = fleet(&["unenroll", "fleet.toml", "--yes"]).expect(0);
    for words in ["brought", "sealed", "lab"] {
        assert!(gone.stderr.contains(words), "no `{words}` in\n{}", gone.stderr);
    }
    let dps = ["--set", "target.kind=dps", "--set", "target.id_scope=0ne00ABCDEF"];
    let script = fleet(&[&["enroll", "fleet.toml"], &dps[..]].concat()).expect(0);
    for words in ["byo/other_cert.pem", "--key byo/other_key.pem", "byo/lab_cert.pem"] {
        assert!(script.stdout.contains(words), "no `{words}` in\n{}", script.stdout);
    }
    own.fleet.wait_until_nothing_runs();
}
