//! The check of a group's faults.

use super::Problems;
use crate::plan::{DeviceFault, Fault};

/// More than these is not a fault of a network but its absence.
const LONGEST_LATENCY_MS: u64 = 60_000;
/// A century.
const FURTHEST_S: u64 = 100 * 365 * 24 * 60 * 60;
const MOST: usize = 100;

pub(super) fn problems_of(key: &str, faults: &[DeviceFault], problems: &mut Problems) {
    if faults.len() > MOST {
        problems.push(key, format!("there are {}, it must be at most {MOST}", faults.len()));
    }
    let mut shares = [0.0; Fault::KINDS];
    for (index, DeviceFault { share, fault }) in faults.iter().enumerate() {
        let key = format!("{key}[{index}]");
        if !(*share > 0.0 && *share <= 1.0) {
            problems.push(
                &format!("{key}.share"),
                format!("{share}, it must be above 0 and up to 1"),
            );
            continue;
        }
        shares[fault.kind()] += share;
        let wrong = match *fault {
            Fault::Slow { latency_ms, .. } if latency_ms > LONGEST_LATENCY_MS => {
                Some(format!("its latency must be at most {LONGEST_LATENCY_MS} ms"))
            }
            Fault::Slow {
                bytes_per_s: Some(0), ..
            } => Some("at least one byte has to pass in a second".to_owned()),
            Fault::Stalled { every_ms, for_ms } if for_ms == 0 || for_ms >= every_ms => {
                Some("for_ms must be above 0 and below every_ms".to_owned())
            }
            Fault::Cut { every_ms } | Fault::Stalled { every_ms, .. }
                if !(1..=super::LONGEST_MS).contains(&every_ms) =>
            {
                Some(format!("every_ms must be from 1 to {}, a century", super::LONGEST_MS))
            }
            Fault::Clock { ahead_s } if ahead_s == 0 || ahead_s.unsigned_abs() > FURTHEST_S => {
                Some(format!("ahead_s must not be 0, and be within {FURTHEST_S}, a century"))
            }
            _ => None,
        };
        if let Some(wrong) = wrong {
            problems.push(&format!("{key}.fault"), wrong);
        }
    }
    if let Some(sum) = shares.iter().find(|sum| **sum > 1.0 + 1e-9) {
        problems.push(
            key,
            format!("the shares of one kind are {sum} together, it must be at most 1"),
        );
    }
}
