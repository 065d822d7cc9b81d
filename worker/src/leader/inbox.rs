//! The inbox of an event: has the ledger decide the requests of applicants, and restores presented receipts.

use domain::Millis;
use ledger::{EventRow, InboxAction, InboxRequest};
use queue::{InboxEntry, InboxKind, QueueSnapshot};

use super::gap_recount::GapRecount;
use super::recovery;
use super::term::LeaderTerm;
use crate::context::WorkerContext;
use crate::error::Error;

/// The maximum number of entries read in one round.
const BATCH: u32 = 256;

/// The requests that a round handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HandledInbox {
    /// How many.
    pub(crate) count: usize,
    /// Every request that the queue wrote before this time, by its clock, is handled; `None` if that is not known.
    pub(crate) until: Option<Millis>,
}

/// Restores presented receipts in the queue, has the ledger decide all other requests, and then acknowledges both in the queue. The
/// inbox of a frozen event is left as it is.
pub(crate) async fn handle_inbox(
    worker: &WorkerContext,
    term: &mut LeaderTerm,
    event: &EventRow,
    snapshot: &QueueSnapshot,
) -> Result<HandledInbox, Error> {
    if event.frozen.is_some() {
        return Ok(HandledInbox { count: 0, until: None });
    }
    // Read after the queue's clock: it has every request of before that time.
    let entries = worker.queue.inbox(&term.event, event.inbox_through, BATCH).await?;
    let is_all = entries.len() < BATCH as usize;
    let until = Some(if is_all { snapshot.now } else { oldest(&entries).min(snapshot.now) });
    let Some(last) = entries.last().map(|entry| entry.id) else {
        return Ok(HandledInbox { count: 0, until });
    };
    let (presented, decided): (Vec<InboxEntry>, Vec<InboxEntry>) =
        entries.into_iter().partition(|entry| entry.kind == InboxKind::PresentReceipt);
    let requests: Vec<InboxRequest> = decided.iter().filter_map(request).collect();
    if !presented.is_empty() {
        recovery::restore_presented(worker, term, &presented).await?;
        if presented.iter().any(|entry| snapshot.gaps.contains(entry.number.get())) {
            term.recount = Some(GapRecount::default());
        }
    }
    let changes =
        worker.ledger.handle_inbox(&term.event, term.fence, &requests, last, snapshot.ledger_changes).await?;
    worker.queue.acknowledge(&term.event, term.fence.0, last, changes).await?;
    worker.orders_due.notify_waiters();
    Ok(HandledInbox { count: requests.len() + presented.len(), until })
}

/// When the first of these requests was written. Later ones are not handled yet, and none of them was written before.
fn oldest(entries: &[InboxEntry]) -> Millis {
    entries.iter().map(|entry| entry.at).min().unwrap_or(0)
}

/// The request that the ledger decides.
fn request(entry: &InboxEntry) -> Option<InboxRequest> {
    let action = match entry.kind {
        InboxKind::Cancel => InboxAction::Cancel,
        InboxKind::Confirm => InboxAction::Confirm,
        InboxKind::Extend => InboxAction::Extend,
        InboxKind::Ordered => {
            InboxAction::ReportOrdered { order_no: entry.order_no.clone().unwrap_or_default() }
        }
        InboxKind::Released => InboxAction::ReportReleased,
        InboxKind::PresentReceipt => return None,
    };
    let InboxEntry { id, at, app_key, number, .. } = *entry;
    Some(InboxRequest { id, at, action, app_key, number })
}
