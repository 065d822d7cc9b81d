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
    pub(super) by_key: HashMap<AppKey, usize>,
}

impl Facts {
    /// The book's row of this application.
    pub(super) fn row(&self, app_key: AppKey) -> Option<&BookRow> {
        self.by_key.get(&app_key).map(|at| &self.rows[*at])
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
    let by_key = rows.iter().enumerate().map(|(at, row)| (row.app_key, at)).collect();
    let (seats, outbox) = (book.seat_rows(event).await?, book.outbox_rows(event).await?);
    Ok(Facts { view, entries, event: book.event(event).await?, rows, seats, outbox, by_key })
}
