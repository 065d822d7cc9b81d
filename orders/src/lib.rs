//! The book: seats, moved applications, outcomes, event settings, audit, outbox. Outcomes are decided here and nowhere else.
//! It knows nothing of the line; the worker carries between the two.

mod answer;
mod ask;
mod audit;
mod book;
mod change;
mod decide;
mod dialect;
mod embedded;
mod event;
mod known;
mod lead;
mod lease;
mod line_status;
mod parked;
mod postgres;
mod read;
mod relay;
mod schema;
mod settle;
mod take;

pub use answer::{ATTEMPTS_MAX, Answer, Recorded};
pub use ask::Wish;
pub use audit::AuditRow;
pub use book::{Book, BookError};
pub use change::{By, Change, ChangeError, Changed, EventPatch};
pub use event::{BookEvent, Created, Seats};
pub use lead::{Era, Lead};
pub use lease::{CALL_LEASE_MS, Call, CallKind, Leased};
pub use line_status::LineStatus;
pub use parked::EndParked;
pub use read::{BookRow, OrderRow, OutboxRow, SeatRow};
pub use relay::{Notice, ToShow};
pub use settle::Settling;
pub use take::{Newcomer, TAKE_MAX, Taken};
