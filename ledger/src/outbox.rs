//! The outbox as its targets read it: delivery, replay, status and retention.

pub(crate) mod delivery;
pub(crate) mod replay;
pub(crate) mod retention;
pub(crate) mod status;
