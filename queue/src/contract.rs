//! The types of the queue's contract. The two stores keep the contract by different means and never differ in what they do:
//! `tests/contract` runs the same suite over each.

use domain::{
    AppKey, CalledWindow, Epoch, EventId, EventSettings, EventState, Gaps, Millis, Number, Outcome, ReqHash,
};
use serde::{Deserialize, Serialize};

/// The numbers of a block, from 1: 1 to 4096, and so on. The head of the queue is read by blocks.
pub const BLOCK: u32 = 4096;

/// An applicant. The caller has validated it: the queue gives a number to every applicant it receives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applicant {
    /// The application.
    pub app_key: AppKey,
    /// The hash of the client's secret.
    pub req_hash: ReqHash,
    /// The sealed contact; the queue cannot open it.
    pub contact: Vec<u8>,
}

/// The state of an application in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueState {
    /// Waiting (W).
    Waiting,
    /// Withdrawn before it was admitted (X). Final.
    Withdrawn,
    /// Admitted: in the ledger (A).
    Admitted,
}

/// The acknowledgement of an application: the queue has it, durably.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApplyAck {
    /// Its number, which never changes.
    pub number: Number,
    /// The queue's epoch.
    pub epoch: Epoch,
    /// Its state.
    pub state: QueueState,
    /// `false` if this very call gave the number.
    pub already_applied: bool,
    /// Whether the caller showed the secret that the application was made with. `true` for a new application with a secret.
    pub proven: bool,
}

/// Why an applicant's call has no result. Except for `Unknown`, nothing was done and no number was used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// The catalogue is armed and does not list the event.
    #[error("there is no such event")]
    UnknownEvent,
    /// The queue was restarted and the leader has not armed it yet. Nothing is lost; try again.
    #[error("the queue is being checked after a restart")]
    NotArmed,
    /// The queue has fewer numbers than it acknowledged to this process: it was put back to an older state, and has disarmed
    /// itself.
    #[error("the queue lacks numbers that it acknowledged")]
    Regressed,
    /// The event opens later.
    #[error("the event is not open yet")]
    NotOpen {
        /// When it opens.
        opens_at: Millis,
    },
    /// The event is closed, for good.
    #[error("the event is closed")]
    Closed {
        /// When it closed.
        closed_at: Millis,
    },
    /// The operator has put the intake on hold.
    #[error("the intake is on hold")]
    OnHold,
    /// The event's `applications_max` is reached.
    #[error("the queue is full")]
    Full,
    /// All numbers up to the number limit are used; the leader raises the limit within a moment.
    #[error("the queue is waiting for its number limit to be raised")]
    AtLimit,
    /// The store was not reached, or it could not write. Nothing was done.
    #[error("the queue cannot be reached: {0}")]
    Unavailable(String),
    /// The store was called and did not report a result. The number may or may not have been given: apply again with the same
    /// secret.
    #[error("the queue did not answer: {0}")]
    Unknown(String),
}

/// Why a leader's call was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeaderError {
    /// The event has no queue.
    #[error("the queue does not know the event")]
    UnknownEvent,
    /// The queue must be armed first.
    #[error("the queue is not armed")]
    NotArmed,
    /// Another leader has a higher fence; this one must stop.
    #[error("a newer leader holds fence {current}")]
    Fenced {
        /// The fence of that leader.
        current: i64,
    },
    /// `arm` came with an epoch that is not above the queue's own.
    #[error("the queue is already in epoch {current}")]
    EpochTooOld {
        /// The queue's own epoch.
        current: u32,
    },
    /// `restore` left out this many rows: the queue has their key under another number or their number under another key. All
    /// other rows are restored. Numbers never change, so one of the two stores was put back to an old copy, and an operator must
    /// decide which.
    #[error("{0} applications contradict the queue")]
    Conflicts(u32),
    /// The store did not answer, or could not write.
    #[error("the queue cannot be reached: {0}")]
    Unavailable(String),
}

/// What the leader knows of numbers that the queue may have lost. Without a loss the queue continues without a gap; one that has to be
/// created never does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Continuity {
    /// Numbers above the queue's last one may have been given.
    Unknown,
    /// As far as the ledger knows, no number was given and the event has not opened. A queue agrees if it gave no number and its own
    /// opening is still to come: no application can have been accepted.
    Unopened,
    /// Each process that acknowledges applications has reported the last number that it got from the queue, and none is above the
    /// queue's last one.
    Whole,
}

/// The leader's request to arm a queue. All of it was committed in the ledger before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArmRequest {
    /// The new epoch, above every earlier one.
    pub epoch: Epoch,
    /// No number above this limit was ever given. The queue continues above it, and the numbers that it skips become a gap.
    pub number_limit: u32,
    /// What is known of numbers that the queue may have lost.
    pub continuity: Continuity,
    /// The settings. A queue that has older ones takes them over before it acts on its own times, as in [`Projection`].
    pub settings: EventSettings,
    /// The revision of the settings.
    pub rev: i64,
}

/// The result of arming.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArmResult {
    /// The last number given or skipped; the next is one above.
    pub seq: u32,
    /// How many numbers this call skipped.
    pub skipped: u32,
}

/// What arming found. The queue keeps it until the leader has judged it, since the reply of `arm` may be lost and a leader may end.
/// Of several armings that were not judged it has the worst of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnjudgedArming {
    /// The last number before the arming skipped any.
    pub reached: u32,
    /// Whether the queue is known to have lost applications: it had to be created although numbers may have been given, or it
    /// had fewer than it had acknowledged. `false` does not exclude a loss.
    pub lost_applications: bool,
}

/// A journal of a signup process, as the queue knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueJournal {
    /// Its id, or [`domain::NO_JOURNAL`] for processes without one.
    pub id: String,
    /// The last loss of applications that it was replayed for; `None` before the leader has registered it.
    pub replayed: Option<Epoch>,
}

/// The head of the queue. Reading it removes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QueueHead {
    /// In order of their numbers. Restored applications at or below `admitted_through` therefore come first.
    pub waiting: Vec<WaitingApplication>,
    /// The last number examined: `waiting` has every waiting application up to it. Blocks of [`BLOCK`] numbers in which none waits
    /// are passed over.
    pub through: u32,
}

/// A waiting application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingApplication {
    /// Its number.
    pub number: Number,
    /// The application.
    pub app_key: AppKey,
    /// The hash of the secret.
    pub req_hash: ReqHash,
    /// The sealed contact.
    pub contact: Vec<u8>,
}

/// An outcome as the ledger projected it into the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectedOutcome {
    /// The outcome.
    pub outcome: Outcome,
    /// The order number, if ordered.
    pub order_no: Option<String>,
}

/// The ledger's seat counts, as the progress document shows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SeatFigures {
    /// Seats sold.
    pub sold: u32,
    /// Seats free.
    pub free: u32,
    /// Seats held: an order is under way.
    pub held: u32,
    /// When the ledger counted them.
    pub at: Millis,
}

/// What the leader projects from the ledger into the queue. Settings are ordered by their revision, figures by fence and round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Projection {
    /// The revision of the settings. A lower one than the queue's changes no setting.
    pub rev: i64,
    /// The settings. A time that took effect does not move: `opens_at` once a number was given, `closes_at` once the queue is closed,
    /// and either once an armed queue has reached it. The queue then keeps its own time under the new revision.
    pub settings: EventSettings,
    /// The ledger's state, if it is `Settling` or `Settled`; the queue itself decides the earlier ones.
    pub state: EventState,
    /// The last number that may be given. It never lowers the queue's own.
    pub number_limit: u32,
    /// The leader's round, which orders the figures of one fence.
    pub round: i64,
    /// The seat counts.
    pub figures: SeatFigures,
    /// Applications that still wait in a settled event and have a number up to this one are `sold_out`.
    pub settled_seq: Option<u32>,
    /// The last epoch whose arming the leader has judged.
    pub judged_epoch: Epoch,
    /// The last epoch at whose arming applications were lost; 0 if there is none. Journals are replayed for it.
    pub lost_epoch: Epoch,
    /// Called applicants whose time the queue does not have yet. An application with an outcome stays as it is.
    pub called: Vec<(Number, CalledWindow)>,
    /// Outcomes that the queue does not have yet.
    pub outcomes: Vec<(Number, ProjectedOutcome)>,
}

/// The state of the queue at its closing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closing {
    /// The last number given. A restored application may still raise it.
    pub closed_seq: u32,
    /// When the queue closed.
    pub closed_at: Millis,
    /// The position of the last request before the closing.
    pub closed_inbox: i64,
}

/// An application that the ledger or a receipt proves and the queue does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoredApplication {
    /// The number, as it was given.
    pub number: Number,
    /// The application.
    pub app_key: AppKey,
    /// The hash of the secret; zero if unknown.
    pub req_hash: ReqHash,
    /// Its state.
    pub state: QueueState,
    /// The sealed contact; empty if unknown or no longer needed.
    pub contact: Vec<u8>,
}

/// An application of the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueEntry {
    /// Its number.
    pub number: Number,
    /// The application.
    pub app_key: AppKey,
    /// Its state.
    pub state: QueueState,
    /// The outcome, once the ledger has projected it. Applications that still wait in a settled event are `sold_out`.
    pub outcome: Option<ProjectedOutcome>,
    /// The time of a called applicant without an outcome, once the ledger has projected it.
    pub called: Option<CalledWindow>,
    /// Whether the applicant requested to cancel it.
    pub cancel_requested: bool,
}

/// The queue of one event at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueSnapshot {
    /// The event.
    pub event: EventId,
    /// The queue's epoch.
    pub epoch: Epoch,
    /// Whether the queue takes writes.
    pub armed: bool,
    /// The state of the event, by the queue's own clock.
    pub state: EventState,
    /// The last number given or skipped.
    pub seq: u32,
    /// The last number that may be given.
    pub number_limit: u32,
    /// Each number up to this one is in the ledger, withdrawn, or skipped.
    pub admitted_through: u32,
    /// Applications that wait, restored ones included.
    pub waiting: u32,
    /// The ranges of skipped numbers. An application restored into a range does not split it: the leader replaces the ranges then.
    pub gaps: Gaps,
    /// The closing. The first write to an armed queue after `closes_at` records it, which may be later than `state` says closed.
    pub closed: Option<Closing>,
    /// The settings as projected.
    pub settings: EventSettings,
    /// The revision of the settings.
    pub rev: i64,
    /// The ledger's seat counts as projected.
    pub figures: SeatFigures,
    /// What arming found; `None` once the leader has judged it.
    pub unjudged: Option<UnjudgedArming>,
    /// The last epoch at whose arming applications were lost; 0 if there is none.
    pub lost_epoch: Epoch,
    /// The ledger's count of changes at the last admission or inbox request that it reported. A ledger with a lower count was put back
    /// to an older state.
    pub ledger_changes: i64,
    /// The queue's clock at the time of reading.
    pub now: Millis,
}
