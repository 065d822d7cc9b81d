//! The signup service over its real routes and the real line, with time and chance set by hand.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails where it stands")]

mod applying;
mod browser;
mod cancelling;
mod documents;
mod finding;
mod garbage;
mod harness;
mod pages;
mod refusing;
mod repeating;
mod showing;
mod unknown;
