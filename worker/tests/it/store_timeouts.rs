//! A network that drops everything to the ledger: no task waits forever, and all tasks resume once the network
//! forwards again.

use std::time::Duration;

use domain::Outcome;
use ledger::Ledger;
use testkit::{BlackholeProxy, Postgres, until_some};

use crate::applicants::{settings, spring};
use crate::harness::WorkerHarness;

#[tokio::test]
async fn an_unreachable_ledger_is_reported_and_the_worker_resumes_afterwards() {
    let postgres = Postgres::start().await;
    Ledger::migrate(&postgres.url()).await.unwrap();
    let mut harness = WorkerHarness::open(3).await;
    let direct = Ledger::open_postgres(&postgres.url(), 2).await.unwrap();
    direct.create_event(&settings(3, service::clock::system_now() - 1000), "test").await.unwrap();
    let proxy = BlackholeProxy::start(&postgres.url()).await;
    harness.ledger = Ledger::open_postgres(&proxy.url(), 4).await.unwrap();
    harness.config.store_timeout = Duration::from_secs(1);
    let worker = harness.start().await;
    harness.apply([1]).await;
    harness.until_outcome_in_queue([1], Outcome::Ordered).await;
    proxy.drop_all();
    // The queue still assigns numbers: the signup service does not need the ledger.
    harness.apply([2]).await;
    until_some("the failed health check", async || {
        let report = worker.health.readiness().report;
        (report.contains("[-]ledger") && report.contains("no response from queue or ledger within 1s"))
            .then_some(())
    })
    .await;
    assert_eq!(direct.seats(&spring()).await.unwrap().sold, 1);
    proxy.forward();
    harness.until_outcome_in_queue([2], Outcome::Ordered).await;
    until_some("the passing health check", async || {
        worker.health.readiness().report.contains("[+]ledger ok").then_some(())
    })
    .await;
    harness.stop_and_verify(worker).await;
}
