//! The files of a journal: numbered segments, each with a header and then records. A segment is only ever appended to, by the process
//! that created it.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::id::JournalId;
use super::record::JournalRecord;

/// The first line of a segment, before the journal's id: the format and its version.
const FORMAT: &str = "firstcome journal 1 ";
/// The format, the id in hexadecimal and a line feed.
const HEADER_LEN: usize = FORMAT.len() + 32 + 1;
const EXTENSION: &str = "journal";

/// The path of a segment.
pub(super) fn path(folder: &Path, nth: u32) -> PathBuf {
    folder.join(format!("{nth:08}.{EXTENSION}"))
}

/// The numbers of the segments in the folder, in order.
pub(super) fn list(folder: &Path) -> io::Result<Vec<u32>> {
    let mut found = Vec::new();
    for file in folder.read_dir()? {
        let path = file?.path();
        if path.extension().is_some_and(|extension| extension == EXTENSION) {
            found.extend(path.file_stem().and_then(|stem| stem.to_str()?.parse::<u32>().ok()));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Creates a segment. The file and its name are durable when this returns.
pub(super) fn create(folder: &Path, nth: u32, id: JournalId) -> io::Result<File> {
    let path = path(folder, nth);
    let mut file = File::options().append(true).create_new(true).open(&path)?;
    let written = write_header(&mut file, folder, id);
    if written.is_err() {
        // An attempt each second would fill the folder with files. If it cannot be removed, the next attempt takes the next number.
        drop(std::fs::remove_file(&path));
    }
    written.map(|()| file)
}

fn write_header(file: &mut File, folder: &Path, id: JournalId) -> io::Result<()> {
    file.write_all(format!("{FORMAT}{id}\n").as_bytes())?;
    file.sync_data()?;
    File::open(folder)?.sync_all()
}

/// A segment as it was read.
#[derive(Debug, Default)]
pub(super) struct Segment {
    /// The journal's id; `None` if the process ended while it created the segment.
    pub(super) id: Option<JournalId>,
    pub(super) records: Vec<JournalRecord>,
    /// Bytes that are no record: of a write that a crash cut off, which was never acknowledged, or of a damaged disk.
    pub(super) unreadable: usize,
}

/// Reads a segment. Behind unreadable bytes the next whole record is searched for.
pub(super) fn read(path: &Path) -> io::Result<Segment> {
    let bytes = std::fs::read(path)?;
    let Some((header, mut rest)) = bytes.split_at_checked(HEADER_LEN) else {
        return Ok(Segment { unreadable: bytes.len(), ..Segment::default() });
    };
    let id = std::str::from_utf8(header).ok().and_then(|text| text.strip_prefix(FORMAT));
    let id = id.and_then(|id| id.trim_end().parse().ok());
    if id.is_none() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "it is not a journal of this version: move it away, or run the version that wrote it",
        ));
    }
    let mut segment = Segment { id, ..Segment::default() };
    while !rest.is_empty() {
        if let Some((record, size)) = JournalRecord::decode(rest) {
            segment.records.push(record);
            rest = &rest[size..];
        } else {
            segment.unreadable += 1;
            rest = &rest[1..];
        }
    }
    Ok(segment)
}
