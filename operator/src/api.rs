//! The handlers of the operator API, by resource.

pub(crate) mod applications;
pub(crate) mod audit;
mod change;
mod event;
pub(crate) mod events;
pub(crate) mod outbox;
mod page;
pub(crate) mod release;
pub(crate) mod settings;
