//! The journals of the processes that acknowledge applications: registers new ones in the ledger, and notes which were replayed
//! after a loss. A process acknowledges nothing before its journal is registered, so that no journal is forgotten.

use domain::{Epoch, Millis, NO_JOURNAL};
use ledger::{EventRow, JournalReport};
use queue::QueueJournal;

use crate::context::WorkerContext;
use crate::error::Error;

/// How often the journals are read, in milliseconds. A process that starts for the first time waits for it.
const PERIOD_MS: Millis = 250;

/// How often they are recorded although nothing changed, in milliseconds: the ledger may have been put back to a state without them.
const RECORD_PERIOD_MS: Millis = 10_000;

/// The journals as the leader last read them.
#[derive(Debug, Default)]
pub(crate) struct KnownJournals {
    read_at: Millis,
    recorded_at: Millis,
    journals: Vec<QueueJournal>,
}

impl KnownJournals {
    /// Whether each process that acknowledges applications has a journal.
    pub(crate) fn cover_all(&self) -> bool {
        !self.journals.is_empty() && self.journals.iter().all(|journal| journal.id != NO_JOURNAL)
    }

    /// Registers and notes the journals of an event. Returns the event after that, and whether one was replayed. While one is missing,
    /// every call reads them.
    pub(crate) async fn note(
        &mut self,
        worker: &WorkerContext,
        event: EventRow,
        now: Millis,
    ) -> Result<(EventRow, bool), Error> {
        if event.journals_missing == 0 && (0..PERIOD_MS).contains(&(now - self.read_at)) {
            return Ok((event, false));
        }
        let (id, fence) = (event.settings.id.clone(), event.fence);
        let mut journals = worker.queue.journals(&id).await?;
        self.read_at = now;
        if journals == self.journals && (0..RECORD_PERIOD_MS).contains(&(now - self.recorded_at)) {
            return Ok((event, false));
        }
        let has_replayed = journals.iter().any(|journal| journal.replayed > self.replayed(&journal.id));
        let reports: Vec<JournalReport> = journals.iter().map(report).collect();
        let event = worker.ledger.record_journals(&id, fence, &reports).await?;
        let new = journals.iter().filter(|journal| journal.replayed.is_none());
        let new: Vec<String> = new.map(|journal| journal.id.clone()).collect();
        if !new.is_empty() {
            worker.queue.keep_journals(&id, fence.0, &new).await?;
        }
        for journal in &mut journals {
            journal.replayed.get_or_insert(Epoch(0));
        }
        self.journals = journals;
        self.recorded_at = now;
        Ok((event, has_replayed))
    }

    /// The last loss that the journal was replayed for, as last read.
    fn replayed(&self, id: &str) -> Option<Epoch> {
        self.journals.iter().find(|journal| journal.id == id)?.replayed
    }
}

fn report(journal: &QueueJournal) -> JournalReport {
    JournalReport { id: journal.id.clone(), replayed: journal.replayed.unwrap_or(Epoch(0)) }
}
