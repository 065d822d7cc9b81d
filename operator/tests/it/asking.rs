//! Reading: an event with its figures, lists in pages, and answers that need not be sent twice.

use domain::{Epoch, EventState};
use orders::LineStatus;
use serde_json::{Value, json};

use crate::house::{GET, HOUR, House, NOW, VIEWER, settings, spring};

#[tokio::test]
async fn an_event_is_told_with_its_line_and_its_orders() {
    let house = House::open().await;
    let lead = house.book.lead(&spring()).await.unwrap().unwrap();
    let status = LineStatus {
        at: 0,
        epoch: Epoch(3),
        state: EventState::Open,
        seq: 900,
        moved_through: 100,
        waiting: 790,
        closed_seq: None,
        missing: 10,
        armed: true,
        ordered_milli_per_s: 4500,
        oldest_wait_ms: Some(60_000),
    };
    house.book.write_line_status(&spring(), lead.fence, &status).await.unwrap();
    let line = house.get(GET).await.json()["line"].clone();
    let expected = json!({
        "at": "2026-11-22T11:00:00.000Z", "epoch": 3, "state": "open", "seq": 900, "moved_through": 100, "waiting": 790,
        "closed_seq": null, "missing": 10, "armed": true, "ordered_per_s": 4.5, "oldest_wait_ms": 60_000,
    });
    assert_eq!(line, expected);
}

#[tokio::test]
async fn an_event_that_did_not_change_is_not_sent_again() {
    let house = House::open().await;
    let (first, token) = (house.get(GET).await, format!("Bearer {VIEWER}"));
    let ask = async |tag: &str| {
        house.ask("GET", GET, &[("authorization", &token), ("if-none-match", tag)], "").await
    };
    let again = ask(first.header("etag")).await;
    assert_eq!((again.status, again.body.len(), again.header("etag")), (304, 0, first.header("etag")));
    house.turn("/gate/adm/v1/pause/release/spring").await;
    assert_eq!(ask(first.header("etag")).await.status, 200);
    // Its figures count too, although the rev stays.
    let paused = house.get(GET).await;
    house.turn("/gate/adm/v1/resume/release/spring").await;
    let before = house.get(GET).await;
    house.park(1).await;
    house.clock.advance(2000);
    let after = ask(before.header("etag")).await;
    assert_eq!((after.status, &after.json()["rev"]), (200, &json!(3)));
    assert_ne!(paused.header("etag"), before.header("etag"));
}

#[tokio::test]
async fn a_state_is_told_by_its_times_even_if_no_worker_wrote_it_yet() {
    let house = House::open().await;
    let mut states = Vec::new();
    for at in [NOW, NOW + HOUR, NOW + 2 * HOUR] {
        house.clock.set(at);
        states.push(house.get(GET).await.json()["state"].clone());
    }
    assert_eq!(states, ["scheduled", "open", "closed"]);
}

#[tokio::test]
async fn events_and_changes_are_listed_page_by_page() {
    let house = House::empty().await;
    for id in ["a", "b", "c"] {
        let settings = domain::EventSettings { id: id.parse().unwrap(), ..settings() };
        house.book.create_event(&settings, "setup").await.unwrap();
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
        let all = house.get(list).await.json();
        assert_eq!((names(&all), &all["next_cursor"]), (order.map(str::to_owned).to_vec(), &Value::Null));
        let first = house.get(&format!("{list}?limit=2")).await.json();
        assert_eq!(names(&first), order[..2]);
        let cursor = first["next_cursor"].as_str().unwrap();
        let rest = house.get(&format!("{list}?limit=2&cursor={cursor}")).await.json();
        assert_eq!((names(&rest), &rest["next_cursor"]), (vec![order[2].to_owned()], &Value::Null));
        for wrong in
            ["limit=0", "limit=9999", "limit=x", "limit=-1", "cursor=!", "other=1", "limit=1&limit=2"]
        {
            assert_eq!(
                house.get(&format!("{list}?{wrong}")).await.problem(),
                (400, "malformed".into()),
                "{list}?{wrong}"
            );
        }
    }
}

#[tokio::test]
async fn only_parked_applications_are_listed() {
    let house = House::open().await;
    let list = "/application/adm/v1/list/application/spring";
    assert_eq!(house.get(list).await.json(), json!({"items": [], "more": false}));
    house.park(1).await;
    house.park(2).await;
    let first = house.get(&format!("{list}?limit=1")).await.json();
    assert_eq!((first["items"].as_array().unwrap().len(), &first["more"]), (1, &json!(true)));
    for wrong in ["state=ended", "limit=0", "limit=1001"] {
        assert_eq!(
            house.get(&format!("{list}?{wrong}")).await.problem(),
            (400, "malformed".into()),
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn a_room_says_that_it_is_ready_once_its_book_answers() {
    let house = House::open().await;
    let listener = service::http::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    operator::start(crate::house::config(), house.book.clone(), listener, &house.ctx).unwrap();
    let ready = async {
        while !house.ctx.health.readiness(false).ready {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), ready).await.unwrap();
    assert!(house.ctx.health.readiness(false).report.contains("[+]room-book ok"));
}
