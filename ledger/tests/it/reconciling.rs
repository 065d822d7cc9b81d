//! A ledger that was put back to an older state takes back from the queue what it has lost.

use domain::{AppKey, ApplicationState, CalledWindow, EventSettings, Kind, Outcome};
use ledger::{Change, OrderResponse, QueueReading, QueueRecord};

use crate::harness::{LedgerHarness, NOON, Store, candidates, key, settings};

const UNTIL: i64 = NOON + 3_600_000;

fn record(n: u32, outcome: Option<Outcome>, cancel_requested: bool) -> QueueRecord {
    QueueRecord {
        number: domain::Number::new(n).unwrap(),
        app_key: key(n),
        outcome,
        order_no: None,
        called: None,
        cancel_requested,
        is_withdrawn_after_reading: false,
    }
}

fn withdrawn(n: u32, is_read: bool) -> QueueRecord {
    QueueRecord { is_withdrawn_after_reading: is_read, ..record(n, Some(Outcome::Cancelled), true) }
}

async fn state_of(harness: &LedgerHarness, n: u32) -> ApplicationState {
    harness.ledger.applications(&harness.event, n - 1, 1).await.unwrap()[0].state
}

/// How many applications were added, and how many wait for a seat.
async fn reconcile(
    harness: &LedgerHarness,
    records: &[QueueRecord],
) -> Result<(usize, usize), ledger::Error> {
    let reconciled = harness.ledger.reconcile(&harness.event, harness.fence, records).await?;
    Ok((reconciled.added, reconciled.without_seat))
}

pub(crate) async fn lost_applications_get_their_seats_back_as_called_before(store: Store) {
    let harness = LedgerHarness::open(store, 4).await;
    harness.admit(1..=1).await;
    let records = [
        record(1, Some(Outcome::Ordered), false),
        record(2, Some(Outcome::Ordered), false),
        record(3, None, false),
        record(4, Some(Outcome::Rejected), false),
        record(5, Some(Outcome::Cancelled), true),
        record(6, Some(Outcome::Ordered), true),
    ];
    assert_eq!(reconcile(&harness, &records).await.unwrap(), (5, 0));
    assert_eq!(reconcile(&harness, &records).await.unwrap(), (0, 0), "repeating it adds nothing");
    assert_eq!(harness.seats().await, (0, 4, 0));
    let state = async |n: u32| state_of(&harness, n).await;
    assert_eq!(state(2).await, ApplicationState::Ordering { attempts: 1 });
    assert_eq!(state(3).await, ApplicationState::Ordering { attempts: 1 });
    assert_eq!(state(4).await, ApplicationState::Ended(Outcome::Rejected));
    assert_eq!(state(5).await, ApplicationState::Ended(Outcome::Cancelled));
    assert!(matches!(state(6).await, ApplicationState::Undoing { .. }), "its order is deleted first");
}

pub(crate) async fn a_lost_cancel_request_is_repeated(store: Store) {
    let harness = LedgerHarness::open(store, 4).await;
    harness.admit(1..=2).await;
    harness.order(1).await;
    let records = [record(1, Some(Outcome::Cancelled), true), record(2, None, false)];
    assert_eq!(reconcile(&harness, &records).await.unwrap(), (0, 0));
    let first = state_of(&harness, 1).await;
    assert!(matches!(first, ApplicationState::Undoing { .. }), "{first:?}");
    let changes = harness.now().await.changes;
    harness.ledger.end_reconciliation(&harness.event, harness.fence, changes + 5).await.unwrap();
    assert_eq!(harness.now().await.changes, changes + 5);
    let second = state_of(&harness, 2).await;
    assert_eq!(second, ApplicationState::Ordering { attempts: 1 }, "it may have been called since");
}

pub(crate) async fn an_order_that_was_made_since_is_deleted_before_its_seat_is_free(store: Store) {
    let harness = LedgerHarness::open(store, 4).await;
    harness.admit(1..=3).await;
    let records = [
        record(1, Some(Outcome::Ordered), true),
        record(2, Some(Outcome::Rejected), false),
        record(3, Some(Outcome::Cancelled), true),
    ];
    assert_eq!(reconcile(&harness, &records).await.unwrap(), (0, 0));
    for n in [1, 2, 3] {
        let state = state_of(&harness, n).await;
        assert!(matches!(state, ApplicationState::Undoing { .. }), "{n}: {state:?}");
    }
    assert_eq!(harness.seats().await, (1, 3, 0));
}

pub(crate) async fn a_lost_withdrawn_application_is_deleted_first_if_admission_read_it(store: Store) {
    let harness = LedgerHarness::open(store, 2).await;
    let records = [withdrawn(1, true), withdrawn(2, false), record(3, Some(Outcome::Ordered), false)];
    assert_eq!(reconcile(&harness, &records).await.unwrap(), (3, 0));
    let first = state_of(&harness, 1).await;
    assert!(matches!(first, ApplicationState::Undoing { .. }), "{first:?}");
    assert_eq!(state_of(&harness, 2).await, ApplicationState::Ended(Outcome::Cancelled), "it was never read");
    assert_eq!(harness.seats().await, (0, 2, 0));
}

pub(crate) async fn of_too_few_seats_none_was_a_withdrawn_applications(store: Store) {
    let harness = LedgerHarness::open(store, 1).await;
    let records = [withdrawn(1, true), record(2, Some(Outcome::Ordered), false)];
    assert_eq!(reconcile(&harness, &records).await.unwrap(), (1, 1), "the admitted one has the seat");
    let call = harness.lease_one().await;
    assert_eq!(call.number.get(), 2);
    harness.record(&call, OrderResponse::Created("O-2".into())).await;
    assert_eq!(reconcile(&harness, &records).await.unwrap(), (1, 0));
    assert_eq!(state_of(&harness, 1).await, ApplicationState::Ended(Outcome::Cancelled));
}

pub(crate) async fn too_few_seats_freeze_the_event_until_there_are_enough(store: Store) {
    let harness = LedgerHarness::open(store, 1).await;
    let records = [record(1, Some(Outcome::Ordered), false), record(2, None, false)];
    assert_eq!(reconcile(&harness, &records).await.unwrap(), (1, 1), "the first may still free its seat");
    harness.order(1).await;
    let refused = reconcile(&harness, &records).await.unwrap_err().to_string();
    assert!(refused.contains("1 more are needed") && refused.contains("raise the capacity"), "{refused}");
    harness.changed(Change::Capacity(2)).await;
    harness.changed(Change::Unfreeze).await;
    assert_eq!(reconcile(&harness, &records).await.unwrap(), (1, 0));
}

pub(crate) async fn another_application_under_a_number_freezes_the_event(store: Store) {
    let harness = LedgerHarness::open(store, 3).await;
    harness.admit(1..=1).await;
    let other = QueueRecord { app_key: AppKey([9; 16]), ..record(1, None, false) };
    assert!(matches!(reconcile(&harness, &[other]).await, Err(ledger::Error::Frozen(_))));
}

pub(crate) async fn nothing_is_admitted_by_a_ledger_that_is_behind(store: Store) {
    let harness = LedgerHarness::open(store, 3).await;
    let changes = harness.admit(1..=1).await.changes;
    let (ledger, event, fence) = (&harness.ledger, &harness.event, harness.fence);
    let admitted =
        ledger.admit(event, fence, &candidates([2]), QueueReading { now: 0, changes: changes + 1 }).await;
    assert!(matches!(admitted, Err(ledger::Error::Behind)), "{admitted:?}");
    let handled = ledger.handle_inbox(event, fence, &[], 5, changes + 1).await;
    assert!(matches!(handled, Err(ledger::Error::Behind)), "{handled:?}");
    ledger.admit(event, fence, &candidates([2]), QueueReading { now: 0, changes }).await.unwrap();
}

pub(crate) async fn later_settings_of_the_queue_are_adopted_with_their_seats(store: Store) {
    let harness = LedgerHarness::open(store, 3).await;
    let event = harness.now().await;
    let later = domain::EventSettings { capacity: 5, ..event.settings.clone() };
    let adopt = async |rev, settings| {
        harness.ledger.adopt_settings(&harness.event, harness.fence, rev, settings).await.unwrap();
    };
    adopt(event.rev + 4, &later).await;
    let adopted = harness.now().await;
    assert_eq!((adopted.rev, adopted.settings), (event.rev + 4, later.clone()));
    assert_eq!(harness.ledger.seats(&harness.event).await.unwrap().free, 5);
    assert_eq!(harness.audited().await[0], "adopt_settings");
    adopt(event.rev + 4, &event.settings).await;
    assert_eq!(harness.now().await.settings.capacity, 5, "not twice under one rev");
}

pub(crate) async fn a_called_applicant_is_called_again_unless_confirmed(store: Store) {
    let settings = EventSettings { kind: Kind::Confirm, ..settings(6) };
    let harness = LedgerHarness::open_with(store, settings).await;
    harness.admit(1..=3).await;
    let window = |confirmed| Some(CalledWindow { until: UNTIL, extended: true, confirmed });
    let records = [
        QueueRecord { called: window(false), ..record(1, None, false) },
        QueueRecord { called: window(true), ..record(2, None, false) },
        record(3, Some(Outcome::Expired), false),
        QueueRecord { called: window(false), ..record(4, None, false) },
        QueueRecord { called: window(true), ..record(5, None, false) },
        QueueRecord { called: window(false), ..record(6, None, true) },
        QueueRecord { called: window(true), ..record(7, None, true) },
    ];
    assert_eq!(reconcile(&harness, &records).await.unwrap(), (4, 0));
    assert_eq!(reconcile(&harness, &records).await.unwrap(), (0, 0), "repeating it adds nothing");
    let state = async |n: u32| state_of(&harness, n).await;
    let called = ApplicationState::Called { until: UNTIL, extended: true };
    assert_eq!((state(1).await, state(4).await), (called, called));
    assert_eq!(state(2).await, ApplicationState::Ordering { attempts: 0 }, "counted at the end");
    assert_eq!(state(3).await, ApplicationState::Ended(Outcome::Expired));
    assert_eq!(state(5).await, ApplicationState::Ordering { attempts: 1 }, "there may be an order");
    assert_eq!(state(6).await, ApplicationState::Ended(Outcome::Cancelled), "there is none");
    assert!(matches!(state(7).await, ApplicationState::Undoing { .. }), "there may be an order");
    assert_eq!(harness.seats().await, (1, 5, 0));
}

pub(crate) async fn an_order_that_the_shop_reported_is_taken_back_with_its_number(store: Store) {
    let settings = EventSettings {
        kind: Kind::Pass,
        pass_target: "https://shop.example.com/order".into(),
        ..settings(3)
    };
    let harness = LedgerHarness::open_with(store, settings).await;
    harness.clock.advance(2000);
    harness.admit(1..=1).await;
    let window = Some(CalledWindow { until: UNTIL, extended: false, confirmed: false });
    let ordered = |n| QueueRecord {
        order_no: Some(format!("A-{n}")),
        called: window,
        ..record(n, Some(Outcome::Ordered), false)
    };
    let records = [ordered(1), ordered(2), QueueRecord { called: window, ..record(3, None, false) }];
    assert_eq!(reconcile(&harness, &records).await.unwrap(), (2, 0));
    assert_eq!(reconcile(&harness, &records).await.unwrap(), (0, 0), "repeating it adds nothing");
    assert_eq!(harness.seats().await, (0, 1, 2));
    let rows = harness.ledger.applications(&harness.event, 0, 9).await.unwrap();
    let numbers: Vec<_> = rows.iter().map(|row| row.order_no.as_deref()).collect();
    assert_eq!(numbers, [Some("A-1"), Some("A-2"), None]);
    assert_eq!(rows[2].state, ApplicationState::Called { until: UNTIL, extended: false });
    let cancelled = QueueRecord { outcome: Some(Outcome::Cancelled), order_no: None, ..ordered(1) };
    assert_eq!(reconcile(&harness, &[cancelled]).await.unwrap(), (0, 0), "the shop cancelled it since");
    assert_eq!((harness.state_of(1).await, harness.seats().await), ("cancelled".into(), (1, 1, 1)));
}
