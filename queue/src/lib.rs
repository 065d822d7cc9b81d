//! The line: who applied, in which order, durably. One contract (`contract.rs`), two stores: `redis.rs` for production,
//! `sqlite.rs` embedded. The line owns numbers. It never decides an outcome: what it shows of settings and outcomes is the book's projection.

mod contract;
mod lead;
mod line;
mod redis;
mod sqlite;

pub use contract::{
    Applicant, Applied, Armed, Arming, Ask, AskKind, Closing, Entry, Figures, Head, LeadError, LineView,
    Mark, PlaceRow, Projection, Refused, Restored, Shown, Waiting,
};
pub use line::Line;
pub use redis::{Finding, RedisLine, RedisOptions, RedisRole, Severity, redis_acl};
pub use sqlite::SqliteLine;
