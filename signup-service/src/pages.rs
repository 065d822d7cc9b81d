//! The pages for applicants, in Korean and English. They work without JavaScript.

pub(crate) mod calendar;
mod context;
mod error;
pub(crate) mod event;
mod expected_wait;
pub(crate) mod forms;
mod frame;
pub(crate) mod handover;
pub(crate) mod list;
mod look;
pub(crate) mod preview;
pub(crate) mod receipt;
mod receipt_state;
mod response;
pub(crate) mod shell;
mod templates;
pub(crate) mod unmatched;
mod view_only;

pub(crate) use error::PageError;
