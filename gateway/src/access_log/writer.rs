//! Writes the lines of the access log, away from the requests. While the disk is slow the lines wait in memory, up to a bound.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use metrics::Counter;
use parking_lot::Mutex;
use tokio::task::spawn_blocking;

/// How often lines are written.
const WRITE_PERIOD: Duration = Duration::from_millis(100);
/// The most bytes that wait to be written; there may be as many again that are being written.
const WAITING_MAX: usize = 4 << 20;

/// Lines that wait to be written.
pub(super) struct LineBuffer {
    bytes: Mutex<Vec<u8>>,
    dropped: Counter,
}

impl LineBuffer {
    pub(super) fn new(dropped: Counter) -> Self {
        Self { bytes: Mutex::default(), dropped }
    }

    /// Adds a line, or counts it if there is no room.
    pub(super) fn push(&self, line: &str) {
        let mut bytes = self.bytes.lock();
        if bytes.len() + line.len() > WAITING_MAX {
            drop(bytes);
            return self.dropped.increment(1);
        }
        bytes.extend_from_slice(line.as_bytes());
    }

    /// Takes all lines, and leaves an empty buffer of some size.
    fn take(&self, empty: Vec<u8>) -> Vec<u8> {
        std::mem::replace(&mut *self.bytes.lock(), empty)
    }
}

/// Where the lines go.
pub(super) enum LineTarget {
    Stdout,
    /// A file, which is opened again when it has been renamed or removed, as log rotation does.
    File {
        path: PathBuf,
        file: File,
    },
}

impl LineTarget {
    /// The file, or the standard output without one.
    pub(super) fn open(path: Option<&Path>) -> io::Result<Self> {
        match path {
            None => Ok(Self::Stdout),
            Some(path) => Ok(Self::File { path: path.to_owned(), file: append(path)? }),
        }
    }

    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout => io::stdout().lock().write_all(lines),
            Self::File { path, file } => {
                if !is_same(path, file)? {
                    *file = append(path)?;
                }
                file.write_all(lines)
            }
        }
    }
}

fn append(path: &Path) -> io::Result<File> {
    File::options().append(true).create(true).open(path)
}

/// Whether the path still leads to the open file.
fn is_same(path: &Path, file: &File) -> io::Result<bool> {
    let opened = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(found) => Ok((found.dev(), found.ino()) == (opened.dev(), opened.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Writes the lines until only this task refers to the buffer, so that requests that end during the shutdown are written too.
pub(super) async fn run(buffer: Arc<LineBuffer>, mut target: LineTarget) {
    let mut empty = Vec::new();
    let mut is_failing = false;
    loop {
        let is_last = Arc::strong_count(&buffer) == 1;
        let lines = buffer.take(empty);
        let written = spawn_blocking(move || {
            let result = if lines.is_empty() { Ok(()) } else { target.write(&lines) };
            (target, lines, result)
        });
        let Ok((same_target, mut lines, result)) = written.await else { return };
        if let Err(error) = &result {
            buffer.dropped.increment(lines.split(|byte| *byte == b'\n').count() as u64 - 1);
            // Once, not ten times a second.
            if !is_failing {
                tracing::warn!(%error, "cannot write the access log; its lines are dropped");
            }
        }
        is_failing = result.is_err();
        if is_last {
            return;
        }
        target = same_target;
        lines.clear();
        empty = lines;
        tokio::time::sleep(WRITE_PERIOD).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::TempFolder;

    #[test]
    fn lines_wait_up_to_a_bound() {
        let buffer = LineBuffer::new(Counter::noop());
        let line = "x".repeat(1000);
        for _ in 0..10_000 {
            buffer.push(&line);
        }
        assert_eq!(buffer.bytes.lock().len(), WAITING_MAX / 1000 * 1000);
        assert_eq!(buffer.take(Vec::new()).len(), WAITING_MAX / 1000 * 1000);
        buffer.push(&line);
        assert_eq!(buffer.take(Vec::new()).len(), 1000);
    }

    #[tokio::test]
    async fn what_waits_is_written_before_the_task_ends() {
        let folder = TempFolder::new("access-log");
        let path = folder.path().join("access.log");
        let buffer = Arc::new(LineBuffer::new(Counter::noop()));
        let writing = run(Arc::clone(&buffer), LineTarget::open(Some(&path)).unwrap());
        let logging = async {
            buffer.push("one\n");
            tokio::time::sleep(WRITE_PERIOD * 2).await;
            assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\n");
            buffer.push("two\n");
            drop(buffer);
        };
        tokio::join!(writing, logging);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\n");
    }

    #[test]
    fn a_file_that_was_rotated_is_made_anew() {
        let folder = TempFolder::new("access-log");
        let (path, rotated) = (folder.path().join("access.log"), folder.path().join("access.log.1"));
        let mut target = LineTarget::open(Some(&path)).unwrap();
        target.write(b"one\n").unwrap();
        std::fs::rename(&path, &rotated).unwrap();
        target.write(b"two\n").unwrap();
        assert_eq!(std::fs::read_to_string(&rotated).unwrap(), "one\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two\n");
        std::fs::remove_file(&path).unwrap();
        target.write(b"three\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "three\n");
        std::fs::remove_dir_all(folder.path()).unwrap();
        assert!(target.write(b"four\n").is_err());
    }
}
