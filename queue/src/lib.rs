//! The queue of applications: durable, unique, in order. One contract (`contract.rs`) has two stores: Redis for production
//! (`redis.rs`) and SQLite embedded (`sqlite.rs`). The queue gives the numbers. It never decides an outcome: its settings and
//! outcomes are a projection of the ledger.

mod contract;
mod inbox;
mod journal;
mod queue;
mod redis;
mod sqlite;

pub use contract::{
    Applicant, ApplyAck, ArmRequest, ArmResult, BLOCK, Closing, Continuity, LeaderError, ProjectedOutcome,
    Projection, QueueEntry, QueueError, QueueHead, QueueJournal, QueueSnapshot, QueueState,
    RestoredApplication, SeatFigures, UnjudgedArming, WaitingApplication,
};
pub use inbox::{CalledReply, CalledRequest, InboxEntry, InboxKind, ShopReport};
pub use journal::{JournalId, JournalRecord, JournalSummary, JournaledEvent};
pub use queue::Queue;
pub use redis::{Durability, RedisOptions, RedisQueue, RedisRole, ServerFinding, Severity, redis_acl};
pub use sqlite::SqliteQueue;
