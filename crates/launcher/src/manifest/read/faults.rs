//! The faults of a group's devices, and whether its devices are negative ones.

use fleet_protocol::plan::{Expect, Fault};
use settings::{Span, Table};

use crate::manifest::fault::{Clock, Cut, FaultKind, OwnFault, Slow, Stalled};
use crate::manifest::fault_forms::{Bandwidth, FaultShare, Kind, Latency};
use crate::manifest::forms::{Interval, Typed};
use crate::manifest::negative::WrongCertificate;
use crate::manifest::values::ValidityPeriod;

/// More than a person can keep apart.
const MOST: usize = 100;

/// What a group or an individual says of devices that must be refused.
pub(super) struct Negative {
    pub(super) expect: Option<Expect>,
    pub(super) certificate: Option<WrongCertificate>,
}

pub(super) fn negative(table: &Table<'_>) -> Negative {
    let expect = table.optional::<Expect>("expect");
    let certificate = table.optional::<WrongCertificate>("certificate");
    if !table.has("expect") {
        if let Some(item) = table.entry("certificate") {
            item.problem(
                format!(
                    "`{}` goes with `expect`: devices with such certificates must be refused",
                    item.path()
                ),
                vec!["accepted: with expect = \"refused\" beside it".to_owned()],
            );
        }
        return Negative {
            expect: None,
            certificate: None,
        };
    }
    let certificate = certificate.map(|at| at.value);
    match certificate {
        Some(WrongCertificate::Foreign) => table.out_of_place(
            &["root", "enroll", "secondary"],
            "is of no use with certificate = \"foreign\": its CA is enrolled nowhere",
        ),
        Some(_) => table.out_of_place(
            &["validity"],
            "is of no use with a `certificate` whose dates are wrong on purpose",
        ),
        None => {}
    }
    table.out_of_place(
        &["certificates"],
        "does not go with `expect`: negative devices have certificates that are made here",
    );
    Negative {
        expect: expect.map(|at| at.value),
        certificate,
    }
}

/// The faults in a group's table; `None` where something in them is wrong.
pub(super) fn faults(group: &Table<'_>) -> Option<Vec<OwnFault>> {
    let tables = group.tables("fault");
    if tables.len() > MOST {
        group.problem(
            format!("`{}.fault`: there are {} faults", group.path(), tables.len()),
            &format!("accepted: at most {MOST}"),
        );
        return None;
    }
    let faults: Option<Vec<OwnFault>> = tables.into_iter().map(fault).collect::<Vec<_>>().into_iter().collect();
    let faults = faults?;
    let mut shares = [0.0; Fault::KINDS];
    for fault in &faults {
        let fault = fault.in_plan();
        let (share, kind) = (&mut shares[fault.fault.kind()], fault.fault.word());
        let before = *share <= 1.0 + 1e-9;
        *share += fault.share;
        if before && *share > 1.0 + 1e-9 {
            group.problem(
                format!(
                    "`{}.fault`: the shares of kind \"{kind}\" are more than 1 together",
                    group.path()
                ),
                "accepted: shares of one kind that are at most 1 together, since no device has two of them",
            );
        }
    }
    Some(faults)
}

fn fault(table: Table<'_>) -> Option<OwnFault> {
    let kind = table.required::<Kind>("kind");
    let share = table.required::<FaultShare>("share");
    // Which other keys it may have is not known without its kind.
    let kind = match kind?.value {
        Kind::Slow => slow(&table).map(FaultKind::Slow),
        Kind::Stalled => stalled(&table).map(FaultKind::Stalled),
        Kind::Cut => {
            let every = table.required::<Interval>("every");
            every.map(|every| FaultKind::Cut(Cut { every: every.value.0 }))
        }
        Kind::Clock => clock(&table).map(FaultKind::Clock),
    };
    table.finish();
    Some(OwnFault {
        share: share?.value.0,
        kind: kind?,
    })
}

fn slow(table: &Table<'_>) -> Option<Slow> {
    let latency = table.optional::<Latency>("latency");
    let bandwidth = table.optional::<Bandwidth>("bandwidth");
    if !table.has("latency") && !table.has("bandwidth") {
        table.problem(
            format!("`{}` has neither a latency nor a bandwidth", table.path()),
            "accepted: latency = \"300ms\", bandwidth = \"2KB/s\", or both",
        );
        return None;
    }
    let is_whole = table.has("latency") == latency.is_some() && table.has("bandwidth") == bandwidth.is_some();
    is_whole.then_some(Slow {
        latency: latency.map(|latency| latency.value.0),
        bandwidth: bandwidth.map(|bandwidth| bandwidth.value),
    })
}

fn stalled(table: &Table<'_>) -> Option<Stalled> {
    let every = table.required::<Interval>("every");
    let lasts = table.required::<Interval>("for");
    let (every, lasts): (Span, Span) = (every?.value.0, lasts?.value.0);
    if lasts >= every {
        if let Some(item) = table.entry("for") {
            item.problem(
                format!("`{}`: {lasts} in each {every} is always", item.path()),
                vec![format!("accepted: a time below {every}")],
            );
        }
        return None;
    }
    Some(Stalled { every, lasts })
}

fn clock(table: &Table<'_>) -> Option<Clock> {
    let ahead = table.optional::<ValidityPeriod>("ahead");
    let behind = table.optional::<ValidityPeriod>("behind");
    if table.has("ahead") == table.has("behind") {
        table.problem(
            format!("`{}` has to have one of ahead and behind", table.path()),
            "accepted: one of ahead = \"400d\" and behind = \"1h\"",
        );
        return None;
    }
    (ahead.is_some() || behind.is_some()).then_some(Clock {
        ahead: ahead.map(|at| at.value),
        behind: behind.map(|at| at.value),
    })
}
