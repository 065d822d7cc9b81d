//! The gateway from outside: real sockets before it, a shop of the test's own behind it, and a queue in a file.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod access_log;
mod balancing;
mod client;
mod crowding;
mod diverting;
mod failing;
mod forwarding;
mod framing;
mod harness;
mod limiting;
mod pages;
mod passes;
mod peer_proxies;
mod queueing;
mod reloading;
mod reusing;
mod slow_readers;
mod stopping;
mod streams;
mod stub;
mod tls;
