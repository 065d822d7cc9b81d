//! Real workers over real stores, with a scripted order service.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use domain::{EventSettings, EventState, Outcome, Receipt, Right};
use ledger::{ApplicationRow, Change, ChangeResult, ChangedBy, EventRow, Ledger, OrderRow};
use queue::{Queue, QueueEntry, QueueError};
use service::Context;
use service::tasks::Shutdown;
use testkit::order_stub::ReceivedCall;
use testkit::until_some;
use testkit::{OrderStub, TempFolder};
use worker::order_service::HttpOrderService;
use worker::verify::{VerifyReport, Witness, verify_twice};
use worker::{Config, OrderService};

use crate::applicants::{applicant, key, keyring, settings, spring};
use crate::stores::write;

/// Queue, ledger and order service. Tests start and stop workers.
pub(crate) struct WorkerHarness {
    queue: Option<Queue>,
    pub(crate) ledger: Ledger,
    pub(crate) stub: OrderStub,
    pub(crate) config: Config,
    acks: Vec<Receipt>,
    /// How far the queue's clock is ahead of the system's.
    queue_ahead: Arc<AtomicI64>,
    folder: TempFolder,
}

/// Waits until the leader has projected its figures more than this many times. Between two projections lies at least one whole round.
pub(crate) async fn until_rounds(harness: &WorkerHarness, rounds: usize) {
    let mut seen = std::collections::BTreeSet::new();
    until_some("rounds of the leader", async || {
        seen.insert(harness.queue().snapshot(&spring()).await.ok()?.figures.at);
        (seen.len() > rounds + 1).then_some(())
    })
    .await;
}

impl WorkerHarness {
    pub(crate) async fn open(capacity: u32) -> Self {
        Self::open_with(settings(capacity, service::clock::system_now() - 1000)).await
    }

    pub(crate) async fn open_with(settings: EventSettings) -> Self {
        let folder = TempFolder::new("worker");
        let now = service::clock::system();
        let ledger = Ledger::open_sqlite(&folder.path().join("ledger.db"), now).await.unwrap();
        ledger.create_event(&settings, "test").await.unwrap();
        let config = Config { numbers_ahead_min: 100, calls_max: 16, ..Config::default() };
        let stub = OrderStub::start().await;
        let (acks, queue_ahead) = (Vec::new(), Arc::default());
        let mut harness = Self { queue: None, ledger, stub, config, acks, queue_ahead, folder };
        harness.open_queue().await;
        harness
    }

    /// Starts a worker with its own context.
    pub(crate) async fn start(&self) -> Context {
        // Without jitter.
        let context = Context { rng: Arc::new(|bytes| bytes.fill(0)), ..Context::system() };
        let stores = (self.queue().clone(), self.ledger.clone());
        let http = HttpOrderService::new(&self.stub.base());
        worker::start(self.config.clone(), stores, OrderService::Http(http), keyring(), &[], &context)
            .await
            .unwrap();
        context
    }

    pub(crate) async fn stop(&self, worker: Context) {
        assert_eq!(worker.tasks.shut_down(Duration::from_secs(10)).await, Shutdown::Clean);
    }

    pub(crate) fn queue(&self) -> &Queue {
        self.queue.as_ref().unwrap()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) async fn open_queue(&mut self) {
        let ahead = Arc::clone(&self.queue_ahead);
        let now = Arc::new(move || service::clock::system_now() + ahead.load(Ordering::SeqCst));
        let queue = Queue::open_sqlite(&self.file("queue.db"), now).await.unwrap();
        self.queue = Some(queue);
    }

    /// Moves the queue's clock ahead until it shows this time.
    pub(crate) fn advance_queue_to(&self, time: i64) {
        self.queue_ahead.store(time - service::clock::system_now(), Ordering::SeqCst);
    }

    /// Closes the queue, and waits for its last write.
    pub(crate) async fn close_queue(&mut self) {
        self.queue = None;
        let lock = File::open(self.file("queue.db.lock")).unwrap();
        until_some("the queue's lock", async || lock.try_lock().ok()).await;
    }

    /// Replaces the file of the closed queue. `None` wipes the queue.
    pub(crate) fn replace_queue(&self, with: Option<PathBuf>) {
        for old in ["queue.db", "queue.db-wal", "queue.db-shm"] {
            if self.file(old).exists() {
                std::fs::remove_file(self.file(old)).unwrap();
            }
        }
        if let Some(with) = with {
            std::fs::rename(with, self.file("queue.db")).unwrap();
        }
    }

    /// A copy of the queue as it is now.
    pub(crate) async fn copy_of_queue(&self) -> PathBuf {
        let copy = self.file("copy.db");
        write(&self.file("queue.db"), &format!("VACUUM INTO '{}'", copy.display())).await;
        copy
    }

    /// Makes a change as an operator.
    pub(crate) async fn change(&self, change: Change) -> ChangeResult {
        let by = ChangedBy { actor: "kim", reason: "a test" };
        self.ledger.change(&spring(), None, &change, by).await.unwrap()
    }

    /// Waits until the queue has the ledger's current settings.
    pub(crate) async fn until_settings_projected(&self) {
        let EventRow { rev, settings, .. } = self.ledger.event(&spring()).await.unwrap();
        let projected = async || self.queue().snapshot(&spring()).await.ok().filter(|view| view.rev == rev);
        assert_eq!(until_some("the settings in the queue", projected).await.settings, settings);
    }

    pub(crate) async fn freeze(&self, why: &str) {
        let sql = format!("UPDATE event SET frozen = '{why}'");
        assert_eq!(write(&self.file("ledger.db"), &sql).await, 1);
    }

    pub(crate) async fn event_state(&self) -> EventState {
        self.ledger.event(&spring()).await.unwrap().state
    }

    pub(crate) async fn until_state(&self, state: EventState) {
        let reached = async || (self.event_state().await == state).then_some(());
        until_some(state.as_str(), reached).await;
    }

    /// Applies for these applicants in sequence, and returns their numbers.
    pub(crate) async fn apply(&mut self, applicants: impl IntoIterator<Item = u32>) -> Vec<u32> {
        let mut numbers = Vec::new();
        for n in applicants {
            let queue = self.queue();
            let applied = until_some("a number", async || match queue.apply(&spring(), applicant(n)).await {
                Ok(applied) => Some(applied),
                Err(QueueError::NotArmed | QueueError::AtLimit) => None,
                Err(error) => panic!("{error}"),
            })
            .await;
            let epoch = applied.epoch;
            let number = applied.number;
            self.acks.push(Receipt { event: spring(), epoch, number, app_key: key(n), right: Right::Full });
            numbers.push(number.get());
        }
        numbers
    }

    pub(crate) async fn cancel(&self, n: u32) {
        let number = self.place(n).await.unwrap().number;
        self.queue().cancel(&spring(), key(n), number).await.unwrap().unwrap();
    }

    pub(crate) async fn row(&self, n: u32) -> Option<ApplicationRow> {
        self.ledger
            .applications(&spring(), 0, 10_000)
            .await
            .unwrap()
            .into_iter()
            .find(|row| row.app_key == key(n))
    }

    pub(crate) async fn state(&self, n: u32) -> Option<&'static str> {
        self.row(n).await.map(|row| row.state.as_str())
    }

    /// Waits until the queue has this outcome for these applicants.
    pub(crate) async fn until_outcome_in_queue(
        &self,
        applicants: impl IntoIterator<Item = u32>,
        outcome: Outcome,
    ) {
        for n in applicants {
            let what = format!("outcome {} of {n} in the queue", outcome.as_str());
            until_some(&what, async || self.place(n).await.filter(|entry| has_outcome(entry, outcome))).await;
        }
    }

    pub(crate) async fn place(&self, n: u32) -> Option<QueueEntry> {
        self.queue().entry(&spring(), key(n)).await.ok().flatten()
    }

    /// Free, held and sold seats.
    pub(crate) async fn seats(&self) -> (u32, u32, u32) {
        let seats = self.ledger.seats(&spring()).await.unwrap();
        (seats.free, seats.held, seats.sold)
    }

    /// The calls so far, such as `PUT 1`, with the applicant's index in these tests.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.stub.received().iter().map(|call| format!("{} {}", call.method, applicant_of(call))).collect()
    }

    /// Runs verify with the receipts and the order service's own list.
    pub(crate) async fn verified(&self) -> VerifyReport {
        let orders = self.stub.orders().into_iter().map(|(key, kept)| OrderRow {
            app_key: key.strip_prefix("spring:").unwrap().parse().unwrap(),
            order_no: kept.order_no,
            live: kept.is_live,
        });
        self.verified_with(orders.collect()).await
    }

    /// Runs verify with the receipts and this list of orders.
    pub(crate) async fn verified_with(&self, orders: Vec<OrderRow>) -> VerifyReport {
        let witness = Witness { acks: Some(self.acks.clone()), orders: Some(orders) };
        verify_twice((self.queue(), &self.ledger), &spring(), &witness, async {}).await.unwrap()
    }

    /// Stops the worker, and asserts that all invariants hold.
    pub(crate) async fn stop_and_verify(&self, worker: Context) {
        self.stop(worker).await;
        let report = self.verified().await;
        assert_eq!(report.violations(), 0, "{:#?}", report.checks);
    }
}

fn has_outcome(entry: &QueueEntry, outcome: Outcome) -> bool {
    entry.outcome.as_ref().is_some_and(|projected| projected.outcome == outcome)
}

/// The index of the applicant whose key is in the path.
pub(crate) fn applicant_of(call: &ReceivedCall) -> u32 {
    let key_of = |n: &u32| call.path.ends_with(&key(*n).to_string());
    (1..100).find(key_of).unwrap_or_else(|| panic!("no applicant of the tests: {}", call.path))
}
