//! Every view of the emulator's page for everybody: labelled, readable by day and by night, with room on a phone, and
//! within reach of the keyboard.

use crate::axe::violations;
use crate::browser::Browser;
use crate::person::Person;
use crate::report_page::{FAINT, SKIPPED, WIDTH};

/// Fields without a label, and links and buttons without a name.
const NAMELESS: &str = r"[
    ...[...document.querySelectorAll('input:not([type=hidden]), select, textarea')]
        .filter((field) => !field.labels.length && !field.getAttribute('aria-label')),
    ...[...document.querySelectorAll('a, button, summary')]
        .filter((one) => !one.closest('[aria-hidden]') && !one.textContent.trim() && !one.getAttribute('aria-label')),
].map((one) => one.outerHTML)";

/// Ids that are there twice: a label would be for the wrong one.
const TWICE: &str = r"(() => {
    const ids = [...document.querySelectorAll('[id]')].map((one) => one.id);
    return ids.filter((id, index) => ids.indexOf(id) !== index);
})()";

/// What the keyboard does not reach, other than the dots, which are in the lists behind their headings too.
const OUT_OF_REACH: &str = r"[...document.querySelectorAll('[tabindex]')]
    .filter((one) => !one.closest('.dots')).map((one) => one.outerHTML)";

const VIEWS: [&str; 20] = [
    "/",
    "/groups",
    "/new/group",
    "/groups/views",
    "/groups/views/primary",
    "/groups/views/secondary",
    "/devices",
    "/devices?state=refused",
    "/new/device",
    "/devices/room-1",
    "/devices/room-1/connect",
    "/devices/room-1/raw",
    "/devices/room-1/commands",
    "/templates",
    "/templates/dtmi:com:example:Thermostat;1",
    "/new/template",
    "/tokens",
    "/new/token",
    "/journal",
    "/nowhere",
];

#[test]
fn every_view_is_labelled_readable_and_has_room_on_a_phone() {
    let Some(person) = Person::sign_in() else { return };
    let browser = &person.browser;
    person.authority("root", "room-1");
    person.make_group("views");
    person.click("#manage-primary", "Add a certificate");
    person.add_certificate("root/root_cert.pem");
    person.prove("root/root");
    let _device = person.device_of("root", "room1");
    person.go("/groups/views");
    person.sees("1 came through it");
    person.go("/devices/room-1/raw");
    person.sees("\"temperature\"");
    person.go("/new/token");
    browser.write("#id", "ci");
    person.click("#make", "it is not shown again");
    person.authority("other", "room-2");
    person.go("/groups/views/secondary");
    person.add_certificate("other/other_cert.pem");
    person.click("#generate-code", "Verification code");
    person.upload("#proof", "other/other_cert.pem");
    person.click("#verify", "That was refused");
    look(browser, "a refused proof", 1280, "light");
    let _refused = person.device_of("other", "room2");
    person.go("/devices?state=refused");
    person.sees("room-2");

    for (width, scheme) in [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")] {
        browser.screen(width, 860, scheme);
        for view in VIEWS {
            person.go(view);
            look(browser, view, width, scheme);
        }
    }
    assert_eq!(browser.complaints(), [""; 0]);

    // None of the looks is blind.
    browser.value(
        r#"document.querySelector('main').insertAdjacentHTML('beforeend',
            '<h2>x</h2><h4 id="twice">x</h4><p id="twice" tabindex="0">faint</p><input>')
            ?? document.querySelector('main > p[tabindex]').style.setProperty('color', '#777')"#,
    );
    for found in [FAINT, SKIPPED, NAMELESS, TWICE, OUT_OF_REACH] {
        assert_ne!(browser.value(found).as_array().unwrap().len(), 0, "{found}");
    }
}

/// Looks at a view with all that can be opened in it.
fn look(browser: &Browser, view: &str, width: u32, scheme: &str) {
    browser.value("document.querySelectorAll('details').forEach((one) => one.open = true)");
    for found in [FAINT, SKIPPED, NAMELESS, TWICE, OUT_OF_REACH] {
        let found = browser.value(found);
        assert_eq!(
            found.as_array().unwrap().len(),
            0,
            "{view}, {width}, {scheme}: {found:#}"
        );
    }
    assert_eq!(browser.value("document.querySelectorAll('h1').length"), 1, "{view}");
    assert_eq!(violations(browser), [""; 0], "{view}, {width}, {scheme}");
    assert_eq!(browser.value(WIDTH), width, "{view}, {scheme}");
}

/// Goes from field to field until this one has the focus.
fn tab_to(browser: &Browser, id: &str) {
    for _ in 0..80 {
        if browser.value("document.activeElement.id") == id {
            return;
        }
        browser.press(TAB);
    }
    panic!("the keyboard does not reach `{id}`");
}

/// Keys as WebDriver writes them.
const TAB: &str = "\u{E004}";
const ENTER: &str = "\u{E007}";

#[test]
fn a_group_is_made_and_deleted_with_the_keyboard_alone() {
    let Some(person) = Person::sign_in() else { return };
    let browser = &person.browser;
    person.go("/groups");
    tab_to(browser, "new");
    browser.press(ENTER);
    person.sees("Group type");
    tab_to(browser, "make");
    browser.press(ENTER);
    // The browser itself asks for the name.
    browser.wait_for("document.activeElement.id === 'name'");
    browser.press(&format!("keys{ENTER}"));
    person.sees("The group is made");
    tab_to(browser, "manage-primary");
    browser.press(ENTER);
    person.sees("Add a certificate");
    tab_to(browser, "upload");
    browser.press(ENTER);
    // What is wrong has the focus.
    person.sees("Choose a file, or paste the text of the certificate.");
    browser.wait_for("document.activeElement.id === 'certificate'");
    person.go("/groups/keys");
    tab_to(browser, "delete");
    browser.press(ENTER);
    tab_to(browser, "delete-now");
    browser.press(ENTER);
    person.sees("The group is deleted");
}
