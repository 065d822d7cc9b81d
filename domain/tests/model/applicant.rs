//! The steps of the applicants and of the signup process: apply, write the journal and acknowledge, cancel, replay the journal.

use domain::Outcome;

use crate::protocol::{Protocol, Step};
use crate::state::{Entry, Mark, System};

/// A step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ApplicantStep {
    Apply(usize),
    WriteJournal(usize),
    Cancel(usize),
    ReplayJournal,
}

pub(crate) fn enabled(protocol: &Protocol, system: &System, steps: &mut Vec<Step>) {
    let mut add = |step| steps.push(Step::Applicant(step));
    for who in 0..protocol.people {
        let applicant = system.applicants[who];
        if applicant.given > 0 {
            add(ApplicantStep::WriteJournal(who));
        } else if applicant.acknowledged == 0 && system.queue.armed {
            add(ApplicantStep::Apply(who));
        }
        if applicant.acknowledged > 0 && !applicant.has_cancelled && system.queue.armed {
            add(ApplicantStep::Cancel(who));
        }
    }
    if system.queue.armed && system.queue.lost_epoch > system.queue.replayed {
        add(ApplicantStep::ReplayJournal);
    }
}

pub(crate) fn apply(protocol: &Protocol, system: &mut System, step: ApplicantStep) -> Option<()> {
    match step {
        ApplicantStep::Apply(who) => give_number(protocol, system, who),
        ApplicantStep::WriteJournal(who) => write_journal(system, who),
        ApplicantStep::Cancel(who) => {
            cancel(system, who, system.applicants[who].acknowledged)?;
            system.applicants[who].has_cancelled = true;
            Some(())
        }
        ApplicantStep::ReplayJournal => {
            replay_journal(protocol, system);
            Some(())
        }
    }
}

/// Gives the next number, or returns the one that the application has.
fn give_number(protocol: &Protocol, system: &mut System, who: usize) -> Option<()> {
    let queue = &mut system.queue;
    let number = match queue.entries[who] {
        Some(entry) => entry.number,
        None if queue.seq >= queue.number_limit => return None,
        None => {
            queue.seq += 1;
            queue.entries[who] = Some(waiting(queue.seq));
            queue.seq
        }
    };
    system.last_received = system.last_received.max(number);
    let applicant = &mut system.applicants[who];
    if protocol.queue_can_fail() {
        (applicant.given, applicant.given_epoch) = (number, queue.epoch);
    } else {
        applicant.acknowledged = number;
    }
    Some(())
}

fn waiting(number: u8) -> Entry {
    Entry { number, mark: Mark::Waiting, cancel_requested: false, outcome: None }
}

/// Writes the journal, and acknowledges unless the journal was replayed meanwhile: such an applicant has to apply again.
fn write_journal(system: &mut System, who: usize) -> Option<()> {
    let replayed_for = system.replayed_for;
    let applicant = &mut system.applicants[who];
    if !applicant.journal.contains(&applicant.given) {
        *applicant.journal.iter_mut().find(|number| **number == 0)? = applicant.given;
    }
    if applicant.given_epoch >= replayed_for {
        applicant.acknowledged = applicant.given;
    }
    applicant.given = 0;
    Some(())
}

/// Posts a cancel request, and withdraws an application that admission has not read.
fn cancel(system: &mut System, who: usize, number: u8) -> Option<()> {
    let queue = &mut system.queue;
    let entry = queue.entries[who].as_mut().filter(|entry| entry.number == number)?;
    if entry.mark == Mark::Withdrawn {
        return Some(());
    }
    if entry.mark == Mark::Waiting && number > queue.admitted_through {
        entry.mark = Mark::Withdrawn;
    }
    if matches!(entry.outcome, None | Some(Outcome::Ordered)) && !entry.cancel_requested {
        entry.cancel_requested = true;
        queue.inbox[who] = true;
    }
    Some(())
}

fn replay_journal(protocol: &Protocol, system: &mut System) {
    for who in 0..protocol.people {
        for number in system.applicants[who].journal {
            if number > 0 && system.queue.entries[who].is_none() {
                system.queue.entries[who] = Some(waiting(number));
                system.queue.seq = system.queue.seq.max(number);
            }
        }
    }
    for who in 0..protocol.people {
        if system.applicants[who].has_cancelled {
            // Without the application there is nothing to cancel.
            let _ = cancel(system, who, system.applicants[who].acknowledged);
        }
    }
    system.queue.replayed = system.queue.lost_epoch;
    system.replayed_for = system.queue.lost_epoch;
}
