//! A ledger that is put back to an older state while queue and order service go on: no seat is sold twice, and no order is forgotten.

use serde_json::Value;
use testkit::OrderStub;

use crate::crowd::{Ack, Crowd};
use crate::harness::receipts;
use crate::operator_process::OperatorProcess;
use crate::processes::ProcessHandles;

const PEOPLE: u32 = 400;
const SEATS: u32 = 200;
/// After a change that the ledger loses.
const MORE_SEATS: u32 = 300;

struct OlderLedgerHarness {
    operator: OperatorProcess,
    processes: ProcessHandles,
    orders: OrderStub,
    crowd: Crowd,
}

impl OlderLedgerHarness {
    async fn open() -> Self {
        let orders = OrderStub::start().await;
        let mut processes = ProcessHandles::with(&format!(
            "signup.trusted_proxies = \"127.0.0.1\"\nworker.order_service = \"{}\"\n{}",
            orders.base(),
            OperatorProcess::settings()
        ))
        .await;
        processes.start().await;
        let operator = OperatorProcess::start(&mut processes).await;
        let crowd = Crowd::before_all(&processes.urls(), "spring");
        let harness = Self { operator, processes, orders, crowd };
        let seats = SEATS.to_string();
        let names =
            ["event", "create", "spring", "--title-ko", "봄", "--title-en", "Spring", "--capacity", &seats];
        let rest = ["--opens-at", "+1s", "--closes-at", "+1h", "--pace", "200", "--in-flight-max", "40"];
        harness.operate(&[&names[..], &rest].concat());
        harness.crowd.until("the event to be open", |progress| progress["state"] == "open").await;
        harness
    }

    fn operate(&self, args: &[&str]) {
        self.operator.run(args).unwrap();
    }

    async fn until_sold(&self, seats: u32) {
        self.crowd.until("seats to be sold", |p| p["sold"].as_u64() >= Some(seats.into())).await;
    }

    async fn until_state(&self, ack: &Ack, state: &str) {
        testkit::until(state, async || self.crowd.status(ack).await["state"] == state).await;
    }

    /// The numbers with a live order at the order service.
    fn live(&self, acks: &[Ack]) -> usize {
        let live = self.orders.orders().values().filter(|order| order.is_live).count();
        assert!(
            live <= MORE_SEATS as usize,
            "{live} orders for {MORE_SEATS} seats and {} people",
            acks.len()
        );
        live
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_ledger_takes_back_from_the_queue_what_it_has_lost() {
    let mut harness = OlderLedgerHarness::open().await;
    let acks = harness.crowd.apply(0..PEOPLE).await;
    harness.until_sold(100).await;
    let copy = harness.processes.folder.path().join("ledger-copy");
    harness.processes.postgres.kill().await.unwrap();
    harness.processes.postgres.copy_data(&copy).unwrap();
    harness.processes.postgres.restart().await.unwrap();

    // Orders, a cancelled order, a withdrawn application and a change of the capacity: all in later transactions only.
    let more = MORE_SEATS.to_string();
    testkit::until("the capacity to be changed", async || {
        harness
            .operator
            .run(&["capacity", "set", "spring", &more, "--reason", "more came in", "--yes"])
            .is_ok()
    })
    .await;
    harness.until_sold(200).await;
    harness.crowd.cancel(&acks[0]).await;
    harness.until_state(&acks[0], "cancelled").await;
    harness.crowd.cancel(&acks[399]).await;
    harness.until_state(&acks[399], "cancelled").await;

    harness.processes.postgres.kill().await.unwrap();
    harness.processes.postgres.put_back(&copy).unwrap();
    harness.processes.postgres.restart().await.unwrap();
    testkit::until("the later capacity to be adopted", async || {
        harness.operator.run(&["audit", "list", "spring"]).is_ok_and(|audit| audit.contains("adopt_settings"))
    })
    .await;
    let expected: Vec<u32> = (2..=MORE_SEATS + 1).collect();
    harness.crowd.until_ends(&acks, |ends| ends.get("ordered") == Some(&expected)).await;
    testkit::until("the orders", async || harness.live(&acks) == expected.len()).await;
    for verb in ["close", "settle"] {
        harness.operate(&["event", verb, "spring", "--reason", "the end", "--yes"]);
    }
    harness.crowd.until("the event to be settled", |p| p["state"] == "settled").await;
    harness.operator.stop().await;
    harness.processes.stop().await;
    let orders = harness.orders.orders();
    let live = orders.iter().filter(|(_, order)| order.is_live);
    let list: Vec<_> = live.map(|(id, order)| format!("{id} {}", order.order_no)).collect();
    let file = harness.processes.folder.path().join("orders");
    std::fs::write(&file, list.join("\n")).unwrap();
    let report: Value = harness.processes.verify(&receipts(&acks), &["--orders", file.to_str().unwrap()]);
    assert_eq!(report["sold"].as_u64(), Some(u64::from(MORE_SEATS)));
}
