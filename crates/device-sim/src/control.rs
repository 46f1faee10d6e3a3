//! Control lines: which devices they apply to, and how they reach them.

mod absences;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use fleet_protocol::lines::{self, AbsenceBy, Action, Control, Line, Order, Selection, ShareOf};
use fleet_protocol::plan::Shard;
use iot_protocol::id::RegistrationId;
use rand::RngExt;
use tokio::time::sleep;

use crate::absence;
use crate::churn::Churn;
use crate::context::Context;
use crate::mailbox::Mailbox;
use crate::metrics::Counter;
use crate::random::{Purpose, stream};

use absences::Leave;

pub(crate) use absences::Absences;

/// The mailboxes of a process's devices, by index and by id.
#[derive(Debug)]
pub(crate) struct Roster {
    mailboxes: Vec<Arc<Mailbox>>,
    by_id: BTreeMap<String, usize>,
    groups: Vec<String>,
    group_of: Vec<usize>,
    seed: u64,
    shard: Shard,
}

impl Roster {
    pub(crate) fn new(seed: u64, shard: Shard, groups: Vec<String>, devices: &[(usize, RegistrationId)]) -> Self {
        Self {
            mailboxes: devices.iter().map(|_| Arc::default()).collect(),
            by_id: devices
                .iter()
                .enumerate()
                .map(|(index, (_, id))| (id.to_string(), index))
                .collect(),
            groups,
            group_of: devices.iter().map(|(group, _)| *group).collect(),
            seed,
            shard,
        }
    }

    pub(crate) fn mailboxes(&self) -> &[Arc<Mailbox>] {
        &self.mailboxes
    }

    /// The devices that a line applies to. Ids of other shards are skipped and are no mistake: every shard gets the
    /// same line.
    fn select(&self, selection: Option<&Selection>) -> Result<Vec<usize>, String> {
        match selection {
            None => Ok((0..self.mailboxes.len()).collect()),
            Some(Selection::Ids(ids)) => Ok(ids.iter().filter_map(|id| self.by_id.get(id).copied()).collect()),
            Some(Selection::Share(share)) => self.share(share),
        }
    }

    /// The group of the plan that a device is in.
    pub(crate) fn group_of(&self, device: usize) -> usize {
        self.group_of[device]
    }

    fn chosen(&self, indices: &[usize]) -> Chosen {
        let one = |&index: &usize| (self.group_of[index], Arc::clone(&self.mailboxes[index]));
        indices.iter().map(one).collect()
    }

    fn by_index(&self, indices: &[usize]) -> BTreeMap<usize, Arc<Mailbox>> {
        let one = |&index: &usize| (index, Arc::clone(&self.mailboxes[index]));
        indices.iter().map(one).collect()
    }

    /// The steps of a churn among these devices.
    fn churn(&self, of: lines::Churn, indices: &[usize]) -> Churn {
        let chosen: BTreeSet<usize> = indices.iter().copied().collect();
        let devices = self.by_id.iter().filter(|(_, index)| chosen.contains(index));
        Churn::new(of, self.seed, devices.map(|(id, index)| (*index, id.as_str())))
    }

    fn share(&self, ShareOf { group, share }: &ShareOf) -> Result<Vec<usize>, String> {
        if let Some(name) = group
            && !self.groups.contains(name)
        {
            return Err(format!("there is no group `{name}`"));
        }
        let share = share.unwrap_or(1.0);
        if !(0.0..=1.0).contains(&share) {
            return Err(format!("`share` is {share}, it must be from 0 to 1"));
        }
        let selected = self.by_id.iter().filter(|&(id, &index)| {
            // Individual devices that differ are several groups of the plan, all of one name.
            group
                .as_ref()
                .is_none_or(|name| self.groups[self.group_of[index]] == *name)
                && (share >= 1.0 || stream(self.seed, id, Purpose::Selection).random_range(0.0..1.0) < share)
        });
        Ok(selected.map(|(_, &index)| index).collect())
    }
}

/// Gives the order of a control line to its devices, and confirms it when all have it.
pub(crate) fn carry_out(control: &Control, roster: &Roster, context: &Arc<Context>, absences: &Absences) {
    let id = control.id;
    let order = control
        .order()
        .and_then(|order| Ok((order, roster.select(control.devices.as_ref())?)));
    match order {
        Err(message) => context.send(Line::Refused { id: Some(id), message }),
        Ok((Order::Each { action, over }, indices)) => {
            // A line that is spread over some time must not delay the next one.
            let devices = roster.chosen(&indices);
            tokio::spawn(give_to_each(
                id,
                action,
                over,
                devices,
                roster.shard,
                Arc::clone(context),
            ));
        }
        Ok((Order::Churn(of), indices)) => {
            let churn = roster.churn(of, &indices);
            let leaving = (Mailbox::leave as Leave, roster.by_index(&indices));
            absences.begin(id, churn, leaving, Arc::clone(context));
        }
        Ok((Order::Absence { how, over, lasts }, indices)) => {
            let (begin, pause) = turns(over, indices.len(), roster.shard);
            let steps = absence::steps(&indices, begin, pause, lasts);
            let leave: Leave = match how {
                AbsenceBy::Disconnect => Mailbox::stay_away,
                AbsenceBy::Reboot => Mailbox::lose_power,
            };
            let leaving = (leave, roster.by_index(&indices));
            absences.begin(id, steps.into_iter(), leaving, Arc::clone(context));
        }
    }
}

/// When the first of so many devices of a shard has its turn, and the time from one to the next. The shards get the same
/// line, and must not carry it out in step.
fn turns(over: Duration, devices: usize, shard: Shard) -> (Duration, Duration) {
    let pause = over / u32::try_from(devices).unwrap_or(u32::MAX).max(1);
    (
        pause.mul_f64(f64::from(shard.index) / f64::from(shard.count.get())),
        pause,
    )
}

/// Of each device, the group and the mailbox.
type Chosen = Vec<(usize, Arc<Mailbox>)>;

async fn give_to_each(id: u64, action: Action, over: Duration, chosen: Chosen, shard: Shard, context: Arc<Context>) {
    let (offset, pause) = turns(over, chosen.len(), shard);
    if !offset.is_zero() {
        sleep(offset).await;
    }
    let mut devices = 0;
    for (group, mailbox) in &chosen {
        let Reached { reached, first_wanted } = give(action, mailbox);
        devices += u32::from(reached);
        if first_wanted {
            context.metrics.count(*group, Counter::DevicesWanted);
        }
        if !pause.is_zero() {
            sleep(pause).await;
        }
    }
    context.send(Line::Done { id, devices });
}

/// What an order did to a device.
struct Reached {
    /// The device has something to do.
    reached: bool,
    /// It is wanted online, for the first time.
    first_wanted: bool,
}

fn give(action: Action, mailbox: &Mailbox) -> Reached {
    let (mut reached, mut first_wanted) = (true, false);
    match action {
        Action::Reconnect => first_wanted = mailbox.reconnect(),
        Action::Storm => first_wanted = mailbox.storm(),
        Action::Reregister => mailbox.reregister(),
        Action::Disconnect => mailbox.want_offline(),
        Action::Reboot => mailbox.reboot(),
        Action::Retry => reached = mailbox.retry(),
        Action::Stop => mailbox.stop(),
        // These are not orders to each device.
        Action::PauseRamp | Action::ResumeRamp | Action::Churn => reached = false,
    }
    Reached { reached, first_wanted }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep_until};
    use tokio_util::sync::CancellationToken;

    use super::absences::carry_out as carry_out_steps;
    use super::*;

    fn roster() -> Roster {
        let devices: Vec<_> = (0..1_000)
            .map(|i| (usize::from(i >= 500), RegistrationId::new(&format!("d{i:04}")).unwrap()))
            .collect();
        Roster::new(7, Shard::WHOLE, vec!["a".into(), "b".into()], &devices)
    }

    #[test]
    fn a_share_is_the_same_devices_every_time_and_about_as_many_as_asked() {
        let roster = roster();
        let fifth = ShareOf {
            group: None,
            share: Some(0.2),
        };
        let selected = roster.share(&fifth).unwrap();
        assert_eq!(selected, roster.share(&fifth).unwrap());
        assert!((150..250).contains(&selected.len()), "{}", selected.len());
        let group = roster
            .share(&ShareOf {
                group: Some("b".into()),
                share: None,
            })
            .unwrap();
        assert_eq!(group, (500..1_000).collect::<Vec<_>>());
    }

    #[test]
    fn all_groups_of_one_name_are_meant() {
        let devices: Vec<_> = (0..4)
            .map(|i| (i, RegistrationId::new(&format!("d{i}")).unwrap()))
            .collect();
        let names = ["individual", "a", "individual", "b"].map(str::to_owned).to_vec();
        let share = ShareOf {
            group: Some("individual".into()),
            share: None,
        };
        assert_eq!(
            Roster::new(7, Shard::WHOLE, names, &devices).share(&share).unwrap(),
            [0, 2]
        );
    }

    /// How many devices are wanted online.
    fn wanted(roster: &Roster) -> usize {
        let mailboxes = roster.mailboxes().iter();
        mailboxes.filter(|mailbox| mailbox.wants_online()).count()
    }

    #[tokio::test(start_paused = true)]
    async fn a_churn_takes_each_device_away_for_its_time_and_leaves_all_as_the_stages_want_them() {
        let roster = roster();
        let wanted = || wanted(&roster);
        for mailbox in &roster.mailboxes()[..900] {
            mailbox.want_online();
        }
        let of = lines::Churn::new(0.5, Duration::from_secs(60), Duration::from_secs(10)).unwrap();
        let all: Vec<usize> = (0..1_000).collect();
        let mailboxes = all.iter().copied().zip(roster.mailboxes().iter().cloned()).collect();
        let churning = carry_out_steps(
            roster.churn(of, &all),
            Mailbox::leave,
            &mailboxes,
            CancellationToken::new(),
        );
        tokio::pin!(churning);
        let begun = Instant::now();
        let middle = begun + Duration::from_secs(40);
        tokio::select! {
            _ = &mut churning => panic!("it is not over"),
            () = sleep_until(middle) => {}
        }
        // A sixth of a half of them leaves in ten seconds.
        assert!((800..850).contains(&wanted()), "{} of 900", wanted());
        let gone = roster.mailboxes()[..900]
            .iter()
            .find(|mailbox| !mailbox.wants_online())
            .unwrap();
        gone.want_offline();
        let devices = churning.await;
        assert!((400..500).contains(&devices), "{devices}");
        assert_eq!(
            wanted(),
            899,
            "the stages have taken one away meanwhile, and never wanted a hundred"
        );
        assert!(begun.elapsed() <= of.lasts + of.away, "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_churn_that_is_cut_short_reports_whom_it_has_reached() {
        let roster = roster();
        for mailbox in roster.mailboxes() {
            mailbox.want_online();
        }
        let of = lines::Churn::new(1.0, Duration::from_secs(600), Duration::from_secs(10)).unwrap();
        let all: Vec<usize> = (0..1_000).collect();
        let mailboxes = all.iter().copied().zip(roster.mailboxes().iter().cloned()).collect();
        let over = CancellationToken::new();
        let ends = async {
            sleep(Duration::from_secs(30)).await;
            over.cancel();
        };
        let (devices, ()) = tokio::join!(
            carry_out_steps(roster.churn(of, &all), Mailbox::leave, &mailboxes, over.clone()),
            ends
        );
        assert!(
            (430..570).contains(&devices),
            "half a minute of all in a minute: {devices}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_absence_takes_all_of_its_devices_away_and_brings_back_those_that_are_wanted_then() {
        let roster = roster();
        let wanted = || wanted(&roster);
        for mailbox in &roster.mailboxes()[..500] {
            mailbox.want_online();
        }
        let (all, minute) = ((0..1_000).collect::<Vec<_>>(), Duration::from_secs(60));
        let (begin, pause) = turns(Duration::from_secs(10), all.len(), roster.shard);
        let steps = absence::steps(&all, begin, pause, minute).into_iter();
        let mailboxes = roster.by_index(&all);
        let absence = carry_out_steps(steps, Mailbox::lose_power, &mailboxes, CancellationToken::new());
        tokio::pin!(absence);
        let begun = Instant::now();
        tokio::select! {
            _ = &mut absence => panic!("it is not over"),
            () = sleep_until(begun + minute / 2) => {}
        }
        assert_eq!(wanted(), 0);
        // What the stages come to want during the cut comes online after it.
        roster.mailboxes()[900].want_online();
        assert_eq!(wanted(), 0);
        assert_eq!(absence.await, 500, "those that were to be online have been reached");
        assert_eq!(wanted(), 501);
        assert!(roster.mailboxes().iter().all(|mailbox| mailbox.take_reboot()));
        assert!(
            begun.elapsed() <= minute + Duration::from_secs(10),
            "{:?}",
            begun.elapsed()
        );
    }

    #[test]
    fn only_devices_that_wait_are_reached_by_an_order_to_try_again() {
        let mailbox = Mailbox::default();
        assert!(!give(Action::Retry, &mailbox).reached);
        mailbox.waits(true);
        assert!(give(Action::Retry, &mailbox).reached && mailbox.take_retry());
        let storm = give(Action::Storm, &mailbox);
        assert!(storm.reached && storm.first_wanted);
    }

    #[test]
    fn ids_of_other_shards_are_passed_over_and_nonsense_is_refused() {
        let roster = roster();
        let ids = Selection::Ids(vec!["d0001".into(), "elsewhere".into()]);
        assert_eq!(roster.select(Some(&ids)).unwrap(), [1]);
        assert_eq!(roster.select(None).unwrap().len(), 1_000);
        assert!(
            roster
                .share(&ShareOf {
                    group: Some("c".into()),
                    share: None
                })
                .is_err()
        );
        assert!(
            roster
                .share(&ShareOf {
                    group: None,
                    share: Some(1.5)
                })
                .is_err()
        );
    }
}
