//! What every store of the queue does, in the words of all of them. The stores differ in how, never in what:
//! `tests/contract` runs the same suite over each.

use domain::{AppKey, Epoch, EventId, EventSettings, EventState, Gaps, Millis, Number, Outcome, ReqHash};
use serde::{Deserialize, Serialize};

/// An applicant. Validated by the caller: the queue gives a number to every applicant it receives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applicant {
    /// The application.
    pub app_key: AppKey,
    /// The hash of the client's secret.
    pub req_hash: ReqHash,
    /// The sealed contact; the queue cannot open it.
    pub contact: Vec<u8>,
}

/// Where the queue itself has an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueState {
    /// Waiting (W).
    Waiting,
    /// Withdrawn before being admitted (X). Final.
    Withdrawn,
    /// In the ledger (M).
    Admitted,
}

/// The queue has the application, durably.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applied {
    /// Its number, which never changes.
    pub number: Number,
    /// The queue's epoch.
    pub epoch: Epoch,
    /// Where the queue has it.
    pub mark: QueueState,
    /// `false` if this very call gave the number.
    pub again: bool,
    /// Whether the caller showed the secret that the application was made with; `true` for a new one that had a secret.
    pub proven: bool,
}

/// Why an applicant's call has no result. Except for `Unknown`, nothing was done and no number was burnt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The catalogue is armed and does not know the event.
    #[error("there is no such event")]
    UnknownEvent,
    /// The queue was restarted and the leader has not yet armed it: nothing is lost, try again.
    #[error("the queue is being checked after a restart")]
    NotArmed,
    /// The queue knows less than this process was told: it went back in time, and has disarmed itself.
    #[error("the queue went back in time")]
    Regressed,
    /// Too early.
    #[error("the event is not open yet")]
    NotOpen {
        /// When it opens.
        opens_at: Millis,
    },
    /// Too late, for good.
    #[error("the event is closed")]
    Closed {
        /// When it closed.
        closed_at: Millis,
    },
    /// The operator holds applying back for now.
    #[error("applying is on hold")]
    OnHold,
    /// The event's `applications_max` is reached.
    #[error("the queue is full")]
    Full,
    /// The numbers written ahead are used up; the leader raises the limit within a moment.
    #[error("the queue is waiting for its limit to be raised")]
    AtLimit,
    /// The store could not be asked, or could not write: nothing was done.
    #[error("the queue cannot be reached: {0}")]
    Unavailable(String),
    /// The store was asked, and no answer came that says what it did. The number may or may not have been given: apply again
    /// with the same secret.
    #[error("the queue did not answer: {0}")]
    Unknown(String),
}

/// Why a leader's write was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeadError {
    /// The queue was never made for this event.
    #[error("the queue does not know the event")]
    UnknownEvent,
    /// The queue must be armed first.
    #[error("the queue is not armed")]
    NotArmed,
    /// Another leader has a higher fence: stop.
    #[error("a newer leader holds fence {0}")]
    Fenced(i64),
    /// `arm` came with an epoch that is not above the queue's own.
    #[error("the queue is already in epoch {0}")]
    OldEpoch(u32),
    /// `restore` left out so many rows, because the queue has their key under another number or their number under another
    /// key; all others are restored. Numbers never change, so one side was restored from an old copy: an operator must decide.
    #[error("{0} applications contradict the queue")]
    Conflicts(u32),
    /// The store did not answer, or could not write.
    #[error("the queue cannot be reached: {0}")]
    Unavailable(String),
}

/// What the leader arms a queue with. Everything here was committed in the ledger before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arming {
    /// The new epoch, above every earlier one.
    pub epoch: Epoch,
    /// No number above this was ever given; the queue goes on above it, and what it skips becomes a gap.
    pub number_limit: u32,
    /// Whether the ledger knows of no number and has the event as not yet opened. A queue that agrees, because it gave no number
    /// and its own opening is still to come, goes on without a gap: no application can have been accepted. A queue that has to
    /// be made anew cannot agree.
    pub unopened: bool,
    /// The settings, for a queue that has to be made.
    pub settings: EventSettings,
    /// The settings' rev.
    pub rev: i64,
}

/// What arming did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Armed {
    /// The last number given or skipped: the next is one above.
    pub seq: u32,
    /// How many numbers were skipped now.
    pub skipped: u32,
    /// Whether the queue knows that it lost applications: it had to be made though numbers may have been given, or it was seen
    /// to know less than it had acknowledged. If not, it may still have.
    pub forgot: bool,
}

/// The head of the queue: read, never popped.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Head {
    /// In order: first restored ones that were passed by, then those waiting.
    pub waiting: Vec<Waiting>,
    /// The last number looked at; what is waiting up to here is in `waiting`.
    pub through: u32,
}

/// A waiting application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The place in the queue.
    pub number: Number,
    /// The application.
    pub app_key: AppKey,
    /// The sealed contact.
    pub contact: Vec<u8>,
}

/// What an applicant asks for; it travels by the inbox, and the inbox answers in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InboxKind {
    /// Take me out.
    Cancel,
    /// I hold a receipt, and the queue does not know me: bring me back.
    Present,
}

/// One entry of the inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxEntry {
    /// Position in the inbox; only rises.
    pub id: i64,
    /// When it came, in the queue's time.
    pub at: Millis,
    /// The application.
    pub app_key: AppKey,
    /// Its number.
    pub number: Number,
    /// What is asked for.
    pub kind: InboxKind,
}

/// An outcome as the page shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// How it ended.
    pub outcome: Outcome,
    /// The order number, if ordered.
    pub order_no: Option<String>,
}

/// The ledger's figures, as the progress document shows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Figures {
    /// Seats sold.
    pub sold: u32,
    /// Seats free.
    pub free: u32,
    /// Seats held: an order is under way.
    pub held: u32,
    /// When the ledger said so, in milliseconds.
    pub at: Millis,
}

/// What the relay writes into the queue. Settings go under their rev, figures under (fence, round).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Projection {
    /// The settings' rev: a lower one than the queue has changes no setting.
    pub rev: i64,
    /// The settings. A time that was acted on does not move: `opens_at` once it is reached, `closes_at` once the queue is
    /// closed or it is reached. The queue then keeps its own under the new rev.
    pub settings: EventSettings,
    /// The ledger's state, if it is `Settling` or `Settled`; the earlier ones are the queue's own to decide.
    pub state: EventState,
    /// The last number that may be given; never lowers the queue's own.
    pub number_limit: u32,
    /// The leader's round, which orders figures of one fence.
    pub round: i64,
    /// The figures.
    pub figures: Figures,
    /// Numbers up to this that still wait when settled are `sold_out`.
    pub settled_seq: Option<u32>,
    /// Outcomes that the queue does not show yet.
    pub outcomes: Vec<(Number, Shown)>,
}

/// What the queue was when it closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closing {
    /// The last number given; a restored one may still raise it.
    pub closed_seq: u32,
    /// When.
    pub closed_at: Millis,
    /// The last inbox entry from before: drained through here, every request was heard.
    pub inbox_last: i64,
}

/// An application that the ledger or a receipt knows and the queue does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The number, as it was given.
    pub number: Number,
    /// The application.
    pub app_key: AppKey,
    /// The hash of the secret; zero if unknown.
    pub req_hash: ReqHash,
    /// Where it stands.
    pub mark: QueueState,
    /// The sealed contact; empty if unknown or no longer needed.
    pub contact: Vec<u8>,
}

/// One application as the queue has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceRow {
    /// Its number.
    pub number: Number,
    /// Where the queue has it.
    pub mark: QueueState,
    /// Its outcome, once the ledger's has arrived here. A settled event's waiting ones are `sold_out`.
    pub shown: Option<Shown>,
}

/// One entry of the whole line, for verifying.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub number: Number,
    /// The application.
    pub app_key: AppKey,
    /// Where the queue has it.
    pub mark: QueueState,
    /// Its outcome as shown.
    pub shown: Option<Shown>,
}

/// The queue of one event at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueSnapshot {
    /// The event.
    pub event: EventId,
    /// The queue's epoch.
    pub epoch: Epoch,
    /// Whether it takes writes.
    pub armed: bool,
    /// Where the event stands, by the queue's own clock.
    pub state: EventState,
    /// The last number given or skipped.
    pub seq: u32,
    /// The last number that may be given.
    pub number_limit: u32,
    /// Each number up to here is in the ledger, withdrawn, or skipped.
    pub admitted_through: u32,
    /// Numbers that were skipped; what is restored into such a run does not split it.
    pub gaps: Gaps,
    /// How it closed; written by the first write after `closes_at` to an armed queue, so it may come after `state` says it.
    pub closed: Option<Closing>,
    /// The settings as projected.
    pub settings: EventSettings,
    /// The settings' rev.
    pub rev: i64,
    /// The ledger's figures as projected.
    pub figures: Figures,
    /// The queue's clock when this was read.
    pub now: Millis,
}
