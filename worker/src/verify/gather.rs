//! Everything the checker looks at, read page by page: the queue first, then the ledger, which is never behind what the queue says.

use std::collections::HashMap;

use domain::{AppKey, EventId};
use ledger::{ApplicationRow, EventRow, Ledger, OutboxRow, SeatRow};
use queue::{Entry, Queue, QueueSnapshot};

use crate::ChoreError;

const PAGE: u32 = 5000;

pub(super) struct Facts {
    pub(super) view: QueueSnapshot,
    pub(super) entries: Vec<Entry>,
    pub(super) event: EventRow,
    pub(super) rows: Vec<ApplicationRow>,
    pub(super) seats: Vec<SeatRow>,
    pub(super) outbox: Vec<OutboxRow>,
    row_of: HashMap<AppKey, usize>,
    entry_of: HashMap<AppKey, usize>,
}

impl Facts {
    /// The ledger's row of this application.
    pub(super) fn row(&self, app_key: AppKey) -> Option<&ApplicationRow> {
        self.row_of.get(&app_key).map(|at| &self.rows[*at])
    }

    /// The queue's entry of this application: the lowest, should there be two.
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

pub(super) async fn gather(queue: &Queue, ledger: &Ledger, event: &EventId) -> Result<Facts, ChoreError> {
    let view = queue.view(event).await?;
    let (mut entries, mut after) = (Vec::new(), 0);
    loop {
        let page = queue.entries(event, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.number.get();
        entries.extend(page);
    }
    let (mut rows, mut after) = (Vec::new(), 0);
    loop {
        let page = ledger.applications(event, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.number.get();
        rows.extend(page);
    }
    let row_of = first_of(rows.iter().map(|row| row.app_key));
    let entry_of = first_of(entries.iter().map(|entry| entry.app_key));
    let (seats, outbox) = (ledger.seat_rows(event).await?, ledger.outbox_rows(event).await?);
    Ok(Facts { view, entries, event: ledger.event(event).await?, rows, seats, outbox, row_of, entry_of })
}

/// Where each key stands first.
fn first_of(keys: impl Iterator<Item = AppKey>) -> HashMap<AppKey, usize> {
    let mut first = HashMap::new();
    for (at, key) in keys.enumerate() {
        first.entry(key).or_insert(at);
    }
    first
}
