//! The journal of a process that acknowledges applications: its own file, on another disk than the queue's server. Every application
//! is in it before it is acknowledged. If the queue's server loses its data, each process gives the queue back what it acknowledged.

mod files;
mod id;
mod numbers;
mod record;
mod segment;
mod summary;
mod writer;

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::sync::{Arc, mpsc};

use domain::{Epoch, EventId, Rng};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use self::files::{JournalFiles, describe};
pub use self::id::JournalId;
use self::numbers::NumberSet;
pub use self::record::JournalRecord;
pub use self::summary::{JournalSummary, JournaledEvent};
use self::writer::{JournalWriter, OpenSegment, Request};

const LOCK_FILE: &str = "lock";
/// About the length of a record.
const RECORD_LEN: usize = 160;
const ENDED: &str = "the journal's writer has ended: restart this process";

/// A handle on the journal of this process. The writer ends with it.
#[derive(Debug)]
pub(crate) struct Journal {
    files: Arc<JournalFiles>,
    events: Mutex<HashMap<EventId, KnownEvent>>,
    requests: mpsc::Sender<Request>,
}

/// What the journal has of an event.
#[derive(Debug, Default)]
struct KnownEvent {
    is_registered: bool,
    /// No number is given any more, and every outcome is known: nothing needs to be kept.
    is_settled: bool,
    /// The last loss that the journal was replayed for, or is.
    replayed_for: Epoch,
    numbers: NumberSet,
    cancelled: NumberSet,
    confirmed: NumberSet,
}

impl KnownEvent {
    fn note(&mut self, record: &JournalRecord) {
        match record {
            JournalRecord::Registered { .. } => self.is_registered = true,
            JournalRecord::Applied { number, .. } => drop(self.numbers.insert(*number)),
            JournalRecord::Cancelled { number, .. } => drop(self.cancelled.insert(*number)),
            JournalRecord::Confirmed { number, .. } => drop(self.confirmed.insert(*number)),
            JournalRecord::Reported { .. } => {}
        }
    }

    /// Whether the journal has the record already.
    fn has(&self, record: &JournalRecord) -> bool {
        match record {
            JournalRecord::Registered { .. } => self.is_registered,
            JournalRecord::Applied { number, .. } => self.numbers.contains(*number),
            JournalRecord::Cancelled { number, .. } => self.cancelled.contains(*number),
            JournalRecord::Confirmed { number, .. } => self.confirmed.contains(*number),
            // One application may have several reports.
            JournalRecord::Reported { .. } => false,
        }
    }

    /// Whether the record was acknowledged by the queue before the loss that the journal was replayed for, and came too late for it.
    fn missed_replay(&self, record: &JournalRecord) -> bool {
        matches!(record, JournalRecord::Applied { epoch, .. } if *epoch < self.replayed_for)
    }
}

impl Journal {
    /// Opens the journal in the folder, and creates it if there is none. The error says what to do.
    pub(crate) fn open(folder: &Path, rng: &Rng) -> Result<Self, String> {
        let lock = lock(folder)?;
        let unusable = |error: io::Error| format!("{}: {}", folder.display(), describe(&error));
        let (mut id, mut segments, mut events) = (None, Vec::new(), HashMap::<EventId, KnownEvent>::new());
        for nth in segment::list(folder).map_err(unusable)? {
            let read = segment::read(&segment::path(folder, nth));
            let read = read.map_err(|error| format!("{}: {error}", segment::path(folder, nth).display()))?;
            id = id.or(read.id);
            segments.push((nth, read.records.iter().map(|record| record.event().clone()).collect()));
            for record in &read.records {
                events.entry(record.event().clone()).or_default().note(record);
            }
        }
        let files = Arc::new(JournalFiles {
            id: id.unwrap_or_else(|| JournalId::random(rng)),
            folder: folder.to_owned(),
            segments: Mutex::new(segments),
            failure: Mutex::default(),
        });
        let (requests, receiver) = mpsc::channel();
        let file = files.create_segment().map_err(unusable)?;
        let current = Some(OpenSegment { file, len: 0 });
        let writer = JournalWriter { files: Arc::clone(&files), current, lock };
        let spawned = std::thread::Builder::new().name("journal".into()).spawn(move || writer.run(&receiver));
        spawned.map_err(unusable)?;
        Ok(Self { files, events: Mutex::new(events), requests })
    }

    pub(crate) fn id(&self) -> JournalId {
        self.files.id
    }

    /// Why no application can be acknowledged now.
    pub(crate) fn failure(&self) -> Option<String> {
        self.files.failure.lock().clone()
    }

    /// Whether an application to this event may be acknowledged: the journal can be written, and the ledger knows of it.
    pub(crate) fn accepts(&self, event: &EventId) -> Result<(), String> {
        if let Some(why) = self.failure() {
            return Err(why);
        }
        if self.events.lock().get(event).is_some_and(|known| known.is_registered || known.is_settled) {
            return Ok(());
        }
        Err("the leader has not registered the journal of this process yet: try again in a moment".into())
    }

    /// Notes that the event is settled.
    pub(crate) fn note_settled(&self, event: &EventId) {
        self.events.lock().entry(event.clone()).or_default().is_settled = true;
    }

    /// Notes that a replay for this loss begins: an application of before that is written only now is not acknowledged.
    pub(crate) fn begin_replay(&self, event: &EventId, lost_epoch: Epoch) {
        self.events.lock().entry(event.clone()).or_default().replayed_for = lost_epoch;
    }

    /// The highest number that the journal has of each event.
    pub(crate) fn last_numbers(&self) -> Vec<(EventId, u32)> {
        self.events.lock().iter().map(|(event, state)| (event.clone(), state.numbers.last())).collect()
    }

    /// Writes those of the records that the journal does not have; they are of one event. All are durable when this returns `Ok`.
    pub(crate) async fn append(&self, records: &[JournalRecord]) -> Result<(), String> {
        let Some(event) = records.first().map(|record| record.event().clone()) else { return Ok(()) };
        let bytes = self.encode_new(&event, records);
        if bytes.is_empty() {
            return Ok(());
        }
        let (report, written) = oneshot::channel();
        let request = Request::Append { bytes, event: event.clone(), report };
        self.requests.send(request).map_err(|_| ENDED)?;
        written.await.map_err(|_| ENDED)??;
        let mut events = self.events.lock();
        let known = events.entry(event).or_default();
        for record in records {
            known.note(record);
        }
        if records.iter().any(|record| known.missed_replay(record)) {
            return Err("the queue lost applications meanwhile: apply again".into());
        }
        Ok(())
    }

    fn encode_new(&self, event: &EventId, records: &[JournalRecord]) -> Vec<u8> {
        let events = self.events.lock();
        let known = events.get(event);
        let mut bytes = Vec::with_capacity(records.len() * RECORD_LEN);
        for record in records.iter().filter(|record| known.is_none_or(|known| !known.has(record))) {
            record.encode(&mut bytes);
        }
        bytes
    }

    /// Calls `visit` for each record of the event, in the order of writing, until it returns `false`. Blocks on the disk.
    pub(crate) fn scan(
        &self,
        event: &EventId,
        mut visit: impl FnMut(JournalRecord) -> bool,
    ) -> io::Result<()> {
        let segments: Vec<u32> = {
            let segments = self.files.segments.lock();
            segments.iter().filter(|(_, events)| events.contains(event)).map(|(nth, _)| *nth).collect()
        };
        for nth in segments {
            for record in segment::read(&segment::path(&self.files.folder, nth))?.records {
                if record.event() == event && !visit(record) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Deletes the segments that have only records of settled events, whose contacts are not needed any more.
    pub(crate) fn drop_settled(&self, is_settled: impl Fn(&EventId) -> bool) {
        let mut segments = self.files.segments.lock();
        let current = segments.last().map(|(nth, _)| *nth);
        segments.retain(|(nth, events)| {
            let is_unneeded = Some(*nth) != current && events.iter().all(&is_settled);
            // One that cannot be deleted is tried again after the next start.
            if is_unneeded && let Err(error) = std::fs::remove_file(segment::path(&self.files.folder, *nth)) {
                tracing::warn!(%error, "failed to delete segment {nth} of the journal: {error}");
            }
            !is_unneeded
        });
        let is_finished =
            segments.last().is_some_and(|(_, events)| !events.is_empty() && events.iter().all(&is_settled));
        if is_finished {
            // Fails only if the writer has ended, and then nothing is left to do.
            drop(self.requests.send(Request::EndSegment));
        }
    }
}

/// Takes the folder for this process, and creates it if it is missing.
fn lock(folder: &Path) -> Result<File, String> {
    let failed = |error: io::Error| format!("{}: {}", folder.display(), describe(&error));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let options = File::options().create(true).truncate(false).write(true).open(folder.join(LOCK_FILE));
    let lock = options.map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(format!(
            "{}: another process writes this journal: stop it, or set signup.journal to a folder of this process's own",
            folder.display()
        )),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests;
