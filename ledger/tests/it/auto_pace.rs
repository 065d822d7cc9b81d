//! The automatic pace: its steps, and that an operator's change wins.

use domain::event::BadSettings;
use domain::{AutoPace, Fence, Pace, PaceReason, PaceStep};
use ledger::{Change, ChangeError, Error};
use serde_json::json;

use crate::changing::KIM;
use crate::harness::{LedgerHarness, Store};

fn pace(text: &str) -> Pace {
    text.parse().unwrap()
}

fn rules() -> AutoPace {
    AutoPace { min: pace("10"), max: pace("120"), target_p95_ms: 1500 }
}

impl LedgerHarness {
    async fn adjust(&self, from: &str, to: &str) -> Result<bool, Error> {
        let step = PaceStep { to: pace(to), reason: PaceReason::Slow { p95_ms: 1900, target_ms: 1500 } };
        self.ledger.adjust_pace(&self.event, self.fence, &rules(), pace(from), &step).await
    }

    async fn pace(&self) -> (String, bool) {
        let settings = self.now().await.settings;
        (settings.pace.to_string(), settings.auto_pace.is_some())
    }
}

pub(crate) async fn a_step_of_the_automatic_pace_is_audited_with_its_reason(store: Store) {
    let harness = LedgerHarness::open(store, 3).await;
    assert!(!harness.adjust("1000", "84").await.unwrap(), "the pace is not automatic");
    let on = harness.changed(Change::AutoPace(Some(rules()))).await;
    assert_eq!(on.after["pace"], "120", "within the limits from the start");
    assert_eq!(on.after["auto_pace"], json!({ "min": "10", "max": "120", "target_p95_ms": 1500 }));
    assert!(harness.adjust("120", "84").await.unwrap());
    assert!(harness.adjust("84", "5").await.unwrap());
    assert_eq!(harness.pace().await, ("10".into(), true), "within the limits");
    let row = harness.ledger.audit(None, None, 2).await.unwrap().pop().unwrap();
    let audited = (row.rev, row.actor.as_str(), row.action.as_str(), row.reason.as_str());
    assert_eq!(audited, (3, "auto", "adjust_pace", "order p95 1.90 s over 1.50 s"));
    assert_eq!((row.before, row.after), (json!({ "pace": "120" }), json!({ "pace": "84" })));
    let step = PaceStep { to: pace("20"), reason: PaceReason::Fast { p95_ms: 1, target_ms: 1500 } };
    let former = Fence(harness.fence.0 - 1);
    let refused = harness.ledger.adjust_pace(&harness.event, former, &rules(), pace("10"), &step).await;
    assert!(matches!(refused, Err(Error::Lost)), "{refused:?}");
    let swapped = AutoPace { min: pace("2"), max: pace("1"), ..rules() };
    let slow = AutoPace { target_p95_ms: 9000, ..rules() };
    for wrong in [swapped, slow] {
        match harness.change(Change::AutoPace(Some(wrong))).await {
            Err(ChangeError::Ledger(Error::Settings(mistakes))) => {
                assert_eq!(mistakes, [BadSettings::AutoPace]);
            }
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) async fn an_operators_pace_ends_the_automatic_one_and_can_be_undone(store: Store) {
    let harness = LedgerHarness::open(store, 3).await;
    harness.changed(Change::AutoPace(Some(rules()))).await;
    let manual = harness.changed(Change::Pace(pace("30"))).await;
    assert_eq!(harness.pace().await, ("30".into(), false));
    assert!(!harness.adjust("30", "20").await.unwrap());
    harness.changed(Change::Undo(manual.before.as_object().unwrap().clone())).await;
    assert_eq!(harness.pace().await, ("120".into(), true));
    assert!(!harness.adjust("30", "20").await.unwrap(), "the step was decided at another pace");
    harness.changed(Change::AutoPace(None)).await;
    assert_eq!(harness.pace().await, ("120".into(), false));
}

pub(crate) async fn an_automatic_pace_resumes_after_a_pause_with_its_minimum(store: Store) {
    let harness = LedgerHarness::open(store, 3).await;
    harness.changed(Change::AutoPace(Some(rules()))).await;
    harness.changed(Change::Pause).await;
    assert!(!harness.adjust("120", "84").await.unwrap());
    assert_eq!(harness.pace().await, ("120".into(), true));
    let resumed = harness.changed(Change::Resume).await;
    assert_eq!(resumed.after, json!({ "release": "running", "pace": "10" }));
    harness.changed(Change::Drain).await;
    assert!(harness.adjust("10", "40").await.unwrap());
    harness.changed(Change::Resume).await;
    assert_eq!(harness.pace().await, ("40".into(), true), "a drain is no pause");
    let paused = harness.changed(Change::Pause).await;
    harness.changed(Change::Undo(paused.before.as_object().unwrap().clone())).await;
    assert_eq!(harness.pace().await, ("10".into(), true), "an undone pause was one");
}

pub(crate) async fn a_step_does_not_invalidate_what_an_operator_has_read(store: Store) {
    let harness = LedgerHarness::open(store, 3).await;
    harness.changed(Change::AutoPace(Some(rules()))).await;
    assert!(harness.adjust("120", "84").await.unwrap() && harness.adjust("84", "58").await.unwrap());
    let change = async |rev, seats| {
        harness.ledger.change(&harness.event, Some(rev), &Change::Capacity(seats), KIM).await
    };
    assert_eq!(change(2, 5).await.unwrap().event.rev, 5);
    for old in [2, 4, 9] {
        let stale = change(old, 6).await;
        assert!(matches!(stale, Err(ChangeError::Stale { rev: 5 })), "{old}: {stale:?}");
    }
    assert!(harness.adjust("58", "60").await.unwrap());
    assert_eq!(change(5, 6).await.unwrap().event.rev, 7);
}
