//! The only writer. All waiting writes go into one transaction, and no caller gets a result before the commit: up to 256 writes
//! share one sync of the disk, and what is acknowledged is durable.

use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;

use domain::{EventId, Millis, Now};
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::apply::{self, ApplicantWrite};
use super::error::WriteError;
use super::leader::{self, LeaderWrite};
use super::loaded_queue::{ArmedState, Listing, LoadedQueue, ProcessState};
use super::queue_row::QueueRow;
use super::step::{Reply, report};
use crate::contract::LeaderError;

/// The maximum number of writes of one transaction.
const BATCH_MAX: usize = 256;

/// A write, with the channel for its result.
#[derive(Debug)]
pub(super) enum Write {
    Publish(Vec<EventId>, Reply<(), LeaderError>),
    Applicant(EventId, ApplicantWrite),
    /// With the leader's fence.
    Leader(EventId, i64, Box<LeaderWrite>),
}

/// A write and the channel that says whether its transaction is committed.
#[derive(Debug)]
pub(super) struct PendingWrite {
    pub(super) write: Write,
    pub(super) committed: oneshot::Sender<Result<(), WriteError>>,
}

/// The owner of the writing connection.
pub(super) struct Writer {
    pub(super) options: SqliteConnectOptions,
    /// `None` after a failed transaction: the next one starts on a new connection, whatever the state of the old one.
    pub(super) conn: Option<SqliteConnection>,
    pub(super) process: Arc<ProcessState>,
    pub(super) now: Now,
    /// Held as long as anything may be written.
    pub(super) lock: File,
}

impl Writer {
    /// Runs until the last handle on the queue is dropped.
    pub(super) async fn run(mut self, mut pending: mpsc::Receiver<PendingWrite>) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        let mut failing = false;
        while pending.recv_many(&mut batch, BATCH_MAX).await > 0 {
            let (writes, callers): (Vec<_>, Vec<_>) =
                batch.drain(..).map(|pending| (pending.write, pending.committed)).unzip();
            let committed = self.commit(writes).await;
            // Logged when the failure begins and ends only: many applicants before a full disk must not fill it with log lines.
            match &committed {
                Err(error) if !failing => {
                    tracing::error!(%error, "failed to write the queue: {error}; the next write tries again");
                }
                Ok(()) if failing => tracing::info!("the queue is written again"),
                _ => {}
            }
            failing = committed.is_err();
            for caller in callers {
                // The caller may have gone; the write stays, and calling again finds it.
                drop(caller.send(committed.clone()));
            }
        }
        if let Some(conn) = self.conn.take() {
            drop(conn.close().await);
        }
        drop(self.lock);
    }

    async fn commit(&mut self, writes: Vec<Write>) -> Result<(), WriteError> {
        let started = Instant::now();
        let size = writes.len();
        let mut conn = match self.conn.take() {
            Some(conn) => conn,
            None => SqliteConnection::connect_with(&self.options).await?,
        };
        let mut transaction = Transaction {
            process: &self.process,
            now: (self.now)(),
            queues: HashMap::new(),
            published: false,
        };
        match transaction.commit(&mut conn, writes).await {
            Ok(()) => {
                transaction.update_process_state();
                self.conn = Some(conn);
                tracing::debug!(batch = size, took = ?started.elapsed(), "committed {size} writes");
                Ok(())
            }
            Err(error) => {
                drop(conn.close().await);
                Err(error)
            }
        }
    }
}

/// A transaction and the queues that it uses.
struct Transaction<'a> {
    process: &'a ProcessState,
    now: Millis,
    queues: HashMap<EventId, UsedQueue>,
    published: bool,
}

/// A queue in a transaction, and what it was before.
struct UsedQueue {
    queue: LoadedQueue,
    row_before: Option<QueueRow>,
    armed_before: ArmedState,
}

impl Transaction<'_> {
    async fn commit(&mut self, conn: &mut SqliteConnection, writes: Vec<Write>) -> Result<(), WriteError> {
        self.carry_out_all(conn, writes).await?;
        sqlx::query("COMMIT").execute(conn).await.map_err(|error| WriteError::at_commit(&error))?;
        Ok(())
    }

    async fn carry_out_all(&mut self, conn: &mut SqliteConnection, writes: Vec<Write>) -> sqlx::Result<()> {
        sqlx::query("BEGIN IMMEDIATE").execute(&mut *conn).await?;
        for write in writes {
            self.carry_out(conn, write).await?;
        }
        self.save(conn).await
    }

    async fn carry_out(&mut self, conn: &mut SqliteConnection, write: Write) -> sqlx::Result<()> {
        let now = self.now;
        match write {
            Write::Publish(events, reply) => {
                self.publish(conn, &events).await?;
                report(reply, Ok(()))
            }
            Write::Applicant(event, write) => {
                let queue = self.queue(conn, &event).await?;
                apply::carry_out(conn, queue, write, now).await
            }
            Write::Leader(event, fence, write) => {
                let queue = self.queue(conn, &event).await?;
                leader::carry_out(conn, &event, queue, fence, *write, now).await
            }
        }
    }

    /// The queue as the transaction has it so far. An armed one is closed by its first use after its closing time.
    async fn queue(
        &mut self,
        conn: &mut SqliteConnection,
        event: &EventId,
    ) -> sqlx::Result<&mut LoadedQueue> {
        if !self.queues.contains_key(event) {
            let mut queue = LoadedQueue::load(conn, self.process, event).await?;
            if self.published && queue.listing == Listing::Unsure {
                queue.listing = Listing::Absent;
            }
            let row_before = queue.row.clone();
            let armed_before = queue.armed;
            self.queues.insert(event.clone(), UsedQueue { queue, row_before, armed_before });
        }
        let used = self.queues.get_mut(event).ok_or(sqlx::Error::RowNotFound)?;
        let armed = used.queue.is_armed();
        if let Some(row) = used.queue.row.as_mut().filter(|_| armed) {
            row.close_if_due(self.now);
        }
        Ok(&mut used.queue)
    }

    async fn publish(&mut self, conn: &mut SqliteConnection, events: &[EventId]) -> sqlx::Result<()> {
        sqlx::query("DELETE FROM catalogue").execute(&mut *conn).await?;
        for event in events {
            sqlx::query("INSERT OR IGNORE INTO catalogue (event) VALUES (?)")
                .bind(event.as_str())
                .execute(&mut *conn)
                .await?;
        }
        self.published = true;
        for (event, used) in &mut self.queues {
            used.queue.listing = Listing::of(events.contains(event), true);
        }
        Ok(())
    }

    async fn save(&self, conn: &mut SqliteConnection) -> sqlx::Result<()> {
        for used in self.queues.values() {
            if used.queue.row != used.row_before
                && let Some(row) = &used.queue.row
            {
                row.save(conn).await?;
            }
        }
        Ok(())
    }

    /// Called only after the commit: the process must never know more than the file.
    fn update_process_state(self) {
        if self.published {
            self.process.arm_catalogue();
        }
        for (event, used) in self.queues {
            if used.queue.armed != used.armed_before {
                self.process.set(event, used.queue.armed);
            }
        }
    }
}
