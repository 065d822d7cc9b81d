//! The only writer. All waiting writes go into one transaction, and no caller gets a response before it is committed:
//! one sync of the disk pays for up to 256 writes, and what was acknowledged is durable.

use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;

use domain::{AppKey, EventId, Millis, Now, Number};
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::fault::Unwritten;
use super::held::{Held, Listing, Memory, Remembered};
use super::record::Record;
use super::{apply, lead};
use crate::contract::{Applicant, Applied, InboxKind, LeadError, PlaceRow, Refused};
use crate::lead::{Lead, Led};

/// Most writes of one transaction.
const BATCH_MAX: usize = 256;

/// An answer, unless the whole transaction failed.
pub(super) type Answer<T, E> = sqlx::Result<Result<T, E>>;

/// One write.
#[derive(Debug)]
pub(super) enum Work {
    Publish(Vec<EventId>),
    Apply(EventId, Applicant),
    InboxEntry(EventId, AppKey, Number, InboxKind),
    Present(EventId, AppKey, Number),
    Lead(EventId, i64, Box<Lead>),
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Done {
    Published,
    Applied(Result<Applied, Refused>),
    Asked(Result<Option<PlaceRow>, Refused>),
    Led(Result<Led, LeadError>),
}

/// A write and the channel for its result.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) work: Work,
    pub(super) reply: oneshot::Sender<Result<Done, Unwritten>>,
}

/// The owner of the writing connection.
pub(super) struct Writer {
    pub(super) options: SqliteConnectOptions,
    /// `None` after a failed transaction: the next one starts on a fresh connection, whatever state the old one was in.
    pub(super) conn: Option<SqliteConnection>,
    pub(super) memory: Arc<Memory>,
    pub(super) now: Now,
    /// Held as long as anything may be written.
    pub(super) lock: File,
}

impl Writer {
    /// Works until the last handle is gone.
    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let (mut waiting, mut failing) = (Vec::with_capacity(BATCH_MAX), false);
        while commands.recv_many(&mut waiting, BATCH_MAX).await > 0 {
            let (works, replies): (Vec<_>, Vec<_>) = waiting.drain(..).map(|c| (c.work, c.reply)).unzip();
            let committed = self.commit(works).await;
            // Told when it begins and when it is over: a crowd before a full disk must not fill it with log lines.
            match &committed {
                Err(error) if !failing => tracing::error!(%error, "the queue cannot be written"),
                Ok(_) if failing => tracing::info!("the queue is written again"),
                _ => {}
            }
            failing = committed.is_err();
            let answers: Vec<_> = match committed {
                Ok(done) => done.into_iter().map(Ok).collect(),
                Err(error) => replies.iter().map(|_| Err(error.clone())).collect(),
            };
            for (reply, answer) in replies.into_iter().zip(answers) {
                // Who asked may have gone; the write stands, and asking again finds it.
                drop(reply.send(answer));
            }
        }
        if let Some(conn) = self.conn.take() {
            drop(conn.close().await);
        }
        drop(self.lock);
    }

    async fn commit(&mut self, works: Vec<Work>) -> Result<Vec<Done>, Unwritten> {
        let (started, size) = (Instant::now(), works.len());
        let mut conn = match self.conn.take() {
            Some(conn) => conn,
            None => SqliteConnection::connect_with(&self.options).await?,
        };
        let mut batch =
            Batch { memory: &self.memory, now: (self.now)(), lines: HashMap::new(), published: false };
        match batch.transact(&mut conn, works).await {
            Ok(done) => {
                batch.remember();
                self.conn = Some(conn);
                tracing::debug!(batch = size, took = ?started.elapsed(), "committed");
                Ok(done)
            }
            Err(error) => {
                drop(conn.close().await);
                Err(error)
            }
        }
    }
}

/// The lines that one transaction touches.
struct Batch<'a> {
    memory: &'a Memory,
    now: Millis,
    lines: HashMap<EventId, Touched>,
    published: bool,
}

struct Touched {
    held: Held,
    stored: Option<Record>,
    remembered: Remembered,
}

impl Batch<'_> {
    async fn transact(
        &mut self,
        conn: &mut SqliteConnection,
        works: Vec<Work>,
    ) -> Result<Vec<Done>, Unwritten> {
        let done = self.carry_out_all(conn, works).await?;
        sqlx::query("COMMIT").execute(conn).await.map_err(|error| Unwritten::at_commit(&error))?;
        Ok(done)
    }

    async fn carry_out_all(
        &mut self,
        conn: &mut SqliteConnection,
        works: Vec<Work>,
    ) -> sqlx::Result<Vec<Done>> {
        sqlx::query("BEGIN IMMEDIATE").execute(&mut *conn).await?;
        let mut done = Vec::with_capacity(works.len());
        for work in works {
            done.push(self.carry_out(conn, work).await?);
        }
        self.save(conn).await?;
        Ok(done)
    }

    async fn carry_out(&mut self, conn: &mut SqliteConnection, work: Work) -> sqlx::Result<Done> {
        let now = self.now;
        Ok(match work {
            Work::Publish(events) => {
                self.publish(conn, &events).await?;
                Done::Published
            }
            Work::Apply(event, applicant) => {
                let held = self.touch(conn, &event).await?;
                Done::Applied(apply::apply(conn, held, applicant, now).await?)
            }
            Work::InboxEntry(event, app_key, number, kind) => {
                let held = self.touch(conn, &event).await?;
                Done::Asked(apply::ask(conn, held, (app_key, number), kind, now).await?)
            }
            Work::Present(event, app_key, number) => {
                let held = self.touch(conn, &event).await?;
                Done::Asked(apply::present(conn, held, app_key, number, now).await?)
            }
            Work::Lead(event, fence, work) => {
                let held = self.touch(conn, &event).await?;
                Done::Led(lead::lead(conn, (&event, held), fence, *work, now).await?)
            }
        })
    }

    /// The queue as the transaction has it so far; an armed one is closed as soon as it is touched after its time.
    async fn touch(&mut self, conn: &mut SqliteConnection, event: &EventId) -> sqlx::Result<&mut Held> {
        if !self.lines.contains_key(event) {
            let mut held = Held::load(conn, self.memory, event).await?;
            if self.published && held.listing == Listing::Unsure {
                held.listing = Listing::Absent;
            }
            let (stored, remembered) = (held.record.clone(), held.remembered);
            self.lines.insert(event.clone(), Touched { held, stored, remembered });
        }
        let touched = self.lines.get_mut(event).ok_or(sqlx::Error::RowNotFound)?;
        let armed = touched.held.armed();
        if let Some(record) = touched.held.record.as_mut().filter(|_| armed) {
            record.close_if_due(self.now);
        }
        Ok(&mut touched.held)
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
        for (event, touched) in &mut self.lines {
            touched.held.listing = Listing::of(events.contains(event), true);
        }
        Ok(())
    }

    async fn save(&self, conn: &mut SqliteConnection) -> sqlx::Result<()> {
        for touched in self.lines.values() {
            if touched.held.record != touched.stored
                && let Some(record) = &touched.held.record
            {
                record.save(conn).await?;
            }
        }
        Ok(())
    }

    /// Only after the commit: memory must never know more than the disk.
    fn remember(self) {
        if self.published {
            self.memory.arm_catalogue();
        }
        for (event, touched) in self.lines {
            if touched.held.remembered != touched.remembered {
                self.memory.remember(event, touched.held.remembered);
            }
        }
    }
}
