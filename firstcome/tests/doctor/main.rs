//! `firstcome doctor order-service` before services that do it right, and before one that does each thing wrong.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod findings;
mod harness;
mod reaching;
mod shop;
