//! The emulator's page while a fleet runs, in a real browser.
//!
//! `FLEET_PAGE_PICTURE=FILE` has a picture of it taken for the documentation.

use std::path::Path;

use crate::browser::Browser;
use crate::support::{Fleet, link};

const MANIFEST: &str = r#"
[fleet]
name = "page"
seed = 7

[target]
kind = "emulator"

[[group]]
id = "thermostats"
devices = { prefix = "thermo-", count = 99, first = 1, width = 4 }
telemetry = { interval = "1s", jitter = 0.1 }

[[individual]]
device_id = "lab-thermostat"
model = "temperature-controller"
telemetry = { interval = "1s", jitter = 0.1 }

[load]
stages = ["100%@3s", "100%@10m"]
"#;

/// A row of the properties in which all of these stand.
fn property(words: &[&str]) -> String {
    let all = words.iter().map(|word| format!("row.textContent.includes({word:?})"));
    let all = all.collect::<Vec<_>>().join(" && ");
    format!("[...document.querySelectorAll('#properties tr')].some((row) => {all})")
}

fn points(count: usize) -> String {
    format!("(document.querySelector('#chart .line')?.getAttribute('d').match(/L/g) ?? []).length >= {count}")
}

#[test]
fn a_person_signs_in_sees_the_fleet_arrive_and_speaks_with_a_device() {
    let Some(browser) = Browser::start() else { return };
    browser.screen(1280, 860, "light");
    let fleet = Fleet::new(MANIFEST);
    let mut running = fleet.start(&["run", "fleet.toml", "--report", "report"]);
    let line = running.wait_for("look at it: ");
    let link = link(&line);
    let base = link.split("/sign-in").next().unwrap();

    // The link is good once. A second time it takes the token, which is in a file.
    browser.go(link);
    browser.go(base);
    browser.wait_for("document.title.startsWith('Overview')");
    browser.forget_cookies();
    browser.go(link);
    browser.wait_for("document.querySelector('[role=alert]')?.textContent.includes('has been used')");
    browser.go(base);
    browser.wait_for("document.title.startsWith('Sign in')");
    let token = std::fs::read_to_string(fleet.path("state/page/emulator/api_token")).unwrap();
    browser.write("#token", token.trim());
    browser.click("button[type=submit]");
    browser.wait_for("/^(Signed in|Overview)/.test(document.title)");
    browser.go(base);

    browser.wait_for("document.getElementById('online').textContent === '100'");
    browser.wait_for("document.getElementById('groups').textContent.includes('CN=thermostats root')");
    browser.wait_for("document.querySelector('#groups td .badge.good')?.textContent === 'verified'");
    browser.wait_for("document.querySelectorAll('#events li').length >= 10");
    browser.wait_for("document.querySelectorAll('#fleet a.o').length === 100");
    browser.wait_for("document.querySelector('#fleet a[href$=lab-thermostat]').title === 'lab-thermostat — online'");
    browser.wait_for("document.querySelector('#messages-curve .line').getAttribute('d').includes('L1000')");

    browser.go(&format!("{base}/devices?id=0042&state=online"));
    // It could be replaced between being found and being clicked.
    let device = browser.value("document.querySelector('#list a').href");
    browser.go(device.as_str().unwrap());
    browser.wait_for("document.title.startsWith('thermo-0042')");
    browser.wait_for(&points(2));
    browser.write("#target", "24.5");
    browser.click("form[action$='/target'] button");
    browser.wait_for("document.getElementById('answer').textContent.includes('Asked for 24.5')");
    browser.wait_for(&property(&[
        "targetTemperature",
        "24.5",
        "synced",
        "code 200, version 2",
    ]));
    browser.click("form[action$='/report'] button");
    browser.wait_for("/answered 200.*Highest.*°C.*Lowest.*°C/.test(document.getElementById('answer').textContent)");
    browser.wait_for("document.getElementById('events').textContent.includes('name getMaxMinReport, status 200')");

    // A device of several thermostats is asked by component.
    browser.go(&format!("{base}/devices/lab-thermostat"));
    browser.wait_for("document.querySelectorAll('#chart .line').length === 2");
    browser.click("#target-thermostat option[value=thermostat2]");
    browser.write("#target", "20.5");
    browser.click("form[action$='/target'] button");
    browser.wait_for(&property(&["targetTemperature", "20.5", "synced"]));
    browser.click("#report-thermostat option[value=thermostat2]");
    browser.click("form[action$='/report'] button");
    browser
        .wait_for("document.getElementById('events').textContent.includes('thermostat2*getMaxMinReport, status 200')");
    // What the root sends, and the root's own command.
    browser.wait_for("/workingSet[0-9]/.test(document.getElementById('telemetry').textContent)");
    browser.write("form[action$='/command'] input[type=number]", "1");
    browser.click("form[action$='/command'] button");
    browser.wait_for("/reboot answered 202/.test(document.getElementById('answer').textContent)");
    if let Some(file) = std::env::var_os("FLEET_PAGE_PICTURE") {
        browser.wait_for(&points(45));
        browser.picture(Path::new(&file));
    }

    // Something goes wrong on purpose, and then not any more.
    browser.go(&format!("{base}/faults"));
    browser.wait_for("document.getElementById('rules').textContent.includes('Every device gets what it asks for')");
    browser.click("#preset option[value=slow-network]");
    browser.click("#add-preset");
    browser.wait_for("document.getElementById('answer').textContent === 'slow-network is added.'");
    browser.wait_for("/slow-network.*50ms to 100ms each way/.test(document.getElementById('rules').textContent)");
    browser.write("#rules-text", r#"{"phase":"c2d","device":"nobody-*","verdict":"drop"}"#);
    browser.click("#add-rules");
    browser.wait_for("document.querySelector('#remove-rule-1') && document.querySelector('#rules-text').value === ''");
    browser.click("#remove-slow-network");
    browser.wait_for("!document.querySelector('#remove-slow-network')");
    browser.go(base);
    browser.wait_for("document.getElementById('in-force').textContent.includes('1 rule is on')");

    // On a phone at night, everything has room.
    browser.screen(360, 740, "dark");
    for path in [
        "/",
        "/devices",
        "/devices/lab-thermostat",
        "/devices/thermo-0042",
        "/journal",
        "/faults",
        "/sign-in",
    ] {
        browser.go(&format!("{base}{path}"));
        let width = browser.value("document.documentElement.scrollWidth");
        assert_eq!(width, 360, "{path}");
        let ground = browser.value("getComputedStyle(document.body).backgroundColor");
        assert_eq!(ground, "rgb(18, 23, 27)", "{path}");
    }
    browser.go(&format!("{base}/faults"));
    browser.click("#remove-all");
    browser.wait_for("!document.querySelector('#remove-all')");

    browser.go(&format!("{base}/devices/thermo-0042"));
    browser.click("#enabled");
    browser.wait_for("document.getElementById('standing').textContent.includes('offlineBlocked')");
    browser.click("#enabled");
    browser.wait_for("document.getElementById('standing').textContent.includes('Provisioned')");
    assert_eq!(browser.complaints(), [""; 0]);

    // Somebody who looks does not keep the run from ending, and no secret of the way in is in what it leaves.
    running.interrupt();
    let (code, progress) = running.end();
    assert_eq!(code, Some(130), "{progress}");
    assert!(!progress.contains("did not stop"), "{progress}");
    let report = fleet.report().to_string();
    assert!(!report.contains("sign-in") && !progress.contains(token.trim()));
    fleet.wait_until_nothing_runs();
}

#[test]
fn a_device_that_was_let_in_again_comes_back_at_a_click() {
    let Some(browser) = Browser::start() else { return };
    browser.screen(1280, 860, "light");
    let fleet = Fleet::new(&MANIFEST.replace("count = 99", "count = 2"));
    let mut running = fleet.start(&["run", "fleet.toml", "--web", "off", "--keep-going"]);
    let line = running.wait_for("look at it: ");
    let link = link(&line);
    let base = link.split("/sign-in").next().unwrap();
    browser.go(link);
    running.wait_for("all 3 devices online");
    browser.go(&format!("{base}/devices/thermo-0002"));
    browser.wait_for("document.querySelector('#standing .dot.on')");
    browser.click("#enabled");
    // The hub refuses it, then DPS does, after which it waits for minutes.
    running.wait_for("thermo-0002 is parked");
    browser.wait_for("document.getElementById('enabled').textContent === 'Unblock'");
    browser.click("#enabled");
    browser.wait_for("document.getElementById('enabled').textContent === 'Block'");
    browser.click("form[action$='/retry'] button");
    browser.wait_for("document.getElementById('answer').textContent === 'It tries again now.'");
    browser.wait_for("document.querySelector('#standing .dot.on')");
    browser.wait_for("!document.querySelector('form[action$=\"/retry\"]')");
    running.interrupt();
    running.end();
}
