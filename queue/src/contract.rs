//! What every store of the line does, in the words of all of them. The stores differ in how, never in what:
//! `tests/contract` runs the same suite over each.

use domain::{AppKey, Epoch, EventId, EventSettings, EventState, Gaps, Millis, Number, Outcome, ReqHash};
use serde::{Deserialize, Serialize};

/// Somebody who applies. Validated before: the line gives a number to whatever it is handed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applicant {
    /// The application.
    pub app_key: AppKey,
    /// The hash of the client's secret.
    pub req_hash: ReqHash,
    /// The sealed contact; the line cannot open it.
    pub contact: Vec<u8>,
}

/// Where the line itself has an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Waiting (W).
    Waiting,
    /// Withdrawn before being moved (X). Final.
    Withdrawn,
    /// In the book (M).
    Moved,
}

/// The line has the application, durably.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applied {
    /// Its number, which never changes.
    pub number: Number,
    /// The line's era.
    pub epoch: Epoch,
    /// Where the line has it.
    pub mark: Mark,
    /// `false` if this very call gave the number.
    pub again: bool,
    /// Whether the caller showed the secret that the application was made with; `true` for a new one that had a secret.
    pub proven: bool,
}

/// Why no number was given, and none was burnt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The catalogue is armed and does not know the event.
    #[error("there is no such event")]
    UnknownEvent,
    /// The line was restarted and the leader has not yet armed it: nothing is lost, try again.
    #[error("the line is being checked after a restart")]
    NotArmed,
    /// The line knows less than this process was told: it went back in time, and has disarmed itself.
    #[error("the line went back in time")]
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
    #[error("the line is full")]
    Full,
    /// The numbers written ahead are used up; the leader raises the limit within a moment.
    #[error("the line is waiting for its limit to be raised")]
    AtLimit,
    /// The store did not answer, or could not write. The number may or may not have been given: apply again with the same key.
    #[error("the line cannot be reached: {0}")]
    Unavailable(String),
}

/// Why a leader's write was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeadError {
    /// The line was never made for this event.
    #[error("the line does not know the event")]
    UnknownEvent,
    /// The line must be armed first.
    #[error("the line is not armed")]
    NotArmed,
    /// Somebody leads with a higher fence: stop.
    #[error("a newer leader holds fence {0}")]
    Fenced(i64),
    /// `arm` came with an epoch that is not above the line's own.
    #[error("the line is already in epoch {0}")]
    OldEpoch(u32),
    /// `restore` left out so many rows, because the line has their key under another number or their number under another
    /// key; all others are restored. Numbers never change, so one side went back: somebody has to look.
    #[error("{0} applications contradict the line")]
    Conflicts(u32),
    /// The store did not answer, or could not write.
    #[error("the line cannot be reached: {0}")]
    Unavailable(String),
}

/// What the leader arms a line with. Everything here was committed in the book before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arming {
    /// The new era, above every earlier one.
    pub epoch: Epoch,
    /// No number above this was ever given; the line goes on above it, and what it skips becomes a gap.
    pub line_limit: u32,
    /// The settings, for a line that has to be made.
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
    /// Whether the line knows that it forgot somebody: it had to be made though numbers may have been given, or it was seen
    /// to know less than it had acknowledged. If not, it may still have.
    pub forgot: bool,
}

/// The head of the line: read, never popped.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Head {
    /// In order: first restored ones that were passed by, then those waiting.
    pub waiting: Vec<Waiting>,
    /// The last number looked at; what is waiting up to here is in `waiting`.
    pub through: u32,
}

/// Somebody who waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The place in the line.
    pub number: Number,
    /// The application.
    pub app_key: AppKey,
    /// The sealed contact.
    pub contact: Vec<u8>,
}

/// What an applicant asks for; it travels by the inbox, and the steward answers in the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskKind {
    /// Take me out.
    Cancel,
    /// I hold a receipt, and the line does not know me: bring me back.
    Present,
}

/// One entry of the inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Position in the inbox; only rises.
    pub id: i64,
    /// When it came, in the line's time.
    pub at: Millis,
    /// The application.
    pub app_key: AppKey,
    /// Its number.
    pub number: Number,
    /// What is asked for.
    pub kind: AskKind,
}

/// An outcome as the page shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// How it ended.
    pub outcome: Outcome,
    /// The order number, if ordered.
    pub order_no: Option<String>,
}

/// The book's figures, as the progress document shows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Figures {
    /// Seats sold.
    pub sold: u32,
    /// Seats free.
    pub free: u32,
    /// Seats held: an order is under way.
    pub held: u32,
    /// When the book said so, in milliseconds.
    pub at: Millis,
}

/// What the relay writes into the line. Settings go under their rev, figures under (fence, round).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Projection {
    /// The settings' rev: a lower one than the line has changes no setting.
    pub rev: i64,
    /// The settings. A time that was acted on does not move: `opens_at` once it is reached, `closes_at` once the line is
    /// closed or it is reached. The line then keeps its own under the new rev.
    pub settings: EventSettings,
    /// The book's state, if it is `Settling` or `Settled`; the earlier ones are the line's own to decide.
    pub state: EventState,
    /// The last number that may be given; never lowers the line's own.
    pub line_limit: u32,
    /// The leader's round, which orders figures of one fence.
    pub round: i64,
    /// The figures.
    pub figures: Figures,
    /// Numbers up to this that still wait when settled are `sold_out`.
    pub settled_seq: Option<u32>,
    /// Outcomes that the line does not show yet.
    pub outcomes: Vec<(Number, Shown)>,
}

/// What the line was when it closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closing {
    /// The last number given; a restored one may still raise it.
    pub closed_seq: u32,
    /// When.
    pub closed_at: Millis,
    /// The last inbox entry from before: drained through here, every wish was heard.
    pub inbox_last: i64,
}

/// An application that the book or a receipt knows and the line does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The number, as it was given.
    pub number: Number,
    /// The application.
    pub app_key: AppKey,
    /// The hash of the secret; zero if unknown.
    pub req_hash: ReqHash,
    /// Where it stands.
    pub mark: Mark,
    /// The sealed contact; empty if unknown or no longer needed.
    pub contact: Vec<u8>,
}

/// One application as the line has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceRow {
    /// Its number.
    pub number: Number,
    /// Where the line has it.
    pub mark: Mark,
    /// Its outcome, once the book's has arrived here. A settled event's waiting ones are `sold_out`.
    pub shown: Option<Shown>,
}

/// One entry of the whole line, for verifying.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub number: Number,
    /// The application.
    pub app_key: AppKey,
    /// Where the line has it.
    pub mark: Mark,
    /// Its outcome as shown.
    pub shown: Option<Shown>,
}

/// The line of one event at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineView {
    /// The event.
    pub event: EventId,
    /// The line's era.
    pub epoch: Epoch,
    /// Whether it takes writes.
    pub armed: bool,
    /// Where the event stands, by the line's own clock.
    pub state: EventState,
    /// The last number given or skipped.
    pub seq: u32,
    /// The last number that may be given.
    pub line_limit: u32,
    /// Everybody up to here is in the book, withdrawn, or nobody.
    pub moved_through: u32,
    /// Numbers that were skipped; what is restored into such a run does not split it.
    pub gaps: Gaps,
    /// How it closed; written by the first write after `closes_at` to an armed line, so it may come after `state` says it.
    pub closed: Option<Closing>,
    /// The settings as projected.
    pub settings: EventSettings,
    /// The settings' rev.
    pub rev: i64,
    /// The book's figures as projected.
    pub figures: Figures,
    /// The line's clock when this was read.
    pub now: Millis,
}
