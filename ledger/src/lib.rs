//! The ledger: seats, admitted applications, outcomes, event settings, audit, outbox. Outcomes are decided here and nowhere else.
//! It knows nothing of the queue; the worker carries between the two.

mod admit;
mod answer;
mod audit;
mod change;
mod decide;
mod dialect;
mod embedded;
mod event;
mod inbox;
mod known;
mod lead;
mod lease;
mod ledger;
mod outbox;
mod parked;
mod postgres;
mod queue_status;
mod read;
mod schema;
mod settle;

pub use admit::{ADMIT_MAX, Admission, Candidate};
pub use answer::{ATTEMPTS_MAX, Answer, Recorded};
pub use audit::AuditRow;
pub use change::{By, Change, ChangeError, Changed, EventPatch};
pub use event::{Created, LedgerEvent, Seats};
pub use inbox::CancelRequest;
pub use lead::{Lead, StartedEpoch};
pub use lease::{CALL_LEASE_MS, Call, CallKind, Leased};
pub use ledger::{Ledger, LedgerError};
pub use outbox::{DomainEvent, ToShow};
pub use parked::EndParked;
pub use queue_status::QueueStatus;
pub use read::{ApplicationRow, OrderRow, OutboxRow, SeatRow};
pub use settle::Settling;
