//! The segments of a journal and whether it can be written, as the handle and the writer share them.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::path::PathBuf;

use domain::EventId;
use parking_lot::Mutex;

use super::id::JournalId;
use super::segment;

/// What the handle and the writer share.
#[derive(Debug)]
pub(super) struct JournalFiles {
    pub(super) id: JournalId,
    pub(super) folder: PathBuf,
    /// The segments with the events that each has records of, in order. The last is the current one.
    pub(super) segments: Mutex<Vec<(u32, HashSet<EventId>)>>,
    /// Why nothing can be written.
    pub(super) failure: Mutex<Option<String>>,
}

impl JournalFiles {
    /// Creates the next segment.
    pub(super) fn create_segment(&self) -> io::Result<File> {
        let mut segments = self.segments.lock();
        let mut nth = segments.last().map_or(1, |(last, _)| last + 1);
        // A failed attempt may have left its file.
        while segment::path(&self.folder, nth).exists() {
            nth += 1;
        }
        let file = segment::create(&self.folder, nth, self.id)?;
        segments.push((nth, HashSet::new()));
        Ok(file)
    }

    /// Notes that the current segment has records of these events.
    pub(super) fn note_events(&self, events: Vec<EventId>) {
        if let Some((_, noted)) = self.segments.lock().last_mut() {
            noted.extend(events);
        }
    }

    /// Records why nothing can be written, or that it can again.
    pub(super) fn report(&self, failure: Option<String>) {
        let before = std::mem::replace(&mut *self.failure.lock(), failure.clone());
        match failure {
            Some(why) if before.is_none() => {
                tracing::error!(folder = %self.folder.display(), "the journal cannot be written, so no application is acknowledged here: {why}");
            }
            None if before.is_some() => {
                tracing::info!(folder = %self.folder.display(), "the journal can be written again");
            }
            _ => {}
        }
    }
}

/// The error with what it means and what to do.
pub(super) fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            format!("the disk of the journal is full: free some space ({error})")
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::NotFound => {
            format!("the folder of the journal cannot be written: check it and its permissions ({error})")
        }
        io::ErrorKind::InvalidData => error.to_string(),
        _ => format!("the disk of the journal fails: check it ({error})"),
    }
}
