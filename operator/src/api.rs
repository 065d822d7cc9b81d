//! The handlers of the operator API, by resource.

pub(crate) mod applications;
pub(crate) mod audit;
pub(crate) mod change;
pub(crate) mod deliveries;
pub(crate) mod endpoints;
pub(crate) mod events;
pub(crate) mod find;
pub(crate) mod metrics;
pub(crate) mod outbox;
mod page;
pub(crate) mod preview;
pub(crate) mod release;
pub(crate) mod results;
pub(crate) mod settings;
pub(crate) mod undo;
