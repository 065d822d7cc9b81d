//! A network before the book that swallows everything: no chore waits for ever, and all goes on once it carries again.

use std::time::Duration;

use domain::Outcome;
use orders::Book;
use testkit::Postgres;

use crate::house::{House, until};
use crate::people::{settings, spring};
use crate::wire::Wire;

#[tokio::test]
async fn a_book_that_falls_silent_is_told_and_does_not_stop_the_worker_for_ever() {
    let postgres = Postgres::start().await;
    Book::migrate(&postgres.url()).await.unwrap();
    let mut house = House::open(3).await;
    let direct = Book::open_postgres(&postgres.url(), 2).await.unwrap();
    direct.create_event(&settings(3, service::clock::system()() - 1000), "test").await.unwrap();
    let wire = Wire::to(&postgres.url()).await;
    house.book = Book::open_postgres(&wire.url(), 4).await.unwrap();
    house.config.silence_max = Duration::from_secs(1);
    let worker = house.start().await;
    house.apply([1]).await;
    house.until_shown([1], Outcome::Ordered).await;
    wire.cut();
    // Numbers are given on; the desk needs no book.
    house.apply([2]).await;
    until("the complaint", async || {
        let report = worker.health.readiness(false).report;
        (report.contains("[-]book") && report.contains("no answer within 1s")).then_some(())
    })
    .await;
    assert_eq!(direct.seats(&spring()).await.unwrap().sold, 1);
    wire.mend();
    house.until_shown([2], Outcome::Ordered).await;
    until("all well", async || worker.health.readiness(false).report.contains("[+]book ok").then_some(()))
        .await;
    house.stop_and_verify(worker).await;
}
