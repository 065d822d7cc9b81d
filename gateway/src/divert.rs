//! The shop's paths that lead to an event's page, from its opening until it is settled, read from the queue twice a second. While the
//! queue cannot be read, the last known events apply. Before the first read, the shop's requests wait, at most `events_wait` from the
//! start; then they are forwarded undiverted, because a gateway that forwards nothing would lock out every regular shopper.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use domain::{EventId, EventState, Millis, Now};
use queue::{Queue, QueueError, QueueSnapshot};
use service::Context;
use service::health::Check;
use tokio::sync::Notify;

use crate::error::EventResponses;
use crate::page::RefusalPage;
use crate::path;

/// How often the queue is read.
const READ_PERIOD: Duration = Duration::from_millis(500);
/// The longest that one read may take.
const READ_TIMEOUT: Duration = Duration::from_secs(3);

/// An event as last read.
#[derive(Debug, Clone)]
struct EventSnapshot {
    event: EventId,
    paths: Vec<String>,
    opens_at: Millis,
    state: EventState,
    /// The queue's clock minus ours.
    clock_offset: Millis,
}

impl EventSnapshot {
    fn of(view: QueueSnapshot, now: Millis) -> Self {
        let QueueSnapshot { event, settings, state, now: queue_now, .. } = view;
        Self {
            event,
            paths: settings.diverts,
            opens_at: settings.opens_at,
            state,
            clock_offset: queue_now - now,
        }
    }

    /// Whether its paths lead to its page now. The state may have been read before the opening.
    fn diverts(&self, now: Millis) -> bool {
        match self.state {
            EventState::Scheduled => self.opens_at <= now + self.clock_offset,
            EventState::Open | EventState::Closed | EventState::Settling => true,
            EventState::Settled => false,
        }
    }
}

/// One event with its responses.
#[derive(Debug)]
pub(crate) struct Divert {
    snapshot: EventSnapshot,
    pub(crate) responses: EventResponses,
}

impl Divert {
    /// The event to whose page the path leads.
    pub(crate) fn event(&self) -> &EventId {
        &self.snapshot.event
    }
}

/// All diverted paths as last read.
#[derive(Debug, Default)]
struct DivertTable {
    diverts: Vec<Divert>,
    /// Each path with the index of its event, the longest first.
    paths: Vec<(String, usize)>,
}

impl DivertTable {
    fn of(events_read: Vec<EventSnapshot>) -> Self {
        let mut paths: Vec<(String, usize)> = Vec::new();
        for (at, snapshot) in events_read.iter().enumerate() {
            paths.extend(snapshot.paths.iter().map(|path| (path.clone(), at)));
        }
        // Of two events on one path, the one that opens first wins.
        paths.sort_by_key(|(path, at)| (std::cmp::Reverse(path.len()), events_read[*at].opens_at));
        let page = RefusalPage::new();
        let divert = |snapshot: EventSnapshot| {
            let responses = EventResponses::new(&snapshot.event, &page);
            Divert { snapshot, responses }
        };
        Self { diverts: events_read.into_iter().map(divert).collect(), paths }
    }
}

/// The diverted paths, kept current.
pub(crate) struct Diverts {
    /// None before the first read.
    table: ArcSwapOption<DivertTable>,
    first: Notify,
    now: Now,
    health: Check,
}

impl Diverts {
    /// Starts to read the queue as soon as it is reachable, until the tasks are stopped.
    pub(crate) fn start(
        queue: impl Future<Output = Queue> + Send + 'static,
        first_max: Duration,
        ctx: &Context,
    ) -> Arc<Self> {
        let now = Arc::clone(&ctx.now);
        let health = ctx.health.check("gateway-events");
        let diverts = Arc::new(Self { table: ArcSwapOption::empty(), first: Notify::new(), now, health });
        let reading = Arc::clone(&diverts);
        let tasks = ctx.tasks.clone();
        ctx.tasks.spawn("gateway events", async move {
            tokio::select! {
                () = tasks.stopping() => {}
                () = reading.keep_reading(queue, first_max) => {}
            }
        });
        diverts
    }

    async fn keep_reading(&self, queue: impl Future<Output = Queue>, first_max: Duration) {
        let began = tokio::time::Instant::now();
        let mut queue = std::pin::pin!(queue);
        let opened = tokio::time::timeout(first_max, &mut queue).await;
        if let Ok(queue) = &opened {
            let first = async {
                while !self.read(queue, false).await {
                    tokio::time::sleep(READ_PERIOD / 5).await;
                }
            };
            if tokio::time::timeout_at(began + first_max, first).await.is_err() {
                // One event that cannot be read must not keep the shop closed.
                self.read(queue, true).await;
            }
        }
        if self.table.load().is_none() {
            self.publish(DivertTable::default());
            self.health.warn("the events have not been read yet: nothing is diverted");
        }
        let queue = if let Ok(queue) = opened {
            queue
        } else {
            let late = queue.await;
            self.read(&late, true).await;
            late
        };
        loop {
            tokio::time::sleep(READ_PERIOD).await;
            self.read(&queue, true).await;
        }
    }

    fn publish(&self, table: DivertTable) {
        self.table.store(Some(Arc::new(table)));
        self.first.notify_waiters();
    }

    /// Waits until the first read, or until the wait for it has ended.
    pub(crate) async fn ready(&self) {
        while self.table.load().is_none() {
            let mut notified = std::pin::pin!(self.first.notified());
            notified.as_mut().enable();
            if self.table.load().is_none() {
                notified.await;
            }
        }
    }

    /// Reads the queue once; whether every event could be read. With `allow_partial` a partial result is published too, in which an
    /// event that could not be read stays as it was.
    async fn read(&self, queue: &Queue, allow_partial: bool) -> bool {
        let read = tokio::time::timeout(READ_TIMEOUT, self.read_all(queue)).await;
        let (events_read, failures) =
            read.unwrap_or_else(|_| (None, vec!["the queue does not respond".to_owned()]));
        if let Some(events_read) = events_read.filter(|_| allow_partial || failures.is_empty()) {
            self.publish(DivertTable::of(events_read));
        }
        match failures.as_slice() {
            [] => self.health.ok(),
            _ if self.table.load().is_none() => self.health.fail(failures.join("; ")),
            _ => self.health.warn(format!("the last known events stay in effect: {}", failures.join("; "))),
        }
        failures.is_empty()
    }

    /// All events, unless the catalogue itself could not be read, and what went wrong.
    async fn read_all(&self, queue: &Queue) -> (Option<Vec<EventSnapshot>>, Vec<String>) {
        let events = match queue.catalogue().await {
            Ok(events) => events,
            Err(refused) => return (None, vec![refused.to_string()]),
        };
        let mut failures = Vec::new();
        let mut events_read = Vec::new();
        let before = self.table.load_full();
        let before = before.iter().flat_map(|table| &table.diverts);
        for event in events {
            match queue.snapshot(&event).await {
                Ok(view) => events_read.push(EventSnapshot::of(view, (self.now)())),
                // Removed from the catalogue meanwhile.
                Err(QueueError::UnknownEvent) => {}
                Err(refused) => {
                    failures.push(format!("{event}: {refused}"));
                    let known = before.clone().find(|divert| divert.snapshot.event == event);
                    events_read.extend(known.map(|divert| divert.snapshot.clone()));
                }
            }
        }
        (Some(events_read), failures)
    }

    /// The result of `f` if an event diverts the path now.
    pub(crate) fn map_diverted<T>(&self, path: &str, f: impl FnOnce(&Divert) -> T) -> Option<T> {
        let table = self.table.load();
        let table = table.as_ref().filter(|table| !table.paths.is_empty())?;
        let now = (self.now)();
        let mut matching = table.paths.iter().filter(|(prefix, _)| path::is_below_any_case(path, prefix));
        let (_, at) = matching.find(|(_, at)| table.diverts[*at].snapshot.diverts(now))?;
        Some(f(&table.diverts[*at]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(state: EventState) -> EventSnapshot {
        let event = "spring".parse().unwrap();
        EventSnapshot { event, paths: vec!["/p".into()], opens_at: 1000, state, clock_offset: 100 }
    }

    #[test]
    fn an_event_diverts_from_its_opening_by_the_queue_clock_until_it_is_settled() {
        assert!(!snapshot(EventState::Scheduled).diverts(899));
        assert!(snapshot(EventState::Scheduled).diverts(900));
        for state in [EventState::Open, EventState::Closed, EventState::Settling] {
            assert!(snapshot(state).diverts(0), "{state:?}");
        }
        assert!(!snapshot(EventState::Settled).diverts(5000));
    }

    #[test]
    fn the_longest_path_wins_and_of_two_events_the_one_that_opens_first() {
        let of = |event: &str, path: &str, opens_at: Millis| EventSnapshot {
            event: event.parse().unwrap(),
            paths: vec![path.into()],
            opens_at,
            ..snapshot(EventState::Open)
        };
        let table =
            DivertTable::of(vec![of("late", "/p", 2000), of("early", "/p", 1000), of("deep", "/p/x", 3000)]);
        let order: Vec<_> =
            table.paths.iter().map(|(_, at)| table.diverts[*at].snapshot.event.as_str()).collect();
        assert_eq!(order, ["deep", "early", "late"]);
    }
}
