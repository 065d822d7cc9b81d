//! The recent history of the queue: when numbers were given and how fast seats are sold.

use std::collections::VecDeque;

use domain::Millis;
use ledger::QueueStatus;
use queue::QueueSnapshot;

/// How many statuses the rate of sold seats is measured over.
const RATE_OVER: usize = 10;
/// The maximum number of moments kept. When there are more, every other one is dropped.
const MOMENTS_MAX: usize = 4096;

/// Past values of the queue and the seats, from which rates and waiting times are derived.
#[derive(Debug, Default)]
pub(crate) struct QueueHistory {
    /// When the last status was written.
    pub(crate) written_at: Millis,
    /// The same by the ledger's clock.
    pub(crate) reported_at: Millis,
    /// The seats sold at recent statuses.
    sold: VecDeque<(Millis, u32)>,
    /// The last number at each moment when it had changed.
    last_numbers: VecDeque<(Millis, u32)>,
    /// The last number when this term began. When it and lower numbers were given is unknown.
    seq_at_start: Option<u32>,
}

impl QueueHistory {
    /// Returns the status of this moment, and remembers the moment.
    pub(crate) fn status(&mut self, snapshot: &QueueSnapshot, sold: Option<u32>, now: Millis) -> QueueStatus {
        let first = first_waiting(snapshot);
        self.remember(snapshot.seq, first, now);
        QueueStatus {
            at: now,
            epoch: snapshot.epoch,
            state: snapshot.state,
            seq: snapshot.seq,
            highest_seq: snapshot.seq,
            admitted_through: snapshot.admitted_through,
            waiting: snapshot.waiting,
            closed_seq: snapshot.closed.map(|closing| closing.closed_seq),
            skipped_numbers: snapshot.gaps.count(0, snapshot.seq),
            armed: snapshot.armed,
            sold_milli_per_s: sold.map_or(0, |sold| self.sold_rate(sold, now)),
            oldest_wait_ms: self.given_at(first).map(|given_at| now - given_at),
        }
    }

    fn remember(&mut self, seq: u32, first: u32, now: Millis) {
        self.seq_at_start.get_or_insert(seq);
        if self.last_numbers.back().is_none_or(|(_, last)| *last < seq) {
            self.last_numbers.push_back((now, seq));
        }
        while self.last_numbers.front().is_some_and(|(_, last)| *last < first) {
            self.last_numbers.pop_front();
        }
        if self.last_numbers.len() > MOMENTS_MAX {
            let mut kept = false;
            self.last_numbers.retain(|_| {
                kept = !kept;
                kept
            });
        }
    }

    /// The moment by which this number was given. `None` if it was not yet given, or was given before this term.
    fn given_at(&self, number: u32) -> Option<Millis> {
        let in_term = self.seq_at_start.is_some_and(|seq| number > seq);
        self.last_numbers.front().filter(|(_, last)| in_term && *last >= number).map(|(at, _)| *at)
    }

    /// Seats sold per second, in thousandths. Seats that are freed meanwhile count against it.
    fn sold_rate(&mut self, sold: u32, now: Millis) -> u32 {
        self.sold.push_back((now, sold));
        if self.sold.len() > RATE_OVER + 1 {
            self.sold.pop_front();
        }
        let (then, sold_then) = self.sold.front().copied().unwrap_or((now, sold));
        let more = Millis::from(sold.saturating_sub(sold_then)) * 1_000_000;
        u32::try_from(more / (now - then).max(1)).unwrap_or(u32::MAX)
    }
}

/// The first number that may still wait: above the admitted numbers, and not in a gap.
fn first_waiting(snapshot: &QueueSnapshot) -> u32 {
    snapshot.gaps.ranges().iter().fold(snapshot.admitted_through + 1, |first, gap| {
        if (gap.from..=gap.to).contains(&first) { gap.to + 1 } else { first }
    })
}

#[cfg(test)]
mod tests {
    use domain::event::Text;
    use domain::{Epoch, EventSettings, EventState, Gaps};
    use queue::SeatFigures;

    use super::*;

    fn snapshot(admitted_through: u32, seq: u32) -> QueueSnapshot {
        let title = Text::new("봄", "Spring");
        let settings = EventSettings::new("spring".parse().unwrap(), title, 0, 1_000_000);
        QueueSnapshot {
            event: settings.id.clone(),
            epoch: Epoch(1),
            armed: true,
            state: EventState::Open,
            seq,
            number_limit: 10_000,
            admitted_through,
            waiting: seq - admitted_through,
            gaps: Gaps::default(),
            closed: None,
            settings,
            rev: 1,
            figures: SeatFigures::default(),
            unjudged: None,
            lost_epoch: Epoch(0),
            ledger_changes: 0,
            now: 0,
        }
    }

    #[test]
    fn the_oldest_wait_counts_from_when_the_number_was_given() {
        let mut history = QueueHistory::default();
        let mut oldest =
            |admitted, seq, now| history.status(&snapshot(admitted, seq), None, now).oldest_wait_ms;
        assert_eq!(oldest(0, 0, 1000), None, "no application waits");
        assert_eq!(oldest(0, 10, 2000), Some(0));
        assert_eq!(oldest(0, 30, 3000), Some(1000));
        assert_eq!(oldest(9, 30, 4000), Some(2000));
        assert_eq!(oldest(10, 30, 5000), Some(2000), "11 was given a second later");
        assert_eq!(oldest(30, 30, 6000), None);
        let mut later = QueueHistory::default();
        let mut oldest =
            |admitted, seq, now| later.status(&snapshot(admitted, seq), None, now).oldest_wait_ms;
        assert_eq!(oldest(10, 30, 1000), None, "given before this term");
        assert_eq!(oldest(30, 40, 2000), Some(0));
    }

    #[test]
    fn a_gap_does_not_count_as_waiting() {
        let mut history = QueueHistory::default();
        history.status(&snapshot(10, 10), None, 1000);
        let mut skipped = snapshot(10, 1012);
        skipped.gaps.push(11, 1010);
        skipped.waiting = 2;
        let status = history.status(&skipped, None, 3000);
        assert_eq!((status.waiting, status.skipped_numbers, status.oldest_wait_ms), (2, 1000, Some(0)));
        assert_eq!(first_waiting(&skipped), 1011);
    }

    #[test]
    fn the_sold_rate_covers_the_last_ten_seconds() {
        let mut history = QueueHistory::default();
        let mut rate = |second: i64, sold| history.sold_rate(sold, second * 1000);
        assert_eq!((rate(0, 100), rate(1, 105), rate(2, 105)), (0, 5000, 2500));
        let last = (3..=12).map(|second| rate(second, 105)).last();
        assert_eq!((last, rate(13, 90), rate(14, 106)), (Some(0), 0, 100));
    }

    #[test]
    fn a_day_of_waiting_takes_bounded_memory() {
        let mut history = QueueHistory::default();
        history.status(&snapshot(0, 0), None, 0);
        for second in 1..=86_400 {
            let status = history.status(&snapshot(0, second), None, i64::from(second) * 1000);
            let since_first = i64::from(second - 1) * 1000;
            assert_eq!(status.oldest_wait_ms, Some(since_first));
        }
        assert!(history.last_numbers.len() <= MOMENTS_MAX, "{}", history.last_numbers.len());
    }
}
