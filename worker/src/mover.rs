//! The mover: reads the head of the line, gives seats in one transaction of the book, then tells the line. It never pops: a
//! crash between any two steps is repeated, not repaired.

use data_encoding::BASE64;
use domain::EventState;
use orders::{BookEvent, Newcomer, TAKE_MAX};
use queue::{Head, LineView, Waiting};

use crate::term::Term;
use crate::{ChoreError, Floor};

/// Moves as many as there is room for; says how many left the line. An event that is settling is looked through even without
/// room, so that numbers of nobody do not keep it from being settled.
pub(crate) async fn move_head(
    floor: &Floor,
    term: &Term,
    event: &BookEvent,
    view: &LineView,
) -> Result<usize, ChoreError> {
    let room = floor.book.room(event).await?.min(TAKE_MAX);
    let settling = event.state == EventState::Settling && event.frozen.is_none();
    if room == 0 && !settling {
        return Ok(0);
    }
    let head = floor.line.head(&term.event, room.max(1)).await?;
    if head.waiting.is_empty() {
        return pass_over(floor, term, view, &head).await;
    }
    if room == 0 {
        return Ok(0);
    }
    let newcomers: Vec<Newcomer> = head.waiting.iter().map(newcomer).collect();
    let taken = floor.book.take(&term.event, term.fence, &newcomers).await?;
    let through = if taken.all { head.through } else { last_taken(&head, taken.known.len(), view) };
    floor.line.moved(&term.event, term.fence.0, through, &taken.known).await?;
    if taken.seated > 0 {
        floor.moved.notify_waiters();
        metrics::counter!("firstcome_moved_total", "event" => term.event.to_string())
            .increment(taken.seated.into());
        tracing::debug!(event = %term.event, seated = taken.seated, through, "moved {} to orders", taken.seated);
    }
    Ok(taken.known.len())
}

fn newcomer(waiting: &Waiting) -> Newcomer {
    Newcomer { number: waiting.number, app_key: waiting.app_key, contact: BASE64.encode(&waiting.contact) }
}

/// Withdrawn ones and gaps at the head are nobody: the line may go past them.
async fn pass_over(floor: &Floor, term: &Term, view: &LineView, head: &Head) -> Result<usize, ChoreError> {
    if head.through > view.moved_through {
        floor.line.moved(&term.event, term.fence.0, head.through, &[]).await?;
        return Ok(1);
    }
    Ok(0)
}

/// How far the line was moved when the seats ended before the head did.
fn last_taken(head: &Head, taken: usize, view: &LineView) -> u32 {
    let last = taken.checked_sub(1).map_or(0, |last| head.waiting[last].number.get());
    last.max(view.moved_through)
}
