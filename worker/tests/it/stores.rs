//! Queue and ledger of an event that went as it should, led by hand through their public faces, so that every step is known.

use std::path::Path;

use domain::{Epoch, EventState, Fence, Number, Receipt, Right};
use ledger::{Call, CancelRequest, Candidate, Ledger, OrderResponse, SettleResult};
use queue::{Arming, Figures, InboxKind, Projection, Queue, Shown};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection as _, SqlSafeStr as _};
use testkit::{ManualClock, TempFolder};
use worker::verify::Witness;

use crate::people::{applicant, key, settings, spring};

const NOON: i64 = 1_795_345_200_000;
const HOUR: i64 = 3_600_000;

/// How far the event has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Six seats: 1, 5, 7 and 8 ordered, 6 and 9 are ordering, the order of 6 made but not answered. 2 was rejected, 4 cancelled
    /// the order, 3 withdrew before. 10, 11, 12 and 21 wait; 13 to 20 were skipped.
    Running,
    /// Then 6 and 9 were ordered, and the event was settled.
    Settled,
}

/// Queue and ledger, and what an outsider knows of them.
pub(crate) struct Stores {
    queue: Queue,
    ledger: Ledger,
    clock: ManualClock,
    fence: Fence,
    folder: TempFolder,
    pub(crate) witness: Witness,
}

impl Stores {
    pub(crate) async fn at(stage: Stage) -> Self {
        let mut stores = Self::open().await;
        stores.run().await;
        if stage == Stage::Settled {
            stores.settle().await;
        }
        stores.witness.orders = Some(stores.ledger.order_rows(&spring()).await.unwrap());
        stores
    }

    async fn open() -> Self {
        let (folder, clock) = (TempFolder::new("stores"), ManualClock::at(NOON));
        let (queue, ledger) = open(folder.path(), &clock).await;
        ledger.create_event(&settings(6, NOON), "test").await.unwrap();
        let fence = ledger.acquire_leadership(&spring()).await.unwrap().unwrap().fence;
        queue.publish(&[spring()]).await.unwrap();
        let witness = Witness { acks: Some(Vec::new()), orders: None };
        Self { queue, ledger, clock, fence, folder, witness }
    }

    async fn run(&mut self) {
        self.arm_up_to(20).await;
        for n in 1..=12 {
            self.apply(n).await;
        }
        self.arm_up_to(1000).await;
        self.apply(21).await;
        self.cancel(3).await;
        self.admit_head().await;
        for ordered in [1, 2, 4, 5, 6, 7] {
            let call = self.lease(ordered).await;
            let answer = match ordered {
                2 => OrderResponse::Rejected,
                _ => self.ledger.put_order(&spring(), call.app_key, call.number).await.unwrap(),
            };
            let answer = if ordered == 6 { OrderResponse::Unknown { retry_in_ms: HOUR } } else { answer };
            self.ledger.record_response(&call, &answer).await.unwrap();
        }
        self.show().await;
        self.cancel(4).await;
        let call = self.lease(4).await;
        let gone = self.ledger.delete_order(&spring(), call.app_key).await.unwrap();
        self.ledger.record_response(&call, &gone).await.unwrap();
        self.admit_head().await;
        self.order(8).await;
        self.show().await;
    }

    async fn settle(&mut self) {
        self.clock.advance(HOUR);
        self.order(6).await;
        self.order(9).await;
        self.clock.advance(24 * HOUR);
        for state in [EventState::Open, EventState::Closed, EventState::Settling] {
            self.ledger.advance(&spring(), self.fence, state).await.unwrap();
        }
        let closing = self.queue.settle(&spring(), self.fence.0).await.unwrap();
        self.ledger.record_closed_seq(&spring(), self.fence, closing.closed_seq).await.unwrap();
        let settling = self.ledger.settle(&spring(), self.fence, true).await.unwrap();
        assert_eq!(settling, SettleResult::Settled);
        self.show().await;
    }

    /// Arms the queue anew, which skips what was left of the limit, and lets it give numbers up to this one.
    async fn arm_up_to(&self, limit: u32) {
        let (event, epoch) = (
            self.ledger.event(&spring()).await.unwrap(),
            self.ledger.start_epoch(&spring(), self.fence).await.unwrap(),
        );
        let arming = Arming {
            unopened: false,
            epoch: epoch.epoch,
            number_limit: epoch.number_limit,
            settings: event.settings,
            rev: event.rev,
        };
        self.queue.arm(&spring(), self.fence.0, arming).await.unwrap();
        self.ledger.raise_number_limit(&spring(), self.fence, limit).await.unwrap();
        self.show().await;
    }

    async fn apply(&mut self, n: u32) {
        let applied = self.queue.apply(&spring(), applicant(n)).await.unwrap();
        assert_eq!(applied.number.get(), n);
        let (epoch, number) = (applied.epoch, applied.number);
        let ack = Receipt { event: spring(), epoch, number, app_key: key(n), right: Right::Full };
        self.witness.acks.as_mut().unwrap().push(ack);
    }

    async fn cancel(&self, n: u32) {
        let number = Number::new(n).unwrap();
        self.queue.ask(&spring(), key(n), number, InboxKind::Cancel).await.unwrap().unwrap();
        let asks = self.queue.inbox(&spring(), 0, 100).await.unwrap();
        let requests: Vec<CancelRequest> = asks
            .iter()
            .map(|ask| CancelRequest { id: ask.id, app_key: ask.app_key, number: ask.number })
            .collect();
        self.ledger
            .handle_inbox(&spring(), self.fence, &requests, requests.last().map_or(0, |request| request.id))
            .await
            .unwrap();
        self.queue.acknowledge(&spring(), self.fence.0, requests.last().unwrap().id).await.unwrap();
    }

    async fn admit_head(&self) {
        let admissible = self.ledger.admissible(&self.ledger.event(&spring()).await.unwrap()).await.unwrap();
        let head = self.queue.head(&spring(), admissible).await.unwrap();
        let newcomers: Vec<Candidate> = head
            .waiting
            .iter()
            .map(|one| Candidate { number: one.number, app_key: one.app_key, contact: String::new() })
            .collect();
        let taken = self.ledger.admit(&spring(), self.fence, &newcomers).await.unwrap();
        assert_eq!((taken.seated, taken.all), (admissible, true));
        self.queue.admitted(&spring(), self.fence.0, head.through, &taken.known).await.unwrap();
    }

    async fn lease(&self, n: u32) -> Call {
        self.clock.advance(2000);
        let call = self.ledger.lease_calls(&spring(), 1).await.unwrap().calls.remove(0);
        assert_eq!(call.number.get(), n);
        call
    }

    async fn order(&self, n: u32) {
        let call = self.lease(n).await;
        let made = self.ledger.put_order(&spring(), call.app_key, call.number).await.unwrap();
        self.ledger.record_response(&call, &made).await.unwrap();
    }

    /// Shows everything that the ledger decided in the queue.
    async fn show(&self) {
        let event = self.ledger.event(&spring()).await.unwrap();
        let epoch = self.queue.view(&spring()).await.map_or(Epoch(1), |view| view.epoch);
        let to_show = self.ledger.unprojected_outcomes(&spring(), epoch, 100).await.unwrap();
        let outcomes = to_show
            .iter()
            .map(|one| (one.number, Shown { outcome: one.outcome, order_no: one.order_no.clone() }))
            .collect();
        let projection = Projection {
            rev: event.rev,
            settings: event.settings,
            state: event.state,
            number_limit: event.number_limit,
            round: 1,
            figures: Figures::default(),
            settled_seq: event.settled_seq,
            outcomes,
        };
        self.queue.project(&spring(), self.fence.0, projection).await.unwrap();
        self.ledger.mark_projected(&spring(), epoch, &to_show).await.unwrap();
    }

    /// A copy to break.
    pub(crate) async fn copy(&self) -> Copied {
        let folder = TempFolder::new("copy");
        for file in ["queue.db", "ledger.db"] {
            let into = folder.path().join(file);
            write(&self.folder.path().join(file), &format!("VACUUM INTO '{}'", into.display())).await;
        }
        Copied { clock: self.clock.clone(), folder }
    }
}

/// Copied stores that nobody has open.
pub(crate) struct Copied {
    clock: ManualClock,
    folder: TempFolder,
}

impl Copied {
    pub(crate) async fn write_line(&self, sql: &str) -> u64 {
        write(&self.folder.path().join("queue.db"), sql).await
    }
    pub(crate) async fn write_ledger(&self, sql: &str) -> u64 {
        write(&self.folder.path().join("ledger.db"), sql).await
    }
    pub(crate) async fn open(&self) -> (Queue, Ledger) {
        open(self.folder.path(), &self.clock).await
    }
}

async fn open(folder: &Path, clock: &ManualClock) -> (Queue, Ledger) {
    let queue = Queue::open_sqlite(&folder.join("queue.db"), clock.now()).await.unwrap();
    (queue, Ledger::open_sqlite(&folder.join("ledger.db"), clock.now()).await.unwrap())
}

/// Writes past the program and past the checks of the tables; says how many rows it changed.
pub(crate) async fn write(file: &Path, sql: &str) -> u64 {
    let options = SqliteConnectOptions::new().filename(file).foreign_keys(false);
    let mut conn = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql("PRAGMA ignore_check_constraints = ON").execute(&mut conn).await.unwrap();
    let done = sqlx::raw_sql(AssertSqlSafe(sql).into_sql_str()).execute(&mut conn).await;
    let changed = done.unwrap_or_else(|error| panic!("{error}: {sql}")).rows_affected();
    conn.close().await.unwrap();
    changed
}
