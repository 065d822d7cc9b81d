//! The operator console over a ledger of its own: every route and every refusal, two operators at once, and the page in a browser.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod asking;
mod browser;
mod changing;
mod describing;
mod harness;
mod refusing;
