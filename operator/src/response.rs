//! Response bodies of the operator API. Clients such as the command line read the same types.

mod application;
mod change;
mod etag;
mod event;
mod outbox;

pub use application::{ApplicationList, ApplicationResponse};
pub use change::{ChangeList, ChangeResponse};
pub use event::{EventList, EventResponse, LocalizedText, PendingCounts, QueueResponse, SeatCounts};
pub use outbox::{TargetList, TargetResponse};
