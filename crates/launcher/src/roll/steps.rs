//! Which step of a roll comes next: from what was asked for, and from what is found on disk, at the service and among the
//! devices. It remembers nothing, so a roll that was interrupted anywhere goes on from what it finds.

use crate::manifest::case::Case;

/// What was asked for, as far as the order of steps depends on it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Orders {
    pub(crate) case: Case,
    /// Whether the old certificates are to be removed from the service. After a breach it does in any case.
    pub(crate) remove_old: bool,
    /// Whether they may be removed although devices have not come over.
    pub(crate) leave_behind: bool,
    /// How many devices are asked at once.
    pub(crate) wave: usize,
}

/// What is found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Devices that were to be blocked, and that the service still lets in.
    pub(crate) let_in: Vec<String>,
    /// The new certificates are on disk: a group's CA, or the pairs of devices.
    pub(crate) made: bool,
    /// The service takes them, verified.
    pub(crate) enrolled: bool,
    /// Devices that connect from now on show them.
    pub(crate) issued: bool,
    /// The service still takes old ones.
    pub(crate) old_taken: bool,
    /// There is a run that can be asked.
    pub(crate) live: bool,
    /// Devices that have not been asked and do not use their new certificate yet.
    pub(crate) waiting: Vec<String>,
    /// Devices that were asked and did not come over.
    pub(crate) missing: Vec<String>,
    /// It was tried whether old certificates still work.
    pub(crate) tried: bool,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Block these devices.
    Block(Vec<String>),
    /// Make the new certificates, which are enrolled next.
    Make,
    /// Bring them into the enrollment.
    Enroll,
    /// Take the old ones out of it.
    RemoveOld,
    /// Let devices show the new ones when they connect.
    Issue,
    /// Let these devices register again, and wait for them.
    Move(Vec<String>),
    /// Try whether old certificates still work.
    Try,
    /// It ends here.
    End(End),
}

/// How far a roll has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// All is done.
    Done,
    /// All is done but for devices that did not come over.
    DoneWithout,
    /// No run was there: the devices have not been asked.
    Unasked,
    /// Devices did not come over, and would lose their way if the old certificates were removed.
    Missing,
}

/// The next step.
pub(crate) fn next(orders: Orders, facts: &Facts) -> Step {
    let breach = orders.case.is_breach();
    if breach && !facts.issued && !facts.let_in.is_empty() {
        // Before a device could come back with the compromised certificate.
        return Step::Block(facts.let_in.clone());
    }
    if !facts.made {
        return Step::Make;
    }
    if !facts.enrolled {
        return Step::Enroll;
    }
    if breach && facts.old_taken {
        return Step::RemoveOld;
    }
    if !facts.issued {
        return Step::Issue;
    }
    if !facts.waiting.is_empty() {
        if !facts.live {
            return Step::End(End::Unasked);
        }
        let wave = facts.waiting.iter().take(orders.wave.max(1));
        return Step::Move(wave.cloned().collect());
    }
    let missing = !facts.missing.is_empty();
    if orders.remove_old && facts.old_taken {
        if missing && !orders.leave_behind {
            return Step::End(End::Missing);
        }
        return Step::RemoveOld;
    }
    if !facts.tried {
        return Step::Try;
    }
    Step::End(match missing {
        false => End::Done,
        // A device that was blocked and did not return stays blocked: nothing is left to be done for it.
        true if breach || orders.leave_behind => End::DoneWithout,
        true => End::Missing,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn devices(ids: &[&str]) -> Vec<String> {
        ids.iter().map(ToString::to_string).collect()
    }

    fn orders(case: Case) -> Orders {
        Orders {
            case,
            remove_old: case != Case::IndividualExpiry,
            leave_behind: false,
            wave: 2,
        }
    }

    /// What a step that succeeds changes in the world.
    fn carry_out(step: &Step, case: Case, facts: &mut Facts) {
        match step {
            Step::Block(ids) => facts.let_in.retain(|id| !ids.contains(id)),
            Step::Make => {
                facts.made = true;
                // The pairs of a breach are made in their place, and are used from there.
                facts.issued |= case == Case::IndividualBreach;
            }
            Step::Enroll => {
                facts.enrolled = true;
                facts.old_taken &= case != Case::IndividualBreach;
            }
            Step::RemoveOld => facts.old_taken = false,
            Step::Issue => facts.issued = true,
            Step::Move(ids) => facts.waiting.retain(|id| !ids.contains(id)),
            Step::Try => facts.tried = true,
            Step::End(_) => {}
        }
    }

    fn beginning(case: Case) -> Facts {
        let ids = devices(&["a", "b", "c"]);
        Facts {
            let_in: if case.is_breach() { ids.clone() } else { Vec::new() },
            waiting: ids,
            old_taken: true,
            live: true,
            ..Facts::default()
        }
    }

    fn all_steps(case: Case, mut facts: Facts) -> Vec<Step> {
        let mut steps = Vec::new();
        loop {
            let step = next(orders(case), &facts);
            carry_out(&step, case, &mut facts);
            let over = matches!(step, Step::End(_));
            steps.push(step);
            assert!(steps.len() < 20, "it goes round in circles: {steps:?}");
            if over {
                return steps;
            }
        }
    }

    #[test]
    fn each_case_has_its_order() {
        let (ab, c) = (|| Step::Move(devices(&["a", "b"])), || Step::Move(devices(&["c"])));
        let block = || Step::Block(devices(&["a", "b", "c"]));
        let done = || Step::End(End::Done);
        for (case, expected) in [
            (
                Case::GroupExpiry,
                vec![
                    Step::Make,
                    Step::Enroll,
                    Step::Issue,
                    ab(),
                    c(),
                    Step::RemoveOld,
                    Step::Try,
                    done(),
                ],
            ),
            (
                Case::GroupBreach,
                vec![
                    block(),
                    Step::Make,
                    Step::Enroll,
                    Step::RemoveOld,
                    Step::Issue,
                    ab(),
                    c(),
                    Step::Try,
                    done(),
                ],
            ),
            (
                Case::IndividualExpiry,
                vec![Step::Make, Step::Enroll, Step::Issue, ab(), c(), Step::Try, done()],
            ),
            (
                Case::IndividualBreach,
                vec![block(), Step::Make, Step::Enroll, ab(), c(), Step::Try, done()],
            ),
        ] {
            assert_eq!(all_steps(case, beginning(case)), expected, "{case}");
        }
    }

    #[test]
    fn whatever_was_done_before_an_interruption_the_rest_follows_in_the_same_order() {
        for case in Case::ALL {
            let whole = all_steps(case, beginning(case));
            let mut facts = beginning(case);
            for done in 0..whole.len() {
                // What was tried is not remembered.
                facts.tried = false;
                let rest = all_steps(case, facts.clone());
                let expected = match &whole[done..] {
                    [end @ Step::End(_)] => vec![Step::Try, end.clone()],
                    rest => rest.to_vec(),
                };
                assert_eq!(rest, expected, "{case} after {done} steps");
                carry_out(&whole[done], case, &mut facts);
            }
        }
    }

    #[test]
    fn without_a_run_the_service_and_the_disk_are_made_ready_and_no_more() {
        for case in Case::ALL {
            let facts = Facts {
                live: false,
                ..beginning(case)
            };
            let steps = all_steps(case, facts);
            assert_eq!(steps.last(), Some(&Step::End(End::Unasked)), "{case}");
            assert!(
                !steps.iter().any(|step| matches!(step, Step::Move(_) | Step::Try)),
                "{case}"
            );
            assert_eq!(steps.contains(&Step::RemoveOld), case == Case::GroupBreach, "{case}");
        }
    }

    #[test]
    fn a_device_that_does_not_come_over_keeps_its_old_ca_unless_it_may_be_left_behind() {
        let facts = Facts {
            made: true,
            enrolled: true,
            issued: true,
            old_taken: true,
            live: true,
            missing: devices(&["c"]),
            ..Facts::default()
        };
        let expiry = orders(Case::GroupExpiry);
        assert_eq!(next(expiry, &facts), Step::End(End::Missing));
        let leaving = Orders {
            leave_behind: true,
            ..expiry
        };
        assert_eq!(next(leaving, &facts), Step::RemoveOld);
        let mut removed = Facts {
            old_taken: false,
            tried: true,
            ..facts
        };
        assert_eq!(next(leaving, &removed), Step::End(End::DoneWithout));
        assert_eq!(next(orders(Case::GroupBreach), &removed), Step::End(End::DoneWithout));
        removed.missing.clear();
        assert_eq!(next(leaving, &removed), Step::End(End::Done));
    }
}
