//! The state of the modelled system: what each store holds, and what each process does at the moment.

use domain::{ApplicationState, Outcome};

/// The most applicants that a state has room for.
pub(crate) const PEOPLE_MAX: usize = 3;

/// One value for each applicant.
pub(crate) type Each<T> = [T; PEOPLE_MAX];

/// The state of an application in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Mark {
    Waiting,
    Withdrawn,
    Admitted,
}

/// An application in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Entry {
    pub(crate) number: u8,
    pub(crate) mark: Mark,
    pub(crate) cancel_requested: bool,
    pub(crate) outcome: Option<Outcome>,
}

/// What arming found, until the leader has judged it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct UnjudgedArming {
    pub(crate) reached: u8,
    pub(crate) lost_applications: bool,
}

/// The queue. The default is a wiped one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Queue {
    pub(crate) exists: bool,
    pub(crate) armed: bool,
    pub(crate) epoch: u8,
    pub(crate) fence: u8,
    pub(crate) seq: u8,
    pub(crate) number_limit: u8,
    pub(crate) admitted_through: u8,
    pub(crate) ledger_changes: u16,
    pub(crate) unjudged: Option<UnjudgedArming>,
    pub(crate) lost_epoch: u8,
    /// The last loss that the journal was replayed for.
    pub(crate) replayed: u8,
    pub(crate) entries: Each<Option<Entry>>,
    pub(crate) inbox: Each<bool>,
}

/// An application in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Row {
    pub(crate) number: u8,
    pub(crate) state: ApplicationState,
    pub(crate) fence: u8,
    /// Whether the queue has it as admitted. Before that, no order call is due.
    pub(crate) in_queue: bool,
}

/// The ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Ledger {
    pub(crate) leader_fence: u8,
    pub(crate) epoch: u8,
    pub(crate) number_limit: u8,
    pub(crate) judged_epoch: u8,
    pub(crate) lost_epoch: u8,
    pub(crate) recovered_epoch: u8,
    pub(crate) replayed: u8,
    pub(crate) changes: u16,
    pub(crate) highest_seq: u8,
    pub(crate) rows: Each<Option<Row>>,
    pub(crate) frozen: bool,
}

/// What the order service has under the key of an application.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Order {
    #[default]
    None,
    Live,
    /// It was rejected, and each later call is too.
    Rejected,
    /// A tombstone.
    Deleted,
}

/// A response of the order service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Response {
    Created,
    Rejected,
    Deleted,
}

/// A leased order call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Call {
    pub(crate) who: usize,
    pub(crate) is_put: bool,
    pub(crate) fence: u8,
}

/// What an order dispatcher does. It may stop for any time between two steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Dispatcher {
    Idle,
    Leased(Call),
    Answered(Call, Response),
}

/// What a leader has read from one store and not yet written to the other. It may stop for any time between two steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Work {
    None,
    Arming { epoch: u8, number_limit: u8, is_whole: bool },
    Head { numbers: Each<u8>, changes_min: u16 },
    Seated { known: Each<bool>, through: u8, changes: u16 },
    Marked { known: Each<bool> },
    Inbox { requests: Each<u8>, changes_min: u16 },
    Handled { requests: Each<u8>, changes: u16 },
    Entries { entries: Each<Option<Entry>>, admitted_through: u8, changes: u16 },
    Reconciled { changes: u16 },
}

/// A worker as the leader of the event; its fence is 0 while it does not lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Leader {
    pub(crate) fence: u8,
    /// Whether the queue has all applications of the ledger, as far as this leader knows.
    pub(crate) gaps_filled: bool,
    pub(crate) work: Work,
}

impl Leader {
    pub(crate) const NONE: Self = Self { fence: 0, gaps_filled: false, work: Work::None };
}

/// An applicant, and what the signup process has of the application.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Applicant {
    /// A number that the queue gave and the journal does not have yet; 0 for none.
    pub(crate) given: u8,
    pub(crate) given_epoch: u8,
    /// The acknowledged number; 0 for none.
    pub(crate) acknowledged: u8,
    /// The numbers in the journal: more than one if the first could not be acknowledged.
    pub(crate) journal: [u8; 2],
    pub(crate) has_cancelled: bool,
    /// Whether some state of the ledger gave it a seat.
    pub(crate) was_admitted: bool,
}

/// The whole system.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct System {
    pub(crate) queue: Queue,
    pub(crate) ledger: Ledger,
    /// The state that the ledger can be put back to.
    pub(crate) backup: Option<Ledger>,
    pub(crate) orders: Each<Order>,
    pub(crate) applicants: Each<Applicant>,
    /// The last number that the signup process got.
    pub(crate) last_received: u8,
    /// The last loss for which the signup process replayed its journal.
    pub(crate) replayed_for: u8,
    pub(crate) leaders: Vec<Leader>,
    pub(crate) dispatchers: Vec<Dispatcher>,
    pub(crate) leases: u8,
    pub(crate) faults: FaultsPlayed,
    /// The promise that was broken.
    pub(crate) broken: Option<&'static str>,
}

/// How many faults there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct FaultsPlayed {
    pub(crate) wipes: u8,
    pub(crate) restarts: u8,
    pub(crate) rollbacks: u8,
}

impl System {
    /// How many seats are held or sold.
    pub(crate) fn seats_taken(&self) -> usize {
        self.ledger.rows.iter().flatten().filter(|row| row.state.has_seat()).count()
    }

    /// Whether the ledger accepts writes of this leader.
    pub(crate) fn leads(&self, leader: usize) -> bool {
        let fence = self.leaders[leader].fence;
        fence > 0 && fence == self.ledger.leader_fence
    }

    pub(crate) fn is_recovering(&self) -> bool {
        self.ledger.lost_epoch > self.ledger.recovered_epoch
    }

    pub(crate) fn is_journal_missing(&self) -> bool {
        self.is_recovering() && self.ledger.replayed < self.ledger.lost_epoch
    }

    /// Whether an order is being made or deleted.
    pub(crate) fn is_under_way(&self) -> bool {
        let is_under_way = |row: &Row| {
            matches!(row.state, ApplicationState::Ordering { .. } | ApplicationState::Undoing { .. })
        };
        self.ledger.rows.iter().flatten().any(is_under_way)
    }

    /// Makes states equal that behave alike, so that each is visited once.
    pub(crate) fn normalise(&mut self) {
        for leader in 0..self.leaders.len() {
            if self.leaders[leader].work == Work::None && !self.leads(leader) {
                self.leaders[leader] = Leader::NONE;
            }
        }
        self.leaders.sort_unstable();
        self.dispatchers.sort_unstable();
    }
}

/// Caps the count of calls: none, one and more make the difference.
pub(crate) fn capped(state: ApplicationState) -> ApplicationState {
    match state {
        ApplicationState::Ordering { attempts } => ApplicationState::Ordering { attempts: attempts.min(2) },
        ApplicationState::Undoing { undo, .. } => ApplicationState::Undoing { undo, attempts: 0 },
        other => other,
    }
}
