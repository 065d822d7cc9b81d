//! The line as everybody else knows it: one type, whichever store is behind it.

use std::path::Path;

use domain::{AppKey, EventId, Now, Number};

use crate::contract::{
    Applicant, Applied, Armed, Arming, Ask, AskKind, Closing, Entry, Head, LeadError, LineView, PlaceRow,
    Projection, Refused, Restored,
};

/// A handle on the line; cloning it is cheap.
#[derive(Debug, Clone)]
pub enum Line {
    /// The embedded store: one file, one process.
    Sqlite(()),
}

#[expect(clippy::todo, clippy::unused_async, unused_variables, missing_docs, reason = "signatures first")]
impl Line {
    pub async fn open_sqlite(file: &Path, now: Now) -> Result<Self, LeadError> {
        todo!()
    }
    pub async fn publish(&self, events: &[EventId]) -> Result<(), LeadError> {
        todo!()
    }
    pub async fn catalogue(&self) -> Result<Vec<EventId>, Refused> {
        todo!()
    }
    pub async fn apply(&self, event: &EventId, applicant: Applicant) -> Result<Applied, Refused> {
        todo!()
    }
    pub async fn ask(
        &self,
        event: &EventId,
        app_key: AppKey,
        kind: AskKind,
    ) -> Result<Option<PlaceRow>, Refused> {
        todo!()
    }
    pub async fn place(&self, event: &EventId, app_key: AppKey) -> Result<Option<PlaceRow>, Refused> {
        todo!()
    }
    pub async fn view(&self, event: &EventId) -> Result<LineView, Refused> {
        todo!()
    }
    pub async fn arm(&self, event: &EventId, fence: i64, arming: Arming) -> Result<Armed, LeadError> {
        todo!()
    }
    pub async fn project(
        &self,
        event: &EventId,
        fence: i64,
        projection: Projection,
    ) -> Result<(), LeadError> {
        todo!()
    }
    pub async fn head(&self, event: &EventId, n: u32) -> Result<Head, LeadError> {
        todo!()
    }
    pub async fn moved(
        &self,
        event: &EventId,
        fence: i64,
        through: u32,
        keys: &[AppKey],
    ) -> Result<(), LeadError> {
        todo!()
    }
    pub async fn inbox(&self, event: &EventId, after: i64, max: u32) -> Result<Vec<Ask>, LeadError> {
        todo!()
    }
    pub async fn acknowledge(&self, event: &EventId, fence: i64, through: i64) -> Result<(), LeadError> {
        todo!()
    }
    pub async fn restore(&self, event: &EventId, fence: i64, rows: &[Restored]) -> Result<(), LeadError> {
        todo!()
    }
    pub async fn settle(&self, event: &EventId, fence: i64) -> Result<Closing, LeadError> {
        todo!()
    }
    pub async fn entries(&self, event: &EventId, after: u32, max: u32) -> Result<Vec<Entry>, Refused> {
        todo!()
    }
    pub async fn number_of(&self, event: &EventId, number: Number) -> Result<Option<AppKey>, Refused> {
        todo!()
    }
}
