//! The model: the bounds, the rules, and the steps from each state.

use stateright::{Model, Property};

use crate::applicant::{self, ApplicantStep};
use crate::dispatcher::{self, DispatcherStep};
use crate::faults::{self, Fault};
use crate::leader::{self, LeaderStep};
use crate::promises;
use crate::state::{Dispatcher, FaultsPlayed, Leader, Ledger, Queue, System, Work};

/// A rule that keeps the promises when the ledger is put back. It can be left out, to show that it is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// A cancelled application that has a seat is deleted at the order service first, although no call is known.
    CancelledSeatIsDeletedFirst,
    /// No order call is due before the queue has the application as admitted.
    OrdersWaitForTheQueue,
    /// A withdrawn application that the ledger lacks is deleted first if admission had read its number.
    ReadNumberIsDeletedFirst,
    /// A later leader's count of changes is above every earlier leader's.
    ChangesCarryTheFence,
}

/// The bounds within which every order of steps is tried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Protocol {
    pub(crate) people: usize,
    pub(crate) seats: usize,
    pub(crate) leaders: usize,
    pub(crate) dispatchers: usize,
    /// How often the leadership can be acquired, the first time included.
    pub(crate) fences: u8,
    pub(crate) numbers: u8,
    pub(crate) epochs: u8,
    pub(crate) leases: u8,
    pub(crate) faults: FaultsPlayed,
    pub(crate) left_out: Option<Rule>,
}

/// A step of one of the processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    Applicant(ApplicantStep),
    Leader(usize, LeaderStep),
    Dispatcher(DispatcherStep),
    Fault(Fault),
}

impl Protocol {
    pub(crate) fn follows(&self, rule: Rule) -> bool {
        self.left_out != Some(rule)
    }

    /// Whether the queue can lose something or its armed state. Otherwise the steps that only serve a recovery are left out.
    pub(crate) fn queue_can_fail(&self) -> bool {
        self.faults.wipes > 0 || self.faults.restarts > 0
    }
}

impl Model for Protocol {
    type State = System;
    type Action = Step;

    fn init_states(&self) -> Vec<System> {
        let number_limit = self.numbers.min(2);
        let ledger = Ledger { leader_fence: 1, epoch: 1, judged_epoch: 1, number_limit, ..Ledger::default() };
        let queue = Queue { exists: true, armed: true, epoch: 1, fence: 1, number_limit, ..Queue::default() };
        let mut leaders = vec![Leader::NONE; self.leaders];
        leaders[0] = Leader { fence: 1, gaps_filled: true, work: Work::None };
        vec![System {
            queue,
            ledger,
            backup: None,
            orders: Default::default(),
            applicants: Default::default(),
            last_received: 0,
            replayed_for: 0,
            leaders,
            dispatchers: vec![Dispatcher::Idle; self.dispatchers],
            leases: 0,
            faults: FaultsPlayed::default(),
            broken: None,
        }]
    }

    fn actions(&self, system: &System, steps: &mut Vec<Step>) {
        if system.broken.is_some() {
            return;
        }
        applicant::enabled(self, system, steps);
        leader::enabled(self, system, steps);
        dispatcher::enabled(self, system, steps);
        faults::enabled(self, system, steps);
    }

    fn next_state(&self, before: &System, step: Step) -> Option<System> {
        let mut system = before.clone();
        match step {
            Step::Applicant(step) => applicant::apply(self, &mut system, step)?,
            Step::Leader(leader, step) => leader::apply(self, &mut system, leader, step)?,
            Step::Dispatcher(step) => dispatcher::apply(&mut system, step)?,
            Step::Fault(fault) => faults::apply(&mut system, fault)?,
        }
        system.normalise();
        system.broken = system.broken.or_else(|| promises::broken(self, &system));
        Some(system)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("every promise is kept", |_, system: &System| system.broken.is_none())]
    }
}
