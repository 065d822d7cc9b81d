//! The rules of Firstcome: IDs, settings, states, outcomes, pace, position, receipts.
//! No I/O, no clock, no randomness: times and random bytes are arguments.

pub mod application;
pub mod auto_pace;
pub mod color;
pub mod domain_event;
pub mod event;
pub mod id;
pub mod keys;
pub mod look;
pub mod member;
pub mod outcome;
pub mod pace;
pub mod pass;
pub mod person;
pub mod position;
pub mod receipt;
pub mod text;
pub mod time;

pub use application::{ApplicationState, CalledWindow, Undo};
pub use auto_pace::{AutoPace, ObservedCalls, PaceController, PaceReason, PaceSituation, PaceStep};
pub use color::Color;
pub use domain_event::{DomainEvent, DomainEventKind, DomainEventKinds};
pub use event::{EventSettings, EventState, Identity, Kind, Release};
pub use id::{AppKey, Epoch, EventId, Fence, NO_JOURNAL, Number, ReqHash};
pub use keys::{Keyring, Kid};
pub use look::{Look, LookPatch};
pub use outcome::Outcome;
pub use pace::{Bucket, Pace};
pub use pass::{Pass, PassSigner, PassVerifier};
pub use position::{Gap, Gaps, Position, Stock};
pub use receipt::{Receipt, Right};
pub use time::{Millis, Now, Rng};
