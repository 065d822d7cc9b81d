//! The outbox: domain events of every decision, their numbers, and the cursors of the targets.

use domain::{DomainEvent, DomainEventKind, DomainEventKinds, EventState};
use ledger::{Change, EndParked, Error, OrderResponse, QueueReading};
use serde_json::{Value, json};

use crate::changing::KIM;
use crate::harness::{LedgerHarness, NOON, Store, candidates, execute_sql, key};

const DAY: i64 = 86_400_000;

impl LedgerHarness {
    async fn number(&self) -> u32 {
        self.ledger.number_domain_events(&self.event, self.fence, 500).await.unwrap()
    }

    async fn all(&self) -> Vec<DomainEvent> {
        self.ledger.domain_events(&self.event).await.unwrap()
    }

    async fn of(&self, number: u32) -> Vec<DomainEvent> {
        self.all().await.into_iter().filter(|one| one.app_key == Some(key(number))).collect()
    }

    async fn cursor(&self) -> i64 {
        self.ledger.outbox_cursor("log", &self.event).await.unwrap().unwrap().seq
    }

    async fn add_target(&self) {
        self.ledger.add_target(&self.event, self.fence, "log").await.unwrap();
    }

    async fn acknowledge(&self, from: i64, to: i64) -> bool {
        self.ledger.acknowledge_domain_events("log", &self.event, from, to).await.unwrap()
    }
}

fn data(domain_event: &DomainEvent) -> Value {
    serde_json::from_str(&domain_event.data).unwrap()
}

fn kinds(domain_events: &[DomainEvent]) -> Vec<&'static str> {
    domain_events.iter().map(|one| one.kind.as_str()).collect()
}

pub(crate) async fn a_decision_of_the_same_kind_is_a_domain_event_of_its_own(store: Store) {
    let harness = LedgerHarness::open(store, 2).await;
    harness.admit([1]).await;
    harness.park(&[1]).await;
    harness.ledger.end_parked(&harness.event, key(1), EndParked::Retry, KIM).await.unwrap().unwrap();
    harness.park(&[1]).await;
    let parked = harness.of(1).await;
    assert_eq!(kinds(&parked), ["application.parked"; 2]);
    assert!(parked[0].id() != parked[1].id());
    let mut twice = candidates([1]);
    twice[0].number = domain::Number::new(7).unwrap();
    for _ in 0..2 {
        let frozen =
            harness.ledger.admit(&harness.event, harness.fence, &twice, QueueReading::default()).await;
        assert!(matches!(frozen, Err(Error::Frozen(_))));
        harness.changed(Change::Unfreeze).await;
    }
    let frozen = harness.domain_events().await.into_iter().filter(|kind| kind.ends_with("frozen"));
    assert_eq!(frozen.count(), 4, "frozen and unfrozen twice");
}

pub(crate) async fn domain_events_of_an_application_keep_their_order_when_the_clock_falls(store: Store) {
    let harness = LedgerHarness::open(store, 2).await;
    harness.order(1).await;
    harness.clock.advance(-60_000);
    harness.cancel(1).await;
    harness.clock.advance(120_000);
    let call = harness.lease_one().await;
    harness.record(&call, OrderResponse::Deleted).await;
    harness.number().await;
    let expected = ["application.ordered", "application.cancel_requested", "application.cancelled"];
    let of_one = harness.of(1).await;
    assert_eq!(kinds(&of_one), expected);
    assert!(of_one.is_sorted_by(|a, b| a.at <= b.at && a.version < b.version && a.seq < b.seq));
}

pub(crate) async fn numbers_have_no_gaps_and_follow_the_commits(store: Store) {
    let harness = LedgerHarness::open(store, 5).await;
    assert_eq!(harness.number().await, 1, "the creation");
    for number in 1..=3 {
        harness.order(number).await;
    }
    assert_eq!(harness.ledger.number_domain_events(&harness.event, harness.fence, 2).await.unwrap(), 2);
    // A row that is committed late has an early time.
    let (url, schema) = harness.address();
    let late = format!(
        "INSERT INTO {schema}outbox (event, app_key, version, type, at, data) VALUES ('spring', '{}', 9, 'application.parked', {NOON}, '{{}}')",
        key(9)
    );
    execute_sql(&url, &late).await.unwrap();
    assert_eq!((harness.number().await, harness.number().await), (2, 0));
    let all = harness.all().await;
    assert_eq!(all.iter().map(|one| one.seq).collect::<Vec<_>>(), (1..=5).map(Some).collect::<Vec<_>>());
    assert_eq!(all[3].app_key, Some(key(9)), "numbered behind those that were numbered before");
    let lost = harness.ledger.number_domain_events(&harness.event, domain::Fence(harness.fence.0 - 1), 5);
    assert_eq!(lost.await.unwrap(), 0, "there is nothing to number");
    harness.order(4).await;
    let lost = harness.ledger.number_domain_events(&harness.event, domain::Fence(harness.fence.0 - 1), 5);
    assert!(matches!(lost.await, Err(Error::Lost)));
}

pub(crate) async fn a_cursor_that_was_moved_is_not_overwritten(store: Store) {
    let harness = LedgerHarness::open(store, 5).await;
    harness.add_target().await;
    for number in 1..=3 {
        harness.order(number).await;
    }
    harness.number().await;
    let after = harness.ledger.domain_events_after(&harness.event, 1, 2).await.unwrap();
    assert_eq!(after.iter().map(|one| one.seq).collect::<Vec<_>>(), [Some(2), Some(3)]);
    assert!(harness.acknowledge(0, 3).await);
    assert!(!harness.acknowledge(0, 2).await, "a former leader");
    assert_eq!(harness.cursor().await, 3);
    harness.ledger.replay("log", &harness.event, 2, KIM).await.unwrap().unwrap();
    assert!(!harness.acknowledge(3, 4).await, "the batch was sent before the replay");
    assert_eq!(harness.cursor().await, 1);
}

pub(crate) async fn a_target_that_is_new_starts_behind_the_last_domain_event(store: Store) {
    let harness = LedgerHarness::open(store, 5).await;
    harness.order(1).await;
    harness.number().await;
    assert_eq!(harness.ledger.outbox_cursor("log", &harness.event).await.unwrap(), None);
    harness.add_target().await;
    assert_eq!(harness.cursor().await, 2);
    harness.order(2).await;
    harness.number().await;
    harness.add_target().await;
    assert_eq!(harness.cursor().await, 2, "it is not new any more");
}

pub(crate) async fn a_failing_target_keeps_its_place_and_shows_the_error(store: Store) {
    let harness = LedgerHarness::open(store, 5).await;
    harness.add_target().await;
    harness.order(1).await;
    harness.number().await;
    let since = harness.ledger.time().await.unwrap();
    for _ in 0..2 {
        harness.ledger.record_target_failure("log", &harness.event, "no response", 500).await.unwrap();
        harness.clock.advance(1000);
    }
    let cursor = harness.ledger.outbox_cursor("log", &harness.event).await.unwrap().unwrap();
    assert_eq!((cursor.seq, cursor.failures, cursor.next_try_at), (0, 2, since + 1500));
    let status = harness.ledger.target_statuses(Some(&harness.event)).await.unwrap().remove(0);
    assert_eq!((status.seq, status.last_seq, status.oldest_at), (0, 2, Some(NOON)));
    assert_eq!((status.failing_since, status.last_error.as_deref()), (Some(since), Some("no response")));
    assert!(harness.ledger.bury_domain_event("log", &harness.event, 0, 1, "too large").await.unwrap());
    assert!(!harness.ledger.bury_domain_event("log", &harness.event, 0, 1, "too large").await.unwrap());
    let status = harness.ledger.target_statuses(None).await.unwrap().remove(0);
    assert_eq!((status.seq, status.dead, status.failures), (1, 1, 0));
}

pub(crate) async fn a_replay_sends_the_same_domain_events_again_and_is_audited(store: Store) {
    let harness = LedgerHarness::open(store, 5).await;
    harness.add_target().await;
    harness.order(1).await;
    harness.number().await;
    let before = harness.ledger.domain_events_after(&harness.event, 0, 9).await.unwrap();
    harness.acknowledge(0, 2).await;
    let row = harness.ledger.replay("log", &harness.event, 1, KIM).await.unwrap().unwrap();
    assert_eq!(
        (row.action.as_str(), row.before, row.after),
        ("replay", json!({ "target": "log", "seq": 2 }), json!({ "target": "log", "seq": 0 }))
    );
    assert_eq!(harness.ledger.domain_events_after(&harness.event, 0, 9).await.unwrap(), before);
    assert_eq!(harness.ledger.replay("log", &harness.event, 1, KIM).await.unwrap(), None, "it is there");
    assert_eq!(harness.ledger.replay("kafka", &harness.event, 1, KIM).await.unwrap(), None);
    assert_eq!(harness.audited().await, ["replay", "create"]);
}

pub(crate) async fn only_acknowledged_domain_events_of_settled_events_are_deleted(store: Store) {
    let harness = LedgerHarness::open(store, 1).await;
    harness.add_target().await;
    harness.order(1).await;
    harness.number().await;
    let purge = async || harness.ledger.purge_domain_events(&harness.event, 30 * DAY).await.unwrap();
    harness.clock.advance(31 * DAY);
    let fence = harness.ledger.acquire_leadership(&harness.event).await.unwrap().unwrap().fence;
    assert_eq!(purge().await, 0, "the event is not settled");
    for state in [EventState::Closed, EventState::Settling] {
        harness.ledger.advance(&harness.event, fence, state).await.unwrap();
    }
    harness.ledger.record_closed_seq(&harness.event, fence, 1).await.unwrap();
    harness.ledger.settle(&harness.event, fence, 0).await.unwrap();
    harness.ledger.number_domain_events(&harness.event, fence, 500).await.unwrap();
    harness.acknowledge(0, 3).await;
    assert_eq!(purge().await, 0, "it was settled just now");
    harness.clock.advance(31 * DAY);
    assert_eq!((purge().await, purge().await), (3, 0), "two are not acknowledged");
    assert_eq!(harness.ledger.event(&harness.event).await.unwrap().outbox_purged, 3);
    let row = harness.ledger.replay("log", &harness.event, 1, KIM).await.unwrap();
    assert_eq!(row, None, "nothing is left before the cursor");
}

pub(crate) async fn domain_events_carry_the_full_state(store: Store) {
    let harness = LedgerHarness::open(store, 2).await;
    for number in 1..=2 {
        harness.order(number).await;
    }
    harness.cancel(2).await;
    let call = harness.lease_one().await;
    harness.record(&call, OrderResponse::Deleted).await;
    harness.admit([3]).await;
    let call = harness.lease_one().await;
    harness.record(&call, OrderResponse::Rejected).await;
    harness.changed(Change::Capacity(1)).await;
    let now = harness.ledger.time().await.unwrap();
    for state in [EventState::Closed, EventState::Settling] {
        harness.ledger.advance(&harness.event, harness.fence, state).await.unwrap();
    }
    harness.ledger.record_closed_seq(&harness.event, harness.fence, 5).await.unwrap();
    harness.ledger.settle(&harness.event, harness.fence, 2).await.unwrap();
    let all = harness.all().await;
    let found = |kind: &str| data(all.iter().find(|one| one.kind.as_str() == kind).unwrap());
    let ordered = found("application.ordered");
    assert_eq!((&ordered["guid"], &ordered["order_no"]), (&json!(key(1).guid()), &json!("O-1")));
    let cancelled = found("application.cancelled");
    assert_eq!((&cancelled["by"], &cancelled["order_no"]), (&json!("applicant"), &json!("O-2")));
    assert_eq!(found("application.rejected")["reason"], "order_service");
    let updated = found("event.updated");
    assert_eq!((&updated["changed"], &updated["capacity"]), (&json!(["capacity"]), &json!(1)));
    assert_eq!((&updated["pace_per_s"], &updated["rev"]), (&json!(1000), &json!(2)));
    let counts = json!({ "ordered": 1, "rejected": 1, "cancelled": 1, "expired": 0, "sold_out": 2 });
    let settled = found("event.settled");
    let expected =
        json!({ "event": "spring", "version": 5, "at_ms": now, "settled_seq": 5, "counts": counts });
    assert_eq!(settled, expected);
}

pub(crate) async fn kinds_that_are_switched_off_are_not_written(store: Store) {
    let harness = LedgerHarness::open(store, 5).await;
    let kinds = DomainEventKinds::of([DomainEventKind::ApplicationAdmitted]);
    let ledger = harness.ledger.clone().with_domain_events(kinds);
    ledger.admit(&harness.event, harness.fence, &candidates([1, 2]), QueueReading::default()).await.unwrap();
    ledger.change(&harness.event, None, &Change::Pause, KIM).await.unwrap();
    let all = harness.all().await;
    let expected = ["event.created", "application.admitted", "application.admitted"];
    assert_eq!(self::kinds(&all), expected);
    assert_eq!(data(&all[1])["admitted_at_ms"], NOON);
}
