//! Times of an event: until when they can be moved, and who opens, closes and settles it.

use domain::{Epoch, EventSettings, EventState};
use ledger::{Change, ChangeError, Error, EventTimes};
use serde_json::json;

use crate::changing::{HOUR, closes_at, opens_at};
use crate::harness::{LedgerHarness, NOON, Store, execute_sql, settings};

pub(crate) async fn opens_at_moves_until_two_seconds_before(store: Store) {
    let harness = LedgerHarness::scheduled(store).await;
    harness.changed(opens_at(NOON + HOUR / 2)).await;
    assert_eq!(
        harness.refused(opens_at(NOON)).await.0,
        EventState::Scheduled,
        "a time in the past is refused"
    );
    assert!(matches!(
        harness.change(opens_at(NOON + 2 * HOUR)).await,
        Err(ChangeError::Ledger(Error::Settings(_)))
    ));
    harness.clock.advance(HOUR / 2 - 2000);
    harness.changed(opens_at(NOON + HOUR / 2 + 1000)).await;
    harness.changed(opens_at(NOON + HOUR / 2)).await;
    harness.clock.advance(1);
    for late in [Change::Open, opens_at(NOON + HOUR)] {
        let (state, why) = harness.refused(late).await;
        assert_eq!((state, why), (EventState::Scheduled, "it opens at its time within two seconds"));
    }
    harness.clock.advance(1999);
    let now = harness.now().await;
    for late in [Change::Open, opens_at(NOON + HOUR)] {
        assert_eq!(
            harness.refused(late).await.0,
            EventState::Open,
            "the state follows the clock, although no leader has recorded it"
        );
    }
    assert_eq!(harness.now().await, now);
}

pub(crate) async fn an_operator_opens_and_closes_an_event_once(store: Store) {
    let harness = LedgerHarness::scheduled(store).await;
    let (state, why) = harness.refused(Change::Close).await;
    assert!(state == EventState::Scheduled && why.contains("hold its intake"), "{why}");
    let row = harness.changed(Change::Open).await;
    assert_eq!((row.before, row.after), (json!({ "opens_at": NOON + HOUR }), json!({ "opens_at": NOON })));
    assert_eq!(harness.refused(Change::Open).await.0, EventState::Open);
    harness.clock.advance(5000);
    let row = harness.changed(Change::Close).await;
    assert_eq!(row.after, json!({ "closes_at": NOON + 5000 }));
    for late in [Change::Close, Change::Open, closes_at(NOON + 3 * HOUR), opens_at(NOON + HOUR)] {
        assert_eq!(harness.refused(late).await.0, EventState::Closed);
    }
    // A state that the leader has recorded counts even if the ledger's clock is behind it.
    let harness = LedgerHarness::scheduled(store).await;
    harness.ledger.advance(&harness.event, harness.fence, EventState::Open).await.unwrap();
    assert_eq!(harness.refused(Change::Open).await.0, EventState::Open);
    harness.ledger.advance(&harness.event, harness.fence, EventState::Closed).await.unwrap();
    assert_eq!(harness.refused(closes_at(NOON + 3 * HOUR)).await.0, EventState::Closed);
}

pub(crate) async fn closes_at_moves_until_two_seconds_before(store: Store) {
    let harness = LedgerHarness::open(store, 3).await;
    harness.changed(closes_at(NOON + 2 * HOUR)).await;
    assert_eq!(harness.refused(closes_at(NOON - 1)).await.0, EventState::Open);
    harness.clock.advance(2 * HOUR - 1999);
    for late in [Change::Close, closes_at(NOON + 3 * HOUR)] {
        let (state, why) = harness.refused(late).await;
        assert_eq!((state, why), (EventState::Open, "it closes at its time within two seconds"));
    }
}

pub(crate) async fn an_operator_settles_only_a_closed_unfrozen_event_after_recovery(store: Store) {
    let harness =
        LedgerHarness::open_with(store, EventSettings { settle_after_close: false, ..settings(3) }).await;
    assert_eq!(harness.refused(Change::Settle).await.0, EventState::Open);
    harness.ledger.record_loss(&harness.event, harness.fence, Epoch(1), 0, 2 * HOUR).await.unwrap();
    harness.clock.advance(HOUR);
    assert!(harness.refused(Change::Settle).await.1.contains("accept the recovery"));
    let recovery = harness.changed(Change::AcceptRecovery).await;
    assert_eq!(recovery.before, json!({ "recover_until": NOON + 2 * HOUR }));
    let event = harness.now().await;
    assert_eq!(event.recover_until, NOON + HOUR, "recovery has ended, and the time of it is kept");
    let (url, schema) = harness.address();
    execute_sql(&url, &format!("UPDATE {schema}event SET frozen = 'examined'")).await.unwrap();
    assert!(harness.refused(Change::Settle).await.1.contains("unfreeze"));
    let unfrozen = harness.changed(Change::Unfreeze).await;
    assert_eq!(
        (unfrozen.before, unfrozen.after),
        (json!({ "frozen": "examined" }), json!({ "frozen": null }))
    );
    let settling = harness.changed(Change::Settle).await;
    assert_eq!(settling.after, json!({ "state": "settling" }));
    assert_eq!(harness.change(Change::Settle).await.unwrap().change, None);
    assert_eq!(harness.domain_events().await, ["event.closed", "event.settling", "event.unfrozen"]);
    assert_eq!(harness.now().await.state, EventState::Settling);
}

pub(crate) async fn the_ledger_adopts_the_times_that_the_queue_kept(store: Store) {
    let harness = LedgerHarness::scheduled(store).await;
    harness.changed(opens_at(NOON + HOUR + 60_000)).await;
    let rev = harness.now().await.rev;
    let kept = EventTimes { opens_at: NOON + HOUR, closes_at: NOON + 2 * HOUR };
    let keep = async |rev| harness.ledger.keep_times(&harness.event, harness.fence, rev, kept).await.unwrap();
    keep(rev - 1).await;
    assert_eq!(harness.now().await.rev, rev, "times of an older rev are ignored");
    keep(rev).await;
    let now = harness.now().await;
    assert_eq!(
        (now.rev, now.settings.opens_at, now.settings.closes_at),
        (rev + 1, kept.opens_at, kept.closes_at)
    );
    keep(rev + 1).await;
    assert_eq!(harness.audited().await, ["keep_times", "update", "create"]);
    let lost = harness.ledger.keep_times(&harness.event, domain::Fence(0), rev, kept).await;
    assert!(matches!(lost, Err(Error::Lost)), "{lost:?}");
}
