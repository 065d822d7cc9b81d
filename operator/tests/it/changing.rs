//! Every change: what it answers, what it does, and the row that it leaves in the audit.

use serde_json::{Value, json};

use crate::harness::{Answer, GET, HOUR, NOW, OperatorHarness, PACE, spring};

/// The answer is the newest row of the audit, under the next rev.
async fn audited(harness: &OperatorHarness, answer: &Answer, action: &str, rev: i64) -> Value {
    let change = answer.json();
    assert_eq!(
        (answer.status, change["action"].as_str(), change["rev"].as_i64()),
        (200, Some(action), Some(rev)),
        "{change}"
    );
    assert_eq!(answer.header("etag"), format!("\"{rev}\""));
    let newest =
        harness.get("/audit/adm/v1/list/change?event=spring&limit=1").await.json()["items"][0].clone();
    assert_eq!(newest, change);
    assert_eq!(
        (&change["actor"], &change["event"], &change["changed"]),
        (&json!("kim"), &json!("spring"), &json!(true))
    );
    change
}

fn new_event(id: &str) -> Value {
    json!({
        "id": id, "title": {"ko": "봄맞이 특가", "en": "Spring special"}, "capacity": 3,
        "opens_at": "2026-11-22T21:00:00+09:00", "closes_at": "2026-11-22T22:00:00+09:00", "pace": 12.5,
    })
}

#[tokio::test]
async fn an_event_is_made_with_its_seats_and_usual_limits() {
    let harness = OperatorHarness::empty().await;
    let made = harness.change("POST", "/event/adm/v1/create/event", "", &new_event("autumn")).await;
    assert_eq!((made.status, made.header("location")), (201, "/event/adm/v1/get/event/autumn"));
    let event = made.json();
    assert_eq!(event["opens_at"], "2026-11-22T12:00:00.000Z");
    assert_eq!(
        (&event["pace"], &event["seats"]["free"], &event["rev"]),
        (&json!("12.5"), &json!(3), &json!(1))
    );
    assert_eq!((&event["in_flight_max"], &event["applications_max"]), (&json!(20), &json!(1_000_000)));
    assert_eq!(
        (&event["release"], &event["state"], &event["queue"]),
        (&json!("running"), &json!("scheduled"), &Value::Null)
    );
    let audit = harness.get("/audit/adm/v1/list/change").await.json();
    let row = &audit["items"][0];
    assert_eq!(
        (&row["action"], &row["actor"], &row["before"]),
        (&json!("create"), &json!("kim"), &json!({}))
    );
    assert_eq!(row["after"]["opens_at"], "2026-11-22T12:00:00.000Z");
    let again = harness.change("POST", "/event/adm/v1/create/event", "", &new_event("autumn")).await;
    assert_eq!((again.problem(), again.json()["current"].clone()), ((409, "event-exists".into()), json!(1)));
    assert_eq!(harness.audited().await, 1);
}

#[tokio::test]
async fn settings_change_one_by_one_under_the_rev_that_was_read() {
    let harness = OperatorHarness::open().await;
    let update = json!({"title": {"ko": "가을", "en": "Autumn"}, "intake": false, "closes_at": "2026-11-22T13:30:00Z", "diverts": ["/products/spring"]});
    let told = harness.change("PATCH", "/event/adm/v1/update/event/spring", "\"1\"", &update).await;
    let change = audited(&harness, &told, "update", 2).await;
    assert_eq!(change["before"]["closes_at"], "2026-11-22T13:00:00.000Z");
    assert_eq!(change["after"]["closes_at"], "2026-11-22T13:30:00.000Z");
    let told = harness.change("PUT", PACE, "\"2-0f\"", &json!({"pace": "0.5", "reason": "slow shop"})).await;
    let change = audited(&harness, &told, "pace", 3).await;
    assert_eq!(
        (&change["before"], &change["after"], &change["reason"]),
        (&json!({"pace": "1000"}), &json!({"pace": "0.5"}), &json!("slow shop"))
    );
    let told = harness
        .change("PUT", "/gate/adm/v1/set/in-flight-max/spring", "*", &json!({"in_flight_max": 7}))
        .await;
    audited(&harness, &told, "in_flight_max", 4).await;
    let told = harness
        .change(
            "PUT",
            "/gate/adm/v1/set/capacity/spring",
            "\"4\"",
            &json!({"capacity": 12, "reason": "two more"}),
        )
        .await;
    audited(&harness, &told, "capacity", 5).await;
    let announcement = json!({"announcement": {"ko": "조금 늦어져요", "en": ""}});
    let told = harness.change("PUT", "/gate/adm/v1/set/announcement/spring", "\"5\"", &announcement).await;
    audited(&harness, &told, "announcement", 6).await;
    let event = harness.get(GET).await.json();
    assert_eq!(
        (&event["pace"], &event["seats"]["free"], &event["intake"]),
        (&json!("0.5"), &json!(12), &json!(false))
    );
    assert_eq!(
        (&event["announcement"]["ko"], &event["diverts"]),
        (&json!("조금 늦어져요"), &json!(["/products/spring"]))
    );
}

#[tokio::test]
async fn valves_turn_without_reading_first_and_tell_when_it_was_so_already() {
    let harness = OperatorHarness::open().await;
    for (path, action, rev) in [
        ("/gate/adm/v1/pause/release/spring", "pause", 2),
        ("/gate/adm/v1/resume/release/spring", "resume", 3),
        ("/gate/adm/v1/drain/release/spring", "drain", 4),
        ("/event/adm/v1/open/event/spring", "open", 5),
    ] {
        let told = harness.turn(path).await;
        audited(&harness, &told, action, rev).await;
    }
    let again = harness.turn("/gate/adm/v1/drain/release/spring").await;
    assert_eq!(
        (again.status, &again.json()["changed"], &again.json()["rev"]),
        (200, &json!(false), &json!(5))
    );
    harness.clock.advance(3000);
    let told = harness.turn("/event/adm/v1/close/event/spring").await;
    audited(&harness, &told, "close", 6).await;
    harness.clock.advance(1000);
    let told = harness.turn("/event/adm/v1/settle/event/spring").await;
    audited(&harness, &told, "settle", 7).await;
    assert_eq!(harness.get(GET).await.json()["state"], "settling");
    assert_eq!(harness.audited().await, 7);
}

#[tokio::test]
async fn a_frozen_event_is_told_and_unfrozen_with_a_reason() {
    let harness = OperatorHarness::open().await;
    harness.freeze().await;
    let frozen = harness.get(GET).await.json();
    assert!(frozen["frozen"].is_string(), "{frozen}");
    let told = harness.turn("/gate/adm/v1/unfreeze/event/spring").await;
    let change = audited(&harness, &told, "unfreeze", 2).await;
    assert_eq!((&change["before"]["frozen"], &change["after"]["frozen"]), (&frozen["frozen"], &Value::Null));
    assert_eq!(harness.get(GET).await.json()["frozen"], Value::Null);
}

#[tokio::test]
async fn a_recovery_is_told_and_accepted_with_a_reason() {
    let harness = OperatorHarness::open().await;
    let lead = harness.ledger.lead(&spring()).await.unwrap().unwrap();
    harness.ledger.hold_release(&spring(), lead.fence, 60_000).await.unwrap();
    assert_eq!(harness.get(GET).await.json()["recover_until"], "2026-11-22T11:01:00.000Z");
    let told = harness.turn("/gate/adm/v1/accept/recovery/spring").await;
    audited(&harness, &told, "accept_recovery", 2).await;
    assert_eq!(harness.get(GET).await.json()["recover_until"], Value::Null);
}

#[tokio::test]
async fn an_event_is_cloned_without_its_announcement() {
    let harness = OperatorHarness::open().await;
    let announcement = json!({"announcement": {"ko": "안내", "en": "Announcement"}});
    harness.change("PUT", "/gate/adm/v1/set/announcement/spring", "*", &announcement).await;
    let copy = json!({"id": "next", "opens_at": "2026-12-01T00:00:00Z", "closes_at": "2026-12-01T01:00:00Z", "reason": "again"});
    let path = "/event/adm/v1/clone/event/spring";
    let made = harness.change("POST", path, "", &copy).await;
    assert_eq!((made.status, made.header("location")), (201, "/event/adm/v1/get/event/next"));
    let event = made.json();
    assert_eq!(
        (&event["capacity"], &event["seats"]["free"], &event["announcement"]["ko"]),
        (&json!(10), &json!(10), &json!(""))
    );
    let row = harness.get("/audit/adm/v1/list/change?event=next").await.json()["items"][0].clone();
    assert_eq!(
        (&row["action"], &row["reason"], &row["before"]["id"]),
        (&json!("clone"), &json!("again"), &json!("spring"))
    );
    let taken = harness.change("POST", path, "", &copy).await;
    assert_eq!(taken.problem(), (409, "event-exists".into()));
}

#[tokio::test]
async fn of_two_operators_who_read_the_same_exactly_one_changes_it() {
    let harness = OperatorHarness::open().await;
    let tag = harness.get(GET).await.header("etag").to_owned();
    let (a, b) = (json!({"pace": "80"}), json!({"pace": "90"}));
    let (one, other) =
        tokio::join!(harness.change("PUT", PACE, &tag, &a), harness.change("PUT", PACE, &tag, &b));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412]);
    let (won, lost) = if one.status == 200 { (one, other) } else { (other, one) };
    assert_eq!(lost.problem(), (412, "changed-meanwhile".into()));
    assert_eq!(
        (&lost.json()["current"], &lost.json()["event"]["pace"]),
        (&json!(2), &won.json()["after"]["pace"])
    );
    assert_eq!(harness.audited().await, 2);
    // A valve honours what it was not asked to tell.
    let stale = harness.change("POST", "/gate/adm/v1/pause/release/spring", &tag, &json!({})).await;
    assert_eq!(stale.problem(), (412, "changed-meanwhile".into()));
}

#[tokio::test]
async fn capacity_never_falls_below_what_is_taken() {
    let harness = OperatorHarness::open().await;
    harness.park(1).await;
    harness.park(2).await;
    let path = "/gate/adm/v1/set/capacity/spring";
    let told = harness.change("PUT", path, "*", &json!({"capacity": 2, "reason": "less"})).await;
    audited(&harness, &told, "capacity", 2).await;
    let told = harness.change("PUT", path, "*", &json!({"capacity": 1, "reason": "less"})).await;
    assert_eq!(
        (told.problem(), told.json()["least"].clone()),
        ((409, "capacity-too-small".into()), json!(2))
    );
}

#[tokio::test]
async fn a_parked_application_is_called_again_or_rejected_once() {
    let harness = OperatorHarness::open().await;
    let key = harness.park(1).await;
    let list = "/application/adm/v1/list/application/spring?state=parked";
    let parked = harness.get(list).await.json();
    assert_eq!(
        (&parked["items"][0]["app_key"], &parked["items"][0]["number"]),
        (&json!(key.to_string()), &json!(1))
    );
    assert_eq!((&parked["items"][0]["guid"], &parked["more"]), (&json!(key.guid()), &json!(false)));
    assert_eq!(harness.get(GET).await.json()["under_way"]["parked"], 1);
    let before = harness.audited().await;
    let requeue = format!("/application/adm/v1/requeue/application/spring/{key}");
    let told = harness.change("POST", &requeue, "", &json!({})).await;
    assert_eq!(
        (told.status, &told.json()["action"], &told.json()["actor"]),
        (200, &json!("retry"), &json!("kim"))
    );
    assert_eq!(harness.change("POST", &requeue, "", &json!({})).await.problem(), (404, "not-parked".into()));
    assert_eq!(
        (harness.audited().await, &harness.get(GET).await.json()["under_way"]["parked"]),
        (before + 1, &json!(0))
    );
    let reject = format!("/application/adm/v1/reject/application/spring/{key}");
    assert_eq!(harness.turn(&reject).await.problem(), (404, "not-parked".into()));
    let other = harness.park(2).await;
    let told = harness.turn(&format!("/application/adm/v1/reject/application/spring/{other}")).await;
    assert_eq!((told.status, &told.json()["after"]["state"]), (200, &json!("undoing")), "{}", told.json());
}

#[tokio::test]
async fn what_the_state_does_not_allow_is_told_with_the_state() {
    let harness = OperatorHarness::open().await;
    for (path, state) in [
        ("/event/adm/v1/settle/event/spring", "scheduled"),
        ("/event/adm/v1/close/event/spring", "scheduled"),
    ] {
        let told = harness.turn(path).await;
        assert_eq!(
            (told.problem(), told.json()["state"].clone()),
            ((409, "not-now".into()), json!(state)),
            "{path}"
        );
    }
    harness.clock.set(NOW + 2 * HOUR + 10_000);
    let told = harness.turn("/event/adm/v1/open/event/spring").await;
    assert_eq!((told.problem(), told.json()["state"].clone()), ((409, "not-now".into()), json!("closed")));
    assert_eq!(harness.audited().await, 1);
}
