//! Whether figures can be those of a process. What comes over a network is summed up over shards and reasons, and no sum may
//! overflow.

use fleet_protocol::lines::{GroupStats, ProcessStats, Stats};

/// No count of a process is higher: a trillion messages are 31 years of a thousand a millisecond.
const MOST: u64 = 1 << 40;
/// No amount of memory is larger.
const MOST_BYTES: u64 = 1 << 50;
/// No time is longer, in seconds: 31 years.
const LONGEST_S: f64 = 1e9;

/// The first figure that can't be, by its name.
pub(super) fn implausible(stats: &Stats) -> Option<String> {
    let counts = counts(&stats.counters);
    let groups = stats.groups.values().find_map(group);
    let unfinished = stats.unfinished.iter();
    let unfinished = unfinished.filter(|(_, unfinished)| unfinished.count.max(unfinished.oldest_ms) > MOST);
    let unfinished = unfinished.map(|(name, _)| name.clone()).next();
    let states = (stats.states.values().any(|devices| *devices > MOST)).then(|| "states".to_owned());
    let times = (stats.seq > MOST || !is_time(stats.t)).then(|| "t".to_owned());
    let process = stats.process.as_ref().and_then(process);
    counts.or(groups).or(unfinished).or(states).or(times).or(process)
}

fn counts<'a>(counters: impl IntoIterator<Item = (&'a String, &'a u64)>) -> Option<String> {
    let mut counters = counters.into_iter();
    counters.find(|(_, count)| **count > MOST).map(|(name, _)| name.clone())
}

fn group(group: &GroupStats) -> Option<String> {
    let devices = group
        .states
        .values()
        .chain([&group.wanted_now])
        .any(|devices| *devices > MOST);
    counts(&group.counters).or_else(|| devices.then(|| "groups".to_owned()))
}

fn process(process: &ProcessStats) -> Option<String> {
    let bytes = process
        .rss_bytes
        .max(process.nofile_used)
        .max(process.nofile_limit.min(MOST_BYTES));
    (bytes > MOST_BYTES || !is_time(process.cpu_s)).then(|| "process".to_owned())
}

fn is_time(seconds: f64) -> bool {
    (0.0..=LONGEST_S).contains(&seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_that_would_overflow_a_sum_are_found_by_name() {
        let stats = |text: &str| serde_json::from_str::<Stats>(text).unwrap();
        let with = |more: &str| {
            stats(&format!(
                r#"{{"seq":1,"t":1.0,"counters":{{"a":5}},"states":{{"online":2}},"histograms":{{}}{more}}}"#
            ))
        };
        assert_eq!(implausible(&with("")), None);
        for (more, name) in [
            (
                r#","groups":{"g":{"counters":{"telemetry_acked":18446744073709551615}}}"#,
                "telemetry_acked",
            ),
            (r#","groups":{"g":{"wanted_now":18446744073709551615}}"#, "groups"),
            (
                r#","unfinished":{"publish/g":{"count":18446744073709551615,"oldest_ms":1}}"#,
                "publish/g",
            ),
            (
                r#","process":{"host":"h","cores":1,"cpu_s":-1.0,"rss_bytes":1,"nofile_used":1,"nofile_limit":1}"#,
                "process",
            ),
        ] {
            assert_eq!(implausible(&with(more)).as_deref(), Some(name), "{more}");
        }
        let text = r#"{"seq":1,"t":1e300,"counters":{},"states":{},"histograms":{}}"#;
        assert_eq!(implausible(&stats(text)).as_deref(), Some("t"));
        let text = r#"{"seq":1,"t":1,"counters":{},"states":{"online":1099511627777},"histograms":{}}"#;
        assert_eq!(implausible(&stats(text)).as_deref(), Some("states"));
    }
}
