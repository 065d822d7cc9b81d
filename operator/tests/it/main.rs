//! The operator API over a private ledger: every route and every error, concurrent changes, and the console in a browser.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod auto_pace;
mod browser;
mod changing;
mod console;
mod errors;
mod harness;
mod live;
mod openapi;
mod outbox;
mod reading;
mod results;
mod sessions;
mod undoing;
mod webhooks;
