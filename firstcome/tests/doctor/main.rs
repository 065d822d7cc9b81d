//! `firstcome doctor order-service` with correct services and with services that break one rule each.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod findings;
mod harness;
mod reaching;
mod shop;
