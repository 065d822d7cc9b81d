//! What a journal has, for an operator who examines it.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use domain::EventId;
use serde::Serialize;

use super::numbers::NumberSet;
use super::record::JournalRecord;
use super::segment;

/// The content of a journal.
#[derive(Debug, Default, Serialize)]
pub struct JournalSummary {
    /// The id, in hexadecimal; `None` without a segment.
    pub id: Option<String>,
    /// The number of segments.
    pub segments: usize,
    /// Bytes that are no record. A few are left by a crash, of a write that was never acknowledged.
    pub unreadable_bytes: usize,
    /// The events, by id.
    pub events: BTreeMap<String, JournaledEvent>,
}

/// The records of one event in a journal.
#[derive(Debug, Default, Serialize)]
pub struct JournaledEvent {
    /// Whether the ledger knows the journal as one of the event's.
    pub registered: bool,
    /// The number of applications.
    pub applications: u64,
    /// The highest number of an application.
    pub last_number: u32,
    /// The number of cancel requests.
    pub cancel_requests: u64,
    /// The number of confirmations of called applicants.
    pub confirmations: u64,
    /// The number of reports of the shop.
    pub reports: u64,
    #[serde(skip)]
    numbers: NumberSet,
}

impl JournalSummary {
    /// Reads the journal in the folder, also while a process writes it. `visit` gets each record in the order of writing.
    pub fn read(folder: &Path, mut visit: impl FnMut(&JournalRecord)) -> io::Result<Self> {
        let mut summary = Self::default();
        for nth in segment::list(folder)? {
            let read = segment::read(&segment::path(folder, nth))?;
            summary.segments += 1;
            summary.unreadable_bytes += read.unreadable;
            summary.id = summary.id.or_else(|| read.id.map(|id| id.to_string()));
            for record in &read.records {
                visit(record);
                summary.add(record);
            }
        }
        Ok(summary)
    }

    fn add(&mut self, record: &JournalRecord) {
        let event: &EventId = record.event();
        let event = match self.events.get_mut(event.as_str()) {
            Some(event) => event,
            None => self.events.entry(event.to_string()).or_default(),
        };
        match record {
            JournalRecord::Registered { .. } => event.registered = true,
            JournalRecord::Cancelled { .. } => event.cancel_requests += 1,
            JournalRecord::Confirmed { .. } => event.confirmations += 1,
            JournalRecord::Reported { .. } => event.reports += 1,
            JournalRecord::Applied { number, .. } => {
                event.applications += u64::from(event.numbers.insert(*number));
                event.last_number = event.last_number.max(number.get());
            }
        }
    }
}
