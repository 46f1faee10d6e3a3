//! What a load can reach: how long registering takes under a quota, and whether the rate of connections meets the stages.

use std::time::Duration;

use settings::Span;

use crate::manifest::Manifest;
use crate::manifest::allowance::allowed_registrations;
use crate::manifest::values::Stage;

/// How long `devices` take to register: at the rate of the manifest, or what the target allows of it.
#[must_use]
pub fn registering(manifest: &Manifest, devices: u32) -> Duration {
    let asked = manifest.load.register_rate.hertz();
    let rate = allowed_registrations(&manifest.target).map_or(asked, |(_, allowed)| asked.min(allowed.hertz()));
    Duration::try_from_secs_f64((f64::from(devices) / rate).ceil()).unwrap_or(Duration::MAX)
}

/// What of the load can't be as the manifest has it; empty where nothing is.
#[must_use]
pub fn warnings(manifest: &Manifest, devices: u32) -> Vec<String> {
    let mut warnings = Vec::new();
    let load = &manifest.load;
    if let Some((whose, allowed)) = allowed_registrations(&manifest.target) {
        let times = load.register_rate.hertz() / allowed.hertz();
        if times > 1.0 + 1e-9 {
            warnings.push(format!(
                "register at {} asks for {} times what {whose} allows ({allowed}): registering takes about {}",
                load.register_rate,
                (times * 10.0).round() / 10.0,
                Span(registering(manifest, devices))
            ));
        }
    }
    let wanted = device_sim::ramp::wanted(crate::prepare::load::peak(&load.stages), devices);
    // The first connection needs no waiting, and rounding is no shortage.
    let reached = connected(&load.stages, load.connect_rate.hertz(), devices) + 1.0;
    if reached < f64::from(wanted) {
        warnings.push(format!(
            "connect at {} is too slow for the stages: about {} of {wanted} devices will have been online when they end; \
             the others fail",
            load.connect_rate,
            reached.floor()
        ));
    }
    warnings
}

/// How many devices can have been connected when the stages end, at `rate` a second. In each stage the number of those that
/// are wanted moves evenly, and the number of those that are connected follows it as fast as the rate lets it.
fn connected(stages: &[Stage], rate: f64, devices: u32) -> f64 {
    let (mut wanted, mut connected, mut most) = (0.0_f64, 0.0_f64, 0.0_f64);
    for stage in stages {
        let seconds = stage.over.0.as_secs_f64();
        let target = stage.share * f64::from(devices);
        if target >= wanted {
            connected = (connected + rate * seconds).min(target);
            most = most.max(connected);
        } else {
            // They meet: one number falls, the other rises.
            let falling = (wanted - target) / seconds.max(f64::MIN_POSITIVE);
            let met_after = ((wanted - connected) / (rate + falling)).min(seconds);
            most = most.max(connected + rate * met_after);
            connected = (connected + rate * seconds).min(target);
        }
        wanted = target;
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(target: &str, load: &str) -> Manifest {
        let text = format!(
            "[fleet]\nname = \"f\"\n[target]\nkind = \"emulator\"\n{target}\n[[group]]\nid = \"g\"\n\
             devices = {{ prefix = \"t-\", count = 60 }}\n[load]\n{load}\n"
        );
        crate::manifest::parse("f.toml", &text, std::path::Path::new("."), &[]).unwrap()
    }

    #[test]
    fn a_quota_is_what_devices_register_at_unless_the_manifest_asks_for_more() {
        let central = "quota = \"iot-central\"";
        let left_out = manifest(central, "");
        assert_eq!(left_out.load.register_rate.to_string(), "200/min");
        assert_eq!(warnings(&left_out, 60), [""; 0]);
        assert_eq!(registering(&left_out, 500), Duration::from_secs(150));
        let asked = manifest(central, "register_rate = \"50/s\"");
        assert_eq!(
            warnings(&asked, 500)[0],
            "register at 50/s asks for 15 times what iot-central allows (200/min): registering takes about 2m30s"
        );
        assert_eq!(registering(&asked, 500), Duration::from_secs(150));
        assert_eq!(
            registering(&manifest("", "register_rate = \"50/s\""), 500),
            Duration::from_secs(10)
        );
    }

    #[test]
    fn a_quota_in_a_file_is_what_devices_register_at_too() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("small.toml");
        let quota = format!("quota = \"{}\"", file.display());
        for (limit, rate, warned) in [
            ("registrations = \"30/min\"", "30/min", true),
            ("registrations = \"2/s\"", "2/s", true),
            ("registrations = \"1440/day\"", "1/min", true),
            // Without a limit there is none to keep.
            ("", "50/s", false),
        ] {
            std::fs::write(&file, format!("[dps]\n{limit}\n")).unwrap();
            let left_out = manifest(&quota, "");
            assert_eq!(left_out.load.register_rate.to_string(), rate);
            assert_eq!(warnings(&left_out, 60), [""; 0], "{limit}");
            let asked = manifest(&quota, "register_rate = \"50/s\"");
            let said = warnings(&asked, 60);
            assert_eq!(said.len(), usize::from(warned), "{said:?}");
            assert!(said.iter().all(|said| said.contains("small.toml allows (")), "{said:?}");
        }
    }

    #[test]
    fn a_rate_of_connections_that_does_not_meet_the_stages_is_said() {
        let slow = manifest(
            "",
            "connect_rate = \"1/s\"\nstages = [\"100%@2s\", \"100%@10s\", \"0%@2s\"]",
        );
        let said = warnings(&slow, 60);
        assert_eq!(
            said,
            [
                "connect at 1/s is too slow for the stages: about 14 of 60 devices will have been online when they end; the \
              others fail"
            ]
        );
        for enough in [
            "connect_rate = \"50/s\"",
            "connect_rate = \"1/s\"\nstages = [\"100%@60s\", \"0%@1s\"]",
            "connect_rate = \"1/s\"\nstages = [\"100%@1s\", \"100%@60s\"]",
            "connect_rate = \"1/s\"\nstages = [\"10%@5s\", \"0%@5s\"]",
        ] {
            assert_eq!(warnings(&manifest("", enough), 60), [""; 0], "{enough}");
        }
    }
}
