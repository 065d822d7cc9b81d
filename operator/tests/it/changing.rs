//! Every change: what it answers, what it does, and the row that it leaves in the audit.

use serde_json::{Value, json};

use crate::house::{Answer, GET, HOUR, House, NOW, PACE, spring};

/// The answer is the newest row of the audit, under the next rev.
async fn audited(house: &House, answer: &Answer, action: &str, rev: i64) -> Value {
    let change = answer.json();
    assert_eq!(
        (answer.status, change["action"].as_str(), change["rev"].as_i64()),
        (200, Some(action), Some(rev)),
        "{change}"
    );
    assert_eq!(answer.header("etag"), format!("\"{rev}\""));
    let newest = house.get("/audit/adm/v1/list/change?event=spring&limit=1").await.json()["items"][0].clone();
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
    let house = House::empty().await;
    let made = house.change("POST", "/event/adm/v1/create/event", "", &new_event("autumn")).await;
    assert_eq!((made.status, made.header("location")), (201, "/event/adm/v1/get/event/autumn"));
    let event = made.json();
    assert_eq!(event["opens_at"], "2026-11-22T12:00:00.000Z");
    assert_eq!(
        (&event["pace"], &event["seats"]["free"], &event["rev"]),
        (&json!("12.5"), &json!(3), &json!(1))
    );
    assert_eq!((&event["in_flight_max"], &event["applications_max"]), (&json!(20), &json!(1_000_000)));
    assert_eq!(
        (&event["release"], &event["state"], &event["line"]),
        (&json!("running"), &json!("scheduled"), &Value::Null)
    );
    let audit = house.get("/audit/adm/v1/list/change").await.json();
    let row = &audit["items"][0];
    assert_eq!(
        (&row["action"], &row["actor"], &row["before"]),
        (&json!("create"), &json!("kim"), &json!({}))
    );
    assert_eq!(row["after"]["opens_at"], "2026-11-22T12:00:00.000Z");
    let again = house.change("POST", "/event/adm/v1/create/event", "", &new_event("autumn")).await;
    assert_eq!((again.problem(), again.json()["current"].clone()), ((409, "event-exists".into()), json!(1)));
    assert_eq!(house.audited().await, 1);
}

#[tokio::test]
async fn settings_change_one_by_one_under_the_rev_that_was_read() {
    let house = House::open().await;
    let update = json!({"title": {"ko": "가을", "en": "Autumn"}, "intake": false, "closes_at": "2026-11-22T13:30:00Z", "diverts": ["/products/spring"]});
    let told = house.change("PATCH", "/event/adm/v1/update/event/spring", "\"1\"", &update).await;
    let change = audited(&house, &told, "update", 2).await;
    assert_eq!(change["before"]["closes_at"], "2026-11-22T13:00:00.000Z");
    assert_eq!(change["after"]["closes_at"], "2026-11-22T13:30:00.000Z");
    let told = house.change("PUT", PACE, "\"2-0f\"", &json!({"pace": "0.5", "reason": "slow shop"})).await;
    let change = audited(&house, &told, "pace", 3).await;
    assert_eq!(
        (&change["before"], &change["after"], &change["reason"]),
        (&json!({"pace": "1000"}), &json!({"pace": "0.5"}), &json!("slow shop"))
    );
    let told =
        house.change("PUT", "/gate/adm/v1/set/in-flight-max/spring", "*", &json!({"in_flight_max": 7})).await;
    audited(&house, &told, "in_flight_max", 4).await;
    let told = house
        .change(
            "PUT",
            "/gate/adm/v1/set/capacity/spring",
            "\"4\"",
            &json!({"capacity": 12, "reason": "two more"}),
        )
        .await;
    audited(&house, &told, "capacity", 5).await;
    let notice = json!({"notice": {"ko": "조금 늦어져요", "en": ""}});
    let told = house.change("PUT", "/gate/adm/v1/set/notice/spring", "\"5\"", &notice).await;
    audited(&house, &told, "notice", 6).await;
    let event = house.get(GET).await.json();
    assert_eq!(
        (&event["pace"], &event["seats"]["free"], &event["intake"]),
        (&json!("0.5"), &json!(12), &json!(false))
    );
    assert_eq!(
        (&event["notice"]["ko"], &event["diverts"]),
        (&json!("조금 늦어져요"), &json!(["/products/spring"]))
    );
}

#[tokio::test]
async fn valves_turn_without_reading_first_and_tell_when_it_was_so_already() {
    let house = House::open().await;
    for (path, action, rev) in [
        ("/gate/adm/v1/pause/release/spring", "pause", 2),
        ("/gate/adm/v1/resume/release/spring", "resume", 3),
        ("/gate/adm/v1/drain/release/spring", "drain", 4),
        ("/event/adm/v1/open/event/spring", "open", 5),
    ] {
        let told = house.turn(path).await;
        audited(&house, &told, action, rev).await;
    }
    let again = house.turn("/gate/adm/v1/drain/release/spring").await;
    assert_eq!(
        (again.status, &again.json()["changed"], &again.json()["rev"]),
        (200, &json!(false), &json!(5))
    );
    house.clock.advance(3000);
    let told = house.turn("/event/adm/v1/close/event/spring").await;
    audited(&house, &told, "close", 6).await;
    house.clock.advance(1000);
    let told = house.turn("/event/adm/v1/settle/event/spring").await;
    audited(&house, &told, "settle", 7).await;
    assert_eq!(house.get(GET).await.json()["state"], "settling");
    assert_eq!(house.audited().await, 7);
}

#[tokio::test]
async fn a_frozen_event_is_told_and_unfrozen_with_a_reason() {
    let house = House::open().await;
    house.freeze().await;
    let frozen = house.get(GET).await.json();
    assert!(frozen["frozen"].is_string(), "{frozen}");
    let told = house.turn("/gate/adm/v1/unfreeze/event/spring").await;
    let change = audited(&house, &told, "unfreeze", 2).await;
    assert_eq!((&change["before"]["frozen"], &change["after"]["frozen"]), (&frozen["frozen"], &Value::Null));
    assert_eq!(house.get(GET).await.json()["frozen"], Value::Null);
}

#[tokio::test]
async fn a_recovery_is_told_and_accepted_with_a_reason() {
    let house = House::open().await;
    let lead = house.book.lead(&spring()).await.unwrap().unwrap();
    house.book.hold_release(&spring(), lead.fence, 60_000).await.unwrap();
    assert_eq!(house.get(GET).await.json()["recover_until"], "2026-11-22T11:01:00.000Z");
    let told = house.turn("/gate/adm/v1/accept/recovery/spring").await;
    audited(&house, &told, "accept_recovery", 2).await;
    assert_eq!(house.get(GET).await.json()["recover_until"], Value::Null);
}

#[tokio::test]
async fn an_event_is_cloned_without_its_notice() {
    let house = House::open().await;
    let notice = json!({"notice": {"ko": "안내", "en": "Notice"}});
    house.change("PUT", "/gate/adm/v1/set/notice/spring", "*", &notice).await;
    let copy = json!({"id": "next", "opens_at": "2026-12-01T00:00:00Z", "closes_at": "2026-12-01T01:00:00Z", "reason": "again"});
    let path = "/event/adm/v1/clone/event/spring";
    let made = house.change("POST", path, "", &copy).await;
    assert_eq!((made.status, made.header("location")), (201, "/event/adm/v1/get/event/next"));
    let event = made.json();
    assert_eq!(
        (&event["capacity"], &event["seats"]["free"], &event["notice"]["ko"]),
        (&json!(10), &json!(10), &json!(""))
    );
    let row = house.get("/audit/adm/v1/list/change?event=next").await.json()["items"][0].clone();
    assert_eq!(
        (&row["action"], &row["reason"], &row["before"]["id"]),
        (&json!("clone"), &json!("again"), &json!("spring"))
    );
    let taken = house.change("POST", path, "", &copy).await;
    assert_eq!(taken.problem(), (409, "event-exists".into()));
}

#[tokio::test]
async fn of_two_operators_who_read_the_same_exactly_one_changes_it() {
    let house = House::open().await;
    let tag = house.get(GET).await.header("etag").to_owned();
    let (a, b) = (json!({"pace": "80"}), json!({"pace": "90"}));
    let (one, other) = tokio::join!(house.change("PUT", PACE, &tag, &a), house.change("PUT", PACE, &tag, &b));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412]);
    let (won, lost) = if one.status == 200 { (one, other) } else { (other, one) };
    assert_eq!(lost.problem(), (412, "changed-meanwhile".into()));
    assert_eq!(
        (&lost.json()["current"], &lost.json()["event"]["pace"]),
        (&json!(2), &won.json()["after"]["pace"])
    );
    assert_eq!(house.audited().await, 2);
    // A valve honours what it was not asked to tell.
    let stale = house.change("POST", "/gate/adm/v1/pause/release/spring", &tag, &json!({})).await;
    assert_eq!(stale.problem(), (412, "changed-meanwhile".into()));
}

#[tokio::test]
async fn capacity_never_falls_below_what_is_taken() {
    let house = House::open().await;
    house.park(1).await;
    house.park(2).await;
    let path = "/gate/adm/v1/set/capacity/spring";
    let told = house.change("PUT", path, "*", &json!({"capacity": 2, "reason": "less"})).await;
    audited(&house, &told, "capacity", 2).await;
    let told = house.change("PUT", path, "*", &json!({"capacity": 1, "reason": "less"})).await;
    assert_eq!(
        (told.problem(), told.json()["least"].clone()),
        ((409, "capacity-too-small".into()), json!(2))
    );
}

#[tokio::test]
async fn a_parked_application_is_called_again_or_rejected_once() {
    let house = House::open().await;
    let key = house.park(1).await;
    let list = "/application/adm/v1/list/application/spring?state=parked";
    let parked = house.get(list).await.json();
    assert_eq!(
        (&parked["items"][0]["app_key"], &parked["items"][0]["number"]),
        (&json!(key.to_string()), &json!(1))
    );
    assert_eq!((&parked["items"][0]["guid"], &parked["more"]), (&json!(key.guid()), &json!(false)));
    assert_eq!(house.get(GET).await.json()["under_way"]["parked"], 1);
    let before = house.audited().await;
    let requeue = format!("/application/adm/v1/requeue/application/spring/{key}");
    let told = house.change("POST", &requeue, "", &json!({})).await;
    assert_eq!(
        (told.status, &told.json()["action"], &told.json()["actor"]),
        (200, &json!("retry"), &json!("kim"))
    );
    assert_eq!(house.change("POST", &requeue, "", &json!({})).await.problem(), (404, "not-parked".into()));
    assert_eq!(
        (house.audited().await, &house.get(GET).await.json()["under_way"]["parked"]),
        (before + 1, &json!(0))
    );
    let reject = format!("/application/adm/v1/reject/application/spring/{key}");
    assert_eq!(house.turn(&reject).await.problem(), (404, "not-parked".into()));
    let other = house.park(2).await;
    let told = house.turn(&format!("/application/adm/v1/reject/application/spring/{other}")).await;
    assert_eq!((told.status, &told.json()["after"]["state"]), (200, &json!("undoing")), "{}", told.json());
}

#[tokio::test]
async fn what_the_state_does_not_allow_is_told_with_the_state() {
    let house = House::open().await;
    for (path, state) in [
        ("/event/adm/v1/settle/event/spring", "scheduled"),
        ("/event/adm/v1/close/event/spring", "scheduled"),
    ] {
        let told = house.turn(path).await;
        assert_eq!(
            (told.problem(), told.json()["state"].clone()),
            ((409, "not-now".into()), json!(state)),
            "{path}"
        );
    }
    house.clock.set(NOW + 2 * HOUR + 10_000);
    let told = house.turn("/event/adm/v1/open/event/spring").await;
    assert_eq!((told.problem(), told.json()["state"].clone()), ((409, "not-now".into()), json!("closed")));
    assert_eq!(house.audited().await, 1);
}
