//! Rules for faults, in words for people.

use iot_emulator::Phase;
use iot_emulator::view::{Rule, Span, Verdict, written};

use crate::format;

/// When a rule is about what a client does.
pub(crate) fn moment(phase: Phase) -> &'static str {
    match phase {
        Phase::Accept => "A client connects, before TLS",
        Phase::Tls => "A device connects, after TLS",
        Phase::DpsConnect => "A device greets DPS",
        Phase::Register => "A device registers",
        Phase::Poll => "A device asks how its registration goes",
        Phase::HubConnect => "A device greets its hub",
        Phase::Subscribe => "A device subscribes",
        Phase::Telemetry => "A device sends telemetry",
        Phase::TwinGet => "A device asks for its twin",
        Phase::TwinReport => "A device reports properties",
        Phase::MethodResponse => "A device answers a method",
        Phase::C2d => "A message goes to a device",
        Phase::Rest => "The REST API is asked",
        Phase::Command => "The REST API is given a command",
    }
}

/// For which devices, how often and for how long; empty when it is for every device, always.
pub(crate) fn limits(rule: &Rule) -> String {
    let mut words = Vec::new();
    match (&rule.device, rule.share < 1.0) {
        (Some(pattern), false) => words.push(format!("devices {pattern}")),
        (None, true) => words.push(format!("{} of the devices", format::percent(rule.share))),
        (Some(pattern), true) => words.push(format!("{} of the devices {pattern}", format::percent(rule.share))),
        (None, false) => {}
    }
    if rule.probability < 1.0 {
        words.push(format!("{} of the times", format::percent(rule.probability)));
    }
    if let Some(count) = rule.count {
        words.push(at_most(count));
    }
    if let Some(count) = rule.count_per_device {
        words.push(format!("{} for each device", at_most(count)));
    }
    if !rule.after.is_zero() {
        words.push(format!("after {}", written(rule.after)));
    }
    if let Some(lasts) = rule.lasts {
        words.push(format!("for {}", written(lasts)));
    }
    words.join(", ")
}

fn at_most(count: u64) -> String {
    match count {
        1 => "once".into(),
        2 => "twice".into(),
        count => format!("{} times", format::count(count)),
    }
}

/// What happens then.
pub(crate) fn outcome(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Drop => "The connection ends, and nothing was done".into(),
        Verdict::DropBeforeAck => "It is done, and the connection ends before the answer".into(),
        Verdict::DropAfterAck => "It is done and answered, and the connection ends".into(),
        Verdict::NoAck => "It is done and never answered".into(),
        Verdict::Refuse { code } => format!("It is refused with CONNACK {code}"),
        Verdict::Answer {
            status,
            error_code,
            retry_after,
        } => {
            let error_code = error_code.map(|code| format!(", error {code}")).unwrap_or_default();
            let retry_after = retry_after
                .map(|time| format!(", try again after {}", written(time)))
                .unwrap_or_default();
            format!("The answer is {status}{error_code}{retry_after}")
        }
        Verdict::Delay { by } => format!("It is done {} later", span(*by)),
        Verdict::Slow { by } => format!("The connection is slow: {} each way", span(*by)),
        Verdict::BlackHole => "There is no answer any more, to anything".into(),
        Verdict::StopReading => "Nothing is read from the connection any more".into(),
        Verdict::Move { hub: Some(hub) } => format!("The device is given to the hub {hub}"),
        Verdict::Move { hub: None } => "The device is given to the next hub".into(),
        Verdict::Expire => "Its hub refuses its certificate until it registers again".into(),
        Verdict::Disable => "The device is blocked".into(),
        Verdict::Delete => "Its hub removes the device".into(),
        Verdict::Restart { down } => {
            format!("All connections end, and none is accepted for {}", written(*down))
        }
    }
}

fn span(Span(from, to): Span) -> String {
    match from == to {
        true => written(from),
        false => format!("{} to {}", written(from), written(to)),
    }
}

#[cfg(test)]
mod tests {
    use iot_emulator::FaultRules;

    use super::*;

    #[test]
    fn a_rule_is_shown_in_words() {
        let rules = r#"
            [[rule]]
            phase = "telemetry"
            device = "lab-*"
            share = 0.2
            probability = 0.125
            count = 1000
            count_per_device = 1
            after = "10s"
            for = "500ms"
            verdict = "restart"
            down = "30s"
            [[rule]]
            phase = "register"
            share = 0.5
            verdict = "answer"
            status = 429
            error_code = 429001
            retry_after = "5s"
            [[rule]]
            phase = "accept"
            verdict = "slow"
            by = ["50ms", "100ms"]
            [[rule]]
            phase = "hub-connect"
            device = "a"
            verdict = "refuse"
            code = 3
        "#;
        let faults = FaultRules::parse(rules).unwrap();
        let words: Vec<_> = faults
            .rules()
            .iter()
            .map(|rule| format!("{} | {} | {}", moment(rule.phase), limits(rule), outcome(&rule.verdict)))
            .collect();
        assert_eq!(
            words,
            [
                "A device sends telemetry | 20\u{202f}% of the devices lab-*, 12.5\u{202f}% of the times, \
                 1\u{202f}000 times, once for each device, after 10s, for 500ms | All connections end, and none is accepted for 30s",
                "A device registers | 50\u{202f}% of the devices | The answer is 429, error 429001, try again after 5s",
                "A client connects, before TLS |  | The connection is slow: 50ms to 100ms each way",
                "A device greets its hub | devices a | It is refused with CONNACK 3",
            ]
        );
    }
}
