//! Many makers, a leader and a rain of cancels at once, over a small order service that keeps the contract: the counts must be
//! exact, and on Postgres also after it was killed in the middle.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use domain::{AppKey, Epoch, Fence, Number, Outcome};
use orders::{Answer, BookError, Call, CallKind, Recorded, Wish};
use tokio::sync::Notify;

use crate::desk::{Desk, Store, key, newcomers, settings};

const SEATS: u32 = 80;
const CROWD: u32 = 400;
const MAKERS: usize = 8;

/// An order service with its own memory: which orders live, and how often each call came.
#[derive(Default)]
struct Shop {
    live: BTreeMap<AppKey, bool>,
    calls: BTreeMap<(AppKey, bool), u32>,
}

impl Shop {
    fn answer(&mut self, call: &Call) -> Answer {
        let delete = call.kind == CallKind::Delete;
        let seen = self.calls.entry((call.app_key, delete)).or_default();
        *seen += 1;
        let first = *seen == 1;
        let silence = Answer::Unknown { retry_in_ms: 10 };
        match (call.kind, call.number.get() % 10, self.live.get(&call.app_key)) {
            (CallKind::Delete, 2, _) | (CallKind::Put, 7, None) if first => silence,
            (CallKind::Delete, ..) => {
                self.live.insert(call.app_key, false);
                Answer::Gone
            }
            (CallKind::Put, _, Some(false)) => Answer::Gone,
            (CallKind::Put, 3 | 7, None) => Answer::No,
            (CallKind::Put, 5, None) if first => {
                // Made, and the answer is lost.
                self.live.insert(call.app_key, true);
                silence
            }
            (CallKind::Put, ..) => {
                self.live.insert(call.app_key, true);
                Answer::Made(format!("O-{}", call.number))
            }
        }
    }
}

pub(crate) struct Town {
    pub desk: Desk,
    shop: Mutex<Shop>,
    /// Rung after each of the leader's rounds.
    pub round: Notify,
    over: AtomicBool,
    pub ordered: AtomicU32,
    pub troubles: AtomicU32,
}

impl Town {
    pub(crate) async fn open(store: Store) -> Arc<Self> {
        let mut fast = settings(SEATS);
        (fast.pace, fast.in_flight_max) = ("10000".parse().unwrap(), 30);
        Arc::new(Self {
            desk: Desk::open_with(store, fast).await,
            shop: Mutex::default(),
            round: Notify::new(),
            over: AtomicBool::new(false),
            ordered: AtomicU32::new(0),
            troubles: AtomicU32::new(0),
        })
    }

    /// Does it again until the book could be reached, as every process of the product does.
    async fn insist<T, F: Future<Output = Result<T, BookError>>>(
        &self,
        step: impl Fn() -> F,
    ) -> Result<T, BookError> {
        loop {
            match step().await {
                Err(BookError::Unavailable(_)) => {
                    self.troubles.fetch_add(1, Ordering::SeqCst);
                    tokio::task::yield_now().await;
                }
                other => return other,
            }
        }
    }

    async fn make_orders(self: Arc<Self>) {
        let (book, event) = (&self.desk.book, &self.desk.event);
        while !self.over.load(Ordering::SeqCst) {
            let round = self.round.notified();
            let leased = self.insist(|| book.lease(event, 3)).await.unwrap();
            if leased.calls.is_empty() {
                round.await;
                continue;
            }
            for call in leased.calls {
                let answer = self.shop.lock().unwrap().answer(&call);
                let recorded = self.insist(|| book.record(&call, &answer)).await.unwrap();
                if recorded == Recorded::Ended(Outcome::Ordered) {
                    self.ordered.fetch_add(1, Ordering::SeqCst);
                }
            }
        }
    }

    /// Leads until every seat is sold and every wish is heard.
    async fn lead(self: Arc<Self>) {
        let wishes: Vec<_> = (1..=60).map(|id| wish(id, u32::try_from(id * id % 240 + 1).unwrap())).collect();
        let (mut fence, mut next, mut heard) = (self.desk.fence, 1, 0);
        loop {
            self.desk.clock.advance(20);
            match self.lead_one_round(fence, &mut next, &wishes[heard..wishes.len().min(heard + 3)]).await {
                Ok(()) => heard = wishes.len().min(heard + 3),
                Err(BookError::Unavailable(_)) => drop(self.troubles.fetch_add(1, Ordering::SeqCst)),
                Err(BookError::Lost) => fence = self.lead_again().await,
                Err(other) => panic!("{other}"),
            }
            self.round.notify_waiters();
            if heard == wishes.len() && self.is_done().await {
                self.over.store(true, Ordering::SeqCst);
                self.round.notify_waiters();
                return;
            }
        }
    }

    async fn lead_one_round(&self, fence: Fence, next: &mut u32, wishes: &[Wish]) -> Result<(), BookError> {
        let (book, event) = (&self.desk.book, &self.desk.event);
        let room = book.room(&book.event(event).await?).await?.min(CROWD + 1 - *next);
        if room > 0 {
            let taken = book.take(event, fence, &newcomers(*next..*next + room)).await?;
            *next += u32::try_from(taken.known.len()).unwrap();
        }
        book.hear(event, fence, wishes, wishes.last().map_or(0, |wish| wish.id)).await?;
        let shown = book.to_show(event, Epoch(1), 50).await?;
        book.mark_shown(event, Epoch(1), &shown).await?;
        book.mark_sent(&book.unsent(event, 50).await?).await
    }

    async fn lead_again(&self) -> Fence {
        self.desk.clock.advance(3001);
        let lead = self.insist(|| self.desk.book.lead(&self.desk.event)).await.unwrap();
        lead.unwrap().fence
    }

    async fn is_done(&self) -> bool {
        let (book, event) = (&self.desk.book, &self.desk.event);
        // In this order: while nothing is under way, no seat changes.
        matches!(book.under_way(event).await, Ok((0, 0)))
            && matches!(book.seats(event).await, Ok(seats) if seats.free == 0)
    }

    pub(crate) async fn run(self: &Arc<Self>) {
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..MAKERS {
            all.spawn(Arc::clone(self).make_orders());
        }
        all.spawn(Arc::clone(self).lead());
        all.join_all().await;
    }

    /// Book and order service agree to the last seat, and everybody moved has one end.
    pub(crate) async fn check(&self) {
        let (book, event) = (&self.desk.book, &self.desk.event);
        let rows = book.rows(event, 0, CROWD).await.unwrap();
        let seats = book.seat_rows(event).await.unwrap();
        let live: Vec<_> =
            self.shop.lock().unwrap().live.iter().filter(|(_, live)| **live).map(|(key, _)| *key).collect();
        let of = |outcome| rows.iter().filter(move |row| row.outcome == Some(outcome));
        let mut ordered: Vec<_> = of(Outcome::Ordered).map(|row| row.app_key).collect();
        ordered.sort();
        let mut sold: Vec<_> =
            seats.iter().filter(|seat| seat.state == "sold").filter_map(|seat| seat.app_key).collect();
        sold.sort();
        assert_eq!(ordered, live, "orders of the book and of the order service");
        assert_eq!(sold, live, "seats and orders");
        assert_eq!(live.len(), SEATS as usize, "every seat is sold, and no more");
        let last =
            ordered.iter().map(|key| u32::from_be_bytes(key.0[..4].try_into().unwrap())).max().unwrap();
        let known = rows.iter().filter(|row| row.number.get() <= last).count();
        assert_eq!(known, last as usize, "nobody was passed over");
        let cancelled = of(Outcome::Cancelled).count();
        assert!(cancelled > 0 && of(Outcome::Rejected).count() > 0);
        let notices = book.outbox_rows(event).await.unwrap();
        for outcome in [Outcome::Cancelled, Outcome::Rejected] {
            let kind = format!("application.{}", outcome.as_str());
            assert_eq!(notices.iter().filter(|one| one.kind == kind).count(), of(outcome).count(), "{kind}");
        }
    }
}

fn wish(id: i64, number: u32) -> Wish {
    Wish { id, app_key: key(number), number: Number::new(number).unwrap() }
}

pub(crate) async fn many_makers_a_leader_and_cancels_end_in_exact_counts(store: Store) {
    let town = Town::open(store).await;
    town.run().await;
    town.check().await;
    assert_eq!(town.troubles.load(Ordering::SeqCst), 0, "no deadlock and no lock waited for too long");
}
