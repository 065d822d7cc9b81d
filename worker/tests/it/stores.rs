//! Queue and ledger of a correct event, driven step by step through their public interfaces.

use std::path::Path;

use domain::{Epoch, EventState, Fence, Number, Receipt, ReqHash, Right};
use ledger::{Call, Candidate, InboxAction, InboxRequest, Ledger, OrderResponse, QueueReading, SettleResult};
use queue::{ArmRequest, Continuity, ProjectedOutcome, Projection, Queue, SeatFigures};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection as _, SqlSafeStr as _};
use testkit::{ManualClock, TempFolder};
use worker::verify::Witness;

use crate::applicants::{applicant, key, settings, spring};

const NOON: i64 = 1_795_345_200_000;
const HOUR: i64 = 3_600_000;

/// The progress of the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Six seats: 1, 5, 7 and 8 are ordered; 6 and 9 are ordering, and the order of 6 is made but its response was lost. 2 was
    /// rejected, 4 cancelled its order, 3 withdrew before admission. 10, 11, 12 and 21 wait; 13 to 20 were skipped.
    Running,
    /// Afterwards: 6 and 9 are ordered, and the event is settled.
    Settled,
}

/// Queue and ledger, and the evidence from outside.
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
        let folder = TempFolder::new("stores");
        let clock = ManualClock::at(NOON);
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
            let response = match ordered {
                2 => OrderResponse::Rejected,
                _ => self.ledger.put_order(&spring(), call.app_key, call.number).await.unwrap(),
            };
            let response = if ordered == 6 { OrderResponse::Unknown { retry_in_ms: HOUR } } else { response };
            self.ledger.record_response(&call, &response).await.unwrap();
        }
        self.show().await;
        self.cancel(4).await;
        let call = self.lease(4).await;
        let deleted = self.ledger.delete_order(&spring(), call.app_key).await.unwrap();
        self.ledger.record_response(&call, &deleted).await.unwrap();
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
        let settling = self.ledger.settle(&spring(), self.fence, 1).await.unwrap();
        assert_eq!(settling, SettleResult::Settled);
        self.show().await;
    }

    /// Arms the queue again, which skips the rest of its limit, and raises the limit to this number.
    async fn arm_up_to(&self, limit: u32) {
        let event = self.ledger.event(&spring()).await.unwrap();
        let epoch = self.ledger.start_epoch(&spring(), self.fence).await.unwrap();
        let arming = ArmRequest {
            continuity: Continuity::Unknown,
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
        let ack = Receipt {
            event: spring(),
            epoch: applied.epoch,
            number: applied.number,
            app_key: key(n),
            right: Right::Full,
        };
        self.witness.acks.as_mut().unwrap().push(ack);
    }

    async fn cancel(&self, n: u32) {
        let number = Number::new(n).unwrap();
        self.queue.cancel(&spring(), key(n), number).await.unwrap().unwrap();
        let entries = self.queue.inbox(&spring(), 0, 100).await.unwrap();
        let requests: Vec<InboxRequest> = entries
            .iter()
            .map(|entry| InboxRequest {
                at: 0,
                action: InboxAction::Cancel,
                id: entry.id,
                app_key: entry.app_key,
                number: entry.number,
            })
            .collect();
        self.ledger
            .handle_inbox(
                &spring(),
                self.fence,
                &requests,
                requests.last().map_or(0, |request| request.id),
                0,
            )
            .await
            .unwrap();
        self.queue.acknowledge(&spring(), self.fence.0, requests.last().unwrap().id, 0).await.unwrap();
    }

    async fn admit_head(&self) {
        let admissible = self.ledger.admissible(&self.ledger.event(&spring()).await.unwrap()).await.unwrap();
        let head = self.queue.head(&spring(), admissible).await.unwrap();
        let candidates: Vec<Candidate> = head
            .waiting
            .iter()
            .map(|one| Candidate {
                number: one.number,
                app_key: one.app_key,
                req_hash: ReqHash::NONE,
                contact: String::new(),
            })
            .collect();
        let admission =
            self.ledger.admit(&spring(), self.fence, &candidates, QueueReading::default()).await.unwrap();
        assert_eq!((admission.seated, admission.all), (admissible, true));
        self.queue.admitted(&spring(), self.fence.0, head.through, &admission.known, 0).await.unwrap();
        self.ledger.make_due(&spring(), &admission.known).await.unwrap();
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

    /// Projects all outcomes of the ledger into the queue.
    async fn show(&self) {
        let event = self.ledger.event(&spring()).await.unwrap();
        let epoch = self.queue.snapshot(&spring()).await.map_or(Epoch(1), |view| view.epoch);
        let to_show = self.ledger.unprojected_outcomes(&spring(), epoch, 100).await.unwrap();
        let outcomes = to_show
            .iter()
            .map(|one| {
                (one.number, ProjectedOutcome { outcome: one.outcome, order_no: one.order_no.clone() })
            })
            .collect();
        let projection = Projection {
            rev: event.rev,
            settings: event.settings,
            state: event.state,
            number_limit: event.number_limit,
            round: 1,
            figures: SeatFigures::default(),
            settled_seq: event.settled_seq,
            judged_epoch: epoch,
            lost_epoch: event.lost_epoch,
            called: Vec::new(),
            outcomes,
        };
        self.queue.project(&spring(), self.fence.0, projection).await.unwrap();
        self.ledger.mark_projected(&spring(), epoch, &to_show).await.unwrap();
    }

    /// A copy to plant a bug in.
    pub(crate) async fn copy(&self) -> CopiedStores {
        let folder = TempFolder::new("copy");
        for file in ["queue.db", "ledger.db"] {
            let into = folder.path().join(file);
            write(&self.folder.path().join(file), &format!("VACUUM INTO '{}'", into.display())).await;
        }
        CopiedStores { clock: self.clock.clone(), folder }
    }
}

/// Copies of the stores that are not open.
pub(crate) struct CopiedStores {
    clock: ManualClock,
    folder: TempFolder,
}

impl CopiedStores {
    pub(crate) async fn write_queue(&self, sql: &str) -> u64 {
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

/// Writes with SQL, bypassing the checks of the tables. Returns how many rows changed.
pub(crate) async fn write(file: &Path, sql: &str) -> u64 {
    let options = SqliteConnectOptions::new().filename(file).foreign_keys(false);
    let mut conn = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql("PRAGMA ignore_check_constraints = ON").execute(&mut conn).await.unwrap();
    let done = sqlx::raw_sql(AssertSqlSafe(sql).into_sql_str()).execute(&mut conn).await;
    let changed = done.unwrap_or_else(|error| panic!("{error}: {sql}")).rows_affected();
    conn.close().await.unwrap();
    changed
}
