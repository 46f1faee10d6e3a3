//! Microsoft's how-to "Connect devices with X.509 certificates to your IoT Central application", done by hand on the
//! emulator's page, with the files of `fleet cert` and a device of `fleet device-sim`.

use testing::emulator::{Place, Ready};

use crate::browser::Browser;
use crate::support::{Fleet, Running};

const EMULATOR: &[&str] = &[
    "emulator",
    "--state",
    "emulator",
    "--mqtt",
    "127.0.0.1:0",
    "--https",
    "127.0.0.1:0",
    "--http",
    "127.0.0.1:0",
];

/// A person with a browser, a folder for certificates, and an emulator.
struct Person {
    browser: Browser,
    fleet: Fleet,
    ready: Ready,
    base: String,
    _emulator: Running,
}

impl Person {
    /// One who has signed in; `None` without a browser.
    fn sign_in() -> Option<Self> {
        let browser = Browser::start()?;
        browser.screen(1280, 860, "light");
        let fleet = Fleet::new("");
        let (emulator, ready) = fleet.start_emulator(EMULATOR);
        let base = format!("http://{}", ready.http());
        browser.go(&base);
        browser.write("#token", ready.token().trim());
        browser.click("button[type=submit]");
        browser.wait_for("/^(Signed in|Overview)/.test(document.title)");
        Some(Self {
            browser,
            fleet,
            ready,
            base,
            _emulator: emulator,
        })
    }

    fn cert(&self, arguments: &[&str]) {
        let done = self.fleet.fleet(&[&["cert"], arguments].concat());
        assert_eq!(done.code, Some(0), "{}", done.stderr);
    }

    fn go(&self, path: &str) {
        self.browser.go(&format!("{}{path}", self.base));
    }

    /// Clicks on what leads to another view, and waits for words of it.
    fn click(&self, selector: &str, words: &str) {
        self.browser.click(selector);
        self.sees(words);
    }

    fn sees(&self, words: &str) {
        self.browser
            .wait_for(&format!("document.body.innerText.includes({words:?})"));
    }

    fn is_online(&self) {
        let standing = "document.getElementById('standing').textContent";
        self.browser.wait_for(&format!("{standing}.startsWith('online')"));
    }

    fn upload(&self, field: &str, file: &str) {
        self.browser.upload(field, &self.fleet.path(file));
    }

    /// The how-to's device code: it registers with a certificate and sends telemetry.
    fn device(&self, certificate: &str, key: &str) -> Running {
        let port = self.ready.mqtt().port().to_string();
        self.fleet.start(&[
            "device-sim",
            "--id-scope",
            self.ready.0["id_scope"].as_str().unwrap(),
            "--dps-endpoint",
            "localhost",
            "--port",
            &port,
            "--ca",
            "emulator/ca_cert.pem",
            "--cert",
            certificate,
            "--key",
            key,
        ])
    }

    /// Proves on the page that a certificate is its owner's, as for *Manage primary*.
    fn prove(&self, root: &str) {
        self.click("#generate-code", "Verification code");
        let code = self.browser.value("document.getElementById('code').textContent");
        let (certificate, key) = (format!("{root}_cert.pem"), format!("{root}_key.pem"));
        self.cert(&[
            "verification",
            "--ca",
            &certificate,
            "--key",
            &key,
            "--nonce",
            code.as_str().unwrap(),
        ]);
        self.upload("#proof", "verification_cert.pem");
        self.click("#verify", "it admits devices");
    }
}

#[test]
fn the_how_to_can_be_walked_by_hand_on_the_page() {
    let Some(person) = Person::sign_in() else { return };
    person.cert(&["root", "mytestrootcert"]);
    person.cert(&["device", "sample-device-01", "mytestrootcert"]);

    // A group enrollment.
    person.click("nav a[href='/groups']", "There is no group yet");
    person.click("#new", "Group type");
    person.browser.write("#name", "MyX509Group");
    person.click("#make", "The group is made");
    person.click("#manage-primary", "Add a certificate");
    person.upload("#certificate", "mytestrootcert_cert.pem");
    person.click("#upload", "It is not verified yet");
    person.prove("mytestrootcert");

    // The device code.
    let _device = person.device("sampleDevice01_fullchain.pem", "sampleDevice01_key.pem");
    person.go("/groups/MyX509Group");
    person.sees("1 came through it, 1 of them online.");
    person.go("/devices/sample-device-01");
    person.is_online();

    person.click("a[href$='/raw']", "\"temperature\"");
    person.click("a[href$='/commands']", "It has answered no command");
    person
        .browser
        .write("form[action$='/command'] input[type=text]", "2026-01-01T00:00:00Z");
    person.click("form[action$='/command'] button", "getMaxMinReport answered 200");
    person.sees("2026-01-01T00:00:00Z\t200");

    // An individual enrollment, with two certificates for the one device.
    person.cert(&["device", "mytestselfcertprimary"]);
    person.cert(&["device", "mytestselfcertprimary", "--out", "second"]);
    person.click("nav a[href='/devices']", "1–1 of 1");
    person.click("#new", "Simulate this device?");
    person.browser.write("#id", "mytestselfcertprimary");
    person.click("#make", "The device is made");
    person.click("a[href$='/connect']", "Individual enrollment");
    person.upload("#primary", "mytestselfcertprimary_cert.pem");
    person.upload("#secondary", "second/mytestselfcertprimary_cert.pem");
    person.click("#save", "The individual enrollment is saved");
    let _individual = person.device(
        "second/mytestselfcertprimary_cert.pem",
        "second/mytestselfcertprimary_key.pem",
    );
    person.is_online();
    person.go("/devices");
    person.sees("1–2 of 2");

    // A template and a token for the scripts that will do all of this.
    person.click("nav a[href='/templates']", "dtmi:com:example:Thermostat;1");
    person.click("tbody a", "targetTemperature");
    person.click("nav a[href='/tokens']", "None was made");
    person.click("#new", "Good for");
    person.browser.write("#id", "ci");
    person.click("#make", "it is not shown again");
    person.click("[data-copy=token]", "Copied");
    person.go("/tokens");
    person.click("#delete-ci", "Programs that use it are refused");
    person.click("#delete-ci-now", "it opens nothing any more");
    assert_eq!(person.browser.complaints(), [""; 0]);
}
