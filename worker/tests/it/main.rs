//! The worker over real stores: order calls, leadership, changes by the operator, settling, timeouts, and what verify catches.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod applicants;
mod auto_pace;
mod called;
mod captured_log;
mod domain_events;
mod harness;
mod leadership;
mod operator_changes;
mod order_calls;
mod planted_bugs;
mod settling;
mod store_timeouts;
mod stores;
mod verify;
mod webhook_receivers;
mod webhooks;
