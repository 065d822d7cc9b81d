//! Postgres behind a network that drops all packets: the driver waits without limit, the ledger's pool does not.

use std::time::Duration;

use ledger::{Error, Ledger, QueueReading};
use testkit::BlackholeProxy;

use crate::harness::{LedgerHarness, Store, candidates};

#[tokio::test]
async fn an_operation_that_timed_out_frees_its_connection() {
    let harness = LedgerHarness::open(Store::Postgres, 3).await;
    let proxy = BlackholeProxy::start(&harness.postgres.as_ref().unwrap().url()).await;
    let ledger = Ledger::open_postgres(&proxy.url(), 1).await.unwrap();
    ledger.event(&harness.event).await.unwrap();
    proxy.drop_all();
    let timed_out = tokio::time::timeout(
        Duration::from_millis(200),
        ledger.admit(&harness.event, harness.fence, &candidates([1]), QueueReading::default()),
    )
    .await;
    assert!(timed_out.is_err(), "{timed_out:?}");
    proxy.forward();
    // The only connection is lost; the pool discards it a moment later and opens another.
    let retry_until_available = async {
        loop {
            match ledger.admit(&harness.event, harness.fence, &candidates([1]), QueueReading::default()).await
            {
                Err(Error::Unavailable(sqlx::Error::PoolTimedOut)) => {}
                other => break other.unwrap(),
            }
        }
    };
    let admission = tokio::time::timeout(Duration::from_secs(30), retry_until_available).await.unwrap();
    assert_eq!((admission.seated, harness.seats().await), (1, (2, 1, 0)));
}

#[tokio::test]
async fn a_database_that_never_responds_is_unavailable() {
    let silent_listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://postgres@{}/postgres", silent_listener.local_addr().unwrap());
    let refused =
        tokio::time::timeout(Duration::from_secs(30), Ledger::open_postgres(&url, 1)).await.unwrap();
    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
}
