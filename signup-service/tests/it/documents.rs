//! The public documents: rendered by a refresh and served as they are.

use axum::body::Body;
use axum::http::Request;
use domain::event::Text;
use domain::{EventState, Release};
use queue::Projection;
use serde_json::json;

use crate::harness::{CLOSES, OPENS, PHONE, PROGRESS, SignupHarness, spring};

#[tokio::test]
async fn the_progress_document_has_every_field_that_a_page_needs() {
    let mut harness = SignupHarness::open().await;
    harness.apply_many(3).await;
    harness.admit_through(1).await;
    harness.clock.advance(500);
    harness
        .project(|p| {
            p.settings.pace = "0.25".parse().unwrap();
            p.settings.announcement = Text { ko: "천천히".into(), en: "Slowly".into() };
            (p.figures.sold, p.figures.held, p.figures.free) = (1, 0, 1);
        })
        .await;
    let response = harness.get(PROGRESS).await;
    assert_eq!(response.header("cache-control"), "public, max-age=1, stale-while-revalidate=4");
    let expected = json!({
        "event": "spring", "epoch": 1, "state": "open", "stock": "available", "capacity": 2, "sold": 1,
        "last_number": 3, "admitted_through": 1, "gaps": [], "pace": 0.25,
        "admission_rate": { "low": 0.175, "high": 0.25 }, "paused": false, "intake": true,
        "announcement": { "ko": "천천히", "en": "Slowly" }, "opens_at_ms": OPENS, "closes_at_ms": CLOSES,
        "poll": { "near_ms": 1000, "far_ms": 2000 }, "server_time_ms": OPENS + 1500, "ledger_age_ms": 1500,
    });
    assert_eq!(response.json(), expected);
}

#[tokio::test]
async fn the_public_keys_of_passes_are_served_where_tools_look_for_them() {
    let harness = SignupHarness::open().await;
    let response = harness.get("/.well-known/jwks.json").await;
    assert_eq!((response.status, response.header("content-type")), (200, "application/json"));
    assert_eq!(response.header("cache-control"), "public, max-age=300");
    let key = &response.json()["keys"][0];
    assert_eq!((&key["alg"], &key["kid"]), (&json!("EdDSA"), &json!("k1")));
}

#[tokio::test]
async fn a_poll_with_the_current_etag_gets_304_until_the_document_changes() {
    let mut harness = SignupHarness::open().await;
    let etag = harness.get(PROGRESS).await.header("etag").to_owned();
    let poll = async |harness: &SignupHarness, etag: &str| {
        let request = Request::get(PROGRESS).header("if-none-match", etag).body(Body::empty()).unwrap();
        harness.send(request).await
    };
    harness.clock.advance(300);
    harness.signup.refresh().await;
    let same = poll(&harness, &etag).await;
    assert_eq!((same.status, same.body.len(), same.header("etag")), (304, 0, etag.as_str()));
    harness.project(|p| p.settings.release = Release::Paused).await;
    let changed = poll(&harness, &etag).await;
    assert_eq!((changed.status, changed.json()["paused"].clone()), (200, json!(true)));
}

#[tokio::test]
async fn a_silent_ledger_changes_the_etag_every_five_seconds() {
    let harness = SignupHarness::open().await;
    let before = harness.get(PROGRESS).await.header("etag").to_owned();
    harness.clock.advance(5000);
    harness.signup.refresh().await;
    assert_ne!(harness.get(PROGRESS).await.header("etag"), before);
}

#[tokio::test]
async fn a_poll_does_not_read_the_queue() {
    let mut harness = SignupHarness::open().await;
    let before = harness.get(PROGRESS).await.body;
    // The queue changes; the document stays the same until the next refresh.
    let mut projection: Projection = harness.projection.clone();
    (projection.round, projection.figures.sold) = (90, 2);
    harness.queue.project(&spring(), 1, projection).await.unwrap();
    harness.clock.advance(100);
    assert_eq!(harness.get(PROGRESS).await.body, before);
    harness.projection.round = 91;
    harness.project(|_| ()).await;
    assert_ne!(harness.get(PROGRESS).await.body, before);
}

#[tokio::test]
async fn the_state_follows_the_clock_with_the_next_refresh() {
    let harness = SignupHarness::open().await;
    for (at, state) in [(OPENS - 1, "scheduled"), (OPENS, "open"), (CLOSES - 1, "open"), (CLOSES, "closed")] {
        harness.clock.set(at);
        harness.signup.refresh().await;
        assert_eq!(harness.get(PROGRESS).await.json()["state"], state);
    }
}

#[tokio::test]
async fn stock_is_sold_out_only_while_no_seat_is_free_or_held() {
    let mut harness = SignupHarness::open().await;
    for (free, held, stock) in [(0, 0, "sold_out"), (0, 1, "available"), (1, 0, "available")] {
        harness.project(|p| (p.figures.free, p.figures.held) = (free, held)).await;
        assert_eq!(harness.get(PROGRESS).await.json()["stock"], stock);
    }
}

#[tokio::test]
async fn every_document_is_503_until_the_queue_has_been_read() {
    let harness = SignupHarness::unarmed().await;
    harness.signup.refresh().await;
    for path in [
        PROGRESS,
        "/event/com/v1/get/event/spring",
        "/event/com/v1/list/event",
        "/event/com/v1/get/time/spring",
    ] {
        assert_eq!(harness.get(path).await.problem(), (503, "temporarily-unavailable".into()), "{path}");
    }
    assert!(!harness.ctx.health.readiness().ready);
    harness.arm("spring").await;
    harness.queue.publish(&[spring()]).await.unwrap();
    harness.signup.refresh().await;
    assert!(harness.ctx.health.readiness().ready);
    assert_eq!(harness.get(PROGRESS).await.status, 200);
}

#[tokio::test]
async fn an_unreadable_event_warns_and_leaves_the_others_in_service() {
    let harness = SignupHarness::unarmed().await;
    harness.arm("spring").await;
    harness.queue.publish(&[spring(), "summer".parse().unwrap()]).await.unwrap();
    harness.signup.refresh().await;
    let readiness = harness.ctx.health.readiness();
    assert!(
        readiness.ready && readiness.report.contains("[!]signup-documents summer"),
        "{}",
        readiness.report
    );
    assert_eq!(harness.get(PROGRESS).await.status, 200);
    let other = harness.get("/event/com/v1/get/progress/summer").await;
    assert_eq!(other.problem(), (503, "temporarily-unavailable".into()));
}

#[tokio::test]
async fn the_list_has_every_event_in_the_order_of_the_catalogue() {
    let harness = SignupHarness::open().await;
    harness.arm("autumn").await;
    harness.queue.publish(&[spring(), "autumn".parse().unwrap()]).await.unwrap();
    harness.signup.refresh().await;
    let catalogue = harness.queue.catalogue().await.unwrap();
    let list = harness.get("/event/com/v1/list/event").await.json();
    let listed: Vec<_> =
        list["events"].as_array().unwrap().iter().map(|e| e["event"].as_str().unwrap()).collect();
    assert_eq!(listed, catalogue.iter().map(domain::EventId::as_str).collect::<Vec<_>>());
    let event = harness.get("/event/com/v1/get/event/spring").await.json();
    assert_eq!((&event["title"]["en"], &event["page"]), (&json!("Spring special set"), &json!("/e/spring")));
    assert_eq!(harness.get("/event/com/v1/get/event/none").await.problem(), (404, "unknown-event".into()));
}

#[tokio::test]
async fn the_clock_is_exact_to_the_millisecond_and_never_cached() {
    let harness = SignupHarness::open().await;
    harness.clock.advance(123);
    let response = harness.get("/event/com/v1/get/time/spring").await;
    assert_eq!(response.header("cache-control"), "no-store");
    assert_eq!(response.json()["server_time_ms"], OPENS + 1123);
}

#[tokio::test]
async fn a_settled_event_has_the_state_settled() {
    let mut harness = SignupHarness::open().await;
    harness.apply(PHONE, None).await;
    harness.queue.settle(&spring(), 1).await.unwrap();
    harness.project(|p| (p.state, p.settled_seq) = (EventState::Settled, Some(1))).await;
    assert_eq!(harness.get(PROGRESS).await.json()["state"], "settled");
}

#[tokio::test]
async fn a_started_service_refreshes_its_documents_until_shutdown() {
    let mut harness = SignupHarness::open().await;
    let listener = service::http::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let config = signup_service::Config { refresh_ms: 50, ..Default::default() };
    let (queue, keys) = (harness.queue.clone(), crate::harness::keys());
    let at = signup_service::start(config, queue, keys, listener, &harness.ctx).await.unwrap();
    let http = testkit::HttpClient::new(format!("http://{at}"));
    assert_eq!(http.get(PROGRESS).await.unwrap().json()["paused"], false);
    harness.project(|p| p.settings.release = Release::Paused).await;
    let seen = async { while http.get(PROGRESS).await.unwrap().json()["paused"] == false {} };
    tokio::time::timeout(std::time::Duration::from_secs(10), seen).await.unwrap();
    let ended = harness.ctx.tasks.shut_down(std::time::Duration::from_secs(10)).await;
    assert!(matches!(ended, service::tasks::Shutdown::Clean), "{ended:?}");
}

#[tokio::test]
async fn every_route_of_the_api_is_described_and_follows_the_uri_rules() {
    let doc = signup_service::document();
    assert_eq!(service::openapi::url_violations(&doc), Vec::<String>::new());
    assert_eq!(doc.paths.paths.len(), 12);
    let served = SignupHarness::open().await.get("/openapi.json").await.json();
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
