//! Microsoft's how-to "Connect devices with X.509 certificates to your IoT Central application", done by hand on the
//! emulator's page, with the files of `fleet cert` and devices of `fleet device-sim`.

use crate::person::Person;
use crate::support::Running;

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
    person.add_certificate("mytestrootcert_cert.pem");
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

/// A group whose primary CA has signed the certificate that the device uses.
fn group(person: &Person) -> Running {
    person.authority("first", "room-1");
    person.make_group("rolled");
    person.click("#manage-primary", "Add a certificate");
    person.add_verified("first/first_cert.pem");
    let device = person.device_of("first", "room1");
    person.go("/groups/rolled");
    person.sees("1 came through it, 1 of them online.");
    device
}

#[test]
fn a_ca_that_expires_is_rolled_by_hand_without_a_refusal() {
    let Some(person) = Person::sign_in() else { return };
    let old = group(&person);
    person.authority("second", "room-1");
    person.click("#manage-secondary", "Add a certificate");
    person.add_certificate("second/second_cert.pem");
    person.prove("second/second");

    // Both are good, so the device moves when it likes. Then the old CA goes.
    drop(old);
    let mut new = person.device_of("second", "room1");
    person.comes_online(&mut new, "room-1");
    person.go("/groups/rolled/primary");
    person.click("#delete", "unless the other certificate admits them");
    person.click("#delete-now", "The certificate is deleted");
    drop(new);
    let mut late = person.device_of("first", "room1");
    person.is_refused(&mut late, "room-1");
    drop(late);
    let mut new = person.device_of("second", "room1");
    person.comes_online(&mut new, "room-1");
    assert_eq!(person.browser.complaints(), [""; 0]);
}

#[test]
fn a_ca_whose_key_was_stolen_is_replaced_by_hand_and_its_devices_blocked_until_they_have_new_certificates() {
    let Some(person) = Person::sign_in() else { return };
    let stolen = group(&person);
    person.go("/devices/room-1");
    person.click("#enabled", "Blocked");
    person.authority("clean", "room-1");
    person.go("/groups/rolled/primary");
    person.click("#replace", "Certificate of the CA");
    person.add_verified("clean/clean_cert.pem");
    person.sees("CN=clean");
    person.go("/devices/room-1");
    person.click("#enabled", "Provisioned");

    drop(stolen);
    let mut thief = person.device_of("first", "room1");
    person.is_refused(&mut thief, "room-1");
    drop(thief);
    let mut clean = person.device_of("clean", "room1");
    person.comes_online(&mut clean, "room-1");
    assert_eq!(person.browser.complaints(), [""; 0]);
}

/// A device with an individual enrollment, whose certificates are in folders.
fn individual(person: &Person) -> Running {
    for folder in ["one", "two", "three"] {
        person.cert(&["device", "lab-1", "--out", folder]);
    }
    person.go("/new/device");
    person.browser.write("#id", "lab-1");
    person.click("#make", "The device is made");
    person.click("a[href$='/connect']", "Individual enrollment");
    person.upload("#primary", "one/lab1_cert.pem");
    person.click("#save", "The individual enrollment is saved");
    let device = person.device_of("one", "lab1");
    person.is_online();
    device
}

#[test]
fn a_certificate_of_an_individual_enrollment_is_rolled_by_hand_when_it_expires_and_when_it_was_stolen() {
    let Some(person) = Person::sign_in() else { return };
    let old = individual(&person);
    // It expires: the next one is there before the device uses it.
    person.click("#replace", "whose field is left empty stays");
    person.upload("#secondary", "two/lab1_cert.pem");
    person.click("#save", "The individual enrollment is saved");
    drop(old);
    let mut second = person.device_of("two", "lab1");
    person.comes_online(&mut second, "lab-1");

    // It was stolen: the primary is replaced and the secondary deleted at once, whoever uses them.
    person.click("#replace", "whose field is left empty stays");
    person.upload("#primary", "three/lab1_cert.pem");
    person.click("#save", "The individual enrollment is saved");
    person.click("#delete-secondary", "A device that shows it is refused");
    person.click("#delete-secondary-now", "The secondary certificate is deleted");
    drop(second);
    for stolen in ["one", "two"] {
        let mut thief = person.device_of(stolen, "lab1");
        person.is_refused(&mut thief, "lab-1");
        drop(thief);
    }
    let mut new = person.device_of("three", "lab1");
    person.comes_online(&mut new, "lab-1");
    assert_eq!(person.browser.complaints(), [""; 0]);
}
