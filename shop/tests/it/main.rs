//! The shop over its real listener and its real database.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails where it stands")]

mod contract;
mod counting;
mod durable;
mod harness;
mod openapi;
mod overload;
mod pages;
mod virtual_time;
