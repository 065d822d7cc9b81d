//! Real servers for tests. Each has its own folder and port, and ends with its test.

pub mod postgres;
pub mod redis;
