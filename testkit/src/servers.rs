//! Real servers for tests, each private to its test: own folder, own port, gone afterwards.

pub mod postgres;
pub mod redis;
