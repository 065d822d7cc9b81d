//! A network before the ledger that swallows everything: no chore waits for ever, and all goes on once it carries again.

use std::time::Duration;

use domain::Outcome;
use ledger::Ledger;
use testkit::{BlackholeProxy, Postgres};

use crate::harness::{WorkerHarness, until};
use crate::people::{settings, spring};

#[tokio::test]
async fn a_ledger_that_falls_silent_is_told_and_does_not_stop_the_worker_for_ever() {
    let postgres = Postgres::start().await;
    Ledger::migrate(&postgres.url()).await.unwrap();
    let mut harness = WorkerHarness::open(3).await;
    let direct = Ledger::open_postgres(&postgres.url(), 2).await.unwrap();
    direct.create_event(&settings(3, service::clock::system()() - 1000), "test").await.unwrap();
    let proxy = BlackholeProxy::start(&postgres.url()).await;
    harness.ledger = Ledger::open_postgres(&proxy.url(), 4).await.unwrap();
    harness.config.store_timeout = Duration::from_secs(1);
    let worker = harness.start().await;
    harness.apply([1]).await;
    harness.until_shown([1], Outcome::Ordered).await;
    proxy.drop_all();
    // Numbers are given on; the signup service needs no ledger.
    harness.apply([2]).await;
    until("the complaint", async || {
        let report = worker.health.readiness(false).report;
        (report.contains("[-]ledger") && report.contains("no response from queue or ledger within 1s"))
            .then_some(())
    })
    .await;
    assert_eq!(direct.seats(&spring()).await.unwrap().sold, 1);
    proxy.carry();
    harness.until_shown([2], Outcome::Ordered).await;
    until("all well", async || worker.health.readiness(false).report.contains("[+]ledger ok").then_some(()))
        .await;
    harness.stop_and_verify(worker).await;
}
