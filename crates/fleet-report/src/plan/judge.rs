//! The documented limits, each with what a run asks of it.

use quotas::{Amount, Limit, Unit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::demand::Demand;
use super::traffic::{Traffic, tidy};

/// What the limits say to a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// No limit is exceeded.
    Within,
    /// A limit is exceeded that is no end: the service grows, delays, or can be asked for more.
    AboveScaling,
    /// A limit is exceeded beyond which everything fails.
    AboveFixed,
    /// No limit is known.
    Unknown,
}

/// A limit, and what a run asks of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct QuotaShare {
    /// Such as `hub.connects`.
    pub id: String,
    /// What is counted, for a person.
    pub what: String,
    /// How much the run asks for.
    pub asked: f64,
    /// How much is allowed.
    pub allowed: f64,
    /// `bytes`, where it is not a count.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub unit: Option<String>,
    /// The time in which so much is asked and allowed: `s`, `min`, `day`; none for what is not a rate.
    pub per: Option<String>,
    /// Whom the limit is for: `application`, `device`, `hub`.
    pub scope: Option<String>,
    /// How firmly it is kept: `fixed`, `adjustable`, `throttle`, `quota`, `scales`, `set-by-dps` or `unstated`.
    pub kind: String,
    /// Whether a run that asks for more is not begun.
    pub refuses: bool,
    /// Asked, divided by allowed.
    pub share: f64,
    /// The page that says so.
    pub source: Option<String>,
    /// The date of that page.
    pub date: Option<String>,
    /// What else is to be known of it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub note: Option<String>,
}

impl QuotaShare {
    /// Whether more is asked than `bound` of what is allowed, 1 for all of it.
    #[must_use]
    pub fn is_above(&self, bound: f64) -> bool {
        self.share > bound * (1.0 + 1e-6)
    }

    /// The judgement in words.
    #[must_use]
    pub fn words(&self) -> &'static str {
        if !self.is_above(1.0) {
            return "within";
        }
        match self.kind.as_str() {
            "fixed" => "above a fixed limit",
            "quota" => "above a fixed limit: nothing more is accepted before the next day",
            "scales" => "above a documented limit that scales by itself: expect 429 for a while",
            "throttle" => "above a throttle: expect delays, then 429",
            "adjustable" => "above a limit that support can raise: expect 429",
            "set-by-dps" => "above a limit that DPS sets: expect 429, and registering takes longer",
            _ => "above a documented limit",
        }
    }

    fn of(limit: &Limit, allowed: Amount, what: &str, asked: f64) -> Self {
        Self {
            id: limit.id.clone(),
            what: what.to_owned(),
            asked: tidy(asked),
            allowed: tidy(allowed.count),
            unit: (allowed.unit == Unit::Bytes).then(|| "bytes".to_owned()),
            per: allowed.per_word(),
            scope: limit.scope.clone(),
            kind: limit.kind.word().to_owned(),
            refuses: limit.kind.refuses(),
            share: tidy(asked / allowed.count),
            source: limit.source.clone(),
            date: limit.date.clone(),
            note: limit.note.clone(),
        }
    }
}

/// What is asked of a limit.
#[derive(Debug, Clone, Copy)]
enum Asked {
    /// So much in a second.
    PerSecond(f64),
    /// So much in the limit's own time, or altogether.
    Whole(f64),
}

pub(super) fn quotas(demand: &Demand, traffic: &Traffic) -> Vec<QuotaShare> {
    let Some(quota) = &demand.quota else { return Vec::new() };
    let judged = asked(demand, traffic).into_iter().filter_map(|(id, what, asked)| {
        let limit = quota.limits.get(id)?;
        let allowed = limit.allowed(quota.units)?;
        let asked = match (asked, allowed.per) {
            (Asked::PerSecond(rate), Some(per)) => rate * per.as_secs_f64(),
            (Asked::PerSecond(number), None) | (Asked::Whole(number), _) => number,
        };
        Some(QuotaShare::of(limit, allowed, what, asked))
    });
    judged.collect()
}

/// What a run asks for, by the id of the limit. Two limits can be about the same.
fn asked(demand: &Demand, traffic: &Traffic) -> Vec<(&'static str, &'static str, Asked)> {
    let rate = |ids: &[&'static str], what, per_s| -> Vec<_> {
        let each = ids.iter().map(|id| (*id, what, Asked::PerSecond(per_s)));
        each.collect()
    };
    let count = |ids: &[&'static str], what, number: f64| -> Vec<_> {
        let each = ids.iter().map(|id| (*id, what, Asked::Whole(number)));
        each.collect()
    };
    let stages_s = demand.stages_s();
    [
        rate(
            &["central.registrations", "dps.registrations"],
            "registrations",
            demand.register_rate.hertz(),
        ),
        rate(&["hub.connects"], "connects", traffic.connects_per_s),
        rate(&["central.messages", "hub.sends"], "messages", traffic.messages_per_s),
        rate(
            &["central.device_messages", "hub.device_messages"],
            "messages of a device",
            traffic.device_messages_per_s,
        ),
        count(
            &["hub.daily"],
            "messages of this run",
            traffic.billed_in_a_day(stages_s),
        ),
        rate(
            &["central.property_updates", "hub.twin_updates"],
            "property updates",
            traffic.property_updates_per_s,
        ),
        rate(&["hub.twin_reads"], "twin reads", traffic.connects_per_s),
        rate(&["central.commands"], "commands", traffic.commands_per_s),
        match demand.c2d_per_s > 0.0 {
            true => rate(&["hub.c2d"], "messages to devices", demand.c2d_per_s),
            false => Vec::new(),
        },
        match traffic.rest_requests_per_s > 0.0 {
            true => rate(&["central.rest"], "REST requests", traffic.rest_requests_per_s),
            false => Vec::new(),
        },
        count(
            &["central.message", "hub.message"],
            "size of a message",
            f64::from(traffic.payload_bytes),
        ),
        count(&["central.devices"], "devices", f64::from(demand.devices())),
        count(
            &["dps.individual_enrollments"],
            "individual enrollments",
            f64::from(demand.individual_enrollments),
        ),
        count(
            &["dps.enrollment_groups"],
            "enrollment groups",
            f64::from(demand.enrollment_groups),
        ),
        count(&["dps.authorities"], "CA certificates", f64::from(demand.authorities)),
    ]
    .concat()
}

pub(super) fn verdict(known: bool, quotas: &[QuotaShare]) -> Verdict {
    let above = |quota: &&QuotaShare| quota.is_above(1.0);
    match quotas.iter().filter(above).map(|quota| quota.refuses).max() {
        _ if !known => Verdict::Unknown,
        None => Verdict::Within,
        Some(false) => Verdict::AboveScaling,
        Some(true) => Verdict::AboveFixed,
    }
}

impl Verdict {
    /// For a person.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Within => "within",
            Self::AboveScaling => "above a documented limit that does not end the run: expect 429 for a while",
            Self::AboveFixed => "above a fixed limit",
            Self::Unknown => "not judged",
        }
    }
}

impl super::PlanSummary {
    /// The limits that keep a run from being begun: those that refuse, and are asked for more than `bound`, 1 for all of what
    /// is allowed.
    pub fn refusing(&self, bound: f64) -> impl Iterator<Item = &QuotaShare> {
        let above = move |quota: &&QuotaShare| quota.refuses && quota.is_above(bound);
        self.quotas.iter().filter(above)
    }
}
