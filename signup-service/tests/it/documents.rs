//! The public documents: rendered by the refresher, handed out as they are.

use axum::body::Body;
use axum::http::Request;
use domain::event::Text;
use domain::{EventState, Release};
use queue::Projection;
use serde_json::json;

use crate::house::{CLOSES, House, OPENS, PHONE, PROGRESS, spring};

#[tokio::test]
async fn the_progress_document_says_all_that_a_page_counts_with() {
    let mut house = House::open().await;
    house.crowd(3).await;
    house.moved(1).await;
    house.clock.advance(500);
    house
        .project(|p| {
            p.settings.pace = "0.25".parse().unwrap();
            p.settings.notice = Text { ko: "천천히".into(), en: "Slowly".into() };
            (p.figures.sold, p.figures.held, p.figures.free) = (1, 0, 1);
        })
        .await;
    let answer = house.get(PROGRESS).await;
    assert_eq!(answer.header("cache-control"), "public, max-age=1, stale-while-revalidate=4");
    let expected = json!({
        "event": "spring", "epoch": 1, "state": "open", "stock": "available", "capacity": 2, "sold": 1,
        "last_number": 3, "moved_through": 1, "gaps": [], "pace": 0.25, "paused": false, "intake": true,
        "notice": { "ko": "천천히", "en": "Slowly" }, "opens_at_ms": OPENS, "closes_at_ms": CLOSES,
        "poll": { "near_ms": 1000, "far_ms": 10_000 }, "server_time_ms": OPENS + 1500, "book_age_ms": 1500,
    });
    assert_eq!(answer.json(), expected);
}

#[tokio::test]
async fn a_known_document_is_not_sent_again_until_it_changes() {
    let mut house = House::open().await;
    let etag = house.get(PROGRESS).await.header("etag").to_owned();
    let again = async |house: &House, etag: &str| {
        let request = Request::get(PROGRESS).header("if-none-match", etag).body(Body::empty()).unwrap();
        house.send(request).await
    };
    house.clock.advance(300);
    house.desk.refresh().await;
    let same = again(&house, &etag).await;
    assert_eq!((same.status, same.body.len(), same.header("etag")), (304, 0, etag.as_str()));
    house.project(|p| p.settings.release = Release::Paused).await;
    let changed = again(&house, &etag).await;
    assert_eq!((changed.status, changed.json()["paused"].clone()), (200, json!(true)));
}

#[tokio::test]
async fn a_silent_book_changes_the_document_every_five_seconds() {
    let house = House::open().await;
    let before = house.get(PROGRESS).await.header("etag").to_owned();
    house.clock.advance(5000);
    house.desk.refresh().await;
    assert_ne!(house.get(PROGRESS).await.header("etag"), before);
}

#[tokio::test]
async fn a_poll_reads_no_line() {
    let mut house = House::open().await;
    let before = house.get(PROGRESS).await.body;
    // The line goes on; the document stays until the refresher looks.
    let mut projection: Projection = house.projection.clone();
    (projection.round, projection.figures.sold) = (90, 2);
    house.line.project(&spring(), 1, projection).await.unwrap();
    house.clock.advance(100);
    assert_eq!(house.get(PROGRESS).await.body, before);
    house.projection.round = 91;
    house.project(|_| ()).await;
    assert_ne!(house.get(PROGRESS).await.body, before);
}

#[tokio::test]
async fn the_state_follows_the_clock_with_the_next_refresh() {
    let house = House::open().await;
    for (at, state) in [(OPENS - 1, "scheduled"), (OPENS, "open"), (CLOSES - 1, "open"), (CLOSES, "closed")] {
        house.clock.set(at);
        house.desk.refresh().await;
        assert_eq!(house.get(PROGRESS).await.json()["state"], state);
    }
}

#[tokio::test]
async fn sold_out_is_said_when_no_seat_is_free_or_held_and_taken_back_when_one_is() {
    let mut house = House::open().await;
    for (free, held, stock) in [(0, 0, "sold_out"), (0, 1, "available"), (1, 0, "available")] {
        house.project(|p| (p.figures.free, p.figures.held) = (free, held)).await;
        assert_eq!(house.get(PROGRESS).await.json()["stock"], stock);
    }
}

#[tokio::test]
async fn before_the_line_is_known_every_document_is_503_and_the_desk_not_ready() {
    let house = House::unarmed().await;
    house.desk.refresh().await;
    for path in [
        PROGRESS,
        "/event/com/v1/get/event/spring",
        "/event/com/v1/list/event",
        "/event/com/v1/get/time/spring",
    ] {
        assert_eq!(house.get(path).await.problem(), (503, "temporarily-unavailable".into()), "{path}");
    }
    assert!(!house.ctx.health.readiness(false).ready);
    house.arm("spring").await;
    house.line.publish(&[spring()]).await.unwrap();
    house.desk.refresh().await;
    assert!(house.ctx.health.readiness(false).ready);
    assert_eq!(house.get(PROGRESS).await.status, 200);
}

#[tokio::test]
async fn an_event_that_cannot_be_read_warns_and_takes_no_other_down() {
    let house = House::unarmed().await;
    house.arm("spring").await;
    house.line.publish(&[spring(), "summer".parse().unwrap()]).await.unwrap();
    house.desk.refresh().await;
    let readiness = house.ctx.health.readiness(false);
    assert!(
        readiness.ready && readiness.report.contains("[!]signup-documents summer"),
        "{}",
        readiness.report
    );
    assert_eq!(house.get(PROGRESS).await.status, 200);
    let other = house.get("/event/com/v1/get/progress/summer").await;
    assert_eq!(other.problem(), (503, "temporarily-unavailable".into()));
}

#[tokio::test]
async fn the_list_has_every_event_in_the_catalogue_s_order() {
    let house = House::open().await;
    house.arm("autumn").await;
    house.line.publish(&[spring(), "autumn".parse().unwrap()]).await.unwrap();
    house.desk.refresh().await;
    let catalogue = house.line.catalogue().await.unwrap();
    let list = house.get("/event/com/v1/list/event").await.json();
    let listed: Vec<_> =
        list["events"].as_array().unwrap().iter().map(|e| e["event"].as_str().unwrap()).collect();
    assert_eq!(listed, catalogue.iter().map(domain::EventId::as_str).collect::<Vec<_>>());
    let event = house.get("/event/com/v1/get/event/spring").await.json();
    assert_eq!((&event["title"]["en"], &event["page"]), (&json!("Spring special set"), &json!("/e/spring")));
    assert_eq!(house.get("/event/com/v1/get/event/none").await.problem(), (404, "unknown-event".into()));
}

#[tokio::test]
async fn the_clock_is_told_to_the_millisecond_and_never_kept() {
    let house = House::open().await;
    house.clock.advance(123);
    let answer = house.get("/event/com/v1/get/time/spring").await;
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.json()["server_time_ms"], OPENS + 1123);
}

#[tokio::test]
async fn a_settled_event_says_so() {
    let mut house = House::open().await;
    house.apply(PHONE, None).await;
    house.line.settle(&spring(), 1).await.unwrap();
    house.project(|p| (p.state, p.settled_seq) = (EventState::Settled, Some(1))).await;
    assert_eq!(house.get(PROGRESS).await.json()["state"], "settled");
}

#[tokio::test]
async fn a_started_desk_keeps_its_documents_fresh_and_stops_when_told() {
    let mut house = House::open().await;
    let listener = service::http::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let config = signup_service::Config { refresh_ms: 50, ..Default::default() };
    let (line, keys) = (house.line.clone(), crate::house::keys());
    let at = signup_service::start(config, line, keys, listener, &house.ctx).await.unwrap();
    let http = testkit::Http::new(format!("http://{at}"));
    assert_eq!(http.get(PROGRESS).await.unwrap().json()["paused"], false);
    house.project(|p| p.settings.release = Release::Paused).await;
    let seen = async { while http.get(PROGRESS).await.unwrap().json()["paused"] == false {} };
    tokio::time::timeout(std::time::Duration::from_secs(10), seen).await.unwrap();
    let ended = house.ctx.tasks.shut_down(std::time::Duration::from_secs(10)).await;
    assert!(matches!(ended, service::tasks::Ended::Cleanly), "{ended:?}");
}

#[tokio::test]
async fn every_route_of_the_api_is_described_by_the_rules_of_the_house() {
    let doc = signup_service::document();
    assert_eq!(service::openapi::uri_mistakes(&doc), Vec::<String>::new());
    assert_eq!(doc.paths.paths.len(), 8);
    let served = House::open().await.get("/openapi.json").await.json();
    assert_eq!(served["openapi"], "3.1.0");
    let apply = &served["paths"]["/application/com/v1/create/application/{event}"]["post"];
    assert_eq!(
        (&apply["operationId"], &apply["tags"][0]),
        (&json!("createApplication"), &json!("application"))
    );
    for status in ["200", "201", "400", "403", "404", "409", "410", "413", "415", "422", "503"] {
        assert!(apply["responses"][status].is_object(), "{status} is not described");
    }
}
