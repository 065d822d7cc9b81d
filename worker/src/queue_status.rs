//! What the operator console sees of the queue, which it never asks itself: a row of the ledger that the leader writes each second.
//! It decides nothing.

use std::collections::VecDeque;

use domain::{EventId, Millis};
use ledger::QueueStatus;
use queue::QueueSnapshot;

use crate::term::Term;
use crate::{ChoreError, WorkerContext};

/// How often it is written.
const EVERY_MS: Millis = 1000;
/// Seats sold per second are counted over so many of these.
const RATE_OVER: usize = 10;
/// Most moments kept of the queue's growth; when there are more, every other one is forgotten.
const MOMENTS_MAX: usize = 4096;

/// What the leader remembers of queue and seats, to tell how they move.
#[derive(Debug, Default)]
pub(crate) struct QueueHistory {
    written_at: Millis,
    sold: VecDeque<(Millis, u32)>,
    /// By when the queue had given which number.
    given: VecDeque<(Millis, u32)>,
    /// Up to here numbers were given before this term; nobody knows when.
    before: Option<u32>,
}

/// Writes what there is to see, if a second is over. The lead is extended by it.
pub(crate) async fn report(
    worker: &WorkerContext,
    term: &mut Term,
    view: &QueueSnapshot,
    now: Millis,
) -> Result<(), ChoreError> {
    if now - term.history.written_at < EVERY_MS {
        return Ok(());
    }
    let sold = (term.told.figures.at > 0).then_some(term.told.figures.sold);
    let status = term.history.status(view, sold, now);
    worker.ledger.write_queue_status(&term.event, term.fence, &status).await?;
    gauge(&term.event, &status);
    (term.history.written_at, term.extended_at) = (now, now);
    Ok(())
}

fn gauge(event: &EventId, status: &QueueStatus) {
    let id = event.to_string();
    let oldest_ms = status.oldest_wait_ms.or((status.waiting == 0).then_some(0));
    if let Some(ms) = oldest_ms.and_then(|ms| u32::try_from(ms).ok()) {
        metrics::gauge!("firstcome_oldest_wait_seconds", "event" => id.clone()).set(f64::from(ms) / 1000.0);
    }
    metrics::gauge!("firstcome_skipped_numbers", "event" => id).set(status.skipped_numbers);
}

impl QueueHistory {
    fn status(&mut self, view: &QueueSnapshot, sold: Option<u32>, now: Millis) -> QueueStatus {
        let first = first_in_queue(view);
        self.remember(view.seq, first, now);
        QueueStatus {
            at: now,
            epoch: view.epoch,
            state: view.state,
            seq: view.seq,
            admitted_through: view.admitted_through,
            waiting: (view.seq - view.admitted_through) - view.gaps.count(view.admitted_through, view.seq),
            closed_seq: view.closed.map(|closing| closing.closed_seq),
            skipped_numbers: view.gaps.count(0, view.seq),
            armed: view.armed,
            sold_milli_per_s: sold.map_or(0, |sold| self.rate(sold, now)),
            oldest_wait_ms: self.given_by(first).map(|given| now - given),
        }
    }

    fn remember(&mut self, seq: u32, first: u32, now: Millis) {
        self.before.get_or_insert(seq);
        if self.given.back().is_none_or(|(_, last)| *last < seq) {
            self.given.push_back((now, seq));
        }
        while self.given.front().is_some_and(|(_, last)| *last < first) {
            self.given.pop_front();
        }
        if self.given.len() > MOMENTS_MAX {
            let mut kept = false;
            self.given.retain(|_| {
                kept = !kept;
                kept
            });
        }
    }

    /// By when this number was given; `None` if it was not yet, or before this term.
    fn given_by(&self, number: u32) -> Option<Millis> {
        let known = self.before.is_some_and(|before| number > before);
        self.given.front().filter(|(_, last)| known && *last >= number).map(|(at, _)| *at)
    }

    /// Thousandths of a seat sold per second; what is given back meanwhile counts against it.
    fn rate(&mut self, sold: u32, now: Millis) -> u32 {
        self.sold.push_back((now, sold));
        if self.sold.len() > RATE_OVER + 1 {
            self.sold.pop_front();
        }
        let (then, sold_then) = self.sold.front().copied().unwrap_or((now, sold));
        let more = Millis::from(sold.saturating_sub(sold_then)) * 1_000_000;
        u32::try_from(more / (now - then).max(1)).unwrap_or(u32::MAX)
    }
}

/// The first number that may still wait: above those that were admitted, and no gap.
fn first_in_queue(view: &QueueSnapshot) -> u32 {
    view.gaps.ranges().iter().fold(view.admitted_through + 1, |first, gap| {
        if (gap.from..=gap.to).contains(&first) { gap.to + 1 } else { first }
    })
}

#[cfg(test)]
mod tests {
    use domain::event::Text;
    use domain::{Epoch, EventSettings, EventState, Gaps, Kind, Release};
    use queue::Figures;

    use super::*;

    fn view(admitted_through: u32, seq: u32) -> QueueSnapshot {
        let text = Text { ko: "봄".into(), en: "Spring".into() };
        let settings = EventSettings {
            id: "spring".parse().unwrap(),
            title: text.clone(),
            kind: Kind::Order,
            capacity: 5,
            opens_at: 0,
            closes_at: 1_000_000,
            intake: true,
            release: Release::Running,
            pace: "1".parse().unwrap(),
            in_flight_max: 5,
            applications_max: 5,
            announcement: text,
            settle_after_close: true,
            diverts: Vec::new(),
            pepper: "k1".into(),
        };
        QueueSnapshot {
            event: settings.id.clone(),
            epoch: Epoch(1),
            armed: true,
            state: EventState::Open,
            seq,
            number_limit: 10_000,
            admitted_through,
            gaps: Gaps::default(),
            closed: None,
            settings,
            rev: 1,
            figures: Figures::default(),
            now: 0,
        }
    }

    #[test]
    fn the_head_of_the_queue_has_waited_since_its_number_was_given() {
        let mut history = QueueHistory::default();
        let mut oldest = |admitted, seq, now| history.status(&view(admitted, seq), None, now).oldest_wait_ms;
        assert_eq!(oldest(0, 0, 1000), None, "nobody waits");
        assert_eq!(oldest(0, 10, 2000), Some(0));
        assert_eq!(oldest(0, 30, 3000), Some(1000));
        assert_eq!(oldest(9, 30, 4000), Some(2000));
        assert_eq!(oldest(10, 30, 5000), Some(2000), "11 came a second later");
        assert_eq!(oldest(30, 30, 6000), None);
        let mut later = QueueHistory::default();
        let mut oldest = |admitted, seq, now| later.status(&view(admitted, seq), None, now).oldest_wait_ms;
        assert_eq!(oldest(10, 30, 1000), None, "given before this leader came");
        assert_eq!(oldest(30, 40, 2000), Some(0));
    }

    #[test]
    fn a_gap_is_nobody_who_waits() {
        let mut history = QueueHistory::default();
        history.status(&view(10, 10), None, 1000);
        let mut skipped = view(10, 1012);
        skipped.gaps.push(11, 1010);
        let status = history.status(&skipped, None, 3000);
        assert_eq!((status.waiting, status.skipped_numbers, status.oldest_wait_ms), (2, 1000, Some(0)));
        assert_eq!(first_in_queue(&skipped), 1011);
    }

    #[test]
    fn a_rate_is_that_of_the_last_ten_seconds() {
        let mut history = QueueHistory::default();
        let mut rate = |second: i64, sold| history.rate(sold, second * 1000);
        assert_eq!((rate(0, 100), rate(1, 105), rate(2, 105)), (0, 5000, 2500));
        let last = (3..=12).map(|second| rate(second, 105)).last();
        assert_eq!((last, rate(13, 90), rate(14, 106)), (Some(0), 0, 100));
    }

    #[test]
    fn a_day_of_waiting_takes_no_more_than_its_share_of_memory() {
        let mut history = QueueHistory::default();
        history.status(&view(0, 0), None, 0);
        for second in 1..=86_400 {
            let status = history.status(&view(0, second), None, i64::from(second) * 1000);
            let since_first = i64::from(second - 1) * 1000;
            assert_eq!(status.oldest_wait_ms, Some(since_first));
        }
        assert!(history.given.len() <= MOMENTS_MAX, "{}", history.given.len());
    }
}
