//! What a person reads who has written a wrong manifest, word for word; and that a right one is understood.

use std::borrow::Cow;
use std::path::Path;

use launcher::manifest::problem::Look;
use launcher::manifest::types::{Secret, Target};
use launcher::manifest::{self, Manifest, ManifestError};
use provisioning::identities::Issuer;

/// The least that is a manifest, before the tables that a test is about.
const HEAD: &str = r#"[fleet]
name = "demo"

[target]
kind = "emulator"
"#;

fn read(text: &str, overrides: &[&str]) -> Result<Manifest, ManifestError> {
    let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
    manifest::parse("fleet.toml", text, Path::new("/fleets"), &overrides)
}

fn with_group(rest: &str) -> String {
    format!("{HEAD}\n[[group]]\nid = \"thermostats\"\ndevices = {{ prefix = \"thermo-\", count = 3 }}\n{rest}")
}

#[track_caller]
fn refusal(text: &str, overrides: &[&str]) -> String {
    read(text, overrides)
        .expect_err("the manifest is wrong")
        .render(Look::Plain)
}

macro_rules! refused {
    ($($name:ident: $text:expr $(, set $set:expr)*;)*) => {
        $(
            #[test]
            fn $name() {
                let text: Cow<'static, str> = $text.into();
                insta::assert_snapshot!(refusal(&text, &[$($set),*]));
            }
        )*
    };
}

refused! {
    an_unknown_key_is_refused_with_the_one_that_was_meant: with_group("intervall = \"5s\"\n\n[load]\nregister_rat = \"5/s\"\n");
    an_unknown_key_that_is_like_nothing_is_refused_with_those_there_are: with_group("[load]\nblue = 1\n");
    an_unknown_table_is_refused: with_group("[groups]\n");
    wrong_types_are_refused_all_at_once: r#"[fleet]
name = 7
seed = "seven"

[target]
kind = ["emulator"]

[[group]]
id = "thermostats"
devices = { prefix = "thermo-", count = "many" }
telemetry = { interval = 5, jitter = "some" }

[load]
register_rate = 200
stages = ["100%@10s", 5]
"#;
    a_device_id_in_two_groups_is_refused: with_group(
        "\n[[group]]\nid = \"more\"\ndevices = { prefix = \"Thermo-\", count = 10, first = 3 }\n\n[[individual]]\ndevice_id = \"thermo-0001\"\n");
    an_id_with_illegal_characters_is_refused: format!("{HEAD}\n[[individual]]\ndevice_id = \"lab thermostat\"\n");
    an_id_of_more_than_64_characters_is_refused: format!("{HEAD}\n[[individual]]\ndevice_id = \"{}\"\n", "a".repeat(65));
    a_prefix_that_makes_illegal_ids_is_refused: format!("{HEAD}\n[[group]]\nid = \"g\"\ndevices = {{ prefix = \"thermo/\", count = 2 }}\n");
    a_prefix_that_makes_ids_of_more_than_64_characters_is_refused:
        format!("{HEAD}\n[[group]]\nid = \"g\"\ndevices = {{ prefix = \"{}\", count = 2 }}\n", "a".repeat(61));
    a_group_of_no_devices_is_refused: format!("{HEAD}\n[[group]]\nid = \"g\"\ndevices = {{ prefix = \"a-\", count = 0 }}\n");
    a_wrong_count_does_not_hide_a_wrong_prefix: format!("{HEAD}\n[[group]]\nid = \"g\"\ndevices = {{ prefix = \"a/\", count = 0 }}\n");
    a_fleet_of_more_devices_than_dps_holds_is_refused: format!(
        "{HEAD}\n[[group]]\nid = \"a\"\ndevices = {{ prefix = \"a-\", count = 999999 }}\n[[group]]\nid = \"b\"\ndevices = {{ prefix = \"b-\", count = 2 }}\n");
    two_groups_of_one_name_are_refused: with_group("\n[[group]]\nid = \"Thermostats\"\ndevices = { prefix = \"b-\", count = 2 }\n");
    a_group_called_individual_is_refused: format!("{HEAD}\n[[group]]\nid = \"individual\"\ndevices = {{ prefix = \"a-\", count = 1 }}\n");
    an_empty_fleet_is_refused: HEAD;
    an_empty_file_is_refused: "";
    orders_that_can_not_be_carried_out_are_refused: with_group(r#"
[[event]]
at = "1s"
action = "churn"
share_per_minute = "10%"
over = "5s"

[[event]]
at = "2s"
action = "churn"
share_per_minute = 4
for = "5m"
away = "15s"

[[event]]
at = "3s"
action = "churn"
share_per_minute = "0%"
for = "0s"
away = "soon"

[[event]]
at = "4s"
action = "storm"
share = "half"
over = "5s"

[[event]]
at = "5s"
action = "reboot"
share = "120%"
away = "1m"

[[event]]
at = "6s"
action = "retry"
group = "strangers"

[[event]]
at = "7s"
action = "rebot"
"#);
    profiles_that_no_group_can_have_are_refused: with_group(r#"
[[group.profile]]
weight = 0

[[group.profile]]
name = "a b"
interval = "0s"
jitter = 2
burst = { messages = 100, every = "10m" }
on_change = { by = 0.5 }

[[group.profile]]
name = "a"
on_change = { by = -1, heartbeat = "1m", often = true }
properties_per_minute = 30
payload = { bytes = 300000, fields = { temperature = 1, at = 2026-01-01, ok = true } }

[[group.profile]]
name = "a"
shape = "flat"
day = "1s"

[[group.profile]]
name = "b"
shape = "offices"
online = "0%"
day = "1s"
message = { content_type = "text/ü", properties = { "$.ct" = "x", size = 5 } }
weights = 1

[load]
messages = 0
"#);
    messages_to_devices_are_refused_where_no_service_sends_them: format!(
        "{}\n[operator]\nmessage_rate = \"2/s\"\n",
        with_group("").replace("kind = \"emulator\"",
            "kind = \"iot-central\"\napp = \"https://contoso.azureiotcentral.com\"\napi_token = { env = \"IOTC_API_TOKEN\" }"));
    faults_and_negative_devices_that_make_no_sense_are_refused: with_group(r#"
expect = "refused:outbox_full"
certificate = "rotten"

[[group.fault]]
kind = "slow"
share = "10%"

[[group.fault]]
kind = "slow"
share = 0
latency = "2m"
bandwidth = "fast"

[[group.fault]]
kind = "stalled"
share = 0.5
every = "5s"
for = "5s"

[[group.fault]]
kind = "cut"
share = 0.6
every = "10s"
for = "1s"

[[group.fault]]
kind = "cut"
share = 0.6

[[group.fault]]
kind = "clock"
share = 1
ahead = "1h"
behind = "1h"

[[group.fault]]
share = 1

[[group]]
id = "foreign"
devices = { prefix = "foreign-", count = 1 }
expect = "refused"
certificate = "foreign"
root = "thermostats"
secondary = true

[[group]]
id = "expired"
devices = { prefix = "expired-", count = 1 }
certificate = "expired"

[[individual]]
device_id = "own"
expect = "refused"
certificate = "expired"
validity = "1d"
certificates = { cert = "own.pem" }

[thresholds]
negative_refused = ["rate == 100%"]
"#);
    shares_of_one_kind_are_not_more_than_all_devices: with_group(r#"
[[group.fault]]
kind = "cut"
share = 0.6
every = "10s"

[[group.fault]]
kind = "cut"
share = "60%"
every = "1m"

[[event]]
at = "5s"
action = "storm"
group = "strangers"

[[group]]
id = "strangers"
devices = { prefix = "stranger-", count = 1 }
expect = "refused"

[[event]]
at = "6s"
action = "roll"
case = "group-expiry"
group = "strangers"
"#);
    a_threshold_on_negative_devices_that_there_are_not_is_refused: with_group("[thresholds]\nnegative_refused = [\"rate == 100%\"]\n");
    a_burst_that_a_device_can_not_keep_is_refused: with_group(
        "model = \"temperature-controller\"\n[[group.profile]]\nname = \"a\"\nburst = { messages = 22, every = \"1m\" }\n");
    a_group_of_gateways_has_no_profiles: with_group("kind = \"edge\"\n[[group.profile]]\nname = \"a\"\n");
    times_at_which_no_event_can_happen_are_refused: with_group(r#"
[[event]]
action = "storm"

[[event]]
stage = 0
action = "storm"

[[event]]
stage = 4
at = "0s"
action = "reconnect"

[[event]]
at = "1s"
every = "500ms"
action = "retry"

[[event]]
at = "1s"
for = "5m"
action = "storm"

[[event]]
at = "1s"
every = "30s"
over = "10s"
for = "20s"
action = "disconnect"

[[event]]
at = "1s"
every = "2m"
share_per_minute = "10%"
for = "90s"
action = "churn"

[[event]]
at = "1s"
every = "1s"
for = "3h"
action = "reregister"

[[event]]
at = "1s"
every = "1h"
for = "soon"
action = "roll"
case = "group-expiry"
"#);
    thresholds_that_make_no_sense_are_refused: with_group(
        "\n[thresholds]\npublish_duraton = [\"p(95) < 1s\"]\npublish_duration = [\"p(95) < 500\", { threshold = \"rate < 1/s\", over = \"1ms\" }]\n\"connect_failed{group:thermostat}\" = [\"rate == 0\"]\n\"connect_failed{reason:mqtt_not_authorised}\" = [\"count == 0\"]\nscheduler_lag = [\"p(99) < 50ms\"]\ntelemetry_lost = \"rate == 0\"\n");
    an_operator_that_makes_no_sense_is_refused: with_group(
        "\n[operator]\ncommand = \"reboot\"\ncommand_rat = \"5\"\nvalues = [1, 2]\nshare = 2\n\n[thresholds]\ncommand_roundtrip_duration = [\"p(95) < 1s\"]\n");
    an_operator_without_what_it_works_with_is_refused: with_group(
        "\n[operator]\ncommand_rate = \"5/s\"\ncommand = \"reboot\"\nproperty_rate = \"1/s\"\nvalues = [24, 18]\n\n[thresholds]\nrest_throttled = [\"count == 0\"]\nproperty_roundtrip_duration = [\"p(95) < 1s\"]\n");
    an_operator_of_devices_that_lack_its_command_is_refused: with_group("\n[operator]\ncommand_rate = \"5/s\"\ncommand = \"reboot\"\n");
    an_operator_of_no_group_is_refused: with_group("\n[operator]\nproperty_rate = \"5/s\"\ngroup = \"individual\"\n");
    an_operator_without_an_application_is_refused: with_group("\n[operator]\nproperty_rate = \"5/s\"\n"), set "target.kind=dps", set "target.id_scope=0ne00ABCDEF";
    what_an_operator_does_not_do_is_not_measured: with_group(
        "\n[operator]\nproperty_rate = \"5/s\"\n\n[thresholds]\narrival_stale = [\"rate < 1%\"]\nproperty_roundtrip_duration = [\"p(95) < 1s\"]\ncommand_roundtrip_failed = [\"rate == 0\"]\n");
    a_gateway_that_is_none_is_refused: with_group(
        "via = \"gw-001\"\n\n[[group]]\nid = \"edge\"\nkind = \"edge\"\nvia = \"gw-0001\"\nmodel = \"thermostat\"\ngateway_address = \"lan:8883\"\ndevices = { prefix = \"gw-\", count = 2 }\n\n[[individual]]\nkind = \"edge\"\ndevice_id = \"a\"\nvia = \"thermo-0001\"\n\n[[individual]]\ndevice_id = \"b\"\nvia = \"something-else\"\n");
    what_a_gateway_can_not_be_called_is_refused: with_group(
        "kind = \"gateway\"\n\n[[group]]\nid = \"a\"\nkind = \"edge\"\nhostname = \"gw.local\"\ndevices = { prefix = \"a-\", count = 2 }\n\n[[group]]\nid = \"b\"\nkind = \"edge\"\ndevices = { prefix = \"b_\", count = 2 }\n\n[[group]]\nid = \"c\"\nkind = \"edge\"\nhostname = \"-gw.{device_id}..local\"\nhub = \"a b\"\ndevices = { prefix = \"c-\", count = 2 }\n\n[[group]]\nid = \"d\"\nhostname = \"gw.local\"\nhub = \"h\"\nsimulated = true\ndevices = { prefix = \"d-\", count = 2 }\n\n[[group]]\nid = \"e\"\nkind = \"edge\"\nhostname = \"{device_id}.a-name-that-is-much-too-long-for-the-common-name-of-a-certificate\"\ngateway_address = \"https://lan\"\ndevices = { prefix = \"e-\", count = 2 }\n");
    events_that_make_no_sense_are_refused: with_group(
        "\n[[event]]\naction = \"roll\"\ncase = \"expiry\"\nwave = 0\nshare = 1\n\n[[event]]\nat = \"1s\"\naction = \"explode\"\n\n[[event]]\nat = \"1s\"\naction = \"reconnect\"\nshare = 2\n");
    events_about_groups_that_are_not_there_are_refused: with_group(
        "\n[[event]]\nat = \"1s\"\naction = \"roll\"\ncase = \"group-expiry\"\ngroup = \"strangers\"\n\n[[event]]\nat = \"1s\"\naction = \"roll\"\ncase = \"individual-breach\"\n\n[[event]]\nat = \"1s\"\naction = \"disconnect\"\ngroup = \"strangers\"\n");
    text_that_is_not_toml_is_refused: "[fleet\nname = \"demo\"\n";
    values_out_of_range_are_refused: with_group(
        "telemetry = { interval = \"0s\", jitter = 1.5 }\n\n[load]\nregister_rate = \"0/s\"\nconnect_rate = \"5/fortnight\"\nprocesses = 0\nstages = [\"120%@5s\", \"50%\"]\n");
    keys_of_another_kind_of_target_are_refused:
        with_group("").replace("kind = \"emulator\"", "kind = \"emulator\"\napp = \"https://a\"\nid_scope = \"0ne1\"");
    a_quota_of_no_such_name_is_refused: with_group("").replace("\"emulator\"", "\"emulator\"\nquota = \"hub-s9\"");
    units_that_a_hub_can_not_have_are_refused: with_group("").replace("\"emulator\"", "\"emulator\"\nquota = \"hub-f1\"\nunits = 2");
    no_units_at_all_are_refused: with_group("").replace("\"emulator\"", "\"emulator\"\nquota = \"hub-s1\"\nunits = 0");
    units_of_no_hub_are_refused: with_group("").replace("\"emulator\"", "\"emulator\"\nunits = 2");
    a_service_without_its_limits_is_refused: with_group("").replace(
        "\"emulator\"", "\"dps\"\nid_scope = \"0ne00ABCDEF\"\nquota = \"off\"\nunits = 2");
    an_iot_central_target_without_its_keys_is_refused: with_group("").replace("emulator", "iot-central");
    a_dps_target_without_id_scope_is_refused: with_group("").replace("emulator", "dps");
    a_token_over_clear_text_is_refused: with_group("").replace(
        "kind = \"emulator\"", "kind = \"iot-central\"\napp = \"http://contoso.azureiotcentral.com\"\napi_token = { env = \"T\" }");
    a_token_in_the_manifest_is_refused_without_showing_it: with_group("").replace(
        "kind = \"emulator\"", "kind = \"iot-central\"\napp = \"https://contoso.azureiotcentral.com\"\napi_token = \"SharedAccessSignature sr=1&sig=s3cret\"");
    a_token_in_an_argument_is_refused_without_showing_it: with_group("").replace(
        "kind = \"emulator\"", "kind = \"iot-central\"\napp = \"https://contoso.azureiotcentral.com\""), set "target.api_token=s3cret";
    a_leaf_that_would_not_chain_is_refused: with_group("issuer = \"root\"\nenroll = \"intermediate\"\n");
    a_root_of_no_group_is_refused: with_group(
        "root = \"thermostat\"\n\n[[group]]\nid = \"b\"\nroot = \"c\"\ndevices = { prefix = \"b-\", count = 1 }\n\n[[group]]\nid = \"c\"\nroot = \"d\"\ndevices = { prefix = \"c-\", count = 1 }\n\n[[group]]\nid = \"d\"\ndevices = { prefix = \"d-\", count = 1 }\n");
    a_shared_root_is_neither_enrolled_twice_nor_signs_for_others: with_group(
        "\n[[group]]\nid = \"b\"\nroot = \"thermostats\"\nenroll = \"root\"\ndevices = { prefix = \"b-\", count = 1 }\n\n[[group]]\nid = \"c\"\nroot = \"thermostats\"\nissuer = \"root\"\ndevices = { prefix = \"c-\", count = 1 }\n");
    keys_and_validities_that_make_no_sense_are_refused: with_group(
        "key = \"rsa1024\"\nvalidity = \"-1d\"\nsecondary = \"yes\"\n\n[[individual]]\ndevice_id = \"lab\"\nkey = 256\nvalidity = \"1y\"\n\n[[individual]]\ndevice_id = \"roof\"\nvalidity = \"40000d\"\n");
    certificates_of_ones_own_are_whole_and_leave_nothing_to_make: with_group(
        r#"key = "p384"
root = "b"
certificates = { leaf = "leaf.pem", pfx = "{device_id}.pfx", password = "s3cret", ca_key = "ca_key.pem" }

[[group]]
id = "b"
devices = { prefix = "b-", count = 1 }
certificates = { key = "{device_id}_key.pem", ca = "ca.pem", secondary = { ca_key = "next_key.pem" } }

[[individual]]
device_id = "lab"
secondary = true
certificates = { cert = "lab.pem", secondary = { pfx = "lab.pfx", key = "lab_key.pem", password = { env = "A", file = "b" } } }

[[individual]]
devices = { prefix = "lab-", count = 2 }
certificates = { cert = "lab.pem", key = "lab_key.pem" }
"#);
    an_individual_needs_one_kind_of_id: format!(
        "{HEAD}\n[[individual]]\nmodel = \"thermostat\"\n\n[[individual]]\ndevice_id = \"a\"\ndevices = {{ prefix = \"b-\", count = 1 }}\n");
    an_argument_that_is_wrong_is_named: with_group(""), set "load.register_rate=quick", set "load.regster_rate=5/s",
        set "group.thermostats.devices.count=0", set "fleet.name.first=x", set "group.7.id=x", set "load";
}

#[test]
fn a_token_is_never_shown() {
    let text = with_group("").replace(
        "kind = \"emulator\"",
        "kind = \"iot-central\"\napi_token = \"s3cret\"\napi_tokn = \"x\"",
    );
    assert!(!refusal(&text, &[]).contains("s3cret"));
    assert!(!refusal(&with_group(""), &["target.api_token=s3cret"]).contains("s3cret"));
    let argument = "group.0.certificates.password=s3cret";
    assert!(!refusal(&with_group(""), &[argument]).contains("s3cret"));
    let password = "certificates = { pfx = \"{device_id}.pfx\", password = \"s3cret\" }\n";
    assert!(!refusal(&with_group(password), &[]).contains("s3cret"));
}

#[test]
fn a_manifest_that_does_not_exist_is_named() {
    let error = manifest::load(Path::new("no/such/fleet.toml"), &[]).unwrap_err();
    insta::assert_snapshot!(error.render(Look::Plain));
}

#[test]
fn the_least_manifest_has_the_documented_defaults() {
    let manifest = read(&with_group(""), &[]).unwrap();
    insta::assert_json_snapshot!(manifest);
}

#[test]
fn a_full_manifest_is_understood() {
    let manifest = read(
        r#"[fleet]
name = "office"
seed = 42
certs = "certs/office"
state = "/var/lib/fleet/office"

[target]
kind = "iot-central"
app = "https://contoso.azureiotcentral.com/"
api_token = { env = "IOTC_API_TOKEN" }
id_scope = "0ne00ABCDEF"
dps_endpoint = "localhost"
port = 18883
ca = "ca.pem"
connect_host = "gateway.local"
transport = "mqtt"

[[group]]
id = "floor-1"
issuer = "root"
enroll = "root"
devices = { prefix = "f1-", count = 10, first = 0, width = 2 }
key = "rsa2048"
validity = "90d"
secondary = true
model = "thermostat"
telemetry = { interval = "1m30s", jitter = 0 }

[[individual]]
devices = { prefix = "lab-", count = 2 }
key = "p384"
validity = "12h"
secondary = true

[load]
register_rate = "1/s"
connect_rate = "600/min"
stages = ["50%@10s", "0%@5s"]
processes = 3
"#,
        &[],
    )
    .unwrap();
    assert_eq!(manifest.group[0].issuer, Issuer::Root);
    let Target::IotCentral(target) = &manifest.target else {
        panic!("{:?}", manifest.target);
    };
    assert_eq!(target.api_token, Some(Secret::Env("IOTC_API_TOKEN".into())));
    insta::assert_json_snapshot!(manifest);
}

#[test]
fn every_order_is_understood_as_an_event() {
    let text = with_group(
        r#"
[[event]]
at = "1s"
action = "disconnect"
share = "12.5%"

[[event]]
at = "2s"
action = "reconnect"
over = "5s"

[[event]]
at = "3s"
action = "reregister"
share = 0.5

[[event]]
at = "4s"
action = "reboot"
group = "thermostats"
share = "10%"
over = "10s"

[[event]]
at = "5s"
action = "storm"

[[event]]
at = "6s"
action = "churn"
share = 0.5
share_per_minute = "10%"
for = "5m"

[[event]]
at = "7s"
action = "churn"
group = "individual"
share_per_minute = 0.25
for = "1m"
away = "10s"

[[event]]
at = "8s"
action = "retry"

[[event]]
stage = 2
action = "reboot"
for = "1m"

[[event]]
stage = 2
at = "9s"
every = "1m"
for = "5m"
action = "storm"

[[event]]
at = "10s"
every = "2m"
action = "disconnect"
over = "10s"
for = "1m"

[[event]]
at = "11s"
every = "1h"
action = "roll"
case = "group-expiry"
"#,
    );
    insta::assert_json_snapshot!(read(&text, &[]).unwrap().event);
}

#[test]
fn profiles_are_understood() {
    let text = with_group(
        r#"
[[group.profile]]
name = "usual"
weight = 70

[[group.profile]]
name = "loggers"
weight = 20
burst = { messages = 20, every = "10m" }
payload = { bytes = 4096, fields = { building = "A", floor = 3, area = 20.5, leased = false } }

[[group.profile]]
name = "offices"
weight = 10
interval = "1m"
jitter = 0
on_change = { by = 0.5, heartbeat = "10m" }
properties_per_minute = 0.5
message = { content_type = "application/json", properties = { alert = "true" } }
shape = "office"
online = "40%"
day = "4m"

[load]
messages = 100000
"#,
    );
    let manifest = read(&text, &["group.thermostats.profile.usual.weight=60"]).unwrap();
    assert_eq!(manifest.load.messages, Some(100_000));
    insta::assert_json_snapshot!(manifest.group[0].profile);
    assert_eq!(read(&with_group(""), &[]).unwrap().group[0].profile, []);
}

#[test]
fn faults_and_negative_devices_are_understood() {
    let text = with_group(
        r#"
[[group.fault]]
kind = "slow"
share = "10%"
latency = "300ms"
bandwidth = "64kbit/s"

[[group.fault]]
kind = "stalled"
share = 0.1
every = "1m"
for = "20s"

[[group.fault]]
kind = "cut"
share = 0.1
every = "5m"

[[group.fault]]
kind = "clock"
share = 0.1
behind = "400d"

[[group]]
id = "expired"
devices = { prefix = "expired-", count = 2 }
expect = "refused:mqtt_not_authorized"
certificate = "expired"

[[individual]]
device_id = "stranger"
expect = "refused"
certificate = "foreign"

[thresholds]
"negative_refused{group:expired}" = ["rate == 100%"]
"#,
    );
    let manifest = read(&text, &["group.thermostats.fault.0.latency=400ms"]).unwrap();
    insta::assert_json_snapshot!(manifest.group[0].fault);
    let negative = (&manifest.group[1].expect, &manifest.individual[0].expect);
    let words = |expect: &Option<_>| expect.as_ref().map(ToString::to_string);
    assert_eq!(words(negative.0).as_deref(), Some("refused:mqtt_not_authorized"));
    assert_eq!(words(negative.1).as_deref(), Some("refused"));
    assert_eq!(
        manifest.group_names(),
        ["thermostats", "individual"],
        "of those that orders may be for"
    );
}

#[test]
fn arguments_override_any_key() {
    let manifest = read(
        &with_group("\n[[individual]]\ndevice_id = \"lab\"\n"),
        &[
            "fleet.seed=9",
            "load.register_rate=5/min",
            "load.stages=[\"100%@1s\"]",
            "group.thermostats.devices.count=10",
            "group.0.telemetry.interval=250ms",
            "individual.lab.telemetry={ jitter = 0.5 }",
            "target.port=18883",
        ],
    )
    .unwrap();
    assert_eq!(manifest.fleet.seed, 9);
    assert_eq!(manifest.load.register_rate.to_string(), "5/min");
    assert_eq!(manifest.load.stages.len(), 1);
    assert_eq!(manifest.group[0].devices.count, 10);
    assert_eq!(manifest.group[0].telemetry.interval.millis(), 250);
    assert!((manifest.individual[0].telemetry.jitter - 0.5).abs() < 1e-9);
    assert!(matches!(&manifest.target, Target::Emulator(target) if target.port == Some(18883)));
}

#[test]
fn the_committed_schema_is_the_one_that_the_types_make() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/manifest.schema.json");
    let made = format!("{:#}\n", manifest::schema::schema().as_value());
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    if made != committed {
        let beside = Path::new(env!("CARGO_TARGET_TMPDIR")).join("manifest.schema.json");
        std::fs::write(&beside, &made).unwrap();
        panic!("{} is not current; copy {} over it", path.display(), beside.display());
    }
}

#[test]
fn the_schema_names_the_keys_that_are_read() {
    let schema = manifest::schema::schema();
    let full = with_group("telemetry = { jitter = 0 }\n\n[[individual]]\ndevice_id = \"lab\"\n\n[load]\n");
    let central = full.replace(
        "\"emulator\"",
        "\"iot-central\"\napp = \"https://a\"\napi_token = { env = \"A\" }",
    );
    let own = with_group(
        "certificates = { pfx = \"{device_id}\", ca = \"ca\", ca_key = \"key\", secondary = { ca = \"b\", ca_key = \"k\" } }\n\n[[individual]]\ndevice_id = \"lab\"\ncertificates = { cert = \"a\", secondary = { pfx = \"b\" } }\n",
    );
    let profiles = with_group(
        "[[group.profile]]\nname = \"a\"\nburst = { messages = 2, every = \"1m\" }\n[[group.profile]]\nname = \"b\"\n\
         online = 0.5\non_change = { by = 1, heartbeat = \"1m\" }\npayload = {}\nmessage = {}\n",
    );
    let dps = full.replace("\"emulator\"", "\"dps\"\nid_scope = \"0ne1\"");
    for (definition, text, table) in [
        ("Fleet", &full, "fleet"),
        ("EmulatorTarget", &full, "target"),
        ("IotCentralTarget", &central, "target"),
        ("DpsTarget", &dps, "target"),
        ("Group", &full, "group.0"),
        ("DeviceRange", &full, "group.0.devices"),
        ("Telemetry", &full, "group.0.telemetry"),
        ("Individual", &full, "individual.0"),
        ("Load", &full, "load"),
        ("GroupCertificates", &own, "group.0.certificates"),
        ("AuthorityFiles", &own, "group.0.certificates.secondary"),
        ("IndividualCertificates", &own, "individual.0.certificates"),
        ("PairFiles", &own, "individual.0.certificates.secondary"),
        ("Profile", &profiles, "group.0.profile.1"),
        ("Burst", &profiles, "group.0.profile.0.burst"),
        ("Change", &profiles, "group.0.profile.1.on_change"),
        ("Payload", &profiles, "group.0.profile.1.payload"),
        ("Message", &profiles, "group.0.profile.1.message"),
    ] {
        let ManifestError::Invalid(problems) = read(text, &[&format!("{table}.qqqqqqqqqqqqqq=1")]).unwrap_err() else {
            panic!("the text can be read");
        };
        let read: &str = problems[0].help[0].strip_prefix("accepted: ").unwrap();
        let mut read: Vec<_> = read
            .split(", ")
            // Of a target, it is what tells its forms apart.
            .filter(|key| definition == "Group" || *key != "kind")
            .collect();
        let pointer = format!("/$defs/{definition}/properties");
        let described = schema.pointer(&pointer).and_then(|keys| keys.as_object()).unwrap();
        let mut described: Vec<_> = described.keys().map(String::as_str).collect();
        read.sort_unstable();
        described.sort_unstable();
        assert_eq!(read, described, "{definition}");
    }
}
