//! Changes that operators make: creating and changing events, their capacity, and the audit.

pub(crate) mod adjust_pace;
pub(crate) mod adopt_settings;
pub(crate) mod audit;
pub(crate) mod audit_chain;
pub(crate) mod capacity;
pub(crate) mod change;
pub(crate) mod change_error;
pub(crate) mod change_event;
pub(crate) mod create_event;
pub(crate) mod event_draft;
pub(crate) mod keep_times;
pub(crate) mod save_event;
