//! Postgres behind a network that swallows everything: the driver waits for ever, the ledger's pool does not.

use std::time::Duration;

use ledger::{Error, Ledger};

use crate::harness::{LedgerHarness, Store, candidates};
use crate::wire::Wire;

#[tokio::test]
async fn a_step_that_was_given_up_keeps_no_connection_from_the_next() {
    let harness = LedgerHarness::open(Store::Postgres, 3).await;
    let wire = Wire::to(&harness.postgres.as_ref().unwrap().url()).await;
    let ledger = Ledger::open_postgres(&wire.url(), 1).await.unwrap();
    ledger.event(&harness.event).await.unwrap();
    wire.cut();
    let silent = tokio::time::timeout(
        Duration::from_millis(200),
        ledger.admit(&harness.event, harness.fence, &candidates([1])),
    )
    .await;
    assert!(silent.is_err(), "{silent:?}");
    wire.mend();
    // Its one connection is lost; it is given up a moment later, and another takes its place.
    let again = async {
        loop {
            match ledger.admit(&harness.event, harness.fence, &candidates([1])).await {
                Err(Error::Unavailable(sqlx::Error::PoolTimedOut)) => {}
                other => break other.unwrap(),
            }
        }
    };
    let taken = tokio::time::timeout(Duration::from_secs(30), again).await.unwrap();
    assert_eq!((taken.seated, harness.seats().await), (1, (2, 1, 0)));
}

#[tokio::test]
async fn a_database_that_never_answers_is_said_to_be_unreachable() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://postgres@{}/postgres", nobody.local_addr().unwrap());
    let refused =
        tokio::time::timeout(Duration::from_secs(30), Ledger::open_postgres(&url, 1)).await.unwrap();
    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
}
