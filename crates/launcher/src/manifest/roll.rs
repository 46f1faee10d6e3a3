//! A roll that is asked for, by an event of the manifest or on the command line.

use std::time::Duration;

use provisioning::identities::Slot;

use super::case::Case;

/// What is to be rolled, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Why, and where.
    pub case: Case,
    /// Which group; the only one, when left out.
    pub group: Option<String>,
    /// Which individually enrolled devices; when left out, all for an expiry, and for a breach the only one.
    pub devices: Vec<String>,
    /// Which slot of the enrollment the new certificate gets.
    pub slot: Option<Slot>,
    /// Which share of the devices is asked at once; a tenth and at least ten devices, when left out.
    pub wave: Option<f64>,
    /// Over which time the devices of a wave are asked.
    pub over: Option<Duration>,
    /// How long devices of a wave have for coming over.
    pub return_within: Duration,
    /// Whether the old CA may stay in the enrollment after an expiry.
    pub keep_old: bool,
    /// Whether the old certificate is removed from an individual enrollment after an expiry.
    pub remove_old: bool,
    /// Whether the old certificates go although devices have not come over.
    pub leave_behind: bool,
    /// Whether, after a breach, devices are let in that were blocked before, and a damaged journal is set aside.
    pub let_in: bool,
}

/// Longer than a device waits between its attempts while it is not parked.
pub const RETURN_WITHIN: Duration = Duration::from_secs(120);

impl Request {
    /// A roll of all that the case means, as it is usually done.
    #[must_use]
    pub fn new(case: Case) -> Self {
        Self {
            case,
            group: None,
            devices: Vec::new(),
            slot: None,
            wave: None,
            over: None,
            return_within: RETURN_WITHIN,
            keep_old: false,
            remove_old: false,
            leave_behind: false,
            let_in: false,
        }
    }
}
