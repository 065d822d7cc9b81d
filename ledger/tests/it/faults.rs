//! Postgres: what happens to a caller when the database refuses, stalls, or breaks off at the worst moment. Asking again is safe.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use domain::{Epoch, EventState};
use ledger::{CallResult, CancelRequest, Change, Error, OrderResponse, SettleResult};

use crate::concurrency::Crowd;
use crate::harness::{LedgerHarness, Session, Store, candidates, key};

async fn open(capacity: u32) -> (LedgerHarness, Session) {
    let harness = LedgerHarness::open(Store::Postgres, capacity).await;
    let other = Session::open(&harness.postgres.as_ref().unwrap().url()).await.unwrap();
    (harness, other)
}

fn assert_refused<T: std::fmt::Debug>(result: &Result<T, Error>, code: &str) {
    let Err(Error::Unavailable(sqlx::Error::Database(error))) = result else { panic!("{result:?}") };
    assert_eq!(error.code().as_deref(), Some(code), "{error}");
}

#[tokio::test]
async fn a_deadlock_surfaces_leaves_nothing_and_the_step_can_be_repeated() {
    let (harness, mut other) = open(2).await;
    harness.admit([1]).await;
    // Somebody who locks in the wrong order, and who never gives way.
    other
        .run("SET deadlock_timeout = '100s'; BEGIN; UPDATE ledger.application SET fence = fence")
        .await
        .unwrap();
    let request = CancelRequest { id: 1, app_key: key(1), number: domain::Number::new(1).unwrap() };
    let requests = [request];
    let circle = async {
        other.wait_until(1, "wait_event_type = 'Lock'").await;
        other.run("UPDATE ledger.event SET rev = rev; ROLLBACK").await.unwrap();
    };
    let (heard, ()) = tokio::join!(
        harness.ledger.handle_inbox(
            &harness.event,
            harness.fence,
            &requests,
            requests.last().map_or(0, |request| request.id)
        ),
        circle
    );
    assert_refused(&heard, "40P01");
    assert_eq!((harness.state_of(1).await.as_str(), harness.seats().await), ("ordering", (1, 1, 0)));
    harness
        .ledger
        .handle_inbox(
            &harness.event,
            harness.fence,
            &requests,
            requests.last().map_or(0, |request| request.id),
        )
        .await
        .unwrap();
    assert_eq!((harness.state_of(1).await.as_str(), harness.seats().await), ("cancelled", (2, 0, 0)));
}

#[tokio::test]
async fn a_lock_that_is_held_too_long_surfaces_and_holds_nobody_for_ever() {
    let (harness, mut other) = open(2).await;
    other.run("BEGIN; UPDATE ledger.event SET rev = rev").await.unwrap();
    let taken = harness.ledger.admit(&harness.event, harness.fence, &candidates([1])).await;
    assert_refused(&taken, "55P03");
    other.run("ROLLBACK").await.unwrap();
    assert_eq!(harness.admit([1]).await.seated, 1);
}

#[tokio::test]
async fn an_answer_that_is_just_being_recorded_holds_up_no_other_call() {
    let (harness, mut other) = open(2).await;
    harness.admit([1, 2]).await;
    other.run("BEGIN; UPDATE ledger.application SET fence = fence WHERE number = 1").await.unwrap();
    assert_eq!(harness.lease_one().await.number.get(), 2);
    other.run("ROLLBACK").await.unwrap();
    assert_eq!(harness.lease_one().await.number.get(), 1);
}

#[tokio::test]
async fn a_request_that_meets_an_answer_half_recorded_waits_and_sees_the_end() {
    const WAITING: &str = "wait_event_type = 'Lock'";
    let (harness, mut other) = open(2).await;
    harness.admit([1]).await;
    let call = harness.lease_one().await;
    let requests = [CancelRequest { id: 1, app_key: key(1), number: call.number }];
    // The answer has changed the application and waits for the seat; the request comes just then.
    other.run("BEGIN; UPDATE ledger.seat SET state = state WHERE n = 1").await.unwrap();
    let (there, seen) = tokio::sync::oneshot::channel();
    let handle_inbox = async {
        seen.await.unwrap();
        harness
            .ledger
            .handle_inbox(
                &harness.event,
                harness.fence,
                &requests,
                requests.last().map_or(0, |request| request.id),
            )
            .await
    };
    let meeting = async {
        other.wait_until(1, WAITING).await;
        there.send(()).unwrap();
        other.wait_until(2, WAITING).await;
        other.run("ROLLBACK").await.unwrap();
    };
    let (recorded, heard, ()) =
        tokio::join!(harness.ledger.record_response(&call, &OrderResponse::Rejected), handle_inbox, meeting);
    assert_eq!(recorded.unwrap(), CallResult::Ended(domain::Outcome::Rejected));
    heard.unwrap();
    assert_eq!((harness.state_of(1).await.as_str(), harness.seats().await), ("rejected", (2, 0, 0)));
    assert_eq!(harness.domain_events().await, ["application.rejected"]);
}

#[tokio::test]
async fn an_answer_half_recorded_keeps_the_event_from_being_settled() {
    let (harness, mut other) = open(1).await;
    let (ledger, event, fence) = (&harness.ledger, &harness.event, harness.fence);
    harness.admit([1]).await;
    let call = harness.lease_one().await;
    for state in [EventState::Closed, EventState::Settling] {
        ledger.advance(event, fence, state).await.unwrap();
    }
    ledger.record_closed_seq(event, fence, 1).await.unwrap();
    // The answer has freed the seat and waits to write its announcement.
    let domain_event = format!(
        "BEGIN; INSERT INTO ledger.outbox (event, app_key, type, at, payload) VALUES ('spring', '{}', 'application.rejected', 0, '')",
        key(1)
    );
    other.run(&domain_event).await.unwrap();
    let meanwhile = async {
        other.wait_until(1, "wait_event_type = 'Lock'").await;
        let settling = ledger.settle(event, fence, false).await;
        other.run("ROLLBACK").await.unwrap();
        settling
    };
    let (recorded, settling) =
        tokio::join!(ledger.record_response(&call, &OrderResponse::Rejected), meanwhile);
    assert_eq!(recorded.unwrap(), CallResult::Ended(domain::Outcome::Rejected));
    assert_eq!(settling.unwrap(), SettleResult::NotYet);
    assert_eq!(ledger.settle(event, fence, false).await.unwrap(), SettleResult::Settled);
}

#[tokio::test]
async fn a_seat_that_comes_free_while_others_are_deleted_stays() {
    let (harness, mut other) = open(4).await;
    harness.admit(1..=4).await;
    for _ in 1..=3 {
        let call = harness.lease_one().await;
        harness.record(&call, OrderResponse::Rejected).await;
    }
    // Another connection holds up every delete, and frees seat 4 as an answer does.
    let frees = "BEGIN; LOCK TABLE ledger.seat IN SHARE ROW EXCLUSIVE MODE; UPDATE ledger.seat SET state = 'free', app_key = NULL WHERE n = 4";
    other.run(frees).await.unwrap();
    let meanwhile = async {
        other.wait_until(1, "wait_event_type = 'Lock'").await;
        other.run("COMMIT").await.unwrap();
    };
    let (changed, ()) = tokio::join!(harness.change(Change::Capacity(3)), meanwhile);
    assert_eq!((changed.unwrap().event.settings.capacity, harness.seats().await), (3, (3, 0, 0)));
}

/// The next leader may be changing the same rows, in another order.
#[tokio::test]
async fn who_marks_many_rows_holds_none_while_it_waits_for_the_event() {
    let (harness, mut other) = open(2).await;
    harness.order(1).await;
    let shown = harness.ledger.unprojected_outcomes(&harness.event, Epoch(1), 9).await.unwrap();
    other.run("SET deadlock_timeout = '100ms'; BEGIN; UPDATE ledger.event SET rev = rev").await.unwrap();
    let next_leader = async {
        other.wait_until(1, "wait_event_type = 'Lock'").await;
        other.run("UPDATE ledger.application SET fence = fence; COMMIT").await
    };
    let (marked, next_leader) =
        tokio::join!(harness.ledger.mark_projected(&harness.event, Epoch(1), &shown), next_leader);
    next_leader.unwrap();
    marked.unwrap();
    assert!(harness.ledger.unprojected_outcomes(&harness.event, Epoch(1), 9).await.unwrap().is_empty());
}

/// A commit that waits for a standby which never answers is on disk already: cut then, its caller cannot know.
async fn cut_at_commit<T: std::fmt::Debug>(
    other: &mut Session,
    step: impl Future<Output = Result<T, Error>>,
) -> Error {
    other.run("ALTER SYSTEM SET synchronous_standby_names = 'nobody'").await.unwrap();
    other.run("SELECT pg_reload_conf()").await.unwrap();
    let cut = async {
        other.wait_until(1, "wait_event = 'SyncRep'").await;
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        other.run(sql).await.unwrap();
    };
    let (result, ()) = tokio::join!(step, cut);
    other.run("ALTER SYSTEM RESET synchronous_standby_names").await.unwrap();
    other.run("SELECT pg_reload_conf()").await.unwrap();
    result.unwrap_err()
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_found_done_by_who_asks_again() {
    let (harness, mut other) = open(2).await;
    let (ledger, event) = (&harness.ledger, &harness.event);

    let unknown = cut_at_commit(&mut other, ledger.admit(event, harness.fence, &candidates([1, 2]))).await;
    assert!(matches!(unknown, Error::Unavailable(_)), "{unknown:?}");
    let again = harness.admit([1, 2]).await;
    assert_eq!((again.known.len(), again.seated, again.all), (2, 0, true));

    let call = harness.lease_one().await;
    let made = OrderResponse::Created("O-1".into());
    let unknown = cut_at_commit(&mut other, ledger.record_response(&call, &made)).await;
    assert!(matches!(unknown, Error::Unavailable(_)), "{unknown:?}");
    assert_eq!(harness.record(&call, made).await, CallResult::Stale);
    assert_eq!((harness.state_of(1).await.as_str(), harness.seats().await), ("ordered", (0, 1, 1)));

    let requests = [CancelRequest { id: 1, app_key: key(2), number: domain::Number::new(2).unwrap() }];
    cut_at_commit(
        &mut other,
        ledger.handle_inbox(event, harness.fence, &requests, requests.last().map_or(0, |request| request.id)),
    )
    .await;
    ledger
        .handle_inbox(event, harness.fence, &requests, requests.last().map_or(0, |request| request.id))
        .await
        .unwrap();
    assert_eq!(harness.seats().await, (1, 0, 1));
    assert_eq!(harness.domain_events().await, ["application.cancelled", "application.ordered"]);
}

#[tokio::test]
async fn a_killed_and_restarted_database_is_worked_on_to_exact_counts() {
    let mut crowd = Crowd::open(Store::Postgres).await;
    let mut server = Arc::get_mut(&mut crowd).unwrap().harness.postgres.take().unwrap();
    let killed = async {
        for after in [20, 50] {
            while crowd.ordered.load(Ordering::SeqCst) < after {
                crowd.round.notified().await;
            }
            server.kill().await.unwrap();
            server.restart().await.unwrap();
        }
    };
    tokio::join!(crowd.run(), killed);
    crowd.check().await;
    assert!(crowd.troubles.load(Ordering::SeqCst) > 0, "nobody noticed");
}
