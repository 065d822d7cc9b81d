//! The tables that more than one part of the ledger reads or writes, and the transitions of an application.

pub(crate) mod activity;
pub(crate) mod application;
pub(crate) mod event;
pub(crate) mod journal;
pub(crate) mod outbox;
pub(crate) mod result;
pub(crate) mod seat;
pub(crate) mod seat_changes;
pub(crate) mod seat_count;
pub(crate) mod seat_state;
pub(crate) mod timeline;
pub(crate) mod transition;
