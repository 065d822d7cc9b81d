//! Many dispatchers, a leader and a rain of cancels at once, over a small order service that keeps the contract: the counts must be
//! exact, and on Postgres also after it was killed in the middle.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use domain::{AppKey, Epoch, Fence, Number, Outcome};
use ledger::{Call, CallKind, CallResult, CancelRequest, Error, OpenApplications, OrderResponse, SeatState};
use tokio::sync::Notify;

use crate::harness::{LedgerHarness, Store, candidates, key, settings};

const SEATS: u32 = 80;
const CROWD: u32 = 400;
const DISPATCHERS: usize = 8;

/// An order service with its own memory: which orders live, and how often each call came.
#[derive(Default)]
struct Shop {
    live: BTreeMap<AppKey, bool>,
    calls: BTreeMap<(AppKey, bool), u32>,
}

impl Shop {
    fn answer(&mut self, call: &Call) -> OrderResponse {
        let delete = call.kind == CallKind::Delete;
        let seen = self.calls.entry((call.app_key, delete)).or_default();
        *seen += 1;
        let first = *seen == 1;
        let silence = OrderResponse::Unknown { retry_in_ms: 10 };
        match (call.kind, call.number.get() % 10, self.live.get(&call.app_key)) {
            (CallKind::Delete, 2, _) | (CallKind::Put, 7, None) if first => silence,
            (CallKind::Delete, ..) => {
                self.live.insert(call.app_key, false);
                OrderResponse::Deleted
            }
            (CallKind::Put, _, Some(false)) => OrderResponse::Deleted,
            (CallKind::Put, 3 | 7, None) => OrderResponse::Rejected,
            (CallKind::Put, 5, None) if first => {
                // Made, and the answer is lost.
                self.live.insert(call.app_key, true);
                silence
            }
            (CallKind::Put, ..) => {
                self.live.insert(call.app_key, true);
                OrderResponse::Created(format!("O-{}", call.number))
            }
        }
    }
}

pub(crate) struct Crowd {
    pub harness: LedgerHarness,
    shop: Mutex<Shop>,
    /// Rung after each of the leader's rounds.
    pub round: Notify,
    over: AtomicBool,
    pub ordered: AtomicU32,
    pub troubles: AtomicU32,
}

impl Crowd {
    pub(crate) async fn open(store: Store) -> Arc<Self> {
        let mut fast = settings(SEATS);
        (fast.pace, fast.in_flight_max) = ("10000".parse().unwrap(), 30);
        Arc::new(Self {
            harness: LedgerHarness::open_with(store, fast).await,
            shop: Mutex::default(),
            round: Notify::new(),
            over: AtomicBool::new(false),
            ordered: AtomicU32::new(0),
            troubles: AtomicU32::new(0),
        })
    }

    /// Does it again until the ledger could be reached, as every process of the product does.
    async fn insist<T, F: Future<Output = Result<T, Error>>>(
        &self,
        step: impl Fn() -> F,
    ) -> Result<T, Error> {
        loop {
            match step().await {
                Err(Error::Unavailable(_)) => {
                    self.troubles.fetch_add(1, Ordering::SeqCst);
                    tokio::task::yield_now().await;
                }
                other => return other,
            }
        }
    }

    async fn dispatch_orders(self: Arc<Self>) {
        let (ledger, event) = (&self.harness.ledger, &self.harness.event);
        while !self.over.load(Ordering::SeqCst) {
            let round = self.round.notified();
            let leased = self.insist(|| ledger.lease_calls(event, 3)).await.unwrap();
            if leased.calls.is_empty() {
                round.await;
                continue;
            }
            for call in leased.calls {
                let answer = self.shop.lock().unwrap().answer(&call);
                let recorded = self.insist(|| ledger.record_response(&call, &answer)).await.unwrap();
                if recorded == CallResult::Ended(Outcome::Ordered) {
                    self.ordered.fetch_add(1, Ordering::SeqCst);
                }
            }
        }
    }

    /// Leads until every seat is sold and every request is heard.
    async fn lead(self: Arc<Self>) {
        let requests: Vec<_> =
            (1..=60).map(|id| request(id, u32::try_from(id * id % 240 + 1).unwrap())).collect();
        let (mut fence, mut next, mut heard) = (self.harness.fence, 1, 0);
        loop {
            self.harness.clock.advance(20);
            match self.lead_one_round(fence, &mut next, &requests[heard..requests.len().min(heard + 3)]).await
            {
                Ok(()) => heard = requests.len().min(heard + 3),
                Err(Error::Unavailable(_)) => drop(self.troubles.fetch_add(1, Ordering::SeqCst)),
                Err(Error::Lost) => fence = self.lead_again().await,
                Err(other) => panic!("{other}"),
            }
            self.round.notify_waiters();
            if heard == requests.len() && self.is_done().await {
                self.over.store(true, Ordering::SeqCst);
                self.round.notify_waiters();
                return;
            }
        }
    }

    async fn lead_one_round(
        &self,
        fence: Fence,
        next: &mut u32,
        requests: &[CancelRequest],
    ) -> Result<(), Error> {
        let (ledger, event) = (&self.harness.ledger, &self.harness.event);
        let admissible = ledger.admissible(&ledger.event(event).await?).await?.min(CROWD + 1 - *next);
        if admissible > 0 {
            let taken = ledger.admit(event, fence, &candidates(*next..*next + admissible)).await?;
            *next += u32::try_from(taken.known.len()).unwrap();
        }
        ledger.handle_inbox(event, fence, requests, requests.last().map_or(0, |request| request.id)).await?;
        let shown = ledger.unprojected_outcomes(event, Epoch(1), 50).await?;
        ledger.mark_projected(event, Epoch(1), &shown).await?;
        ledger.mark_sent(&ledger.unsent(event, 50).await?).await
    }

    async fn lead_again(&self) -> Fence {
        self.harness.clock.advance(3001);
        let lead = self.insist(|| self.harness.ledger.acquire_leadership(&self.harness.event)).await.unwrap();
        lead.unwrap().fence
    }

    async fn is_done(&self) -> bool {
        let (ledger, event) = (&self.harness.ledger, &self.harness.event);
        // In this order: while nothing is under way, no seat changes.
        matches!(ledger.open_applications(event).await, Ok(OpenApplications { under_way: 0, parked: 0 }))
            && matches!(ledger.seats(event).await, Ok(seats) if seats.free == 0)
    }

    pub(crate) async fn run(self: &Arc<Self>) {
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..DISPATCHERS {
            all.spawn(Arc::clone(self).dispatch_orders());
        }
        all.spawn(Arc::clone(self).lead());
        all.join_all().await;
    }

    /// Ledger and order service agree to the last seat, and everybody moved has one end.
    pub(crate) async fn check(&self) {
        let (ledger, event) = (&self.harness.ledger, &self.harness.event);
        let rows = ledger.applications(event, 0, CROWD).await.unwrap();
        let seats = ledger.seat_rows(event).await.unwrap();
        let live: Vec<_> =
            self.shop.lock().unwrap().live.iter().filter(|(_, live)| **live).map(|(key, _)| *key).collect();
        let of = |outcome| rows.iter().filter(move |row| row.outcome == Some(outcome));
        let mut ordered: Vec<_> = of(Outcome::Ordered).map(|row| row.app_key).collect();
        ordered.sort();
        let mut sold: Vec<_> = seats
            .iter()
            .filter(|seat| seat.state == SeatState::Sold)
            .filter_map(|seat| seat.app_key)
            .collect();
        sold.sort();
        assert_eq!(ordered, live, "orders of the ledger and of the order service");
        assert_eq!(sold, live, "seats and orders");
        assert_eq!(live.len(), SEATS as usize, "every seat is sold, and no more");
        let last =
            ordered.iter().map(|key| u32::from_be_bytes(key.0[..4].try_into().unwrap())).max().unwrap();
        let known = rows.iter().filter(|row| row.number.get() <= last).count();
        assert_eq!(known, last as usize, "nobody was passed over");
        let cancelled = of(Outcome::Cancelled).count();
        assert!(cancelled > 0 && of(Outcome::Rejected).count() > 0);
        let domain_events = ledger.outbox_rows(event).await.unwrap();
        for outcome in [Outcome::Cancelled, Outcome::Rejected] {
            let kind = format!("application.{}", outcome.as_str());
            assert_eq!(
                domain_events.iter().filter(|one| one.kind == kind).count(),
                of(outcome).count(),
                "{kind}"
            );
        }
    }
}

fn request(id: i64, number: u32) -> CancelRequest {
    CancelRequest { id, app_key: key(number), number: Number::new(number).unwrap() }
}

pub(crate) async fn many_dispatchers_a_leader_and_cancels_end_in_exact_counts(store: Store) {
    let crowd = Crowd::open(store).await;
    crowd.run().await;
    crowd.check().await;
    assert_eq!(crowd.troubles.load(Ordering::SeqCst), 0, "no deadlock and no lock waited for too long");
}
