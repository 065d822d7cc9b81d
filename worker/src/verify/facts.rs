//! The facts that the checks use, read page by page: first the queue, then the ledger, which is never behind the queue.

use std::collections::HashMap;

use domain::{AppKey, DomainEvent, EventId, Receipt};
use ledger::{ApplicationRow, EventRow, Ledger, OrderRow, SeatRow, Seats};
use queue::{Queue, QueueEntry, QueueSnapshot};

use crate::error::Error;

const PAGE: u32 = 5000;

/// Evidence from outside, which queue and ledger do not have.
#[derive(Debug, Clone, Default)]
pub struct Witness {
    /// Receipts that applicants hold.
    pub acks: Option<Vec<Receipt>>,
    /// The order service's own list. In kind `pass` it is the shop's, which has the GUIDs of the applications instead of their keys.
    pub orders: Option<Vec<OrderRow>>,
}

pub(super) struct Facts {
    pub(super) snapshot: QueueSnapshot,
    pub(super) entries: Vec<QueueEntry>,
    pub(super) event: EventRow,
    pub(super) rows: Vec<ApplicationRow>,
    pub(super) seats: Vec<SeatRow>,
    /// The ledger's own count of the seats.
    pub(super) counted: Seats,
    pub(super) domain_events: Vec<DomainEvent>,
    row_of: HashMap<AppKey, usize>,
    entry_of: HashMap<AppKey, usize>,
}

impl Facts {
    /// Reads queue and ledger.
    pub(super) async fn read(queue: &Queue, ledger: &Ledger, event: &EventId) -> Result<Self, Error> {
        let snapshot = queue.snapshot(event).await?;
        let entries = queue_entries(queue, event).await?;
        let rows = ledger_rows(ledger, event).await?;
        let row_of = first_index(rows.iter().map(|row| row.app_key));
        let entry_of = first_index(entries.iter().map(|entry| entry.app_key));
        let seats = ledger.seat_rows(event).await?;
        let counted = ledger.seats(event).await?;
        let domain_events = ledger.domain_events(event).await?;
        let event = ledger.event(event).await?;
        Ok(Self { snapshot, entries, event, rows, seats, counted, domain_events, row_of, entry_of })
    }

    /// The shop's list of orders that were made with passes, with the keys of the applications instead of their GUIDs.
    pub(super) fn orders_by_key(&self, orders: &[OrderRow]) -> Vec<OrderRow> {
        let key_of: HashMap<_, _> = self.rows.iter().map(|row| (row.app_key.guid(), row.app_key)).collect();
        let keyed = |order: &OrderRow| {
            let app_key = key_of.get(&order.app_key.to_string()).copied().unwrap_or(order.app_key);
            OrderRow { app_key, ..order.clone() }
        };
        orders.iter().map(keyed).collect()
    }

    /// The ledger's row of this application.
    pub(super) fn row(&self, app_key: AppKey) -> Option<&ApplicationRow> {
        self.row_of.get(&app_key).map(|index| &self.rows[*index])
    }

    /// The queue's entry of this application, with the lowest number if there are two.
    pub(super) fn entry(&self, app_key: AppKey) -> Option<&QueueEntry> {
        self.entry_of.get(&app_key).map(|index| &self.entries[*index])
    }

    /// The application's number in words, if either store has one.
    pub(super) fn describe(&self, app_key: AppKey) -> String {
        let number = self.entry(app_key).map(|entry| entry.number);
        number
            .or_else(|| self.row(app_key).map(|row| row.number))
            .map_or_else(|| format!("the unknown application {app_key}"), |number| format!("number {number}"))
    }
}

async fn queue_entries(queue: &Queue, event: &EventId) -> Result<Vec<QueueEntry>, Error> {
    let mut entries: Vec<QueueEntry> = Vec::new();
    loop {
        let after = entries.last().map_or(0, |entry| entry.number.get());
        let page = queue.entries(event, after, PAGE).await?;
        if page.is_empty() {
            return Ok(entries);
        }
        entries.extend(page);
    }
}

async fn ledger_rows(ledger: &Ledger, event: &EventId) -> Result<Vec<ApplicationRow>, Error> {
    let mut rows: Vec<ApplicationRow> = Vec::new();
    loop {
        let after = rows.last().map_or(0, |row| row.number.get());
        let page = ledger.applications(event, after, PAGE).await?;
        if page.is_empty() {
            return Ok(rows);
        }
        rows.extend(page);
    }
}

/// The first index of each key.
fn first_index(keys: impl Iterator<Item = AppKey>) -> HashMap<AppKey, usize> {
    let mut first = HashMap::new();
    for (index, key) in keys.enumerate() {
        first.entry(key).or_insert(index);
    }
    first
}
