//! Changes: the response, the effect, and the row in the audit.

use domain::{Epoch, NO_JOURNAL};
use ledger::JournalReport;
use serde_json::{Value, json};

use crate::harness::{GET, HOUR, NOW, OperatorHarness, PACE, TestResponse, spring};

/// Asserts that the response is the newest row of the audit, at this rev.
async fn assert_audited(harness: &OperatorHarness, response: &TestResponse, action: &str, rev: i64) -> Value {
    let change = response.json();
    assert_eq!(
        (response.status, change["action"].as_str(), change["rev"].as_i64()),
        (200, Some(action), Some(rev)),
        "{change}"
    );
    assert_eq!(response.header("etag"), format!("\"{rev}\""));
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
async fn an_event_with_passes_needs_the_shop_s_page() {
    const CREATE: &str = "/event/adm/v1/create/event";
    let harness = OperatorHarness::empty().await;
    let mut new = new_event("spring");
    new["kind"] = json!("pass");
    for target in [json!(null), json!(""), json!("http://shop.example.com/order"), json!("/order")] {
        new["pass_target"] = target;
        let refused = harness.change("POST", CREATE, "", &new).await;
        assert_eq!((refused.status, &refused.json()["errors"][0]["pointer"]), (422, &json!("/pass_target")));
    }
    new["pass_target"] = json!("https://shop.example.com/order");
    assert_eq!(harness.change("POST", CREATE, "", &new).await.status, 201);
    let update = json!({ "pass_target": "https://shop.example.com/spring" });
    let changed = harness.change("PATCH", "/event/adm/v1/update/event/spring", "\"1\"", &update).await;
    assert_eq!((changed.status, &changed.json()["after"]), (200, &update));
    assert_eq!(harness.get(GET).await.json()["pass_target"], "https://shop.example.com/spring");
    let auto = json!({ "auto_pace": { "min": 5, "max": 40, "target_p95_ms": 1500 } });
    let refused = harness.change("PUT", "/gate/adm/v1/set/auto-pace/spring", "*", &auto).await;
    assert_eq!((refused.status, &refused.json()["errors"][0]["pointer"]), (422, &json!("/auto_pace")));
}

#[tokio::test]
async fn a_new_event_has_its_seats_and_the_default_limits() {
    let harness = OperatorHarness::empty().await;
    let created = harness.change("POST", "/event/adm/v1/create/event", "", &new_event("autumn")).await;
    assert_eq!((created.status, created.header("location")), (201, "/event/adm/v1/get/event/autumn"));
    let event = created.json();
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
    assert_eq!(harness.audit_rows().await, 1);
}

#[tokio::test]
async fn a_setting_changes_under_the_rev_that_was_read() {
    let harness = OperatorHarness::open().await;
    let update = json!({"title": {"ko": "가을", "en": "Autumn"}, "intake": false, "closes_at": "2026-11-22T13:30:00Z", "diverts": ["/products/spring"]});
    let response = harness.change("PATCH", "/event/adm/v1/update/event/spring", "\"1\"", &update).await;
    let change = assert_audited(&harness, &response, "update", 2).await;
    assert_eq!(change["before"]["closes_at"], "2026-11-22T13:00:00.000Z");
    assert_eq!(change["after"]["closes_at"], "2026-11-22T13:30:00.000Z");
    let response =
        harness.change("PUT", PACE, "\"2-0f\"", &json!({"pace": "0.5", "reason": "slow shop"})).await;
    let change = assert_audited(&harness, &response, "pace", 3).await;
    assert_eq!(
        (&change["before"], &change["after"], &change["reason"]),
        (&json!({"pace": "1000"}), &json!({"pace": "0.5"}), &json!("slow shop"))
    );
    let response = harness
        .change("PUT", "/gate/adm/v1/set/in-flight-max/spring", "*", &json!({"in_flight_max": 7}))
        .await;
    assert_audited(&harness, &response, "in_flight_max", 4).await;
    let response = harness
        .change(
            "PUT",
            "/gate/adm/v1/set/capacity/spring",
            "\"4\"",
            &json!({"capacity": 12, "reason": "two more"}),
        )
        .await;
    assert_audited(&harness, &response, "capacity", 5).await;
    let announcement = json!({"announcement": {"ko": "조금 늦어져요", "en": ""}});
    let response =
        harness.change("PUT", "/gate/adm/v1/set/announcement/spring", "\"5\"", &announcement).await;
    assert_audited(&harness, &response, "announcement", 6).await;
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
async fn the_look_changes_part_by_part_and_a_bad_part_is_named() {
    let harness = OperatorHarness::open().await;
    let update = "/event/adm/v1/update/event/spring";
    let look = json!({
        "description": {"ko": "첫 줄\r\n둘째 줄 ", "en": "Two\nlines"}, "color": "#FFE600",
        "picture_url": "https://cdn.example.com/a.jpg", "product_name": {"ko": "감귤", "en": "Mandarins"},
        "product_price": 19900, "product_url": "https://shop.example.com/products/4",
    });
    let response = harness.change("PATCH", update, "\"1\"", &look).await;
    let change = assert_audited(&harness, &response, "update", 2).await;
    assert_eq!(change["after"]["description"]["ko"], "첫 줄\n둘째 줄");
    let response = harness.change("PATCH", update, "\"2\"", &json!({"product_price": 0})).await;
    let change = assert_audited(&harness, &response, "update", 3).await;
    assert_eq!(
        (&change["before"], &change["after"]),
        (&json!({"product_price": 19900}), &json!({"product_price": 0}))
    );
    let event = harness.get(GET).await.json();
    assert_eq!((&event["color"], &event["product_name"]["en"]), (&json!("#FFE600"), &json!("Mandarins")));
    for (body, pointer) in [
        (json!({"color": "red"}), "/color"),
        (json!({"picture_url": "http://cdn.example.com/a.jpg"}), "/picture_url"),
        (json!({"product_name": {"ko": "", "en": ""}}), "/product_name"),
        (json!({"product_price": 1_000_000_001}), "/product_name"),
        (json!({"description": {"ko": "a\n".repeat(9) + "b", "en": ""}}), "/description"),
        (json!({"description": {"ko": "a".repeat(201), "en": ""}}), "/description"),
        (json!({"description": "text"}), "/description"),
    ] {
        let refused = harness.change("PATCH", update, "\"3\"", &body).await;
        assert_eq!(refused.problem(), (422, "validation".into()), "{body}");
        assert_eq!(refused.json()["errors"][0]["pointer"], pointer, "{body}");
    }
    let mut new = new_event("autumn");
    new["color"] = json!("#1d4ed8");
    assert_eq!(
        harness.change("POST", "/event/adm/v1/create/event", "", &new).await.json()["color"],
        "#1d4ed8"
    );
}

#[tokio::test]
async fn release_changes_need_no_rev_and_report_when_nothing_changed() {
    let harness = OperatorHarness::open().await;
    for (path, action, rev) in [
        ("/gate/adm/v1/pause/release/spring", "pause", 2),
        ("/gate/adm/v1/resume/release/spring", "resume", 3),
        ("/gate/adm/v1/drain/release/spring", "drain", 4),
        ("/event/adm/v1/open/event/spring", "open", 5),
    ] {
        let response = harness.post_with_reason(path).await;
        assert_audited(&harness, &response, action, rev).await;
    }
    let again = harness.post_with_reason("/gate/adm/v1/drain/release/spring").await;
    assert_eq!(
        (again.status, &again.json()["changed"], &again.json()["rev"]),
        (200, &json!(false), &json!(5))
    );
    harness.clock.advance(3000);
    let response = harness.post_with_reason("/event/adm/v1/close/event/spring").await;
    assert_audited(&harness, &response, "close", 6).await;
    harness.clock.advance(1000);
    let response = harness.post_with_reason("/event/adm/v1/settle/event/spring").await;
    assert_audited(&harness, &response, "settle", 7).await;
    assert_eq!(harness.get(GET).await.json()["state"], "settling");
    assert_eq!(harness.audit_rows().await, 7);
}

#[tokio::test]
async fn a_frozen_event_shows_why_and_is_unfrozen_with_a_reason() {
    let harness = OperatorHarness::open().await;
    harness.freeze().await;
    let frozen = harness.get(GET).await.json();
    assert!(frozen["frozen"].is_string(), "{frozen}");
    let response = harness.post_with_reason("/gate/adm/v1/unfreeze/event/spring").await;
    let change = assert_audited(&harness, &response, "unfreeze", 2).await;
    assert_eq!((&change["before"]["frozen"], &change["after"]["frozen"]), (&frozen["frozen"], &Value::Null));
    assert_eq!(harness.get(GET).await.json()["frozen"], Value::Null);
}

#[tokio::test]
async fn a_recovery_shows_its_end_and_is_accepted_with_a_reason() {
    let harness = OperatorHarness::open().await;
    let lead = harness.ledger.acquire_leadership(&spring()).await.unwrap().unwrap();
    let journal = JournalReport { id: "4f1c".into(), replayed: Epoch(0) };
    let without = JournalReport { id: NO_JOURNAL.into(), replayed: Epoch(0) };
    harness.ledger.record_journals(&spring(), lead.fence, &[journal, without]).await.unwrap();
    harness.ledger.record_loss(&spring(), lead.fence, Epoch(3), 0, 60_000).await.unwrap();
    let event = harness.get(GET).await.json();
    assert_eq!(event["recover_until"], "2026-11-22T11:01:00.000Z");
    assert_eq!(event["missing_journals"], json!(["4f1c"]));
    let response = harness.post_with_reason("/gate/adm/v1/accept/recovery/spring").await;
    assert_audited(&harness, &response, "accept_recovery", 2).await;
    let event = harness.get(GET).await.json();
    assert_eq!((&event["recover_until"], &event["missing_journals"]), (&Value::Null, &json!([])));
}

#[tokio::test]
async fn a_cloned_event_has_no_announcement() {
    let harness = OperatorHarness::open().await;
    let announcement = json!({"announcement": {"ko": "안내", "en": "Announcement"}});
    harness.change("PUT", "/gate/adm/v1/set/announcement/spring", "*", &announcement).await;
    let copy = json!({"id": "next", "opens_at": "2026-12-01T00:00:00Z", "closes_at": "2026-12-01T01:00:00Z", "reason": "again"});
    let path = "/event/adm/v1/clone/event/spring";
    let created = harness.change("POST", path, "", &copy).await;
    assert_eq!((created.status, created.header("location")), (201, "/event/adm/v1/get/event/next"));
    let event = created.json();
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
async fn of_two_changes_at_the_same_rev_one_succeeds_and_one_gets_412() {
    let harness = OperatorHarness::open().await;
    let tag = harness.get(GET).await.header("etag").to_owned();
    let (a, b) = (json!({"pace": "80"}), json!({"pace": "90"}));
    let (one, other) =
        tokio::join!(harness.change("PUT", PACE, &tag, &a), harness.change("PUT", PACE, &tag, &b));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412]);
    let (winner, loser) = if one.status == 200 { (one, other) } else { (other, one) };
    assert_eq!(loser.problem(), (412, "changed-meanwhile".into()));
    assert_eq!(
        (&loser.json()["current"], &loser.json()["event"]["pace"]),
        (&json!(2), &winner.json()["after"]["pace"])
    );
    assert_eq!(harness.audit_rows().await, 2);
    // A release change honours `If-Match` although it does not require it.
    let stale = harness.change("POST", "/gate/adm/v1/pause/release/spring", &tag, &json!({})).await;
    assert_eq!(stale.problem(), (412, "changed-meanwhile".into()));
}

#[tokio::test]
async fn the_capacity_cannot_fall_below_sold_and_held_seats() {
    let harness = OperatorHarness::open().await;
    harness.park(1).await;
    harness.park(2).await;
    let path = "/gate/adm/v1/set/capacity/spring";
    let response = harness.change("PUT", path, "*", &json!({"capacity": 2, "reason": "less"})).await;
    assert_audited(&harness, &response, "capacity", 2).await;
    let response = harness.change("PUT", path, "*", &json!({"capacity": 1, "reason": "less"})).await;
    assert_eq!(
        (response.problem(), response.json()["least"].clone()),
        ((409, "capacity-too-small".into()), json!(2))
    );
}

#[tokio::test]
async fn a_parked_application_is_retried_or_rejected_once() {
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
    let before = harness.audit_rows().await;
    let retry = format!("/application/adm/v1/retry/application/spring/{key}");
    let response = harness.change("POST", &retry, "", &json!({})).await;
    assert_eq!(
        (response.status, &response.json()["action"], &response.json()["actor"]),
        (200, &json!("retry"), &json!("kim"))
    );
    assert_eq!(harness.change("POST", &retry, "", &json!({})).await.problem(), (404, "not-parked".into()));
    assert_eq!(
        (harness.audit_rows().await, &harness.get(GET).await.json()["under_way"]["parked"]),
        (before + 1, &json!(0))
    );
    let reject = format!("/application/adm/v1/reject/application/spring/{key}");
    assert_eq!(harness.post_with_reason(&reject).await.problem(), (404, "not-parked".into()));
    let other = harness.park(2).await;
    let response =
        harness.post_with_reason(&format!("/application/adm/v1/reject/application/spring/{other}")).await;
    assert_eq!(
        (response.status, &response.json()["after"]["state"]),
        (200, &json!("undoing")),
        "{}",
        response.json()
    );
}

#[tokio::test]
async fn a_change_that_the_state_forbids_gets_409_with_the_state() {
    let harness = OperatorHarness::open().await;
    for (path, state) in [
        ("/event/adm/v1/settle/event/spring", "scheduled"),
        ("/event/adm/v1/close/event/spring", "scheduled"),
    ] {
        let response = harness.post_with_reason(path).await;
        assert_eq!(
            (response.problem(), response.json()["state"].clone()),
            ((409, "not-now".into()), json!(state)),
            "{path}"
        );
    }
    harness.clock.set(NOW + 2 * HOUR + 10_000);
    let response = harness.post_with_reason("/event/adm/v1/open/event/spring").await;
    assert_eq!(
        (response.problem(), response.json()["state"].clone()),
        ((409, "not-now".into()), json!("closed"))
    );
    assert_eq!(harness.audit_rows().await, 1);
}
