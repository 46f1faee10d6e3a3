//! A plan for a person.

use std::fmt::Write as _;

use iot_protocol::shown;
use settings::Span;

use super::cost::Cost;
use super::judge::QuotaShare;
use super::{Machine, PlanSummary, Traffic};
use crate::words::{self, counted};

/// How long the run takes, and who is online when.
#[must_use]
pub fn lengths(plan: &PlanSummary) -> String {
    let span = |seconds: f64| Span(std::time::Duration::from_millis((seconds * 1e3).round() as u64));
    let mut text = format!(
        "  takes     about {}: {} registering, then {} of stages\n",
        span(plan.estimate_s),
        Span::seconds(plan.register_s),
        span(plan.stages_s)
    );
    let (online, wanted, all) = (plan.online_at_end, plan.wanted_peak, Span::seconds(plan.all_online_s));
    let _ = match online < wanted {
        true => writeln!(text, "  online    {online} of {wanted} when the stages end"),
        false => writeln!(text, "  online    {online} of {wanted}, {all} after the stages begin"),
    };
    for warning in &plan.warnings {
        let _ = writeln!(text, "  warning: {warning}");
    }
    text
}

/// The sections about traffic, quotas and this machine.
#[must_use]
pub fn sections(plan: &PlanSummary) -> String {
    let mut text = traffic(&plan.traffic);
    text += &quotas(plan);
    text += &plan.cost.as_ref().map(cost).unwrap_or_default();
    text += &machine(&plan.machine, plan.hubs);
    text
}

fn traffic(traffic: &Traffic) -> String {
    let mut text = "\nTraffic, at most\n".to_owned();
    let _ = writeln!(
        text,
        "  connects          {}/s: {} in this run",
        figure(traffic.connects_per_s),
        grouped(traffic.run_connects as f64)
    );
    let _ = writeln!(
        text,
        "  property updates  {}/s while devices come online",
        figure(traffic.property_updates_per_s)
    );
    let _ = writeln!(
        text,
        "  messages          {}/s: {} in this run; {} a day, {} a month if it went on",
        figure(traffic.messages_per_s),
        grouped(traffic.run_messages as f64),
        grouped(traffic.messages_per_day as f64),
        grouped(traffic.messages_per_month as f64)
    );
    if traffic.rest_requests_per_s > 0.0 {
        let _ = writeln!(
            text,
            "  operator          {} commands/s, {} REST requests/s",
            figure(traffic.commands_per_s),
            figure(traffic.rest_requests_per_s)
        );
    }
    let unit = size(f64::from(traffic.billed_unit_bytes));
    let _ = writeln!(
        text,
        "  billed            {} in this run, {} a month: bodies of {}, in units of {unit}",
        grouped(traffic.run_billed as f64),
        grouped(traffic.billed_per_month as f64),
        size(f64::from(traffic.payload_bytes))
    );
    text
}

fn quotas(plan: &PlanSummary) -> String {
    let mut text = match (&plan.quota, plan.units) {
        (None, _) => "\nQuotas\n".to_owned(),
        (Some(name), 1) => format!("\nQuotas of {name}\n"),
        (Some(name), units) => format!("\nQuotas of {name}, {units} units\n"),
    };
    for quota in plan.quotas.iter().filter(|quota| quota.asked > 0.0) {
        let _ = writeln!(
            text,
            "  {:<22} {:>26}  {:>7}  {}",
            quota.what,
            amounts(quota),
            percent(quota.share),
            quota.words()
        );
    }
    for note in &plan.notes {
        let _ = writeln!(text, "  note: {note}");
    }
    let _ = writeln!(text, "  verdict: {}", plan.verdict.words());
    text
}

fn cost(cost: &Cost) -> String {
    let amount = |amount: f64| format!("{} {}", money(amount), shown::text(&cost.currency));
    format!(
        "\nCost of a month like this, by your prices\n  {}: devices {}, units {}, messages beyond those included {}\n",
        amount(cost.month),
        amount(cost.devices),
        amount(cost.units),
        amount(cost.messages)
    )
}

/// To two digits after the point, with groups of three.
fn money(amount: f64) -> String {
    let cents = (amount * 100.0).round() / 100.0;
    let whole = grouped(cents.trunc());
    format!("{whole}.{:02}", (cents.fract() * 100.0).round() as u64)
}

/// `0.7 of 200/s`.
#[must_use]
pub fn amounts(quota: &QuotaShare) -> String {
    let show = |number| match quota.unit {
        Some(_) => size(number),
        None => figure(number),
    };
    let per = quota.per.as_deref().map_or_else(String::new, |per| format!("/{per}"));
    format!("{} of {}{per}", show(quota.asked), show(quota.allowed))
}

fn machine(machine: &Machine, hubs: Option<u32>) -> String {
    let mut text = "\nNeeds\n".to_owned();
    let _ = writeln!(
        text,
        "  {}, {} file handles in the largest, {}, about {} of memory",
        counted(machine.processes, "process", "processes"),
        grouped(machine.file_handles as f64),
        counted(machine.ports, "local port", "local ports"),
        size(machine.memory_bytes as f64)
    );
    if let Some(hubs) = hubs {
        let _ = writeln!(text, "  {} of the application", counted(hubs, "hub", "hubs"));
    }
    text
}

/// A share in percent: whole from 10 % on, and never 0 % or 100 % by rounding.
#[must_use]
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        p if p > 0.0 && p < 0.1 => "< 0.1 %".to_owned(),
        p if p < 10.0 => format!("{} %", (p * 10.0).round() / 10.0),
        p if p < 100.0 => format!("{} %", (p.round() as u64).min(99)),
        p if p > 100.0 => format!("{} %", (p.round() as u64).max(101)),
        _ => "100 %".to_owned(),
    }
}

/// To one digit after the point, with groups of three.
fn figure(number: f64) -> String {
    match number {
        number if number > 0.0 && number < 0.05 => "< 0.1".to_owned(),
        number => grouped(number),
    }
}

fn grouped(number: f64) -> String {
    let rounded = (number * 10.0).round() / 10.0;
    let text = rounded.to_string();
    match text.split_once('.') {
        Some((whole, rest)) => format!("{}.{rest}", words::grouped(whole)),
        None => words::grouped(&text),
    }
}

fn size(bytes: f64) -> String {
    match bytes {
        b if b >= 1_073_741_824.0 => format!("{} GiB", figure(b / 1_073_741_824.0)),
        b if b >= 1_048_576.0 => format!("{} MiB", grouped((b / 1_048_576.0).round())),
        b if b >= 1024.0 => format!("{} KB", figure(b / 1024.0)),
        b => format!("{b} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short_and_never_say_nothing_where_there_is_something() {
        for (number, text) in [
            (0.0, "0"),
            (0.01, "< 0.1"),
            (0.66, "0.7"),
            (999.95, "1,000"),
            (1_234_567.0, "1,234,567"),
        ] {
            assert_eq!(figure(number), text);
        }
        for (share, text) in [
            (0.0, "0 %"),
            (0.0005, "< 0.1 %"),
            (0.0033, "0.3 %"),
            (0.5, "50 %"),
            (0.9999, "99 %"),
            (1.0, "100 %"),
            (1.001, "101 %"),
            (15.0, "1500 %"),
        ] {
            assert_eq!(percent(share), text);
        }
        for (bytes, text) in [
            (20.0, "20 bytes"),
            (512.0, "512 bytes"),
            (4096.0, "4 KB"),
            (3.0e7, "29 MiB"),
            (3.3e9, "3.1 GiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}
