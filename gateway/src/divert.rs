//! The shop's paths that lead to an event's page, from its opening until it is settled. Read from the queue twice a second. While
//! the queue cannot be read the last that was known holds. Before anything is known the shop's requests wait, for `events_wait` from
//! the start: then they go on undiverted, as a gateway that stayed shut would keep every regular shopper out.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use domain::{EventId, EventState, Millis, Now};
use queue::{Queue, QueueSnapshot, Refused};
use service::Context;
use service::health::Check;
use tokio::sync::Notify;

use crate::error::Elsewhere;
use crate::page::Page;
use crate::path;

/// How often the queue is read.
const EVERY: Duration = Duration::from_millis(500);
/// How long one reading may take.
const READ_MAX: Duration = Duration::from_secs(3);

/// An event as it was last read.
#[derive(Debug, Clone)]
struct Standing {
    event: EventId,
    paths: Vec<String>,
    opens_at: Millis,
    state: EventState,
    /// The queue's clock less ours.
    ahead: Millis,
}

impl Standing {
    fn of(view: QueueSnapshot, now: Millis) -> Self {
        let QueueSnapshot { event, settings, state, now: queue_now, .. } = view;
        Self { event, paths: settings.diverts, opens_at: settings.opens_at, state, ahead: queue_now - now }
    }

    /// Whether its paths lead to its page now. The reading may be older than the opening.
    fn diverts(&self, now: Millis) -> bool {
        match self.state {
            EventState::Scheduled => self.opens_at <= now + self.ahead,
            EventState::Open | EventState::Closed | EventState::Settling => true,
            EventState::Settled => false,
        }
    }
}

/// One event with its answer.
#[derive(Debug)]
struct Divert {
    standing: Standing,
    elsewhere: Elsewhere,
}

/// One path, and the index of its event.
type PathOf = (String, usize);

/// All paths as last read, the longest first.
#[derive(Debug, Default)]
struct Table {
    diverts: Vec<Divert>,
    paths: Vec<PathOf>,
}

impl Table {
    fn of(standings: Vec<Standing>) -> Self {
        let mut paths: Vec<PathOf> = Vec::new();
        for (at, standing) in standings.iter().enumerate() {
            paths.extend(standing.paths.iter().map(|path| (path.clone(), at)));
        }
        // Of two events on one path the one that opens first has it.
        paths.sort_by_key(|(path, at)| (std::cmp::Reverse(path.len()), standings[*at].opens_at));
        let page = Page::new();
        let divert = |standing: Standing| {
            let elsewhere = Elsewhere::at(&format!("/e/{}", standing.event), &page);
            Divert { standing, elsewhere }
        };
        Self { diverts: standings.into_iter().map(divert).collect(), paths }
    }
}

/// The diversions in force.
pub(crate) struct Diverts {
    /// None before anything is known.
    table: ArcSwapOption<Table>,
    first: Notify,
    now: Now,
    health: Check,
}

impl Diverts {
    /// Begins to read the queue as soon as it can be reached, until the tasks are stopped.
    pub(crate) fn start(
        queue: impl Future<Output = Queue> + Send + 'static,
        first_max: Duration,
        ctx: &Context,
    ) -> Arc<Self> {
        let (now, health) = (Arc::clone(&ctx.now), ctx.health.check("gateway-events"));
        let diverts = Arc::new(Self { table: ArcSwapOption::empty(), first: Notify::new(), now, health });
        let (reading, tasks) = (Arc::clone(&diverts), ctx.tasks.clone());
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
                    tokio::time::sleep(EVERY / 5).await;
                }
            };
            if tokio::time::timeout_at(began + first_max, first).await.is_err() {
                // One event that cannot be read must not keep the shop shut.
                self.read(queue, true).await;
            }
        }
        if self.table.load().is_none() {
            self.publish(Table::default());
            self.health.warn("the events are not known yet: nothing is diverted");
        }
        let queue = if let Ok(queue) = opened {
            queue
        } else {
            let late = queue.await;
            self.read(&late, true).await;
            late
        };
        loop {
            tokio::time::sleep(EVERY).await;
            self.read(&queue, true).await;
        }
    }

    fn publish(&self, table: Table) {
        self.table.store(Some(Arc::new(table)));
        self.first.notify_waiters();
    }

    /// Waits until something is known.
    pub(crate) async fn known(&self) {
        while self.table.load().is_none() {
            let mut told = std::pin::pin!(self.first.notified());
            told.as_mut().enable();
            if self.table.load().is_none() {
                told.await;
            }
        }
    }

    /// Reads the queue once; whether everything could be read. What could not stays as it was; `partly` says whether the rest is
    /// taken then.
    async fn read(&self, queue: &Queue, partly: bool) -> bool {
        let read = tokio::time::timeout(READ_MAX, self.read_all(queue)).await;
        let (standings, troubles) =
            read.unwrap_or_else(|_| (None, vec!["the queue does not answer".to_owned()]));
        if let Some(standings) = standings.filter(|_| partly || troubles.is_empty()) {
            self.publish(Table::of(standings));
        }
        match troubles.as_slice() {
            [] => self.health.ok(),
            _ if self.table.load().is_none() => self.health.fail(troubles.join("; ")),
            _ => self.health.warn(format!("the last known events hold: {}", troubles.join("; "))),
        }
        troubles.is_empty()
    }

    /// All events, if the catalogue could be read, and what could not be.
    async fn read_all(&self, queue: &Queue) -> (Option<Vec<Standing>>, Vec<String>) {
        let events = match queue.catalogue().await {
            Ok(events) => events,
            Err(refused) => return (None, vec![refused.to_string()]),
        };
        let (before, mut troubles, mut standings) = (self.table.load_full(), Vec::new(), Vec::new());
        let before = before.iter().flat_map(|table| &table.diverts);
        for event in events {
            match queue.view(&event).await {
                Ok(view) => standings.push(Standing::of(view, (self.now)())),
                // It was taken out of the catalogue meanwhile.
                Err(Refused::UnknownEvent) => {}
                Err(refused) => {
                    troubles.push(format!("{event}: {refused}"));
                    let known = before.clone().find(|divert| divert.standing.event == event);
                    standings.extend(known.map(|divert| divert.standing.clone()));
                }
            }
        }
        (Some(standings), troubles)
    }

    /// Answers with `f` if an event's page takes the place of the path now.
    pub(crate) fn instead_of<T>(&self, path: &str, f: impl FnOnce(&Elsewhere) -> T) -> Option<T> {
        let table = self.table.load();
        let table = table.as_ref().filter(|table| !table.paths.is_empty())?;
        let now = (self.now)();
        let mut here = table.paths.iter().filter(|(prefix, _)| path::is_below_any_case(path, prefix));
        let (_, at) = here.find(|(_, at)| table.diverts[*at].standing.diverts(now))?;
        Some(f(&table.diverts[*at].elsewhere))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(state: EventState) -> Standing {
        let event = "spring".parse().unwrap();
        Standing { event, paths: vec!["/p".into()], opens_at: 1000, state, ahead: 100 }
    }

    #[test]
    fn an_event_diverts_from_its_opening_by_the_queue_s_clock_until_it_is_settled() {
        assert!(!standing(EventState::Scheduled).diverts(899));
        assert!(standing(EventState::Scheduled).diverts(900));
        for state in [EventState::Open, EventState::Closed, EventState::Settling] {
            assert!(standing(state).diverts(0), "{state:?}");
        }
        assert!(!standing(EventState::Settled).diverts(5000));
    }

    #[test]
    fn the_longest_path_wins_and_of_two_events_the_one_that_opens_first() {
        let of = |event: &str, path: &str, opens_at: Millis| Standing {
            event: event.parse().unwrap(),
            paths: vec![path.into()],
            opens_at,
            ..standing(EventState::Open)
        };
        let table =
            Table::of(vec![of("late", "/p", 2000), of("early", "/p", 1000), of("deep", "/p/x", 3000)]);
        let order: Vec<_> =
            table.paths.iter().map(|(_, at)| table.diverts[*at].standing.event.as_str()).collect();
        assert_eq!(order, ["deep", "early", "late"]);
    }
}
