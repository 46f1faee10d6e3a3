//! Control lines: which devices they apply to, and how they reach them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fleet_protocol::lines::{Action, Control, Line, Selection, ShareOf};
use fleet_protocol::plan::Shard;
use iot_protocol::id::RegistrationId;
use rand::RngExt;
use tokio::time::sleep;

use crate::context::Context;
use crate::mailbox::Mailbox;
use crate::metrics::Counter;
use crate::random::{Purpose, stream};

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
pub(crate) fn carry_out(control: &Control, roster: &Roster, context: &Arc<Context>) {
    let (id, action) = (control.id, control.action);
    let over = control.over.map_or(Ok(Duration::ZERO), Duration::try_from);
    let selected = roster.select(control.devices.as_ref());
    let (indices, over) = match (selected, over) {
        (Ok(indices), Ok(over)) => (indices, over),
        (Err(message), _) => return context.send(Line::Refused { id: Some(id), message }),
        (_, Err(_)) => {
            return context.send(Line::Refused {
                id: Some(id),
                message: "`over` must not be negative".into(),
            });
        }
    };
    let mailboxes: Vec<(usize, Arc<Mailbox>)> = indices
        .iter()
        .map(|&index| (roster.group_of(index), Arc::clone(&roster.mailboxes[index])))
        .collect();
    let context = Arc::clone(context);
    let shard = roster.shard;
    // A line that is spread over some time must not delay the next one.
    tokio::spawn(async move {
        let devices = u32::try_from(mailboxes.len()).unwrap_or(u32::MAX);
        let pause = over / devices.max(1);
        // The shards get the same line and must not carry it out in step.
        let offset = pause.mul_f64(f64::from(shard.index) / f64::from(shard.count.get()));
        if !offset.is_zero() {
            sleep(offset).await;
        }
        for (group, mailbox) in &mailboxes {
            if order(action, mailbox) {
                context.metrics.count(*group, Counter::DevicesWanted);
            }
            if !pause.is_zero() {
                sleep(pause).await;
            }
        }
        context.send(Line::Done { id, devices });
    });
}

/// Whether it wants the device online, for the first time.
fn order(action: Action, mailbox: &Mailbox) -> bool {
    match action {
        Action::Reconnect => return mailbox.reconnect(),
        Action::Reregister => mailbox.reregister(),
        Action::Disconnect => mailbox.want_offline(),
        Action::Stop => mailbox.stop(),
        // These are about the stages, not about devices.
        Action::PauseRamp | Action::ResumeRamp => {}
    }
    false
}

#[cfg(test)]
mod tests {
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
