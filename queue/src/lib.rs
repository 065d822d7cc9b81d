//! The queue: who applied, in which order, durably. One contract (`contract.rs`), two stores: `redis.rs` for production,
//! `sqlite.rs` embedded. The queue owns numbers. It never decides an outcome: what it shows of settings and outcomes is the ledger's projection.

mod contract;
mod lead;
mod queue;
mod redis;
mod sqlite;

pub use contract::{
    Applicant, Applied, Armed, Arming, Closing, Entry, Figures, Head, InboxEntry, InboxKind, LeadError,
    PlaceRow, Projection, QueueSnapshot, QueueState, Refused, Restored, Shown, Waiting,
};
pub use queue::Queue;
pub use redis::{Finding, RedisOptions, RedisQueue, RedisRole, Severity, redis_acl};
pub use sqlite::SqliteQueue;
