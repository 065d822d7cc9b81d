//! The queue of one event as a call sees it: its row in the file, and the state that only this process has. That state ends with
//! the process on purpose, so that a queue is not used after a restart before the leader has armed it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use domain::{Epoch, EventId};
use parking_lot::Mutex;
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::queue_row::QueueRow;
use crate::contract::{LeaderError, QueueError};

/// The state of one queue in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct ArmedState {
    /// The epoch for which this process armed the queue.
    pub(super) epoch: Option<Epoch>,
    /// The highest number that this process acknowledged.
    pub(super) last_acknowledged: u32,
}

/// The state in this process, shared by all handles on the store.
#[derive(Debug, Default)]
pub(super) struct ProcessState {
    catalogue_armed: AtomicBool,
    queues: Mutex<HashMap<EventId, ArmedState>>,
}

impl ProcessState {
    pub(super) fn catalogue_is_armed(&self) -> bool {
        self.catalogue_armed.load(Ordering::Acquire)
    }
    pub(super) fn arm_catalogue(&self) {
        self.catalogue_armed.store(true, Ordering::Release);
    }
    fn of(&self, event: &EventId) -> ArmedState {
        self.queues.lock().get(event).copied().unwrap_or_default()
    }
    pub(super) fn set(&self, event: EventId, state: ArmedState) {
        self.queues.lock().insert(event, state);
    }
}

/// Whether the catalogue lists an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listing {
    Listed,
    Absent,
    /// Not listed, but the catalogue was not published since the start.
    Unsure,
}

impl Listing {
    pub(super) fn of(listed: bool, catalogue_armed: bool) -> Self {
        match (listed, catalogue_armed) {
            (true, _) => Self::Listed,
            (false, true) => Self::Absent,
            (false, false) => Self::Unsure,
        }
    }
}

/// The queue of one event.
#[derive(Debug)]
pub(super) struct LoadedQueue {
    pub(super) listing: Listing,
    pub(super) armed: ArmedState,
    /// `None` if the event has no queue.
    pub(super) row: Option<QueueRow>,
}

impl LoadedQueue {
    pub(super) async fn load(
        conn: &mut SqliteConnection,
        process: &ProcessState,
        event: &EventId,
    ) -> sqlx::Result<Self> {
        let row = sqlx::query(
            "SELECT EXISTS (SELECT 1 FROM catalogue WHERE event = ?1) AS listed, queue.* \
             FROM (SELECT 1) LEFT JOIN queue ON queue.event = ?1",
        )
        .bind(event.as_str())
        .fetch_one(conn)
        .await?;
        Ok(Self {
            listing: Listing::of(row.try_get("listed")?, process.catalogue_is_armed()),
            armed: process.of(event),
            row: QueueRow::from_left_join(&row)?,
        })
    }

    /// Whether the queue takes writes: this process armed it, and the file is still in that epoch.
    pub(super) fn is_armed(&self) -> bool {
        self.row.as_ref().is_some_and(|row| self.armed.epoch == Some(row.epoch))
    }

    /// The row, armed or not, for the calls of applicants.
    pub(super) fn listed(&self) -> Result<&QueueRow, QueueError> {
        match self.listing {
            Listing::Absent => Err(QueueError::UnknownEvent),
            Listing::Unsure => Err(QueueError::NotArmed),
            Listing::Listed => self.row.as_ref().ok_or(QueueError::NotArmed),
        }
    }

    /// The row and the state of this process, for the writes of applicants.
    pub(super) fn open(&mut self) -> Result<(&mut QueueRow, &mut ArmedState), QueueError> {
        let armed = self.is_armed();
        self.listed()?;
        let row = self.row.as_mut().filter(|_| armed).ok_or(QueueError::NotArmed)?;
        Ok((row, &mut self.armed))
    }

    /// The row of an armed queue, for the reads of the leader.
    pub(super) fn armed_row(&self) -> Result<&QueueRow, LeaderError> {
        let row = self.row.as_ref().ok_or(LeaderError::UnknownEvent)?;
        if self.is_armed() { Ok(row) } else { Err(LeaderError::NotArmed) }
    }
}
