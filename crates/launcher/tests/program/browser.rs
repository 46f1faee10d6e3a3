//! Chromium without a screen, led through its own driver by [WebDriver](https://www.w3.org/TR/webdriver2/).
//!
//! The protocol is JSON over HTTP, and so little of it is needed here that it is spoken directly.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use testing::rest::plain_client;
use testing::{PATIENCE, skip};
use tokio::runtime::Runtime;
use tokio::time::timeout;

/// A browser with a profile of its own.
pub(crate) struct Browser {
    runtime: Runtime,
    client: reqwest::Client,
    driver: Child,
    // Kept open: a closed pipe would make its next line an error.
    _stdout: BufReader<ChildStdout>,
    session: String,
    _profile: TempDir,
}

impl Browser {
    /// Starts one; `None` where Chromium or its driver is missing, unless it must not be.
    pub(crate) fn start() -> Option<Self> {
        let (driver, stdout, port) = driver()?;
        let profile = TempDir::new().unwrap();
        let mut browser = Self {
            runtime: Runtime::new().unwrap(),
            client: plain_client(),
            driver,
            _stdout: stdout,
            session: format!("http://127.0.0.1:{port}/session"),
            _profile: profile,
        };
        let user_data = format!("--user-data-dir={}", browser._profile.path().display());
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            &user_data,
        ];
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
            // Shorter than a wait, which looks again.
            "timeouts": {"script": (PATIENCE / 3).as_millis()},
        }}});
        let session = browser.ask(Method::POST, "", Some(wanted));
        browser.session = format!("{}/{}", browser.session, session["sessionId"].as_str().unwrap());
        Some(browser)
    }

    fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        self.try_ask(method, path, body)
            .unwrap_or_else(|said| panic!("{path}: {said:#}"))
    }

    fn try_ask(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, Value> {
        let request = self.client.request(method, format!("{}{path}", self.session));
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        self.runtime.block_on(async {
            let answer = request.send().await.unwrap();
            let status = answer.status();
            let said: Value = answer.json().await.unwrap();
            let value = said["value"].clone();
            if status.is_success() { Ok(value) } else { Err(value) }
        })
    }

    pub(crate) fn go(&self, url: &str) {
        self.ask(Method::POST, "/url", Some(json!({ "url": url })));
    }

    /// The value of an expression.
    pub(crate) fn value(&self, expression: &str) -> Value {
        let script = format!("return ({expression});");
        self.ask(
            Method::POST,
            "/execute/sync",
            Some(json!({ "script": script, "args": [] })),
        )
    }

    /// Runs a script of a test in the page.
    pub(crate) fn run(&self, script: &str) {
        self.ask(
            Method::POST,
            "/execute/sync",
            Some(json!({ "script": script, "args": [] })),
        );
    }

    /// The value that an expression promises.
    pub(crate) fn promised(&self, expression: &str) -> Value {
        let script = format!("const done = arguments[0]; ({expression}).then(done, (error) => done(String(error)));");
        self.ask(
            Method::POST,
            "/execute/async",
            Some(json!({ "script": script, "args": [] })),
        )
    }

    /// Waits until an expression is true, which is looked at whenever the document changes.
    pub(crate) fn wait_for(&self, condition: &str) {
        let script = format!(
            "const done = arguments[0];
             const look = () => ({condition}) && (done(true), true);
             if (!look()) new MutationObserver((_, watch) => look() && watch.disconnect())
                 .observe(document, {{ subtree: true, childList: true, characterData: true, attributes: true }});"
        );
        let body = json!({ "script": script, "args": [] });
        // A document that gives way to the next one while we wait in it is an error, or keeps the driver waiting until the
        // script has run out of time; the next one may be it.
        let look = async {
            loop {
                let request = self.client.post(format!("{}/execute/async", self.session)).json(&body);
                let answer: Value = request.send().await.unwrap().json().await.unwrap();
                if answer["value"] == true {
                    return;
                }
            }
        };
        if self.runtime.block_on(async { timeout(PATIENCE, look).await }).is_ok() {
            return;
        }
        let there = self.value("document.body.innerText");
        panic!("`{condition}` never came true; there is: {there}");
    }

    pub(crate) fn click(&self, selector: &str) {
        // A part of a live view may be replaced between being found and being clicked.
        loop {
            let element = self.element(selector);
            match self.try_ask(Method::POST, &format!("/element/{element}/click"), Some(json!({}))) {
                Ok(_) => return,
                Err(said) if said["error"] == "stale element reference" => {}
                Err(said) => panic!("{selector}: {said:#}"),
            }
        }
    }

    pub(crate) fn write(&self, selector: &str, text: &str) {
        let element = self.element(selector);
        self.ask(Method::POST, &format!("/element/{element}/clear"), Some(json!({})));
        self.keys(&element, text);
    }

    /// Chooses a file in a field for one.
    pub(crate) fn upload(&self, selector: &str, file: &Path) {
        self.keys(&self.element(selector), file.to_str().unwrap());
    }

    /// Presses keys where the focus is, one after the other.
    pub(crate) fn press(&self, keys: &str) {
        let presses = |key: char| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key }));
        let presses: Vec<_> = keys.chars().flat_map(presses).collect();
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": presses });
        self.ask(Method::POST, "/actions", Some(json!({ "actions": [keyboard] })));
    }

    fn keys(&self, element: &str, text: &str) {
        self.ask(
            Method::POST,
            &format!("/element/{element}/value"),
            Some(json!({ "text": text })),
        );
    }

    fn element(&self, selector: &str) -> String {
        let by = json!({ "using": "css selector", "value": selector });
        let found = self.ask(Method::POST, "/element", Some(by));
        let id = found.as_object().unwrap().values().next().unwrap();
        id.as_str().unwrap().to_owned()
    }

    pub(crate) fn forget_cookies(&self) {
        self.ask(Method::DELETE, "/cookie", None);
    }

    /// Becomes a screen of this size, by day or by night.
    pub(crate) fn screen(&self, width: u32, height: u32, scheme: &str) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.cdp("Emulation.setDeviceMetricsOverride", &metrics);
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.cdp("Emulation.setEmulatedMedia", &features);
    }

    /// Becomes a sheet of paper of this width.
    pub(crate) fn paper(&self, width: u32) {
        self.screen(width, 1000, "light");
        self.cdp("Emulation.setEmulatedMedia", &json!({ "media": "print" }));
    }

    pub(crate) fn picture(&self, file: &Path) {
        let picture = self.cdp("Page.captureScreenshot", &json!({ "format": "png" }));
        let bytes = BASE64_STANDARD.decode(picture["data"].as_str().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    }

    fn cdp(&self, command: &str, parameters: &Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters });
        self.ask(Method::POST, "/goog/cdp/execute", Some(body))
    }

    /// What the browser complains about: errors of scripts, and whatever the page's own policy has stopped.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let log = self.ask(Method::POST, "/se/log", Some(json!({ "type": "browser" })));
        let entries = log.as_array().unwrap().iter();
        let severe = entries.filter(|entry| entry["level"] == "SEVERE" && entry["source"] != "network");
        severe.map(ToString::to_string).collect()
    }
}

/// A test that fails leaves no browser behind.
impl Drop for Browser {
    fn drop(&mut self) {
        let end = self.client.delete(&self.session).timeout(PATIENCE);
        drop(self.runtime.block_on(async { end.send().await }));
        drop(self.driver.kill());
        drop(self.driver.wait());
    }
}

/// A driver that listens, and where; `None` where there is none. It takes a free port for IPv4 and then the same for IPv6,
/// which a server of another test may have: then it ends, and another is started.
fn driver() -> Option<(Child, BufReader<ChildStdout>, u16)> {
    for _ in 0..5 {
        let driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut driver) = driver else {
            skip("there is no chromedriver (Debian: chromium-driver)");
            return None;
        };
        let mut stdout = BufReader::new(driver.stdout.take().unwrap());
        if let Some(port) = port(&mut stdout) {
            return Some((driver, stdout, port));
        }
        driver.wait().unwrap();
    }
    panic!("chromedriver does not say its port");
}

/// The driver says which port it was told, and then which it has taken.
fn port(stdout: &mut BufReader<ChildStdout>) -> Option<u16> {
    let mut lines = stdout.lines().map_while(Result::ok);
    lines.find_map(|line| {
        let (_, port) = line.rsplit_once("successfully on port ")?;
        port.trim_end_matches('.').parse().ok()
    })
}
