//! Concurrent dispatchers, admission and cancels, over an order service that keeps the contract. The counts must be exact, on Postgres
//! also after the server was killed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use domain::{AppKey, DomainEventKind, Epoch, Fence, Outcome};
use ledger::{
    Call, CallKind, CallResult, Error, InboxRequest, OpenApplications, OrderResponse, QueueReading, SeatState,
};
use tokio::sync::Notify;

use crate::harness::{LedgerHarness, Store, cancel_request, candidates, settings};

const SEATS: u32 = 80;
const APPLICATIONS: u32 = 400;
const DISPATCHERS: usize = 8;

/// An order service in memory: its live orders, and how often each call was made.
#[derive(Default)]
struct FakeOrderService {
    live: BTreeMap<AppKey, bool>,
    calls: BTreeMap<(AppKey, bool), u32>,
}

impl FakeOrderService {
    fn respond(&mut self, call: &Call) -> OrderResponse {
        let delete = call.kind == CallKind::Delete;
        let seen = self.calls.entry((call.app_key, delete)).or_default();
        *seen += 1;
        let first = *seen == 1;
        let unknown = OrderResponse::Unknown { retry_in_ms: 10 };
        match (call.kind, call.number.get() % 10, self.live.get(&call.app_key)) {
            (CallKind::Delete, 2, _) | (CallKind::Put, 7, None) if first => unknown,
            (CallKind::Delete, ..) => {
                self.live.insert(call.app_key, false);
                OrderResponse::Deleted
            }
            (CallKind::Put, _, Some(false)) => OrderResponse::Deleted,
            (CallKind::Put, 3 | 7, None) => OrderResponse::Rejected,
            (CallKind::Put, 5, None) if first => {
                // The order is created and the response is lost.
                self.live.insert(call.app_key, true);
                unknown
            }
            (CallKind::Put, ..) => {
                self.live.insert(call.app_key, true);
                OrderResponse::Created(format!("O-{}", call.number))
            }
        }
    }
}

pub(crate) struct ConcurrencyTest {
    pub harness: LedgerHarness,
    orders: Mutex<FakeOrderService>,
    /// Notified after each round of the leader.
    pub round: Notify,
    is_over: AtomicBool,
    pub ordered: AtomicU32,
    pub unavailable: AtomicU32,
}

impl ConcurrencyTest {
    pub(crate) async fn open(store: Store) -> Arc<Self> {
        let mut fast = settings(SEATS);
        fast.pace = "10000".parse().unwrap();
        fast.in_flight_max = 30;
        Arc::new(Self {
            harness: LedgerHarness::open_with(store, fast).await,
            orders: Mutex::default(),
            round: Notify::new(),
            is_over: AtomicBool::new(false),
            ordered: AtomicU32::new(0),
            unavailable: AtomicU32::new(0),
        })
    }

    /// Repeats an operation until the ledger is available, as every process of the product does.
    async fn retry<T, F: Future<Output = Result<T, Error>>>(
        &self,
        operation: impl Fn() -> F,
    ) -> Result<T, Error> {
        loop {
            match operation().await {
                Err(Error::Unavailable(_)) => {
                    self.unavailable.fetch_add(1, Ordering::SeqCst);
                    tokio::task::yield_now().await;
                }
                other => return other,
            }
        }
    }

    async fn dispatch_orders(self: Arc<Self>) {
        let (ledger, event) = (&self.harness.ledger, &self.harness.event);
        while !self.is_over.load(Ordering::SeqCst) {
            let round = self.round.notified();
            let leased = self.retry(|| ledger.lease_calls(event, 3)).await.unwrap();
            if leased.calls.is_empty() {
                round.await;
                continue;
            }
            for call in leased.calls {
                let response = self.orders.lock().unwrap().respond(&call);
                let recorded = self.retry(|| ledger.record_response(&call, &response)).await.unwrap();
                if recorded == CallResult::Ended(Outcome::Ordered) {
                    self.ordered.fetch_add(1, Ordering::SeqCst);
                }
            }
        }
    }

    /// Leads until every seat is sold and every request is handled.
    async fn lead(self: Arc<Self>) {
        let requests: Vec<_> =
            (1..=60).map(|id| cancel_request(id, u32::try_from(id * id % 240 + 1).unwrap())).collect();
        let mut fence = self.harness.fence;
        let mut next = 1;
        let mut handled = 0;
        loop {
            self.harness.clock.advance(20);
            match self
                .lead_one_round(fence, &mut next, &requests[handled..requests.len().min(handled + 3)])
                .await
            {
                Ok(()) => handled = requests.len().min(handled + 3),
                Err(Error::Unavailable(_)) => drop(self.unavailable.fetch_add(1, Ordering::SeqCst)),
                Err(Error::Lost) => fence = self.lead_again().await,
                Err(other) => panic!("{other}"),
            }
            self.round.notify_waiters();
            if handled == requests.len() && self.is_done().await {
                self.is_over.store(true, Ordering::SeqCst);
                self.round.notify_waiters();
                return;
            }
        }
    }

    async fn lead_one_round(
        &self,
        fence: Fence,
        next: &mut u32,
        requests: &[InboxRequest],
    ) -> Result<(), Error> {
        let (ledger, event) = (&self.harness.ledger, &self.harness.event);
        let admissible = ledger.admissible(&ledger.event(event).await?).await?.min(APPLICATIONS + 1 - *next);
        if admissible > 0 {
            let admission = ledger
                .admit(event, fence, &candidates(*next..*next + admissible), QueueReading::default())
                .await?;
            *next += u32::try_from(admission.known.len()).unwrap();
        }
        ledger.make_due(event, &ledger.not_due(event).await?).await?;
        ledger
            .handle_inbox(event, fence, requests, requests.last().map_or(0, |request| request.id), 0)
            .await?;
        let outcomes = ledger.unprojected_outcomes(event, Epoch(1), 50).await?;
        ledger.mark_projected(event, Epoch(1), &outcomes).await?;
        ledger.number_domain_events(event, fence, 50).await.map(|_| ())
    }

    async fn lead_again(&self) -> Fence {
        self.harness.clock.advance(3001);
        let leadership =
            self.retry(|| self.harness.ledger.acquire_leadership(&self.harness.event)).await.unwrap();
        leadership.unwrap().fence
    }

    async fn is_done(&self) -> bool {
        let (ledger, event) = (&self.harness.ledger, &self.harness.event);
        // In this order: no seat changes while no application is open.
        matches!(
            ledger.open_applications(event).await,
            Ok(OpenApplications { called: 0, under_way: 0, parked: 0 })
        ) && matches!(ledger.seats(event).await, Ok(seats) if seats.free == 0)
    }

    pub(crate) async fn run(self: &Arc<Self>) {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..DISPATCHERS {
            tasks.spawn(Arc::clone(self).dispatch_orders());
        }
        tasks.spawn(Arc::clone(self).lead());
        tasks.join_all().await;
    }

    /// Checks that the ledger and the order service agree on every seat, and that every admitted application has one outcome.
    pub(crate) async fn check(&self) {
        let (ledger, event) = (&self.harness.ledger, &self.harness.event);
        let rows = ledger.applications(event, 0, APPLICATIONS).await.unwrap();
        let seats = ledger.seat_rows(event).await.unwrap();
        let live: Vec<_> =
            self.orders.lock().unwrap().live.iter().filter(|(_, live)| **live).map(|(key, _)| *key).collect();
        let of = |outcome| rows.iter().filter(move |row| row.outcome == Some(outcome));
        let mut ordered: Vec<_> = of(Outcome::Ordered).map(|row| row.app_key).collect();
        ordered.sort();
        let mut sold: Vec<_> = seats
            .iter()
            .filter(|seat| seat.state == SeatState::Sold)
            .filter_map(|seat| seat.app_key)
            .collect();
        sold.sort();
        assert_eq!(ordered, live, "the ledger and the order service have the same orders");
        assert_eq!(sold, live, "the sold seats are those of the orders");
        assert_eq!(live.len(), SEATS as usize, "the orders are as many as the seats");
        let last =
            ordered.iter().map(|key| u32::from_be_bytes(key.0[..4].try_into().unwrap())).max().unwrap();
        let known = rows.iter().filter(|row| row.number.get() <= last).count();
        assert_eq!(known, last as usize, "no number was passed over");
        let cancelled = of(Outcome::Cancelled).count();
        assert!(cancelled > 0 && of(Outcome::Rejected).count() > 0);
        let domain_events = ledger.domain_events(event).await.unwrap();
        for outcome in [Outcome::Cancelled, Outcome::Rejected] {
            let kind = DomainEventKind::of_outcome(outcome).unwrap();
            assert_eq!(
                domain_events.iter().filter(|one| one.kind == kind).count(),
                of(outcome).count(),
                "{kind}"
            );
        }
    }
}

pub(crate) async fn concurrent_dispatchers_admission_and_cancels_end_in_exact_counts(store: Store) {
    let test = ConcurrencyTest::open(store).await;
    test.run().await;
    test.check().await;
    assert_eq!(test.unavailable.load(Ordering::SeqCst), 0, "there was no deadlock and no lock timeout");
}
