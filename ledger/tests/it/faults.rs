//! Postgres: deadlocks, lock timeouts, and connections that break during a commit. Repeating the operation is safe.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use domain::{Epoch, EventState};
use ledger::{CallResult, Change, Error, OrderResponse, QueueReading, SettleResult};

use crate::concurrency::ConcurrencyTest;
use crate::harness::{LedgerHarness, Session, Store, cancel_request, candidates, key};

async fn open(capacity: u32) -> (LedgerHarness, Session) {
    let harness = LedgerHarness::open(Store::Postgres, capacity).await;
    let session = Session::open(&harness.postgres.as_ref().unwrap().url()).await.unwrap();
    (harness, session)
}

fn assert_refused<T: std::fmt::Debug>(result: &Result<T, Error>, code: &str) {
    let Err(Error::Unavailable(sqlx::Error::Database(error))) = result else { panic!("{result:?}") };
    assert_eq!(error.code().as_deref(), Some(code), "{error}");
}

#[tokio::test]
async fn a_deadlock_is_reported_and_the_operation_can_be_repeated() {
    let (harness, mut session) = open(2).await;
    harness.admit([1]).await;
    // The other session locks in the wrong order, and its deadlock timeout never aborts it.
    session
        .run("SET deadlock_timeout = '100s'; BEGIN; UPDATE ledger.application SET fence = fence")
        .await
        .unwrap();
    let requests = [cancel_request(1, 1)];
    let close_the_cycle = async {
        session.wait_until(1, "wait_event_type = 'Lock'").await;
        session.run("UPDATE ledger.event SET rev = rev; ROLLBACK").await.unwrap();
    };
    let (handled, ()) = tokio::join!(
        harness.ledger.handle_inbox(
            &harness.event,
            harness.fence,
            &requests,
            requests.last().map_or(0, |request| request.id),
            0
        ),
        close_the_cycle
    );
    assert_refused(&handled, "40P01");
    assert_eq!((harness.state_of(1).await.as_str(), harness.seats().await), ("ordering", (1, 1, 0)));
    harness
        .ledger
        .handle_inbox(
            &harness.event,
            harness.fence,
            &requests,
            requests.last().map_or(0, |request| request.id),
            0,
        )
        .await
        .unwrap();
    assert_eq!((harness.state_of(1).await.as_str(), harness.seats().await), ("undoing", (1, 1, 0)));
}

#[tokio::test]
async fn a_lock_that_is_held_too_long_is_reported() {
    let (harness, mut session) = open(2).await;
    session.run("BEGIN; UPDATE ledger.event SET rev = rev").await.unwrap();
    let admission =
        harness.ledger.admit(&harness.event, harness.fence, &candidates([1]), QueueReading::default()).await;
    assert_refused(&admission, "55P03");
    session.run("ROLLBACK").await.unwrap();
    assert_eq!(harness.admit([1]).await.seated, 1);
}

#[tokio::test]
async fn a_response_being_recorded_delays_no_other_call() {
    let (harness, mut session) = open(2).await;
    harness.admit([1, 2]).await;
    session.run("BEGIN; UPDATE ledger.application SET fence = fence WHERE number = 1").await.unwrap();
    assert_eq!(harness.lease_one().await.number.get(), 2);
    session.run("ROLLBACK").await.unwrap();
    assert_eq!(harness.lease_one().await.number.get(), 1);
}

#[tokio::test]
async fn a_cancel_waits_for_a_response_being_recorded() {
    const WAITING: &str = "wait_event_type = 'Lock'";
    let (harness, mut session) = open(2).await;
    harness.admit([1]).await;
    let call = harness.lease_one().await;
    let requests = [cancel_request(1, 1)];
    // The response has changed the application and waits for the seat; the request arrives then.
    session.run("BEGIN; UPDATE ledger.seat SET state = state WHERE n = 1").await.unwrap();
    let (arrived, has_arrived) = tokio::sync::oneshot::channel();
    let handle_inbox = async {
        has_arrived.await.unwrap();
        harness
            .ledger
            .handle_inbox(
                &harness.event,
                harness.fence,
                &requests,
                requests.last().map_or(0, |request| request.id),
                0,
            )
            .await
    };
    let respond_meanwhile = async {
        session.wait_until(1, WAITING).await;
        arrived.send(()).unwrap();
        session.wait_until(2, WAITING).await;
        session.run("ROLLBACK").await.unwrap();
    };
    let (recorded, handled, ()) = tokio::join!(
        harness.ledger.record_response(&call, &OrderResponse::Rejected),
        handle_inbox,
        respond_meanwhile
    );
    assert_eq!(recorded.unwrap(), CallResult::Ended(domain::Outcome::Rejected));
    handled.unwrap();
    assert_eq!((harness.state_of(1).await.as_str(), harness.seats().await), ("rejected", (2, 0, 0)));
    assert_eq!(harness.domain_events().await, ["application.rejected"]);
}

#[tokio::test]
async fn an_event_is_not_settled_while_a_response_is_being_recorded() {
    let (harness, mut session) = open(1).await;
    let (ledger, event, fence) = (&harness.ledger, &harness.event, harness.fence);
    harness.admit([1]).await;
    let call = harness.lease_one().await;
    for state in [EventState::Closed, EventState::Settling] {
        ledger.advance(event, fence, state).await.unwrap();
    }
    ledger.record_closed_seq(event, fence, 1).await.unwrap();
    // The response has freed the seat and waits to write its domain event.
    let domain_event = format!(
        "BEGIN; INSERT INTO ledger.outbox (event, app_key, version, type, at, data) VALUES ('spring', '{}', {}, 'application.rejected', 0, '')",
        key(1),
        call.fence + 1
    );
    session.run(&domain_event).await.unwrap();
    let meanwhile = async {
        session.wait_until(1, "wait_event_type = 'Lock'").await;
        let settling = ledger.settle(event, fence, 0).await;
        session.run("ROLLBACK").await.unwrap();
        settling
    };
    let (recorded, settling) =
        tokio::join!(ledger.record_response(&call, &OrderResponse::Rejected), meanwhile);
    assert_eq!(recorded.unwrap(), CallResult::Ended(domain::Outcome::Rejected));
    assert_eq!(settling.unwrap(), SettleResult::NotYet);
    assert_eq!(ledger.settle(event, fence, 0).await.unwrap(), SettleResult::Settled);
}

#[tokio::test]
async fn a_seat_freed_while_others_are_deleted_stays() {
    let (harness, mut session) = open(4).await;
    harness.admit(1..=4).await;
    for _ in 1..=3 {
        let call = harness.lease_one().await;
        harness.record(&call, OrderResponse::Rejected).await;
    }
    // Another session blocks every delete, and frees seat 4 as a response does.
    let frees = "BEGIN; LOCK TABLE ledger.seat IN SHARE ROW EXCLUSIVE MODE; UPDATE ledger.seat SET state = 'free', app_key = NULL WHERE n = 4;
        UPDATE ledger.seat_count SET free = free + 1, held = held - 1 WHERE shard = 0";
    session.run(frees).await.unwrap();
    let meanwhile = async {
        session.wait_until(1, "wait_event_type = 'Lock'").await;
        session.run("COMMIT").await.unwrap();
    };
    let (changed, ()) = tokio::join!(harness.change(Change::Capacity(3)), meanwhile);
    assert_eq!((changed.unwrap().event.settings.capacity, harness.seats().await), (3, (3, 0, 0)));
}

/// The next leader may be updating the same rows in another order.
#[tokio::test]
async fn mark_projected_locks_no_row_before_the_event() {
    let (harness, mut session) = open(2).await;
    harness.order(1).await;
    let outcomes = harness.ledger.unprojected_outcomes(&harness.event, Epoch(1), 9).await.unwrap();
    session.run("SET deadlock_timeout = '100ms'; BEGIN; UPDATE ledger.event SET rev = rev").await.unwrap();
    let next_leader = async {
        session.wait_until(1, "wait_event_type = 'Lock'").await;
        session.run("UPDATE ledger.application SET fence = fence; COMMIT").await
    };
    let (marked, next_leader) =
        tokio::join!(harness.ledger.mark_projected(&harness.event, Epoch(1), &outcomes), next_leader);
    next_leader.unwrap();
    marked.unwrap();
    assert!(harness.ledger.unprojected_outcomes(&harness.event, Epoch(1), 9).await.unwrap().is_empty());
}

/// Cuts the connection while the commit waits for a standby that never responds. The commit is on disk, and the caller cannot know.
async fn cut_at_commit<T: std::fmt::Debug>(
    session: &mut Session,
    operation: impl Future<Output = Result<T, Error>>,
) -> Error {
    session.run("ALTER SYSTEM SET synchronous_standby_names = 'absent'").await.unwrap();
    session.run("SELECT pg_reload_conf()").await.unwrap();
    let cut = async {
        session.wait_until(1, "wait_event = 'SyncRep'").await;
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        session.run(sql).await.unwrap();
    };
    let (result, ()) = tokio::join!(operation, cut);
    session.run("ALTER SYSTEM RESET synchronous_standby_names").await.unwrap();
    session.run("SELECT pg_reload_conf()").await.unwrap();
    result.unwrap_err()
}

#[tokio::test]
async fn a_commit_with_a_lost_reply_is_found_by_repeating() {
    let (harness, mut session) = open(2).await;
    let (ledger, event) = (&harness.ledger, &harness.event);

    let unknown = cut_at_commit(
        &mut session,
        ledger.admit(event, harness.fence, &candidates([1, 2]), QueueReading::default()),
    )
    .await;
    assert!(matches!(unknown, Error::Unavailable(_)), "{unknown:?}");
    let repeated = harness.admit([1, 2]).await;
    assert_eq!((repeated.known.len(), repeated.seated, repeated.all), (2, 0, true));

    let call = harness.lease_one().await;
    let created = OrderResponse::Created("O-1".into());
    let unknown = cut_at_commit(&mut session, ledger.record_response(&call, &created)).await;
    assert!(matches!(unknown, Error::Unavailable(_)), "{unknown:?}");
    assert_eq!(harness.record(&call, created).await, CallResult::Stale);
    assert_eq!((harness.state_of(1).await.as_str(), harness.seats().await), ("ordered", (0, 1, 1)));

    let requests = [cancel_request(1, 2)];
    cut_at_commit(
        &mut session,
        ledger.handle_inbox(
            event,
            harness.fence,
            &requests,
            requests.last().map_or(0, |request| request.id),
            0,
        ),
    )
    .await;
    ledger
        .handle_inbox(event, harness.fence, &requests, requests.last().map_or(0, |request| request.id), 0)
        .await
        .unwrap();
    assert_eq!(harness.seats().await, (0, 1, 1), "its order is deleted first");
    let undo = harness.lease_one().await;
    harness.record(&undo, OrderResponse::Deleted).await;
    assert_eq!(harness.seats().await, (1, 0, 1));
    let expected = ["application.cancel_requested", "application.cancelled", "application.ordered"];
    assert_eq!(harness.domain_events().await, expected);
}

#[tokio::test]
async fn counts_are_exact_after_the_database_was_killed_and_restarted() {
    let mut test = ConcurrencyTest::open(Store::Postgres).await;
    let mut server = Arc::get_mut(&mut test).unwrap().harness.postgres.take().unwrap();
    let killed = async {
        for after in [20, 50] {
            while test.ordered.load(Ordering::SeqCst) < after {
                test.round.notified().await;
            }
            server.kill().await.unwrap();
            server.restart().await.unwrap();
        }
    };
    tokio::join!(test.run(), killed);
    test.check().await;
    assert!(test.unavailable.load(Ordering::SeqCst) > 0, "the operations met the restarts");
}
