//! The steps of a leader with the queue: arming, judging, recovery, admission, the inbox, projection. Each writes to one store, and the
//! leader may stop for any time between two. What a step reads, it reads at once.

use domain::application::Step as ApplicationStep;
use domain::{ApplicationState, Outcome, Undo};

use crate::protocol::{Protocol, Rule, Step};
use crate::state::{Each, Entry, Leader, Mark, PEOPLE_MAX, Row, System, UnjudgedArming, Work, capped};

/// How far the limit of numbers is ahead.
const NUMBERS_AHEAD: u8 = 2;
/// The counts of changes of one fence are below those of the next.
const CHANGES_PER_FENCE: u16 = 100;

/// A step of a leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum LeaderStep {
    AcquireLeadership,
    StartEpoch,
    Arm,
    JudgeArming,
    Project,
    NoteJournal,
    ReportSeq,
    FillGaps,
    RaiseNumberLimit,
    EndRecovery,
    ReadHead,
    AssignSeats,
    MarkAdmitted,
    RecordMarked,
    ReadInbox,
    HandleInbox,
    Acknowledge,
    ReadEntries,
    Reconcile,
    EndReconciliation,
}

pub(crate) fn enabled(protocol: &Protocol, system: &System, steps: &mut Vec<Step>) {
    for (leader, Leader { work, .. }) in system.leaders.iter().enumerate() {
        let mut add = |step| steps.push(Step::Leader(leader, step));
        let is_idle = *work == Work::None;
        if is_idle && !system.leads(leader) && system.ledger.leader_fence < protocol.fences {
            add(LeaderStep::AcquireLeadership);
        }
        match work {
            Work::None if system.leads(leader) => enabled_in_round(protocol, system, leader, add),
            Work::None => {}
            Work::Arming { .. } => add(LeaderStep::Arm),
            Work::Head { .. } => add(LeaderStep::AssignSeats),
            Work::Seated { .. } => add(LeaderStep::MarkAdmitted),
            Work::Marked { .. } => add(LeaderStep::RecordMarked),
            Work::Inbox { .. } => add(LeaderStep::HandleInbox),
            Work::Handled { .. } => add(LeaderStep::Acknowledge),
            Work::Entries { .. } => add(LeaderStep::Reconcile),
            Work::Reconciled { .. } => add(LeaderStep::EndReconciliation),
        }
    }
}

/// The steps that begin something, in the order of a round.
fn enabled_in_round(protocol: &Protocol, system: &System, leader: usize, mut add: impl FnMut(LeaderStep)) {
    let System { queue, ledger, .. } = system;
    if !queue.armed {
        if ledger.epoch < protocol.epochs {
            add(LeaderStep::StartEpoch);
        }
        return;
    }
    if ledger.judged_epoch < queue.epoch {
        return add(LeaderStep::JudgeArming);
    }
    add(LeaderStep::Project);
    if ledger.replayed < queue.replayed {
        add(LeaderStep::NoteJournal);
    }
    if protocol.queue_can_fail() && ledger.highest_seq < queue.seq {
        add(LeaderStep::ReportSeq);
    }
    if !system.leaders[leader].gaps_filled {
        return add(LeaderStep::FillGaps);
    }
    let needs_limit = queue.number_limit <= queue.seq || queue.number_limit != ledger.number_limit;
    if needs_limit && !system.is_journal_missing() && queue.seq < protocol.numbers {
        add(LeaderStep::RaiseNumberLimit);
    }
    if ledger.frozen {
        return;
    }
    if ledger.changes < queue.ledger_changes {
        return add(LeaderStep::ReadEntries);
    }
    if queue.inbox.contains(&true) {
        add(LeaderStep::ReadInbox);
    }
    if system.is_recovering() {
        if !system.is_journal_missing() {
            add(LeaderStep::EndRecovery);
        }
    } else if system.seats_taken() < protocol.seats {
        add(LeaderStep::ReadHead);
    }
}

pub(crate) fn apply(protocol: &Protocol, system: &mut System, leader: usize, step: LeaderStep) -> Option<()> {
    match step {
        LeaderStep::AcquireLeadership => {
            system.ledger.leader_fence += 1;
            let gaps_filled = !protocol.queue_can_fail();
            system.leaders[leader] =
                Leader { fence: system.ledger.leader_fence, gaps_filled, work: Work::None };
        }
        LeaderStep::StartEpoch => start_epoch(system, leader),
        LeaderStep::Arm => arm(system, leader)?,
        LeaderStep::JudgeArming => judge_arming(system),
        LeaderStep::Project => project(system, leader)?,
        LeaderStep::NoteJournal => system.ledger.replayed = system.queue.replayed,
        LeaderStep::ReportSeq => system.ledger.highest_seq = system.queue.seq,
        LeaderStep::FillGaps => fill_gaps(system, leader),
        LeaderStep::RaiseNumberLimit => {
            let limit = (system.queue.seq + NUMBERS_AHEAD).min(protocol.numbers);
            system.ledger.number_limit = limit.max(system.ledger.number_limit).max(system.queue.number_limit);
        }
        LeaderStep::EndRecovery => system.ledger.recovered_epoch = system.ledger.lost_epoch,
        LeaderStep::ReadHead => system.leaders[leader].work = read_head(protocol, system)?,
        LeaderStep::AssignSeats => assign_seats(protocol, system, leader)?,
        LeaderStep::MarkAdmitted => mark_admitted(protocol, system, leader)?,
        LeaderStep::RecordMarked => record_marked(system, leader)?,
        LeaderStep::ReadInbox => system.leaders[leader].work = read_inbox(system),
        LeaderStep::HandleInbox => handle_inbox(protocol, system, leader)?,
        LeaderStep::Acknowledge => acknowledge(system, leader)?,
        LeaderStep::ReadEntries => {
            let queue = &system.queue;
            system.leaders[leader].work = Work::Entries {
                entries: queue.entries,
                admitted_through: queue.admitted_through,
                changes: queue.ledger_changes,
            };
        }
        LeaderStep::Reconcile => crate::reconciliation::reconcile(protocol, system, leader)?,
        LeaderStep::EndReconciliation => crate::reconciliation::end(system, leader)?,
    }
    Some(())
}

/// Takes the work of a leader that is about to write to the ledger; a leader whose fence is refused ends its term.
pub(crate) fn take_work(system: &mut System, leader: usize) -> Work {
    std::mem::replace(&mut system.leaders[leader].work, Work::None)
}

/// Whether the ledger refuses this leader, which then ends its term.
pub(crate) fn is_refused_by_ledger(system: &mut System, leader: usize) -> bool {
    let is_refused = !system.leads(leader);
    if is_refused {
        system.leaders[leader] = Leader::NONE;
    }
    is_refused
}

/// Whether the queue refuses this leader. A fence of the queue above the ledger's shows that the ledger was put back, and is raised.
fn is_refused_by_queue(system: &mut System, leader: usize) -> bool {
    let System { queue, ledger, leaders, .. } = system;
    let is_refused = leaders[leader].fence < queue.fence;
    if is_refused {
        ledger.leader_fence = ledger.leader_fence.max(queue.fence);
        leaders[leader] = Leader::NONE;
    } else {
        queue.fence = leaders[leader].fence;
    }
    is_refused
}

fn raise_changes(protocol: &Protocol, system: &mut System) -> u16 {
    let ledger = &mut system.ledger;
    let first = u16::from(ledger.leader_fence) * CHANGES_PER_FENCE;
    let least = if protocol.follows(Rule::ChangesCarryTheFence) { first } else { 0 };
    ledger.changes = (ledger.changes + 1).max(least);
    ledger.changes
}

/// Whether a number above `reached` is known: then the queue went back in time.
fn is_behind(system: &System, reached: u8) -> bool {
    let ledger = &system.ledger;
    ledger.highest_seq > reached || ledger.rows.iter().flatten().any(|row| row.number > reached)
}

fn start_epoch(system: &mut System, leader: usize) {
    let queue = &system.queue;
    let is_whole = queue.exists && system.last_received <= queue.seq && !is_behind(system, queue.seq);
    system.ledger.epoch += 1;
    let (epoch, number_limit) = (system.ledger.epoch, system.ledger.number_limit);
    system.leaders[leader].work = Work::Arming { epoch, number_limit, is_whole };
}

fn arm(system: &mut System, leader: usize) -> Option<()> {
    let Work::Arming { epoch, number_limit, is_whole } = take_work(system, leader) else { return None };
    if system.queue.exists {
        if is_refused_by_queue(system, leader) {
            return Some(());
        }
        if epoch <= system.queue.epoch {
            if system.leads(leader) {
                system.ledger.epoch = system.ledger.epoch.max(system.queue.epoch);
            }
            return Some(());
        }
    }
    let queue = &mut system.queue;
    let before = queue.unjudged;
    let lost_applications =
        before.is_some_and(|found| found.lost_applications) || (!queue.exists && number_limit > 0);
    let reached = before.map_or(queue.seq, |found| found.reached.min(queue.seq));
    queue.unjudged = Some(UnjudgedArming { reached, lost_applications });
    let continues = queue.exists && is_whole && !lost_applications;
    if !continues {
        queue.seq = queue.seq.max(queue.number_limit).max(number_limit);
    }
    queue.number_limit = queue.seq;
    (queue.exists, queue.armed, queue.epoch) = (true, true, epoch);
    queue.fence = system.leaders[leader].fence;
    system.leaders[leader].gaps_filled = false;
    Some(())
}

fn judge_arming(system: &mut System) {
    let epoch = system.queue.epoch;
    let found = system.queue.unjudged;
    let is_lost = system.queue.lost_epoch > system.ledger.lost_epoch
        || found.is_some_and(|found| found.lost_applications || is_behind(system, found.reached));
    system.ledger.judged_epoch = epoch;
    system.ledger.epoch = system.ledger.epoch.max(epoch);
    if is_lost {
        system.ledger.lost_epoch = epoch;
    }
}

fn project(system: &mut System, leader: usize) -> Option<()> {
    let before = (system.queue, system.ledger);
    if is_refused_by_queue(system, leader) {
        return Some(());
    }
    let System { queue, ledger, .. } = system;
    queue.number_limit = queue.number_limit.max(ledger.number_limit);
    queue.lost_epoch = queue.lost_epoch.max(ledger.lost_epoch);
    if ledger.judged_epoch >= queue.epoch {
        queue.unjudged = None;
    }
    for (row, entry) in ledger.rows.iter().zip(&mut queue.entries) {
        let (Some(Row { state: ApplicationState::Ended(outcome), .. }), Some(entry)) = (row, entry) else {
            continue;
        };
        if entry.outcome.is_none_or(|before| before.may_become(*outcome)) {
            entry.outcome = Some(*outcome);
        }
    }
    (before != (system.queue, system.ledger)).then_some(())
}

fn fill_gaps(system: &mut System, leader: usize) {
    if is_refused_by_queue(system, leader) {
        return;
    }
    for who in 0..PEOPLE_MAX {
        if let (Some(row), None) = (system.ledger.rows[who], system.queue.entries[who]) {
            let number = row.number;
            let entry = Entry { number, mark: Mark::Admitted, cancel_requested: false, outcome: None };
            system.queue.entries[who] = Some(entry);
            system.queue.seq = system.queue.seq.max(number);
        }
    }
    system.leaders[leader].gaps_filled = true;
}

/// Reads the lowest waiting numbers, one for each free seat.
fn read_head(protocol: &Protocol, system: &System) -> Option<Work> {
    let is_waiting = |entry: &Entry| entry.mark == Mark::Waiting;
    let mut numbers: Vec<u8> =
        system.queue.entries.iter().flatten().copied().filter(is_waiting).map(|entry| entry.number).collect();
    numbers.sort_unstable();
    numbers.truncate(protocol.seats - system.seats_taken());
    let named = system.queue.entries.map(|entry| {
        entry
            .filter(is_waiting)
            .map(|entry| entry.number)
            .filter(|number| numbers.contains(number))
            .unwrap_or(0)
    });
    let changes_min = system.queue.ledger_changes;
    (!numbers.is_empty()).then_some(Work::Head { numbers: named, changes_min })
}

fn assign_seats(protocol: &Protocol, system: &mut System, leader: usize) -> Option<()> {
    let Work::Head { numbers, changes_min } = take_work(system, leader) else { return None };
    if is_refused_by_ledger(system, leader) || system.ledger.changes < changes_min || system.ledger.frozen {
        return Some(());
    }
    let mut in_order: Vec<usize> = (0..protocol.people).filter(|who| numbers[*who] > 0).collect();
    in_order.sort_unstable_by_key(|who| numbers[*who]);
    let (mut known, mut through, mut is_changed) = ([false; PEOPLE_MAX], 0, false);
    for who in in_order {
        let number = numbers[who];
        match system.ledger.rows[who] {
            Some(row) if row.number == number => {}
            None if system.seats_taken() >= protocol.seats => break,
            None if system.ledger.rows.iter().flatten().all(|row| row.number != number) => {
                crate::promises::note_admission(protocol, system, who, number);
                let in_queue = !protocol.follows(Rule::OrdersWaitForTheQueue);
                let state = ApplicationState::Ordering { attempts: 0 };
                system.ledger.rows[who] = Some(Row { number, state, fence: 0, in_queue });
                is_changed = true;
            }
            _ => {
                system.ledger.frozen = true;
                return Some(());
            }
        }
        (known[who], through) = (true, through.max(number));
    }
    let changes = if is_changed { raise_changes(protocol, system) } else { system.ledger.changes };
    system.leaders[leader].work = Work::Seated { known, through, changes };
    Some(())
}

fn mark_admitted(protocol: &Protocol, system: &mut System, leader: usize) -> Option<()> {
    let Work::Seated { known, through, changes } = take_work(system, leader) else { return None };
    if !system.queue.armed || is_refused_by_queue(system, leader) {
        return Some(());
    }
    let queue = &mut system.queue;
    for entry in
        queue.entries.iter_mut().zip(known).filter_map(|(entry, known)| entry.as_mut().filter(|_| known))
    {
        if entry.mark == Mark::Waiting {
            entry.mark = Mark::Admitted;
        }
    }
    queue.admitted_through = queue.admitted_through.max(through);
    queue.ledger_changes = queue.ledger_changes.max(changes);
    if protocol.follows(Rule::OrdersWaitForTheQueue) {
        system.leaders[leader].work = Work::Marked { known };
    }
    Some(())
}

fn record_marked(system: &mut System, leader: usize) -> Option<()> {
    let Work::Marked { known } = take_work(system, leader) else { return None };
    if is_refused_by_ledger(system, leader) {
        return Some(());
    }
    for row in
        system.ledger.rows.iter_mut().zip(known).filter_map(|(row, known)| row.as_mut().filter(|_| known))
    {
        row.in_queue = true;
    }
    Some(())
}

fn read_inbox(system: &System) -> Work {
    let queue = &system.queue;
    let number = |who: usize| queue.entries[who].filter(|_| queue.inbox[who]).map_or(0, |entry| entry.number);
    Work::Inbox { requests: std::array::from_fn(number), changes_min: queue.ledger_changes }
}

fn handle_inbox(protocol: &Protocol, system: &mut System, leader: usize) -> Option<()> {
    let Work::Inbox { requests, changes_min } = take_work(system, leader) else { return None };
    if is_refused_by_ledger(system, leader) || system.ledger.changes < changes_min || system.ledger.frozen {
        return Some(());
    }
    for (who, number) in numbered(requests) {
        match system.ledger.rows[who] {
            None => system.ledger.rows[who] = Some(ended(number, Outcome::Cancelled)),
            Some(row) if row.number == number => cancel(protocol, system, who),
            Some(_) => {
                system.ledger.frozen = true;
                return Some(());
            }
        }
    }
    let changes = raise_changes(protocol, system);
    system.leaders[leader].work = Work::Handled { requests, changes };
    Some(())
}

fn acknowledge(system: &mut System, leader: usize) -> Option<()> {
    let Work::Handled { requests, changes } = take_work(system, leader) else { return None };
    if !system.queue.armed || is_refused_by_queue(system, leader) {
        return Some(());
    }
    for (who, _) in numbered(requests) {
        system.queue.inbox[who] = false;
    }
    system.queue.ledger_changes = system.queue.ledger_changes.max(changes);
    Some(())
}

/// The applicants whose number is not 0.
fn numbered(numbers: Each<u8>) -> impl Iterator<Item = (usize, u8)> {
    numbers.into_iter().enumerate().filter(|(_, number)| *number > 0)
}

/// A row that ended without a seat.
pub(crate) fn ended(number: u8, outcome: Outcome) -> Row {
    Row { number, state: ApplicationState::Ended(outcome), fence: 0, in_queue: true }
}

/// Cancels an application of the ledger.
pub(crate) fn cancel(protocol: &Protocol, system: &mut System, who: usize) {
    let Some(row) = &mut system.ledger.rows[who] else { return };
    let next = match row.state {
        ApplicationState::Ordering { attempts: 0 }
            if !protocol.follows(Rule::CancelledSeatIsDeletedFirst) =>
        {
            Some(ApplicationState::Ended(Outcome::Cancelled))
        }
        ApplicationState::Ordering { .. } => {
            Some(ApplicationState::Undoing { undo: Undo::Cancel, attempts: 0 })
        }
        state => state.after(ApplicationStep::RequestCancel),
    };
    if let Some(next) = next {
        row.state = capped(next);
        row.fence += 1;
    }
}
