//! Everything the checker looks at, read page by page: the line first, then the book, which is never behind what the line says.

use std::collections::HashMap;

use domain::{AppKey, EventId};
use orders::{Book, BookEvent, BookRow, OutboxRow, SeatRow};
use queue::{Entry, Line, LineView};

use crate::ChoreError;

const PAGE: u32 = 5000;

pub(super) struct Facts {
    pub(super) view: LineView,
    pub(super) entries: Vec<Entry>,
    pub(super) event: BookEvent,
    pub(super) rows: Vec<BookRow>,
    pub(super) seats: Vec<SeatRow>,
    pub(super) outbox: Vec<OutboxRow>,
    row_of: HashMap<AppKey, usize>,
    entry_of: HashMap<AppKey, usize>,
}

impl Facts {
    /// The book's row of this application.
    pub(super) fn row(&self, app_key: AppKey) -> Option<&BookRow> {
        self.row_of.get(&app_key).map(|at| &self.rows[*at])
    }

    /// The line's entry of this application: the lowest, should there be two.
    pub(super) fn entry(&self, app_key: AppKey) -> Option<&Entry> {
        self.entry_of.get(&app_key).map(|at| &self.entries[*at])
    }

    /// The application's number in words, if any store knows one.
    pub(super) fn who(&self, app_key: AppKey) -> String {
        let number = self.entry(app_key).map(|entry| entry.number);
        number
            .or_else(|| self.row(app_key).map(|row| row.number))
            .map_or_else(|| format!("the unknown application {app_key}"), |number| format!("number {number}"))
    }
}

pub(super) async fn gather(line: &Line, book: &Book, event: &EventId) -> Result<Facts, ChoreError> {
    let view = line.view(event).await?;
    let (mut entries, mut after) = (Vec::new(), 0);
    loop {
        let page = line.entries(event, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.number.get();
        entries.extend(page);
    }
    let (mut rows, mut after) = (Vec::new(), 0);
    loop {
        let page = book.rows(event, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.number.get();
        rows.extend(page);
    }
    let row_of = first_of(rows.iter().map(|row| row.app_key));
    let entry_of = first_of(entries.iter().map(|entry| entry.app_key));
    let (seats, outbox) = (book.seat_rows(event).await?, book.outbox_rows(event).await?);
    Ok(Facts { view, entries, event: book.event(event).await?, rows, seats, outbox, row_of, entry_of })
}

/// Where each key stands first.
fn first_of(keys: impl Iterator<Item = AppKey>) -> HashMap<AppKey, usize> {
    let mut first = HashMap::new();
    for (at, key) in keys.enumerate() {
        first.entry(key).or_insert(at);
    }
    first
}
