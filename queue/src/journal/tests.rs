//! The journal over restarts, cut-off writes, damaged bytes and full disks.

use std::path::PathBuf;
use std::time::Duration;

use domain::{AppKey, Epoch, Number, ReqHash};
use testkit::{TempFolder, seeded};

use super::*;

fn event() -> EventId {
    "spring".parse().unwrap()
}

fn applied(n: u32) -> JournalRecord {
    JournalRecord::Applied {
        event: event(),
        epoch: Epoch(1),
        number: Number::new(n).unwrap(),
        app_key: AppKey(u128::from(n).to_be_bytes()),
        req_hash: ReqHash(u64::from(n).to_be_bytes()),
        contact: format!("contact of {n}").into_bytes(),
    }
}

fn registered() -> JournalRecord {
    JournalRecord::Registered { event: event() }
}

fn open(folder: &TempFolder) -> Journal {
    Journal::open(folder.path(), &seeded(1)).unwrap()
}

/// Opens the journal again. The writer of the earlier handle releases the folder a moment after the handle is dropped.
fn reopen(folder: &TempFolder, earlier: Journal) -> Journal {
    drop(earlier);
    for _ in 0..500 {
        if let Ok(journal) = Journal::open(folder.path(), &seeded(2)) {
            return journal;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the folder stays locked");
}

fn records(journal: &Journal) -> Vec<JournalRecord> {
    let mut records = Vec::new();
    journal
        .scan(&event(), |record| {
            records.push(record);
            true
        })
        .unwrap();
    records
}

fn segments(folder: &TempFolder) -> Vec<PathBuf> {
    let numbers = segment::list(folder.path()).unwrap();
    numbers.into_iter().map(|nth| segment::path(folder.path(), nth)).collect()
}

#[tokio::test]
async fn a_journal_has_after_a_restart_what_it_had() {
    let folder = TempFolder::new("journal");
    let journal = open(&folder);
    assert!(journal.accepts(&event()).unwrap_err().contains("has not registered"));
    journal.append(&[registered(), applied(1), applied(7)]).await.unwrap();
    journal.accepts(&event()).unwrap();
    let id = journal.id();
    let journal = reopen(&folder, journal);
    journal.accepts(&event()).unwrap();
    journal.append(&[applied(8), applied(7), registered()]).await.unwrap();
    assert_eq!(records(&journal), [registered(), applied(1), applied(7), applied(8)], "nothing twice");
    assert_eq!((journal.id(), journal.last_numbers()), (id, vec![(event(), 8)]));
    let holds = |n| journal.events.lock()[&event()].has(&applied(n));
    assert_eq!([holds(1), holds(2), holds(7), holds(8)], [true, false, true, true]);
}

#[tokio::test]
async fn a_write_that_was_cut_off_anywhere_costs_no_earlier_record() {
    let folder = TempFolder::new("journal");
    let journal = open(&folder);
    journal.append(&[applied(1), applied(2)]).await.unwrap();
    let file = segments(&folder).remove(0);
    let whole = std::fs::read(&file).unwrap().len();
    journal.append(&[applied(3)]).await.unwrap();
    drop(journal);
    let bytes = std::fs::read(&file).unwrap();
    for end in whole..bytes.len() {
        std::fs::write(&file, &bytes[..end]).unwrap();
        let read = segment::read(&file).unwrap();
        assert_eq!((read.records, read.unreadable), (vec![applied(1), applied(2)], end - whole));
    }
}

#[tokio::test]
async fn a_damaged_byte_costs_one_record() {
    let folder = TempFolder::new("journal");
    let journal = open(&folder);
    let all: Vec<_> = (1..=20).map(applied).collect();
    journal.append(&all).await.unwrap();
    let file = segments(&folder).remove(0);
    let bytes = std::fs::read(&file).unwrap();
    for at in (60..bytes.len()).step_by(7) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        std::fs::write(&file, damaged).unwrap();
        let read = segment::read(&file).unwrap();
        assert_eq!(read.records.len(), all.len() - 1, "byte {at}");
        assert!(read.records.iter().all(|record| all.contains(record)), "byte {at}");
    }
}

#[test]
fn a_second_process_is_told_to_take_another_folder() {
    let folder = TempFolder::new("journal");
    let _journal = open(&folder);
    let why = Journal::open(folder.path(), &seeded(2)).unwrap_err();
    assert!(why.contains("another process writes this journal"), "{why}");
}

#[test]
fn a_file_of_another_format_is_refused_and_kept() {
    let folder = TempFolder::new("journal");
    let file = segment::path(folder.path(), 3);
    std::fs::write(&file, vec![b'x'; 500]).unwrap();
    let why = Journal::open(folder.path(), &seeded(1)).unwrap_err();
    assert!(why.contains("00000003.journal") && why.contains("move it away"), "{why}");
    assert_eq!(std::fs::read(&file).unwrap(), [b'x'; 500]);
}

#[tokio::test]
async fn nothing_is_acknowledged_while_the_disk_is_full_and_a_new_segment_is_used_afterwards() {
    let folder = TempFolder::new("journal");
    let journal = open(&folder);
    journal.append(&[registered(), applied(1)]).await.unwrap();
    drop(journal);
    let files = Arc::new(JournalFiles {
        id: JournalId::random(&seeded(1)),
        folder: folder.path().to_owned(),
        segments: Mutex::default(),
        failure: Mutex::default(),
    });
    // The kernel's own full disk.
    let file = File::options().write(true).open("/dev/full").unwrap();
    let lock = File::open(folder.path()).unwrap();
    let (requests, receiver) = mpsc::channel();
    let writer =
        JournalWriter { files: Arc::clone(&files), current: Some(OpenSegment { file, len: 0 }), lock };
    std::thread::spawn(move || writer.run(&receiver));
    let journal = Journal { files, events: Mutex::default(), requests };
    let why = journal.append(&[applied(2)]).await.unwrap_err();
    assert!(why.contains("the disk of the journal is full: free some space"), "{why}");
    assert_eq!(journal.last_numbers(), []);
    assert_eq!(journal.accepts(&event()).unwrap_err(), why);
    // The next write starts a new segment, and with it the journal is used again.
    journal.append(&[applied(2)]).await.unwrap();
    assert_eq!(journal.failure(), None);
    let journal = reopen(&folder, journal);
    assert_eq!(records(&journal), [registered(), applied(1), applied(2)]);
}

#[tokio::test]
async fn a_journal_whose_folder_is_away_says_so_until_it_is_back() {
    let folder = TempFolder::new("journal");
    let journal = Journal::open(&folder.path().join("disk"), &seeded(1)).unwrap();
    journal.append(&[registered(), applied(1)]).await.unwrap();
    std::fs::rename(folder.path().join("disk"), folder.path().join("away")).unwrap();
    journal.requests.send(Request::EndSegment).unwrap();
    while journal.failure().is_none() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let why = journal.append(&[applied(2)]).await.unwrap_err();
    assert!(why.contains("the folder of the journal cannot be written"), "{why}");
    std::fs::rename(folder.path().join("away"), folder.path().join("disk")).unwrap();
    while journal.failure().is_some() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    journal.append(&[applied(2)]).await.unwrap();
    assert_eq!(records(&journal), [registered(), applied(1), applied(2)]);
}

#[tokio::test]
async fn what_is_written_too_late_for_the_replay_is_not_acknowledged() {
    let folder = TempFolder::new("journal");
    let journal = open(&folder);
    journal.append(&[registered(), applied(1)]).await.unwrap();
    journal.begin_replay(&event(), Epoch(2));
    assert!(journal.append(&[applied(2)]).await.unwrap_err().contains("apply again"));
    let JournalRecord::Applied { event, number, app_key, req_hash, contact, .. } = applied(3) else {
        unreachable!()
    };
    let later = JournalRecord::Applied { event, epoch: Epoch(2), number, app_key, req_hash, contact };
    journal.append(&[later]).await.unwrap();
}

#[test]
fn a_settled_event_needs_no_registration() {
    let folder = TempFolder::new("journal");
    let journal = open(&folder);
    journal.accepts(&event()).unwrap_err();
    journal.note_settled(&event());
    journal.accepts(&event()).unwrap();
}

#[tokio::test]
async fn only_segments_of_settled_events_are_deleted() {
    let folder = TempFolder::new("journal");
    let journal = open(&folder);
    let summer = JournalRecord::Registered { event: "summer".parse().unwrap() };
    journal.append(&[registered(), applied(1)]).await.unwrap();
    let journal = reopen(&folder, journal);
    journal.append(&[applied(2)]).await.unwrap();
    journal.append(&[summer]).await.unwrap();
    let journal = reopen(&folder, journal);
    assert_eq!(segments(&folder).len(), 3);
    journal.drop_settled(|_| false);
    assert_eq!(records(&journal).len(), 3);
    journal.drop_settled(|event| event.as_str() == "spring");
    assert_eq!(segments(&folder).len(), 2, "the segment with the running event stays");
    journal.drop_settled(|_| true);
    assert_eq!(records(&journal), []);
}
