//! The book's contract, over each database. A test asks for a fresh book by `Desk::open` and never names the database.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod answers;
mod desk;
mod moving;
mod pacing;
mod settling;
mod wishes;
