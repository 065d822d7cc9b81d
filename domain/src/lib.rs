//! The rules of Firstcome: ids, settings, states, outcome, pace, standing, receipt.
//! No IO, no clock, no randomness: time and chance come in as arguments.

pub mod application;
pub mod event;
pub mod id;
pub mod keys;
pub mod outcome;
pub mod pace;
pub mod person;
pub mod receipt;
pub mod standing;
pub mod time;

pub use application::{ApplicationState, Undo};
pub use event::{EventSettings, EventState, Kind, Release};
pub use id::{AppKey, Epoch, EventId, Fence, Number, ReqHash};
pub use keys::{Keyring, Kid};
pub use outcome::Outcome;
pub use pace::{Bucket, Pace};
pub use receipt::{Receipt, Right};
pub use standing::{Gap, Gaps, Position, Stock};
pub use time::{Millis, Now, Rng};
