//! The harness of a test: a queue over any store, with a clock that the test sets, and a restart.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use domain::event::Text;
use domain::{AppKey, Epoch, EventId, EventSettings, EventState, Millis, Number, ReqHash};
use queue::{
    Applicant, ApplyAck, ArmRequest, Continuity, ProjectedOutcome, Projection, Queue, QueueError, QueueState,
    RedisOptions, RedisRole, RestoredApplication, SeatFigures,
};
use testkit::{RedisKind, RedisServer, TempFolder};

pub(crate) const OPENS: Millis = 1_000;
pub(crate) const CLOSES: Millis = 100_000;
pub(crate) const FENCE: i64 = 1;

/// The files or the server of a queue, so that it can be opened again.
pub(crate) enum Store {
    Sqlite(TempFolder),
    Redis(Box<RedisServer>),
}

impl Store {
    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(TempFolder::new("queue"))
    }
    pub(crate) async fn redis(kind: RedisKind) -> Self {
        Self::Redis(Box::new(RedisServer::start(kind).await))
    }
    async fn open(&self, clock: &Arc<AtomicI64>) -> Queue {
        let clock = Arc::clone(clock);
        let now = Arc::new(move || clock.load(Ordering::SeqCst));
        match self {
            Self::Sqlite(folder) => Queue::open_sqlite(&queue_file(folder), now).await.unwrap(),
            Self::Redis(server) => {
                let options = RedisOptions {
                    hand_clock: Some(now),
                    ..RedisOptions::new(server.url(), RedisRole::Worker)
                };
                Queue::install_redis(&options).await.unwrap();
                Queue::open_redis(options).await.unwrap()
            }
        }
    }
    /// Ends the process that keeps whether the queue is armed: a server is killed. The embedded store has ended with its handle.
    async fn end(&mut self) {
        if let Self::Redis(server) = self {
            server.kill().await.unwrap();
            server.restart().await.unwrap();
        }
    }
}

pub(crate) struct QueueHarness {
    queue: Option<Queue>,
    clock: Arc<AtomicI64>,
    pub(crate) store: Store,
}

impl QueueHarness {
    /// An empty store, one second after the opening time.
    pub(crate) async fn empty(store: Store) -> Self {
        let clock = Arc::new(AtomicI64::new(OPENS + 1_000));
        let queue = Some(store.open(&clock).await);
        Self { queue, clock, store }
    }

    /// An open event in epoch 1 with a number limit of 1,000.
    pub(crate) async fn new(store: Store) -> Self {
        let harness = Self::empty(store).await;
        harness.queue().publish(&[event()]).await.unwrap();
        harness.queue().arm(&event(), FENCE, arming(1, 0)).await.unwrap();
        harness.project(|_| {}).await;
        harness
    }

    pub(crate) fn queue(&self) -> &Queue {
        self.queue.as_ref().unwrap()
    }

    pub(crate) fn set_clock(&self, now: Millis) {
        self.clock.store(now, Ordering::SeqCst);
    }

    /// The queue's clock.
    pub(crate) fn now(&self) -> domain::Now {
        let clock = Arc::clone(&self.clock);
        Arc::new(move || clock.load(Ordering::SeqCst))
    }

    /// Ends the queue and starts it again.
    pub(crate) async fn restart(&mut self) {
        self.queue = None;
        self.store.end().await;
        self.queue = Some(self.store.open(&self.clock).await);
    }

    pub(crate) async fn apply(&self, person: u32) -> Result<ApplyAck, QueueError> {
        self.queue().apply(&event(), applicant(person)).await
    }

    /// Applies for the persons 1 to `n`, who get these numbers.
    pub(crate) async fn fill(&self, n: u32) {
        for person in 1..=n {
            assert_eq!(self.apply(person).await.unwrap().number, number(person));
        }
    }

    pub(crate) async fn project(&self, change: impl FnOnce(&mut Projection)) {
        let mut projection = projection();
        change(&mut projection);
        self.queue().project(&event(), FENCE, projection).await.unwrap();
    }

    pub(crate) async fn snapshot(&self) -> queue::QueueSnapshot {
        self.queue().snapshot(&event()).await.unwrap()
    }

    /// The numbers at the head, and the last number examined.
    pub(crate) async fn head(&self, n: u32) -> (Vec<u32>, u32) {
        let head = self.queue().head(&event(), n).await.unwrap();
        (head.waiting.iter().map(|w| w.number.get()).collect(), head.through)
    }

    pub(crate) async fn admitted(&self, through: u32, persons: &[u32]) {
        let keys: Vec<_> = persons.iter().copied().map(key).collect();
        self.queue().admitted(&event(), FENCE, through, &keys, 0).await.unwrap();
    }

    pub(crate) async fn cancel(&self, person: u32) -> Option<queue::QueueEntry> {
        let number = self
            .queue()
            .entry(&event(), key(person))
            .await
            .unwrap()
            .map_or(number(person), |entry| entry.number);
        self.queue().cancel(&event(), key(person), number).await.unwrap()
    }

    pub(crate) async fn entry(&self, person: u32) -> queue::QueueEntry {
        self.queue().entry(&event(), key(person)).await.unwrap().unwrap()
    }

    pub(crate) async fn inbox(&self) -> Vec<queue::InboxEntry> {
        self.queue().inbox(&event(), 0, 100).await.unwrap()
    }
}

pub(crate) fn event() -> EventId {
    "spring".parse().unwrap()
}

pub(crate) fn number(n: u32) -> Number {
    Number::new(n).unwrap()
}

pub(crate) fn key(person: u32) -> AppKey {
    AppKey((u128::from(person) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835).to_be_bytes())
}

/// An applicant whose key, secret and contact derive from the person's number.
pub(crate) fn applicant(person: u32) -> Applicant {
    Applicant { app_key: key(person), req_hash: secret(person), contact: contact(person) }
}

pub(crate) fn secret(person: u32) -> ReqHash {
    ReqHash((u64::from(person) + 1).to_be_bytes())
}

pub(crate) fn contact(person: u32) -> Vec<u8> {
    format!("contact of {person}").into_bytes()
}

pub(crate) fn restored(n: u32, person: u32, state: QueueState) -> RestoredApplication {
    RestoredApplication {
        number: number(n),
        app_key: key(person),
        req_hash: secret(person),
        state,
        contact: contact(person),
    }
}

pub(crate) fn settings() -> EventSettings {
    EventSettings {
        capacity: 10,
        pace: "5".parse().unwrap(),
        in_flight_max: 10,
        applications_max: 100_000,
        settle_after_close: false,
        ..EventSettings::new(event(), Text::new("봄", "Spring"), OPENS, CLOSES)
    }
}

pub(crate) fn arming(epoch: u32, number_limit: u32) -> ArmRequest {
    ArmRequest {
        epoch: Epoch(epoch),
        number_limit,
        continuity: Continuity::Unknown,
        settings: settings(),
        rev: 1,
    }
}

pub(crate) fn projection() -> Projection {
    Projection {
        rev: 2,
        settings: settings(),
        state: EventState::Open,
        number_limit: 1_000,
        round: 1,
        figures: SeatFigures::default(),
        settled_seq: None,
        judged_epoch: Epoch(0),
        lost_epoch: Epoch(0),
        called: Vec::new(),
        outcomes: Vec::new(),
    }
}

pub(crate) fn projected(outcome: domain::Outcome) -> ProjectedOutcome {
    ProjectedOutcome { outcome, order_no: (outcome == domain::Outcome::Ordered).then(|| "A-1".to_owned()) }
}

/// The file of an embedded store.
pub(crate) fn queue_file(folder: &TempFolder) -> PathBuf {
    folder.path().join("queue.db")
}
