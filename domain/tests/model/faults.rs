//! The faults: the queue is wiped or restarted, the ledger is put back to an older state. Processes that stop need no step of their
//! own: every process may stop for ever between two steps.

use crate::protocol::{Protocol, Step};
use crate::state::{Queue, System};

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fault {
    WipeQueue,
    RestartQueue,
    BackUpLedger,
    PutLedgerBack,
}

pub(crate) fn enabled(protocol: &Protocol, system: &System, steps: &mut Vec<Step>) {
    let mut add = |fault| steps.push(Step::Fault(fault));
    if system.faults.wipes < protocol.faults.wipes {
        add(Fault::WipeQueue);
    }
    if system.faults.restarts < protocol.faults.restarts && system.queue.armed {
        add(Fault::RestartQueue);
    }
    if system.faults.rollbacks < protocol.faults.rollbacks {
        add(if system.backup.is_none() { Fault::BackUpLedger } else { Fault::PutLedgerBack });
    }
}

pub(crate) fn apply(system: &mut System, fault: Fault) -> Option<()> {
    match fault {
        Fault::WipeQueue => {
            system.queue = Queue::default();
            system.faults.wipes += 1;
        }
        Fault::RestartQueue => {
            system.queue.armed = false;
            system.faults.restarts += 1;
        }
        Fault::BackUpLedger => system.backup = Some(system.ledger),
        Fault::PutLedgerBack => {
            system.ledger = system.backup.take()?;
            system.faults.rollbacks += 1;
        }
    }
    Some(())
}
