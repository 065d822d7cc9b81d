//! The queue of one event as this process holds it: the stored record, and beside it what only memory knows.
//! What is in memory dies with the process on purpose: a queue that came back is not used before it is armed again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::{Epoch, EventId};
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::record::Record;
use crate::contract::Refused;

/// What this process remembers of one queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Remembered {
    /// The epoch that it was armed with here.
    pub(super) armed: Option<Epoch>,
    /// The highest number that was acknowledged from here.
    pub(super) acknowledged: u32,
}

/// What this process remembers, shared by all handles on the queue.
#[derive(Debug, Default)]
pub(super) struct Memory {
    catalogue_armed: AtomicBool,
    lines: Mutex<HashMap<EventId, Remembered>>,
}

impl Memory {
    pub(super) fn catalogue_armed(&self) -> bool {
        self.catalogue_armed.load(Ordering::Acquire)
    }
    pub(super) fn arm_catalogue(&self) {
        self.catalogue_armed.store(true, Ordering::Release);
    }
    pub(super) fn of(&self, event: &EventId) -> Remembered {
        self.lines().get(event).copied().unwrap_or_default()
    }
    pub(super) fn remember(&self, event: EventId, remembered: Remembered) {
        self.lines().insert(event, remembered);
    }
    fn lines(&self) -> MutexGuard<'_, HashMap<EventId, Remembered>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the catalogue says of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listing {
    Listed,
    Absent,
    /// Not listed, but the catalogue was not published since the start: it may come.
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
pub(super) struct Held {
    pub(super) listing: Listing,
    pub(super) remembered: Remembered,
    pub(super) record: Option<Record>,
}

impl Held {
    pub(super) async fn load(
        conn: &mut SqliteConnection,
        memory: &Memory,
        event: &EventId,
    ) -> sqlx::Result<Self> {
        let row = sqlx::query(
            "SELECT EXISTS (SELECT 1 FROM catalogue WHERE event = ?1) AS listed, queue.* \
             FROM (SELECT 1) LEFT JOIN queue ON queue.event = ?1",
        )
        .bind(event.as_str())
        .fetch_one(conn)
        .await?;
        let listing = Listing::of(row.try_get("listed")?, memory.catalogue_armed());
        Ok(Self { listing, remembered: memory.of(event), record: Record::from_left_join(&row)? })
    }

    /// Whether the queue takes writes: it was armed here, and the file still is in that epoch.
    pub(super) fn armed(&self) -> bool {
        self.record.as_ref().is_some_and(|record| self.remembered.armed == Some(record.epoch))
    }

    /// The record, for an event that applicants may know, armed or not.
    pub(super) fn listed(&mut self) -> Result<&mut Record, Refused> {
        match self.listing {
            Listing::Absent => Err(Refused::UnknownEvent),
            Listing::Unsure => Err(Refused::NotArmed),
            Listing::Listed => self.record.as_mut().ok_or(Refused::NotArmed),
        }
    }

    /// The record and what is remembered, for what applicants write.
    pub(super) fn open(&mut self) -> Result<(&mut Record, &mut Remembered), Refused> {
        let armed = self.armed();
        self.listed()?;
        self.record.as_mut().filter(|_| armed).map(|r| (r, &mut self.remembered)).ok_or(Refused::NotArmed)
    }
}
