//! Previews, and undoing the last change.

use serde_json::{Value, json};

use crate::harness::{GET, HOUR, NOW, OperatorHarness, PACE, TestResponse};
use crate::live::report;

const PREVIEW: &str = "/gate/adm/v1/preview/change/spring";

async fn undo(harness: &OperatorHarness, rev: i64) -> TestResponse {
    harness.change("POST", &format!("/audit/adm/v1/undo/change/spring/{rev}"), "", &json!({})).await
}

#[tokio::test]
async fn the_last_change_is_undone_within_five_minutes() {
    let harness = OperatorHarness::open().await;
    harness.change("PUT", PACE, "*", &json!({"pace": "80", "reason": "faster"})).await;
    let undone = undo(&harness, 2).await;
    assert_eq!((undone.status, undone.header("etag")), (200, "\"3\""));
    let change = undone.json();
    assert_eq!(
        (&change["action"], &change["actor"], &change["after"]["pace"]),
        (&json!("undo"), &json!("kim"), &json!("1000"))
    );
    assert_eq!(harness.get(GET).await.json()["pace"], "1000");
    // What was undone can be undone in turn: that is a redo.
    assert_eq!(undo(&harness, 3).await.json()["after"]["pace"], "80");
    harness.post_with_reason("/gate/adm/v1/pause/release/spring").await;
    let late = undo(&harness, 4).await;
    assert_eq!(late.problem(), (412, "changed-meanwhile".into()), "another change came after it");
    assert_eq!(late.json()["event"]["release"], "paused");
    harness.clock.advance(5 * 60_000 + 1000);
    assert_eq!(undo(&harness, 5).await.problem(), (410, "too-late".into()));
    assert_eq!(undo(&harness, 99).await.problem(), (404, "unknown-change".into()));
    assert_eq!(harness.audit_rows().await, 5);
}

#[tokio::test]
async fn a_change_that_turned_applicants_away_cannot_be_undone() {
    let harness = OperatorHarness::open().await;
    assert_eq!(undo(&harness, 1).await.problem(), (409, "not-undoable".into()), "the creation");
    harness.clock.set(NOW + HOUR + 3000);
    harness.post_with_reason("/event/adm/v1/close/event/spring").await;
    assert_eq!(undo(&harness, 2).await.problem(), (409, "not-undoable".into()));
    assert_eq!(harness.get(GET).await.json()["state"], "closed");
}

#[tokio::test]
async fn a_preview_shows_the_effect_and_changes_nothing() {
    let harness = OperatorHarness::open().await;
    harness.clock.set(NOW + HOUR + 3000);
    harness.change("PUT", PACE, "*", &json!({"pace": "2"})).await;
    report(&harness, 100, 90).await;
    harness.clock.advance(1000);
    tokio::time::sleep(std::time::Duration::from_millis(900)).await;
    let preview = async |body: Value| harness.change("POST", PREVIEW, "", &body).await.json();
    let faster = preview(json!({"action": "pace", "pace": "5"})).await;
    assert_eq!((&faster["before"], &faster["after"]), (&json!({"pace": "2"}), &json!({"pace": "5"})));
    assert_eq!(
        (&faster["rev"], &faster["severity"], &faster["undoable"], &faster["changed"]),
        (&json!(2), &json!("moderate"), &json!(true), &json!(true))
    );
    assert_eq!(
        faster["effects"],
        json!([{"code": "remaining", "before_s": 5, "after_s": 2}, {"code": "more_than_double"}])
    );
    let fewer = preview(json!({"action": "capacity", "capacity": 4})).await;
    assert_eq!(fewer["severity"], "severe");
    assert_eq!(fewer["effects"][0], json!({"code": "in_range", "before": 10, "after": 4}));
    let close = preview(json!({"action": "close"})).await;
    assert_eq!((&close["severity"], &close["undoable"]), (&json!("severe"), &json!(false)));
    assert_eq!(close["effects"][1], json!({"code": "keep_place", "waiting": 90}));
    let same = preview(json!({"action": "resume"})).await;
    assert_eq!((&same["changed"], &same["after"]), (&json!(false), &json!({})));
    let off = preview(json!({"action": "update", "update": {"intake": false}})).await;
    assert_eq!(off["effects"], json!([{"code": "intake_held"}]));
    let settle = harness.change("POST", PREVIEW, "", &json!({"action": "settle"})).await;
    assert_eq!(settle.problem(), (409, "not-now".into()));
    let missing = harness.change("POST", PREVIEW, "", &json!({"action": "pace"})).await;
    assert_eq!((missing.status, &missing.json()["errors"][0]["pointer"]), (422, &json!("/pace")));
    assert_eq!(harness.audit_rows().await, 2);
}

#[tokio::test]
async fn a_preview_refuses_a_capacity_below_sold_and_held_seats() {
    let harness = OperatorHarness::open().await;
    harness.park(1).await;
    harness.park(2).await;
    let response = harness.change("POST", PREVIEW, "", &json!({"action": "capacity", "capacity": 1})).await;
    assert_eq!(
        (response.problem(), &response.json()["least"]),
        ((409, "capacity-too-small".into()), &json!(2))
    );
}
