//! Tests of the signup service over its real routes and a real queue, with a manual clock and seeded random numbers.

#![expect(clippy::unwrap_used, reason = "a test whose setup fails stops there")]

mod accessibility;
mod apply;
mod browser;
mod called;
mod cancel;
mod documents;
mod errors;
mod expected_wait;
mod find;
mod harness;
mod keeping;
mod layout;
mod look;
mod lost_replies;
mod malformed;
mod members;
mod pages;
mod passes;
mod promises;
mod repeats;
mod retries;
mod states;
mod status;
mod unmatched;
