//! The chain of hashes over the audit: each row holds the SHA-256 of its columns and of the hash before it. A row that was changed
//! or removed breaks the chain. An owner of the table can also write a whole new chain; a hash that was kept elsewhere
//! shows this.

use data_encoding::HEXLOWER;
use domain::Millis;
use sha2::{Digest as _, Sha256};
use sqlx::any::AnyRow;

use crate::store::column::{int, text};
use crate::store::error::Error;
use crate::store::ledger::Ledger;

/// The hash before the first row.
const START: &str = "";
/// How many rows are read at once.
const PAGE: i64 = 1_000;
/// How many breaks are listed; all are counted.
const LISTED_MAX: usize = 20;

/// The columns of an audit row, as stored.
pub(crate) struct StoredColumns<'a> {
    pub(crate) event: &'a str,
    pub(crate) rev: i64,
    pub(crate) at: Millis,
    pub(crate) actor: &'a str,
    pub(crate) action: &'a str,
    pub(crate) reason: &'a str,
    pub(crate) before: &'a str,
    pub(crate) after: &'a str,
}

impl StoredColumns<'_> {
    /// The hash of this row, 64 hex digits. Each part is preceded by its length, so that no two rows have the same input.
    pub(crate) fn hash(&self, previous: &str) -> String {
        let (rev, at) = (self.rev.to_string(), self.at.to_string());
        let columns =
            [previous, self.event, &rev, &at, self.actor, self.action, self.reason, self.before, self.after];
        let mut sha = Sha256::new();
        for column in columns {
            sha.update((column.len() as u64).to_be_bytes());
            sha.update(column);
        }
        HEXLOWER.encode(&sha.finalize())
    }
}

/// A row whose hash does not follow from its columns and the row before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenLink {
    /// The event of the row.
    pub event: String,
    /// The time of the row.
    pub at: Millis,
}

/// What a check of the audit found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditChain {
    /// How many rows there are.
    pub rows: u64,
    /// The hash of the last row; empty without rows.
    pub head: String,
    /// The time of the last row; 0 without rows.
    pub head_at: Millis,
    /// How many rows do not continue the row before them.
    pub broken: u64,
    /// The first of them, at most 20.
    pub listed: Vec<BrokenLink>,
    /// The hashes among those searched for that no row has.
    pub missing: Vec<String>,
}

impl AuditChain {
    /// Whether no row was changed or removed, as far as the chain and the searched hashes show.
    pub fn is_whole(&self) -> bool {
        self.broken == 0 && self.missing.is_empty()
    }

    /// Adds the next row.
    fn add(&mut self, row: &AnyRow) -> Result<(), Error> {
        let stored = text(row, "hash")?;
        let [event, actor, action] = [text(row, "event")?, text(row, "actor")?, text(row, "action")?];
        let [reason, before, after] = [text(row, "reason")?, text(row, "before")?, text(row, "after")?];
        let columns = StoredColumns {
            event: &event,
            rev: int(row, "rev")?,
            at: int(row, "at")?,
            actor: &actor,
            action: &action,
            reason: &reason,
            before: &before,
            after: &after,
        };
        let (at, follows) = (columns.at, columns.hash(&self.head) == stored);
        self.rows += 1;
        if !follows {
            self.broken += 1;
            if self.listed.len() < LISTED_MAX {
                self.listed.push(BrokenLink { event, at });
            }
        }
        self.missing.retain(|kept| *kept != stored);
        // The stored hash goes on even after a break, so that one changed row is reported once.
        (self.head, self.head_at) = (stored, at);
        Ok(())
    }
}

impl Ledger {
    /// Reads the whole audit in order and checks its chain. `kept` are hashes of rows that were noted earlier, outside the ledger: a
    /// hash that no row has any more shows that rows were removed from the end, or the chain was written anew.
    pub async fn check_audit(&self, kept: &[String]) -> Result<AuditChain, Error> {
        let mut chain = AuditChain { missing: kept.to_vec(), ..AuditChain::default() };
        let mut last = i64::MIN;
        loop {
            let rows = sqlx::query("SELECT * FROM audit WHERE at > $1 ORDER BY at LIMIT $2")
                .bind(last)
                .bind(PAGE)
                .fetch_all(self.reader())
                .await?;
            for row in &rows {
                chain.add(row)?;
            }
            match rows.last() {
                Some(row) => last = int(row, "at")?,
                None => return Ok(chain),
            }
        }
    }
}

/// Returns the hash that the next row continues: that of the last row.
pub(crate) fn previous(last_row: Option<&AnyRow>) -> Result<String, Error> {
    last_row.map_or_else(|| Ok(START.to_owned()), |row| text(row, "hash"))
}
