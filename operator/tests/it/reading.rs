//! Reads: an event with its figures, lists by page, and conditional requests.

use domain::{Epoch, EventState};
use ledger::QueueStatus;
use serde_json::{Value, json};

use crate::harness::{GET, HOUR, NOW, OperatorHarness, VIEWER, settings, spring};

#[tokio::test]
async fn an_event_shows_the_last_report_of_its_queue() {
    let harness = OperatorHarness::open().await;
    let lead = harness.ledger.acquire_leadership(&spring()).await.unwrap().unwrap();
    let status = QueueStatus {
        at: 0,
        epoch: Epoch(3),
        state: EventState::Open,
        seq: 900,
        highest_seq: 900,
        admitted_through: 100,
        waiting: 790,
        closed_seq: None,
        skipped_numbers: 10,
        armed: true,
        sold_milli_per_s: 4500,
        oldest_wait_ms: Some(60_000),
    };
    harness.ledger.write_queue_status(&spring(), lead.fence, &status).await.unwrap();
    let queue = harness.get(GET).await.json()["queue"].clone();
    let expected = json!({
        "at": "2026-11-22T11:00:00.000Z", "epoch": 3, "state": "open", "seq": 900, "admitted_through": 100, "waiting": 790,
        "closed_seq": null, "skipped_numbers": 10, "armed": true, "ordered_per_s": 4.5, "oldest_wait_ms": 60_000,
    });
    assert_eq!(queue, expected);
}

#[tokio::test]
async fn an_unchanged_event_gets_304_and_new_figures_change_its_etag() {
    let harness = OperatorHarness::open().await;
    let (first, token) = (harness.get(GET).await, format!("Bearer {VIEWER}"));
    let ask = async |tag: &str| {
        harness.request("GET", GET, &[("authorization", &token), ("if-none-match", tag)], "").await
    };
    let again = ask(first.header("etag")).await;
    assert_eq!((again.status, again.body.len(), again.header("etag")), (304, 0, first.header("etag")));
    harness.post_with_reason("/gate/adm/v1/pause/release/spring").await;
    assert_eq!(ask(first.header("etag")).await.status, 200);
    // New figures change the tag although the rev stays.
    let paused = harness.get(GET).await;
    harness.post_with_reason("/gate/adm/v1/resume/release/spring").await;
    let before = harness.get(GET).await;
    harness.park(1).await;
    harness.clock.advance(2000);
    let after = ask(before.header("etag")).await;
    assert_eq!((after.status, &after.json()["rev"]), (200, &json!(3)));
    assert_ne!(paused.header("etag"), before.header("etag"));
}

#[tokio::test]
async fn the_state_follows_the_times_before_a_worker_writes_it() {
    let harness = OperatorHarness::open().await;
    let mut states = Vec::new();
    for at in [NOW, NOW + HOUR, NOW + 2 * HOUR] {
        harness.clock.set(at);
        states.push(harness.get(GET).await.json()["state"].clone());
    }
    assert_eq!(states, ["scheduled", "open", "closed"]);
}

#[tokio::test]
async fn events_and_changes_are_listed_by_page() {
    let harness = OperatorHarness::empty().await;
    for id in ["a", "b", "c"] {
        let settings = domain::EventSettings { id: id.parse().unwrap(), ..settings() };
        harness.ledger.create_event(&settings, "setup").await.unwrap();
    }
    for (list, key, order) in [
        ("/event/adm/v1/list/event", "id", ["a", "b", "c"]),
        ("/audit/adm/v1/list/change", "event", ["c", "b", "a"]),
    ] {
        let names = |page: &Value| -> Vec<String> {
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item[key].as_str().unwrap().to_owned())
                .collect()
        };
        let all = harness.get(list).await.json();
        assert_eq!((names(&all), &all["next_cursor"]), (order.map(str::to_owned).to_vec(), &Value::Null));
        let first = harness.get(&format!("{list}?limit=2")).await.json();
        assert_eq!(names(&first), order[..2]);
        let cursor = first["next_cursor"].as_str().unwrap();
        let rest = harness.get(&format!("{list}?limit=2&cursor={cursor}")).await.json();
        assert_eq!((names(&rest), &rest["next_cursor"]), (vec![order[2].to_owned()], &Value::Null));
        for wrong in
            ["limit=0", "limit=9999", "limit=x", "limit=-1", "cursor=!", "other=1", "limit=1&limit=2"]
        {
            assert_eq!(
                harness.get(&format!("{list}?{wrong}")).await.problem(),
                (400, "malformed".into()),
                "{list}?{wrong}"
            );
        }
    }
}

#[tokio::test]
async fn the_list_of_applications_holds_parked_ones_only() {
    let harness = OperatorHarness::open().await;
    let list = "/application/adm/v1/list/application/spring";
    assert_eq!(harness.get(list).await.json(), json!({"items": [], "more": false}));
    harness.park(1).await;
    harness.park(2).await;
    let first = harness.get(&format!("{list}?limit=1")).await.json();
    assert_eq!((first["items"].as_array().unwrap().len(), &first["more"]), (1, &json!(true)));
    for wrong in ["state=ended", "limit=0", "limit=1001"] {
        assert_eq!(
            harness.get(&format!("{list}?{wrong}")).await.problem(),
            (400, "malformed".into()),
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn the_api_is_ready_once_its_ledger_responds() {
    let harness = OperatorHarness::open().await;
    let listener = service::http::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    operator::start(crate::harness::config(), harness.ledger.clone(), listener, &harness.ctx).unwrap();
    let ready = async {
        while !harness.ctx.health.readiness().ready {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), ready).await.unwrap();
    assert!(harness.ctx.health.readiness().report.contains("[+]operator-ledger ok"));
}
