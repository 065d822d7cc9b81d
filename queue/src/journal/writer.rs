//! The thread that writes a journal. It writes whatever waits with one sync of the disk. After a failure it never writes to the same
//! file again: the operating system may have dropped what it could not write. It starts a new segment instead, once that is possible.

use std::fs::File;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use domain::EventId;
use tokio::sync::oneshot;

use super::files::{JournalFiles, describe};

/// A segment ends at this size. It is read whole, so it bounds the memory of a replay.
const SEGMENT_MAX: usize = 16 << 20;
/// How often a failed journal tries to start a new segment.
const RETRY: Duration = Duration::from_secs(1);

/// A request to the writer.
pub(super) enum Request {
    /// Writes records, and reports when they are durable.
    Append {
        /// The encoded records.
        bytes: Vec<u8>,
        /// The event of all of them.
        event: EventId,
        report: oneshot::Sender<Result<(), String>>,
    },
    /// Ends the current segment, so that it can be deleted.
    EndSegment,
}

/// The writer and its current segment.
pub(super) struct JournalWriter {
    pub(super) files: Arc<JournalFiles>,
    /// `None` after a failure.
    pub(super) current: Option<OpenSegment>,
    /// Held until the thread ends, so that no other process writes to the folder.
    pub(super) lock: File,
}

/// The segment that is written to.
pub(super) struct OpenSegment {
    pub(super) file: File,
    pub(super) len: usize,
}

impl JournalWriter {
    /// Runs until the last handle on the journal is dropped.
    pub(super) fn run(mut self, requests: &Receiver<Request>) {
        loop {
            match requests.recv_timeout(RETRY) {
                Ok(first) => {
                    let waiting = std::iter::once(first).chain(requests.try_iter());
                    self.serve(waiting.collect());
                }
                Err(RecvTimeoutError::Timeout) if self.current.is_none() => self.start_segment(),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        drop(self.lock);
    }

    fn serve(&mut self, requests: Vec<Request>) {
        let (mut bytes, mut events, mut reports, mut ends) = (Vec::new(), Vec::new(), Vec::new(), false);
        for request in requests {
            match request {
                Request::Append { bytes: records, event, report } => {
                    bytes.extend(records);
                    events.push(event);
                    reports.push(report);
                }
                Request::EndSegment => ends = true,
            }
        }
        let written = if bytes.is_empty() { Ok(()) } else { self.append(&bytes, events) };
        match &written {
            Err(error) => self.fail(error),
            Ok(()) if reports.is_empty() => {}
            Ok(()) => self.files.report(None),
        }
        for report in reports {
            drop(report.send(written.as_ref().copied().map_err(describe)));
        }
        if ends {
            self.start_segment();
        }
    }

    fn append(&mut self, bytes: &[u8], events: Vec<EventId>) -> io::Result<()> {
        if self.current.as_ref().is_some_and(|segment| segment.len + bytes.len() > SEGMENT_MAX) {
            self.current = None;
        }
        let segment = match &mut self.current {
            Some(segment) => segment,
            none => none.insert(OpenSegment { file: self.files.create_segment()?, len: 0 }),
        };
        self.files.note_events(events);
        segment.len += bytes.len();
        segment.file.write_all(bytes)?;
        segment.file.sync_data()
    }

    fn start_segment(&mut self) {
        match self.files.create_segment() {
            Ok(file) => {
                self.current = Some(OpenSegment { file, len: 0 });
                self.files.report(None);
            }
            Err(error) => self.fail(&error),
        }
    }

    fn fail(&mut self, error: &io::Error) {
        self.current = None;
        self.files.report(Some(describe(error)));
    }
}
