//! The inbox of an event: decides cancel requests, and restores presented receipts.

use ledger::{CancelRequest, EventRow};
use queue::{InboxEntry, InboxKind, QueueSnapshot};

use super::gap_recount::GapRecount;
use super::recovery;
use super::term::LeaderTerm;
use crate::context::WorkerContext;
use crate::error::Error;

/// The maximum number of entries read in one round.
const BATCH: u32 = 256;

/// Restores presented receipts in the queue, decides cancel requests in the ledger, and then acknowledges both in the queue. Returns
/// the number of entries. The inbox of a frozen event is left as it is.
pub(crate) async fn handle_inbox(
    worker: &WorkerContext,
    term: &mut LeaderTerm,
    event: &EventRow,
    snapshot: &QueueSnapshot,
) -> Result<usize, Error> {
    if event.frozen.is_some() {
        return Ok(0);
    }
    let entries = worker.queue.inbox(&term.event, event.inbox_through, BATCH).await?;
    let Some(last) = entries.last().map(|entry| entry.id) else { return Ok(0) };
    let (presented, cancels): (Vec<InboxEntry>, Vec<InboxEntry>) =
        entries.into_iter().partition(|entry| entry.kind == InboxKind::PresentReceipt);
    let requests: Vec<CancelRequest> = cancels
        .iter()
        .map(|entry| CancelRequest { id: entry.id, app_key: entry.app_key, number: entry.number })
        .collect();
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
    Ok(requests.len() + presented.len())
}
