//! The handlers of the API.

pub(crate) mod apply;
pub(crate) mod called;
pub(crate) mod cancel;
mod enqueue;
pub(crate) mod events;
pub(crate) mod find;
pub(crate) mod pass;
pub(crate) mod report;
pub(crate) mod status;
