//! The control lines: orders to a running fleet, one JSON object per line on stdin.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One line on stdin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// Chosen by the sender; the answer carries it.
    pub id: u64,
    /// What to do.
    #[serde(rename = "do")]
    pub action: Action,
    /// With which devices; all, when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devices: Option<Selection>,
    /// Spread over this time, e.g. `"10s"`; all together, when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<jiff::SignedDuration>,
    /// Of a churn: the share of the devices that leaves in each minute, where 1 is all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share_per_minute: Option<f64>,
    /// Of a churn: for how long devices leave, e.g. `"5m"`. Of a disconnect and a reboot: for how long each device stays
    /// offline.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub lasts: Option<jiff::SignedDuration>,
    /// Of a churn: how long a device stays away; [`Churn::AWAY`], when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub away: Option<jiff::SignedDuration>,
}

impl Control {
    /// An order to all devices, at once. The broker of a run gives it its id.
    #[must_use]
    pub fn new(action: Action) -> Self {
        Self {
            id: 0,
            action,
            devices: None,
            over: None,
            share_per_minute: None,
            lasts: None,
            away: None,
        }
    }

    /// The order to begin a churn.
    #[must_use]
    pub fn of_churn(churn: Churn) -> Self {
        Self {
            share_per_minute: Some(churn.share_per_minute),
            lasts: churn.lasts.try_into().ok(),
            away: churn.away.try_into().ok(),
            ..Self::new(Action::Churn)
        }
    }

    /// What is asked of the selected devices.
    ///
    /// # Errors
    ///
    /// A key is missing or wrong, or belongs to another action than this one.
    pub fn order(&self) -> Result<Order, String> {
        if let Some(churn) = self.churn()? {
            return Ok(Order::Churn(churn));
        }
        let over = self.over.map_or(Ok(Duration::ZERO), Duration::try_from);
        let over = over.map_err(|_| "`over` must not be negative")?.min(LONGEST);
        let lasts = time("for", self.lasts)?.map(|lasts| lasts.min(LONGEST));
        match (self.action, lasts) {
            (Action::Storm, _) if !over.is_zero() => {
                Err("a storm is of one moment: `over` belongs to `reconnect`, which spreads it".to_owned())
            }
            (_, Some(Duration::ZERO)) => Err("`for` must not be 0".to_owned()),
            (Action::Disconnect, Some(lasts)) => Ok(Order::Absence {
                how: AbsenceBy::Disconnect,
                over,
                lasts,
            }),
            (Action::Reboot, Some(lasts)) => Ok(Order::Absence {
                how: AbsenceBy::Reboot,
                over,
                lasts,
            }),
            (action, _) => Ok(Order::Each { action, over }),
        }
    }

    /// The churn of a line that asks for one; `None` for every other action.
    ///
    /// # Errors
    ///
    /// A key is missing or wrong, or belongs to another action than this one.
    pub fn churn(&self) -> Result<Option<Churn>, String> {
        if self.action != Action::Churn {
            let lasts = matches!(self.action, Action::Disconnect | Action::Reboot);
            let keys = [
                ("share_per_minute", "`churn`", self.share_per_minute.is_some()),
                (
                    "for",
                    "`churn`, `disconnect` and `reboot`",
                    self.lasts.is_some() && !lasts,
                ),
                ("away", "`churn`", self.away.is_some()),
            ];
            return match keys.iter().find(|(_, _, given)| *given) {
                Some((key, of, _)) => Err(format!("`{key}` belongs to {of}, not to `{}`", self.action.word())),
                None => Ok(None),
            };
        }
        if self.over.is_some() {
            return Err("`over` is of no use with `churn`, which has `for`".to_owned());
        }
        let share = self
            .share_per_minute
            .ok_or("`churn` needs `share_per_minute`, such as 0.1 for a tenth of the devices")?;
        let lasts = time("for", self.lasts)?.ok_or("`churn` needs `for`, such as \"5m\"")?;
        let away = time("away", self.away)?.unwrap_or(Churn::AWAY);
        Churn::new(share, lasts, away)
            .map(Some)
            .map_err(|error| error.to_string())
    }
}

/// A century: longer than any run, and far from where clocks overflow.
const LONGEST: Duration = Duration::from_millis(crate::plan::LONGEST_MS);

/// The time at a key of a line.
fn time(key: &str, time: Option<jiff::SignedDuration>) -> Result<Option<Duration>, String> {
    time.map(|time| Duration::try_from(time).map_err(|_| format!("`{key}` must not be negative")))
        .transpose()
}

/// What a control line asks of its devices.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Order {
    /// One thing of each.
    Each {
        /// What.
        action: Action,
        /// The time over which they get the order, one after the other.
        over: Duration,
    },
    /// To stay offline for a time.
    Absence {
        /// How they go offline.
        how: AbsenceBy,
        /// The time over which they get the order, one after the other.
        over: Duration,
        /// How long each of them stays offline.
        lasts: Duration,
    },
    /// To leave and come back, for a time.
    Churn(Churn),
}

/// How devices go offline for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AbsenceBy {
    /// They drain and disconnect.
    Disconnect,
    /// Their power is cut.
    Reboot,
}

/// What a control line can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Disconnect cleanly and connect again.
    Reconnect,
    /// Register with DPS again, then connect.
    Reregister,
    /// Disconnect and stay offline until the stages or another line want the device online.
    Disconnect,
    /// Break the connection off, lose what is in memory, and start again.
    Reboot,
    /// Break the connection off and connect again at once, past the rate of connections and any wait.
    Storm,
    /// For a time, disconnect a share of the devices in each minute, and bring each back after its absence.
    Churn,
    /// Try again now, where a device waits after a failure.
    Retry,
    /// Drain and stop for good.
    Stop,
    /// Hold the stages where they are.
    PauseRamp,
    /// Go on with the stages.
    ResumeRamp,
}

impl Action {
    /// All actions.
    pub const ALL: [Self; 10] = [
        Self::Reconnect,
        Self::Reregister,
        Self::Disconnect,
        Self::Reboot,
        Self::Storm,
        Self::Churn,
        Self::Retry,
        Self::Stop,
        Self::PauseRamp,
        Self::ResumeRamp,
    ];

    /// The word for it in lines and reports.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Reconnect => "reconnect",
            Self::Reregister => "reregister",
            Self::Disconnect => "disconnect",
            Self::Reboot => "reboot",
            Self::Storm => "storm",
            Self::Churn => "churn",
            Self::Retry => "retry",
            Self::Stop => "stop",
            Self::PauseRamp => "pause_ramp",
            Self::ResumeRamp => "resume_ramp",
        }
    }
}

/// Devices that leave and come back: in each minute a share of them, each at an offset of its own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Churn {
    /// Above 0 and at most [`Churn::MOST`]; 1 is all of the devices.
    pub share_per_minute: f64,
    /// For how long devices leave; the last one is back after this and its absence.
    pub lasts: Duration,
    /// How long a device stays away.
    pub away: Duration,
}

/// A churn that can't be.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum ChurnError {
    /// No device would leave, or all of them would more often than once a second.
    #[error("`share_per_minute` is {0}, it must be above 0 and at most {most}", most = Churn::MOST)]
    Share(f64),
    /// It would be over at once.
    #[error("`for` must not be 0")]
    Lasts,
    /// No device would be away.
    #[error("`away` must not be 0")]
    Away,
    /// A device would have to leave again before it is back.
    #[error("a device is to leave every {} s, so `away` must be shorter than that", period.as_secs_f64())]
    LongAway {
        /// How often each device leaves.
        period: Duration,
    },
}

impl Churn {
    /// How long a device stays away unless another time is given.
    pub const AWAY: Duration = Duration::from_secs(30);
    /// The largest share in a minute: each device leaves every second.
    pub const MOST: f64 = 60.0;
    /// A churn that can be carried out. Times beyond a century are a century.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with it.
    pub fn new(share_per_minute: f64, lasts: Duration, away: Duration) -> Result<Self, ChurnError> {
        if !(share_per_minute > 0.0 && share_per_minute <= Self::MOST) {
            return Err(ChurnError::Share(share_per_minute));
        }
        if lasts.is_zero() {
            return Err(ChurnError::Lasts);
        }
        if away.is_zero() {
            return Err(ChurnError::Away);
        }
        let churn = Self {
            share_per_minute,
            lasts: lasts.min(LONGEST),
            away: away.min(LONGEST),
        };
        let period = churn.period();
        match away < period {
            true => Ok(churn),
            false => Err(ChurnError::LongAway { period }),
        }
    }

    /// How often each device leaves.
    #[must_use]
    pub fn period(&self) -> Duration {
        Duration::try_from_secs_f64(60.0 / self.share_per_minute).map_or(LONGEST, |period| period.min(LONGEST))
    }
}

/// Which devices a control line applies to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Selection {
    /// These.
    Ids(Vec<String>),
    /// A share of a group, or of the fleet.
    Share(ShareOf),
}

/// A share of a group, or of the fleet: the same devices every time, by seed and device id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShareOf {
    /// The group; the whole fleet, when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// 0 to 1; all, when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Control {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn control_lines_are_read_as_documented() {
        let control = line(r#"{"id":3,"do":"reconnect","devices":{"group":"thermostats","share":0.2},"over":"10s"}"#);
        assert_eq!(control.action, Action::Reconnect);
        assert_eq!(control.over.map(|over| over.as_secs()), Some(10));
        let ids = line(r#"{"id":4,"do":"stop","devices":["a","b"]}"#);
        assert_eq!(ids.devices, Some(Selection::Ids(vec!["a".into(), "b".into()])));
        assert!(serde_json::from_str::<Control>(r#"{"id":5,"do":"explode"}"#).is_err());
    }

    #[test]
    fn actions_are_named_as_on_the_lines() {
        for action in Action::ALL {
            assert_eq!(serde_json::to_value(action).unwrap(), action.word());
        }
    }

    #[test]
    fn a_churn_is_read_with_its_default_absence_and_written_as_it_was() {
        let text = r#"{"id":0,"do":"churn","share_per_minute":0.1,"for":"5m"}"#;
        let churn = line(text).churn().unwrap().unwrap();
        assert_eq!((churn.lasts.as_secs(), churn.away), (300, Churn::AWAY));
        assert_eq!(churn.period().as_secs(), 600);
        let written = serde_json::to_string(&Control::of_churn(churn)).unwrap();
        assert_eq!(line(&written).churn(), Ok(Some(churn)), "{written}");
        assert_eq!(line(r#"{"id":0,"do":"storm"}"#).churn(), Ok(None));
    }

    #[test]
    fn a_churn_that_can_not_be_is_refused_with_what_is_wrong() {
        for (keys, words) in [
            (r#""share_per_minute":0.1"#, "`churn` needs `for`, such as \"5m\""),
            (r#""for":"5m""#, "`churn` needs `share_per_minute`, such as 0.1"),
            (r#""for":"5m","share_per_minute":0"#, "`share_per_minute` is 0,"),
            (r#""for":"5m","share_per_minute":61"#, "`share_per_minute` is 61,"),
            (r#""for":"0s","share_per_minute":1"#, "`for` must not be 0"),
            (r#""for":"-1s","share_per_minute":1"#, "`for` must not be negative"),
            (r#""for":"5m","share_per_minute":1,"away":"0s""#, "`away` must not be 0"),
            (
                r#""for":"5m","share_per_minute":4,"away":"15s""#,
                "leave every 15 s, so `away` must be shorter",
            ),
            (
                r#""for":"5m","share_per_minute":1,"over":"5s""#,
                "`over` is of no use with `churn`",
            ),
        ] {
            let refused = line(&format!(r#"{{"id":1,"do":"churn",{keys}}}"#)).churn().unwrap_err();
            assert!(refused.contains(words), "{keys}: {refused}");
        }
        let other = line(r#"{"id":1,"do":"storm","for":"5m"}"#).churn().unwrap_err();
        assert_eq!(
            other,
            "`for` belongs to `churn`, `disconnect` and `reboot`, not to `storm`"
        );
        let none = Churn::new(f64::NAN, Churn::AWAY, Churn::AWAY).unwrap_err();
        assert!(matches!(none, ChurnError::Share(_)), "{none}");
    }

    #[test]
    fn an_order_that_can_not_be_carried_out_is_refused() {
        for (text, words) in [
            (r#"{"id":1,"do":"storm","over":"5s"}"#, "a storm is of one moment"),
            (r#"{"id":1,"do":"reboot","over":"-5s"}"#, "`over` must not be negative"),
            (r#"{"id":1,"do":"churn","share_per_minute":0.1}"#, "`churn` needs `for`"),
            (r#"{"id":1,"do":"retry","away":"5s"}"#, "`away` belongs to `churn`"),
            (r#"{"id":1,"do":"reboot","for":"0s"}"#, "`for` must not be 0"),
            (
                r#"{"id":1,"do":"disconnect","for":"-1s"}"#,
                "`for` must not be negative",
            ),
        ] {
            let refused = line(text).order().unwrap_err();
            assert!(refused.contains(words), "{text}: {refused}");
        }
    }

    #[test]
    fn a_disconnect_and_a_reboot_can_be_for_a_time() {
        for (word, how) in [("disconnect", AbsenceBy::Disconnect), ("reboot", AbsenceBy::Reboot)] {
            let order = line(&format!(r#"{{"id":1,"do":"{word}","over":"5s","for":"1m"}}"#)).order();
            let (over, lasts) = (Duration::from_secs(5), Duration::from_secs(60));
            assert_eq!(order, Ok(Order::Absence { how, over, lasts }));
            let order = line(&format!(r#"{{"id":1,"do":"{word}"}}"#)).order();
            assert!(matches!(order, Ok(Order::Each { .. })), "{order:?}");
        }
    }

    #[test]
    fn absurd_times_are_a_century() {
        let churn = Churn::new(f64::MIN_POSITIVE, Duration::MAX, Duration::from_secs(1)).unwrap();
        assert_eq!((churn.lasts, churn.period()), (LONGEST, LONGEST));
    }
}
