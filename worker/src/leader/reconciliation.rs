//! A ledger with a lower count of changes than the queue was told: it was put back to an older state, by a restored backup or a
//! failover that lost the last transactions. The leader reads the whole queue, and the ledger takes back what it has lost. Until
//! that is done, nothing is admitted and no request of the inbox is handled.

use domain::{CalledWindow, Kind, Outcome};
use ledger::{ChangeError, EventRow, QueueRecord, Reconciled};
use queue::{QueueEntry, QueueSnapshot, QueueState};

use super::term::LeaderTerm;
use crate::context::WorkerContext;
use crate::error::Error;

/// Applications read and compared in one transaction, which locks the event.
const PAGE: u32 = 500;
/// Pages in one round, so that the lease is extended meanwhile.
const PAGES: u32 = 10;

/// Compares the next part of the queue with a ledger that is behind. Returns whether the ledger has everything.
pub(crate) async fn reconcile(
    worker: &WorkerContext,
    term: &mut LeaderTerm,
    event: &EventRow,
    snapshot: &QueueSnapshot,
) -> Result<bool, Error> {
    if snapshot.ledger_changes <= event.changes {
        term.reconciled_through = None;
        return Ok(true);
    }
    if event.frozen.is_some() {
        return Ok(false);
    }
    let through = term.reconciled_through.get_or_insert_with(|| begin(event, snapshot));
    for _ in 0..PAGES {
        let entries = worker.queue.entries(&term.event, *through, PAGE).await?;
        let records: Vec<QueueRecord> =
            entries.iter().filter_map(|entry| record(entry, event, snapshot)).collect();
        let Reconciled { added, without_seat } =
            worker.ledger.reconcile(&term.event, term.fence, &records).await?;
        if added > 0 {
            tracing::warn!(event = %term.event, "the ledger took back {added} applications from the queue");
        }
        if without_seat > 0 {
            return Ok(false);
        }
        let Some(last) = entries.last() else {
            worker.ledger.end_reconciliation(&term.event, term.fence, snapshot.ledger_changes).await?;
            tracing::warn!(event = %term.event, "the ledger of event {} has everything that the queue has: admission goes on", term.event);
            return Ok(true);
        };
        *through = last.number.get();
    }
    Ok(false)
}

/// Reports the reconciliation, which begins with the first number.
fn begin(event: &EventRow, snapshot: &QueueSnapshot) -> u32 {
    let id = &event.settings.id;
    tracing::error!(
        event = %id, ledger = event.changes, queue = snapshot.ledger_changes,
        "the ledger of event {id} was put back to an older state: admission stops while it takes back from the queue what it has lost"
    );
    0
}

/// Takes over the settings of the queue if they are newer: the ledger has lost changes of operators, which may have added the seats
/// that are needed now.
pub(crate) async fn adopt_settings(
    worker: &WorkerContext,
    term: &LeaderTerm,
    event: EventRow,
    snapshot: &QueueSnapshot,
) -> Result<EventRow, Error> {
    if snapshot.rev <= event.rev {
        return Ok(event);
    }
    tracing::error!(
        event = %term.event, ledger = event.rev, queue = snapshot.rev,
        "the ledger of event {} has lost changes of the settings and takes them over from the queue", term.event
    );
    let adopted =
        worker.ledger.adopt_settings(&term.event, term.fence, snapshot.rev, &snapshot.settings).await;
    match adopted {
        Ok(()) => Ok(worker.ledger.event(&term.event).await?),
        Err(ChangeError::Ledger(error)) => Err(error.into()),
        Err(refused) => {
            tracing::error!(event = %term.event, %refused, "the settings of the queue cannot be taken over: {refused}");
            Ok(event)
        }
    }
}

/// What the ledger must have of an application; `None` if it waits, since the ledger has only those that were admitted or withdrawn.
fn record(entry: &QueueEntry, event: &EventRow, snapshot: &QueueSnapshot) -> Option<QueueRecord> {
    let outcome = match entry.state {
        QueueState::Waiting => return None,
        QueueState::Withdrawn => Some(Outcome::Cancelled),
        QueueState::Admitted => entry.outcome.as_ref().map(|projected| projected.outcome),
    };
    let called = called_window(entry, event, snapshot).filter(|_| {
        outcome.is_none() || (event.settings.kind == Kind::Pass && entry.state == QueueState::Admitted)
    });
    let order_no = entry.outcome.as_ref().and_then(|projected| projected.order_no.clone());
    let QueueEntry { number, app_key, cancel_requested, .. } = *entry;
    let is_withdrawn_after_reading = is_withdrawn_after_reading(entry, event, snapshot);
    Some(QueueRecord {
        number,
        app_key,
        outcome,
        order_no,
        called,
        cancel_requested,
        is_withdrawn_after_reading,
    })
}

/// Whether admission may have read the application before it was withdrawn, so that an order may exist. A called applicant who withdrew
/// did not confirm, so there is none.
fn is_withdrawn_after_reading(entry: &QueueEntry, event: &EventRow, snapshot: &QueueSnapshot) -> bool {
    entry.state == QueueState::Withdrawn
        && event.settings.kind == Kind::Order
        && entry.number.get() <= snapshot.admitted_through
}

/// The time of a called applicant. One who did not confirm has at least the whole time from now on. Without a projected time the
/// applicant was admitted a moment ago, and the queue has taken no confirmation.
fn called_window(entry: &QueueEntry, event: &EventRow, snapshot: &QueueSnapshot) -> Option<CalledWindow> {
    if event.settings.kind == Kind::Order {
        return None;
    }
    let unknown = CalledWindow { until: 0, extended: false, confirmed: false };
    let window = entry.called.unwrap_or(unknown);
    let renewed = snapshot.now + event.settings.called_for_ms;
    Some(if window.confirmed { window } else { CalledWindow { until: window.until.max(renewed), ..window } })
}
