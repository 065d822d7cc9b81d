//! The worker over the real stores: what its checker catches, how it calls an order service, how it leads.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod answering;
mod bugs;
mod harness;
mod leading;
mod log;
mod operating;
mod people;
mod settling;
mod silence;
mod stores;
mod verifying;
