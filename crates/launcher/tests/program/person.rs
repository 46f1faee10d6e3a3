//! A person at the emulator's page.

use testing::emulator::{Place, Ready};

use crate::browser::Browser;
use crate::support::{Fleet, ON_FREE_PORTS, Running};

/// A person with a browser, a folder for certificates, and an emulator.
pub(crate) struct Person {
    pub(crate) browser: Browser,
    fleet: Fleet,
    ready: Ready,
    pub(crate) base: String,
    _emulator: Running,
}

impl Person {
    /// One who has signed in; `None` without a browser.
    pub(crate) fn sign_in() -> Option<Self> {
        let browser = Browser::start()?;
        browser.screen(1280, 860, "light");
        let fleet = Fleet::new("");
        let (emulator, ready) = fleet.start_emulator(ON_FREE_PORTS);
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

    pub(crate) fn cert(&self, arguments: &[&str]) {
        let done = self.fleet.fleet(&[&["cert"], arguments].concat());
        assert_eq!(done.code, Some(0), "{}", done.stderr);
    }

    pub(crate) fn go(&self, path: &str) {
        self.browser.go(&format!("{}{path}", self.base));
    }

    /// Clicks on what leads to another view, and waits for words of it.
    pub(crate) fn click(&self, selector: &str, words: &str) {
        self.browser.click(selector);
        self.sees(words);
    }

    pub(crate) fn sees(&self, words: &str) {
        self.browser
            .wait_for(&format!("document.body.innerText.includes({words:?})"));
    }

    pub(crate) fn is_online(&self) {
        let standing = "document.getElementById('standing').textContent";
        self.browser.wait_for(&format!("{standing}.startsWith('online')"));
    }

    /// Makes a group of this name; its view is there then.
    pub(crate) fn make_group(&self, name: &str) {
        self.go("/new/group");
        self.browser.write("#name", name);
        self.click("#make", "The group is made");
    }

    /// Uploads a CA of a group, where one can be added, without a proof.
    pub(crate) fn add_certificate(&self, file: &str) {
        self.upload("#certificate", file);
        self.click("#upload", "It is not verified yet");
    }

    /// The same, and it counts as verified.
    pub(crate) fn add_verified(&self, file: &str) {
        self.upload("#certificate", file);
        self.browser.click("#verified");
        self.click("#upload", "it admits devices");
    }

    pub(crate) fn upload(&self, field: &str, file: &str) {
        self.browser.upload(field, &self.fleet.path(file));
    }

    /// The how-to's device code: it registers with a certificate and sends telemetry.
    pub(crate) fn device(&self, certificate: &str, key: &str) -> Running {
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
    pub(crate) fn prove(&self, root: &str) {
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

    /// A CA, and leaves below it for a device, in a folder of that CA's name.
    pub(crate) fn authority(&self, root: &str, device: &str) {
        self.cert(&["root", root, "--out", root]);
        self.cert(&["device", device, root, "--out", root]);
    }

    /// A device with the certificate that is in this folder under this name.
    pub(crate) fn device_of(&self, folder: &str, name: &str) -> Running {
        let file = |what: &str| format!("{folder}/{name}_{what}.pem");
        self.device(&file("fullchain"), &file("key"))
    }

    /// Waits until a device reports that it is refused, and the page shows it.
    pub(crate) fn is_refused(&self, running: &mut Running, device: &str) {
        running.wait_for("refused");
        self.go(&format!("/devices/{device}/connect"));
        self.browser.wait_for("document.querySelector('#admission .refusal')");
    }

    /// Waits until a device reports that it is online, and the page shows it.
    pub(crate) fn comes_online(&self, running: &mut Running, device: &str) {
        running.wait_for(" online ");
        self.go(&format!("/devices/{device}/connect"));
        self.is_online();
        self.browser.wait_for("!document.querySelector('#admission .refusal')");
    }
}
